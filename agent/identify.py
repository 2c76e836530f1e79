"""Identify cues → the overlay that the player is told of: pure. They change nothing of what is shown below it."""

from collections.abc import Iterable, Sequence

from agent import schedule
from agent.effects import Effect, Overlay
from agent.intake import Venue
from agent.messages import Cancel, Cue, Identify, Play
from agent.player import wire
from agent.units import US_PER_S, UtcUs


def ends_at(cue: Cue, cues: Iterable[Cue], t: UtcUs) -> UtcUs:
    """When the overlay of an identify cue that is not taken back at `t` goes: its time over, expired, or cancelled."""
    assert isinstance(cue.do, Identify), "only an identify cue has an overlay"
    cancels = [c.at for c in cues if isinstance(c.do, Cancel) and c.do.cue == cue.cue and c.at > t]
    return UtcUs(min([cue.at + cue.do.seconds * US_PER_S, cue.expires, *cancels]))


def wanted(cues: Sequence[Cue], venue: Venue, t: UtcUs) -> wire.Identify | None:
    """The overlay that is due, else the one that comes next; None when none does.

    Of several that are due the one with the greatest `(at, cue)` counts, as among all cues.
    """
    gone = schedule.cancelled(cues, t)
    kept = [c for c in cues if isinstance(c.do, Identify) and c.cue not in gone and t < ends_at(c, cues, t)]
    if not kept:
        return None
    due = [cue for cue in kept if cue.at <= t]
    key = lambda cue: (cue.at, cue.cue)  # noqa: E731 - one order for both
    chosen = max(due, key=key) if due else min(kept, key=key)
    following = next(iter(schedule.pending(cues, t)), None)
    return wire.Identify(
        venue=venue.name,
        zone=venue.timezone,
        at=chosen.at,
        until=ends_at(chosen, cues, t),
        next_at=following.at if following else None,
        next_what=_words(following) if following else "",
    )


def _words(cue: Cue) -> str:
    if isinstance(cue.do, Play):
        return f"{'hold' if cue.do.held else 'play'} {cue.do.program}"
    return cue.do.action


class Overlays:
    """What the player has been told of overlays."""

    def __init__(self) -> None:
        self._told: wire.Identify | None = None

    def heard(self, report: wire.Report) -> None:
        """Take what the player says: another process knows of no overlay."""
        if isinstance(report, wire.Hello | wire.Failed):
            self._told = None

    def orders(self, cues: Sequence[Cue], venue: Venue, t: UtcUs) -> list[Effect]:
        """What a player that is there has to be told now."""
        order = wanted(cues, venue, t)
        if order == self._told:
            return []
        told, self._told = self._told, order
        if order is not None:
            return [Overlay(order)]
        if told is None or told.until <= t:  # the player has taken it away by itself
            return []
        return [Overlay(told.model_copy(update={"until": told.at}))]
