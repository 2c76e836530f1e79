"""The value that everything about time reads: raw counter → UTC, with a bound."""

from dataclasses import dataclass
from enum import StrEnum

from agent.units import NS_PER_US, RawNs, UtcUs


class ClockState(StrEnum):
    """How far the mapping may be trusted.

    UNSYNC (no mapping to use) → SYNC (sources agree) ↔ DEGRADED (they do not) / HOLDOVER (they are silent).
    """

    UNSYNC = "UNSYNC"
    SYNC = "SYNC"
    DEGRADED = "DEGRADED"
    HOLDOVER = "HOLDOVER"


@dataclass(frozen=True, slots=True)
class Mapping:
    """UTC as a straight line over the raw counter; immutable, newer ones replace it.

    ``utc = utc0 + (raw − raw0)·(1 + freq)``; the true UTC lies within ``bound_us`` of it at raw0, and the
    bound grows by ``rho`` (a fraction, 1e-6 = 1 ppm) from there on, before raw0 as well as after it.
    """

    raw0: RawNs
    utc0_ns: int
    freq: float
    rho: float
    bound_us: float
    state: ClockState
    reason: str

    def utc_at(self, raw: RawNs) -> UtcUs:
        """The UTC instant at which the raw counter reads ``raw``."""
        elapsed = raw - self.raw0
        return UtcUs((self.utc0_ns + elapsed + round(elapsed * self.freq)) // NS_PER_US)

    def raw_at(self, utc: UtcUs) -> RawNs:
        """The reading of the raw counter at a UTC instant."""
        elapsed = utc * NS_PER_US - self.utc0_ns
        return RawNs(self.raw0 + round(elapsed - elapsed * self.freq / (1 + self.freq)))

    def bound_at_us(self, raw: RawNs) -> float:
        """How wrong ``utc_at(raw)`` may be at most, in microseconds."""
        return self.bound_us + abs(raw - self.raw0) / NS_PER_US * self.rho
