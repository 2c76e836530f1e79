"""The value that everything about time reads: raw counter → UTC, with a bound."""

from dataclasses import dataclass
from enum import StrEnum

from agent.units import NS_PER_US, US_PER_S, RawNs, UtcUs


class ClockState(StrEnum):
    """How far the mapping may be trusted.

    UNSYNC (no mapping to use) → SYNC (sources agree) ↔ DEGRADED (they do not) / HOLDOVER (they are silent).
    HOST: nothing but the host's own clock, for which nobody vouches.
    """

    UNSYNC = "UNSYNC"
    HOST = "HOST"
    SYNC = "SYNC"
    DEGRADED = "DEGRADED"
    HOLDOVER = "HOLDOVER"


@dataclass(frozen=True, slots=True)
class Mapping:
    """UTC as a straight line over the raw counter; immutable, newer ones replace it.

    ``utc = utc0 + (raw − raw0)·(1 + freq)``; the true UTC lies within ``bound_us`` of it at raw0, and the
    bound grows by ``rho`` (a fraction, 1e-6 = 1 ppm) from there on, before raw0 as well as after it.

    A leap second that is near lies in the mapping itself, so that starts behind it can be planned before it: at
    ``leap_at`` UTC stands still for ``leap_s`` seconds (1), or jumps ahead by one (−1). No instant comes twice, and
    what is due inside the second happens behind it.
    """

    raw0: RawNs
    utc0_ns: int
    freq: float
    rho: float
    bound_us: float
    state: ClockState
    reason: str
    leap_at: UtcUs | None = None
    leap_s: int = 0

    def _line_us(self, raw: RawNs) -> int:
        elapsed = raw - self.raw0
        return (self.utc0_ns + elapsed + round(elapsed * self.freq)) // NS_PER_US

    def utc_at(self, raw: RawNs) -> UtcUs:
        """The UTC instant at which the raw counter reads ``raw``."""
        line = self._line_us(raw)
        if self.leap_at is None or line < self.leap_at:
            return UtcUs(line)
        return UtcUs(max(self.leap_at, line - self.leap_s * US_PER_S))

    def raw_at(self, utc: UtcUs) -> RawNs:
        """The reading of the raw counter at a UTC instant."""
        line: int = utc
        if self.leap_at is not None and utc >= self.leap_at:
            line = max(self.leap_at, utc + self.leap_s * US_PER_S)
        elapsed = line * NS_PER_US - self.utc0_ns
        return RawNs(self.raw0 + round(elapsed - elapsed * self.freq / (1 + self.freq)))

    def stands_still(self, raw: RawNs) -> bool:
        """Whether ``raw`` lies inside an inserted leap second."""
        return self.leap_at is not None and 0 <= self._line_us(raw) - self.leap_at < self.leap_s * US_PER_S

    def bound_at_us(self, raw: RawNs) -> float:
        """How wrong ``utc_at(raw)`` may be at most, in microseconds."""
        return self.bound_us + abs(raw - self.raw0) / NS_PER_US * self.rho
