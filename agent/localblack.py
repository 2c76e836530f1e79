"""The wall dark by the hand of somebody who stands at it: pure.

A local black holds from the order until the order that ends it, which come through the player's own socket; no cue, no
lift of a panic, no clock and no restart ends it, and it ends no panic. It says what is shown: a panic to the slate that
comes meanwhile is dark here too, and counts again when the wall is given back. The player is told before the journal,
as with a panic (agent.alarm), which carries out the cover for both.
"""

from dataclasses import dataclass

from agent.effects import Effect, KeepLocal, Note
from agent.messages import Refusal
from agent.promises import Promises
from agent.told import LocalBlack
from agent.units import format_utc


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an order has got.

    `black`: what holds. `waiting`: the journal has not answered yet; `unkept`: why it is on no disk. `dark`: the player
    has covered the wall; `fault`: why there is no player. `panic`: the id of one that holds as well.
    """

    black: LocalBlack | None
    waiting: bool
    unkept: Refusal | None
    dark: bool
    fault: Refusal | None
    panic: str | None


def black_short(black: LocalBlack | None) -> Refusal | None:
    """Why no cue is shown while somebody at the wall has it black; None while nobody has."""
    if black is None:
        return None
    when = f"since {format_utc(black.since)[:19]}Z" if black.since is not None else "since a time that was not known"
    remedy = "the wall joins what is cued once 'sudo framezero local resume' is given there"
    return Refusal(code="local_black", detail=f"{black.by} has this wall black, {when}; {remedy}")


class AtTheWall:
    """Whether somebody there has the wall black."""

    def __init__(self, promises: Promises) -> None:
        self._promises = promises
        self.black: LocalBlack | None = None

    def restore(self, black: LocalBlack) -> None:
        """Take again what the journal kept."""
        self.black = black

    def order(self, black: LocalBlack | None) -> list[Effect]:
        """Have the wall black, or (None) give it back; a second order of a kind changes nothing, nor who gave it."""
        if (black is None) == (self.black is None):
            return []
        ended, self.black = self.black, black
        self._promises.ordered(KeepLocal(black).key)
        who = black or ended
        assert who is not None, "one of them is there"
        note = Note("warning", "local black" if black else "local black ended", (("begun_by", who.by),))
        return [KeepLocal(black), note]

    def standing(self, *, dark: bool, fault: Refusal | None, panic: str | None) -> Standing:
        """How far the last order has got; the rest is what others know."""
        key = KeepLocal(self.black).key
        return Standing(self.black, self._promises.waiting(key), self._promises.short(key), dark, fault, panic)
