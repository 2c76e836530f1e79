"""Which frame was seen when: mpv's word for what, the display's for when. Pure.

`time-pos` steps when mpv queues a frame, some 10 to 17 ms before its flip (playback.md); the eye says when pixels
changed, but not to what: to the frame that was queued last before. The eye looks at every third frame only, so that
looking costs little, and on a machine with several walls does not disturb what it looks at. Where there is no eye, a
flip is taken to come a constant time after the queueing: the median over the first frames, whose lateness is known.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from agent.player.trim import Trim
from agent.units import NS_PER_US, RawNs

CALIBRATION_FRAMES = 8
FIRST_LOOKS = 6
EVERY = 3


class Seen(NamedTuple):
    """A frame, by its position in the film, and when it came to be seen."""

    raw: RawNs
    position_us: float


@dataclass(slots=True)
class FrameWatch:
    """The frames of one start, behind the one that it began with. `due_raw` is the instant of that one.

    `frame_us` is 0 where the film has no constant rate: then nobody knows which frames are missing. `frames` counts all
    that were queued. `alive_raw` is the last sign of life. `salt` moves the frames that are looked at, so that walls
    on one machine look at different ones. While it is `blind`, something else is drawn over the film: a flip is taken
    to come as long after its queueing as those that were seen last.
    """

    due_raw: RawNs
    position_us: int
    frame_us: float
    trim: Trim
    has_eye: bool
    alive_raw: RawNs
    salt: int = 0
    frames: int = 0
    dropped: int = 0
    blind: bool = False
    _number: int = 0
    _newest_us: float = 0.0
    _looking: Seen | None = None
    _seen: deque[Seen] = field(default_factory=deque)
    _leads_ns: list[float] = field(default_factory=list)

    def queued(self, raw: RawNs, position_us: float) -> None:
        """Mpv has put a frame in line."""
        if position_us <= self.position_us + 1:
            return  # the frame that it began with, seen before it ran
        self.alive_raw = raw
        before_us, self._newest_us = self._newest_us or self.position_us, position_us
        self._looking = None
        self.frames += 1
        self._number += 1
        if self.frame_us:
            self.dropped += max(0, round((position_us - before_us) / self.frame_us) - 1)
        if not self.has_eye:
            self._assume(raw, position_us)
        elif self.blind:
            if self._leads_ns:
                self._seen.append(Seen(RawNs(raw + round(median(self._leads_ns))), position_us))
        elif self._number <= FIRST_LOOKS or (self._number + self.salt) % EVERY == 0:
            self._looking = Seen(raw, position_us)

    @property
    def looking(self) -> bool:
        """Whether the eye should be open: the next change of pixels is a frame to be looked at."""
        return self._looking is not None

    def flipped(self, raw: RawNs) -> None:
        """Pixels have changed."""
        if self._looking is not None and not self.blind and raw > self._looking.raw:
            self._seen.append(Seen(raw, self._looking.position_us))
            self._leads_ns = [*self._leads_ns[1 - CALIBRATION_FRAMES :], raw - self._looking.raw]
            self._looking = None

    def _assume(self, raw: RawNs, position_us: float) -> None:
        if len(self._leads_ns) < CALIBRATION_FRAMES:
            due_ns = self.due_raw + (position_us - self.position_us + self.trim.left_us(raw)) * NS_PER_US
            self._leads_ns.append(due_ns - raw)
        self._seen.append(Seen(RawNs(raw + round(median(self._leads_ns))), position_us))

    def take(self) -> list[Seen]:
        """The frames that were looked at since the last time."""
        seen = list(self._seen)
        self._seen.clear()
        return seen
