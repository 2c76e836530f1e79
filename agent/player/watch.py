"""Which frame was seen when: mpv's word for what, the display's for when. Pure.

`time-pos` steps when mpv queues a frame, some 10 to 17 ms before its flip (playback.md); the eye says when pixels
changed, but not to what. A change shows the frame that was queued last before it. Where there is no eye, the flip is
taken to come a constant time after the queueing: the median over the film's first frames, whose lateness is known.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from agent.player.trim import Trim
from agent.units import NS_PER_US, RawNs

CALIBRATION_FRAMES = 8


class Seen(NamedTuple):
    """A frame, by its position in the film, and when it came to be seen."""

    raw: RawNs
    position_us: float


@dataclass(slots=True)
class FrameWatch:
    """The frames of one start, behind the one that it began with. `due_raw` is the instant of that one.

    `frame_us` is 0 where the film has no constant rate: then nobody knows which frames are missing. `alive_raw` is the
    last sign of life. While it is `blind`, since something else is drawn over the film, nothing is counted.
    """

    due_raw: RawNs
    position_us: int
    frame_us: float
    trim: Trim
    has_eye: bool
    alive_raw: RawNs
    dropped: int = 0
    blind: bool = False
    _newest_us: float = 0.0
    _queue: deque[Seen] = field(default_factory=deque)
    _seen: list[Seen] = field(default_factory=list)
    _leads_ns: list[float] = field(default_factory=list)

    def queued(self, raw: RawNs, position_us: float) -> None:
        """Mpv has put a frame in line."""
        if position_us <= self.position_us + 1:
            return  # the frame that it began with, seen before it ran
        self.alive_raw = raw
        before_us, self._newest_us = self._newest_us or self.position_us, position_us
        if self.blind:
            self._queue.clear()
            return
        if self.frame_us:
            self.dropped += max(0, round((position_us - before_us) / self.frame_us) - 1)
        if self.has_eye:
            self._queue.append(Seen(raw, position_us))
        else:
            self._assume(raw, position_us)

    def flipped(self, raw: RawNs) -> None:
        """Pixels have changed."""
        shown: Seen | None = None
        while self._queue and self._queue[0].raw < raw:
            self.dropped += shown is not None
            shown = self._queue.popleft()
        if shown is not None:  # else it is a picture drawn again
            self.alive_raw = raw
            self._seen.append(Seen(raw, shown.position_us))

    def _assume(self, raw: RawNs, position_us: float) -> None:
        if len(self._leads_ns) < CALIBRATION_FRAMES:
            due_ns = self.due_raw + (position_us - self.position_us + self.trim.left_us(raw)) * NS_PER_US
            self._leads_ns.append(due_ns - raw)
        self._seen.append(Seen(RawNs(raw + round(median(self._leads_ns))), position_us))

    def take(self) -> list[Seen]:
        """The frames that were seen since the last time."""
        seen, self._seen = self._seen, []
        return seen
