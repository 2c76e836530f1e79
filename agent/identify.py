"""Identify cues → the overlay that the player is told of: pure. They change nothing of what is shown below it."""

from collections.abc import Iterable

from agent.effects import Effect, Overlay
from agent.intake import Venue
from agent.messages import MAX_IDENTIFY_S, Cue, Identify, Play
from agent.player import wire
from agent.schedule import Agenda
from agent.units import US_PER_S, UtcUs


def ends_at(cue: Cue, cancels: Iterable[Cue], t: UtcUs) -> UtcUs:
    """When the overlay of an identify cue that is not taken back at `t` goes: its time over, expired, or cancelled.

    `cancels` are those that name it.
    """
    assert isinstance(cue.do, Identify), "only an identify cue has an overlay"
    taken_back = [cancel.at for cancel in cancels if cancel.at > t]
    return UtcUs(min([cue.at + cue.do.seconds * US_PER_S, cue.expires, *taken_back]))


def wanted(agenda: Agenda, venue: Venue, t: UtcUs) -> wire.Identify | None:
    """The overlay that is due, else the one that comes next; None when none does.

    Of several that are due the one with the greatest `(at, cue)` counts, as among all cues.
    """
    chosen: Cue | None = None
    for cue in agenda.overlays(UtcUs(t - MAX_IDENTIFY_S * US_PER_S)):
        if cue.at > t and chosen is not None:
            break
        if not agenda.cancelled(cue.cue, t) and t < ends_at(cue, agenda.cancels_of(cue.cue), t):
            chosen = cue
    if chosen is None:
        return None
    following = next(agenda.pending(t), None)
    return wire.Identify(
        venue=venue.name,
        zone=venue.timezone,
        at=chosen.at,
        until=ends_at(chosen, agenda.cancels_of(chosen.cue), t),
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

    def due(self, t: UtcUs) -> bool:
        """Whether an overlay that the player knows of lies over the picture."""
        return self._told is not None and self._told.at <= t < self._told.until

    def orders(self, agenda: Agenda | None, venue: Venue, t: UtcUs) -> list[Effect]:
        """What a player that is there has to be told now; `agenda` is None while nothing may be laid over."""
        order = wanted(agenda, venue, t) if agenda is not None else None
        if order == self._told:
            return []
        told, self._told = self._told, order
        if order is not None:
            return [Overlay(order)]
        if told is None or told.until <= t:  # the player has taken it away by itself
            return []
        return [Overlay(told.model_copy(update={"until": told.at}))]
