"""What time it really is, at a desk whose own clock need not be right. Pure.

The walls know the time, each within a bound of its own, and an ask and its answer carry it here as an exchange of NTP
does: the wall's word lies between the sending and the arrival (RFC 5905, section 8). What comes out is where UTC stands
against this computer's monotonic clock, which nobody sets: a correction of the computer's clock changes nothing here.
"""

from dataclasses import dataclass

from agent.units import US_PER_S, UtcUs

DRIFT = 100e-6
"""A computer's crystal is off by less (RFC 5905 reckons with 15 ppm, a bad one has 100)."""

REMEMBERED = 8
"""So many walls are asked; a venue that lies is outvoted by the others."""

OLD_S = 900.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """One exchange with a wall: UTC was monotonic + `base_us`, within `error_us`, at monotonic `at_s`."""

    venue: str
    base_us: int
    error_us: int
    at_s: float

    def error_at(self, now_s: float) -> float:
        """How far it may be off by now."""
        return self.error_us + max(0.0, now_s - self.at_s) * DRIFT * US_PER_S


@dataclass(frozen=True, slots=True)
class Fix:
    """The best that is known: UTC is monotonic + `base_us`, within `error_us`, as `venue` says."""

    base_us: int
    error_us: int
    venue: str

    def judge(self, own: UtcUs, mono_us: int) -> UtcUs:
        """UTC at monotonic `mono_us`, where this computer's clock shows `own`: that, unless the walls know it wrong."""
        told = UtcUs(self.base_us + mono_us)
        return own if abs(told - own) <= self.error_us else told


def sighting(venue: str, told: UtcUs, bound_us: int, sent_s: float, came_s: float) -> Sighting:
    """What an answer tells that was asked for at `sent_s` and was here at `came_s` (monotonic)."""
    middle_us = round((sent_s + came_s) / 2 * US_PER_S)
    way_us = round((came_s - sent_s) / 2 * US_PER_S)
    return Sighting(venue, told - middle_us, way_us + bound_us, came_s)


class HouseClock:
    """The best sighting of each of some walls, and what most of them agree on."""

    def __init__(self) -> None:
        self._by_venue: dict[str, Sighting] = {}

    def take(self, found: Sighting) -> None:
        """Note an exchange; of one wall the best counts, as far as it has not grown old."""
        known = self._by_venue.get(found.venue)
        if known is not None and known.error_at(found.at_s) < found.error_us and found.at_s - known.at_s < OLD_S:
            return
        self._by_venue[found.venue] = found
        if len(self._by_venue) > REMEMBERED:
            del self._by_venue[min(self._by_venue, key=lambda venue: self._by_venue[venue].at_s)]

    def fix(self, now_s: float) -> Fix | None:
        """The best of those that most agree with; None where nobody knows, or where no majority agrees."""
        found = list(self._by_venue.values())
        spans = [(one.base_us - one.error_at(now_s), one.base_us + one.error_at(now_s)) for one in found]
        best: list[Sighting] = []
        for low, _ in spans:
            agreeing = [one for one, (start, end) in zip(found, spans, strict=True) if start <= low <= end]
            if len(agreeing) > len(best):
                best = agreeing
        if not best or 2 * len(best) <= len(found):
            return None
        chosen = min(best, key=lambda one: one.error_at(now_s))
        return Fix(chosen.base_us, round(chosen.error_at(now_s)), chosen.venue)

    @property
    def disagreement(self) -> bool:
        """Whether walls were asked and no majority of them agrees."""
        latest_s = max((one.at_s for one in self._by_venue.values()), default=0.0)
        return bool(self._by_venue) and self.fix(latest_s) is None
