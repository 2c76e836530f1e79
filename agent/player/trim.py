"""Taking out a start's own lateness, which is known: pure.

A film's phase is that of the moment in which mpv took the order to run; from the pixels, all of its frames are that
much late, plus a constant of mpv's own (measured: correlation 0.99, standard deviation 0.12 ms over 50 starts). So the
film runs a little faster for half a second. Silent films only: with sound each change of speed costs about 10 ms.
"""

from dataclasses import dataclass

from agent.units import NS_PER_US, RawNs

MPV_LATE_US = 300
TRIM_US = 500_000
MOST = 0.01
"""1 % for half a second is 5 ms; a longer lateness takes longer, nothing faster would stay unseen."""


@dataclass(frozen=True, slots=True)
class Trim:
    """Run at `speed` from `begin` to `end`; `late_us` is what that takes out."""

    late_us: int
    speed: float
    begin: RawNs
    end: RawNs

    def left_us(self, raw: RawNs) -> float:
        """How late the film still is, if all goes as it should."""
        share = (raw - self.begin) / max(1, self.end - self.begin)
        return self.late_us * (1 - min(1.0, max(0.0, share)))


def trim_of(go_us: int, now: RawNs) -> Trim:
    """The trim for a film that was let go so long after its instant."""
    late_us = go_us + MPV_LATE_US
    length_us = max(TRIM_US, round(late_us / MOST))
    return Trim(late_us, 1 + late_us / length_us, now, RawNs(now + length_us * NS_PER_US))


def untrimmed(now: RawNs) -> Trim:
    """For a film whose speed is left alone."""
    return Trim(0, 1.0, now, now)
