"""How a cue's films ran on this wall: the last minute for the status, each minute for the as-run record. Pure."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from agent.player.wire import Running
from agent.told import ErrorSpread, ErrorWindow
from agent.units import US_PER_S, UtcUs

MINUTE_US = 60 * US_PER_S


@dataclass(slots=True)
class Count:
    """What was shown since `since`."""

    since: UtcUs
    errors_us: list[int] = field(default_factory=list)
    frames: int = 0
    dropped: int = 0
    late: int = 0
    trims: int = 0
    reanchors: int = 0

    def add(self, running: Running) -> None:
        """A further second."""
        self.errors_us += running.errors_us
        self.frames += running.frames
        self.dropped += running.dropped
        self.late += running.late
        self.trims += running.trims

    def spread(self) -> ErrorSpread | None:
        """The frames' errors; None where none was seen."""
        return spread_of(self.errors_us)


@dataclass(slots=True)
class Tally:
    """One cue, from its first start on this wall on; `dropped`, `late` and `reanchors` count since then."""

    minute: Count
    dropped: int = 0
    late: int = 0
    reanchors: int = 0
    _last: deque[tuple[UtcUs, list[int]]] = field(default_factory=deque)

    def heard(self, running: Running, now: UtcUs) -> None:
        """What the player says each second."""
        self.minute.add(running)
        self.dropped += running.dropped
        self.late += running.late
        self._last.append((now, running.errors_us))
        while self._last[0][0] < now - MINUTE_US:
            self._last.popleft()

    def reanchored(self) -> None:
        """The film was joined anew."""
        self.reanchors += 1
        self.minute.reanchors += 1

    def lap(self, now: UtcUs, *, end: bool = False) -> Count | None:
        """The minute that is over, or with `end` what there is of it; a new one begins."""
        if not end and now < self.minute.since + MINUTE_US:
            return None
        done, self.minute = self.minute, Count(now)
        return done

    def window(self) -> ErrorWindow | None:
        """The errors of the last minute; None before the first."""
        spread = spread_of([error for _, errors in self._last for error in errors])
        if spread is None:
            return None
        seconds = (self._last[-1][0] - self._last[0][0]) // US_PER_S + 1
        return ErrorWindow(median=spread.median, p99=spread.p99, window_s=min(60, seconds))


def spread_of(errors_us: Sequence[int]) -> ErrorSpread | None:
    """Signed median, and percentiles of the absolute errors."""
    if not errors_us:
        return None
    far = sorted(abs(error) for error in errors_us)

    def at(share: float) -> int:
        return far[min(len(far) - 1, int(share * len(far)))]

    return ErrorSpread(median=round(median(errors_us)), p95=at(0.95), p99=at(0.99), max=far[-1])
