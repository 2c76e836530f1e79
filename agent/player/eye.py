"""The eye: when pixels of the screen change, by the X server's own word (the DAMAGE extension on the root window).

mpv says when it queues a frame, never when it is seen. The server reports each change of the screen as it makes it.
A connection of its own, read raw, keeps an event at some ten microseconds; python-xlib's decoding took 0.2 ms.
"""

import logging
import os
import select

from Xlib import display as xdisplay
from Xlib import error as xerror
from Xlib.ext import damage

from agent.clock.kernel import raw_now_ns
from agent.units import RawNs

log = logging.getLogger(__name__)  # a library that makes it pretty would be half of what this process loads

READ_BYTES = 32 * 256  # every event of the X protocol has 32 bytes


class Eye:
    """Watches one screen. What is seen is stamped when it is read, so it has to be read at once."""

    def __init__(self, name: str) -> None:
        self._x = xdisplay.Display(name)
        self._x.damage_query_version()
        # One event for the first change, and no more until it is subtracted.
        self._damage = self._x.screen().root.damage_create(damage.DamageReportNonEmpty)
        self._x.sync()

    def fileno(self) -> int:
        """What becomes readable when pixels changed."""
        return int(self._x.fileno())

    def look(self) -> RawNs:
        """Take what is there to be read: pixels changed just now. Raises ConnectionError."""
        data = os.read(self.fileno(), READ_BYTES)
        if not data:
            raise ConnectionError("the X server has closed the connection")
        return raw_now_ns()

    def wait(self, until: RawNs) -> RawNs | None:
        """The next change, or None when there is none until then."""
        while (left_ns := until - raw_now_ns()) > 0:
            if select.select([self.fileno()], [], [], left_ns / 1e9)[0]:
                return self.look()
        return None

    def watch(self, until: RawNs, spin_ns: int) -> RawNs | None:
        """As `wait`, and punctual: the last nanoseconds before `until` are spun, as in instant.wait_until."""
        seen = self.wait(RawNs(until - spin_ns))
        while seen is None and raw_now_ns() < until:
            if select.select([self.fileno()], [], [], 0)[0]:
                seen = self.look()
        return seen

    def open(self) -> None:
        """Pass over what has been seen up to now: the next change will be told. Raises ConnectionError.

        A round trip to the server.
        """
        try:
            self._x.damage_subtract(self._damage)
            self._x.sync()
        except xerror.ConnectionClosedError as error:
            raise ConnectionError("the X server has closed the connection") from error
        while select.select([self.fileno()], [], [], 0)[0]:
            self.look()


def open_eye(name: str) -> Eye | None:
    """An eye on a screen, None where the X server has no DAMAGE extension: frames are then judged by mpv's word."""
    try:
        return Eye(name)
    except (AttributeError, xerror.XError, xerror.DisplayError, OSError) as error:
        log.warning("the display does not tell when it changes (%s); frames are judged by mpv's word", error)
        return None
