"""Panics and lifts → what holds at this venue: pure, and the same whatever arrived when.

A panic holds from its receipt until a lift names its id; nothing else ends it, no clock and no restart. Of several that
hold the one with the greatest `(issued, panic)` says what is shown; the others go on below it and need lifts of
their own. A lift counts for its panic whichever of the two comes first, and for ever, so that an old panic that a
broker (or an enemy) sends again does not come back. Panic and lift count at the venues that they name.

The topic keeps only its last message. A venue whose session the broker still has (8 days) gets all of them; one that is
new, or was away for longer, knows only the last: the newest panic, or that it is lifted.
"""

from agent.messages import Panic, Uuid
from agent.units import UtcUs


class Panics:
    """All panics and lifts that a venue has taken. Few come in a year, so none is ever forgotten."""

    def __init__(self) -> None:
        self._panics: dict[Uuid, tuple[Panic, str]] = {}
        self._lifts: dict[Uuid, str] = {}
        self.holding: Panic | None = None
        """The panic that says what is shown; None when all is well. Kept at hand: it is asked for with every event."""

    def begin(self, panic: Panic, digest: str) -> None:
        """Take a panic with its sha256; of two under one id the smaller hash counts, everywhere."""
        known = self._panics.get(panic.panic)
        if known is not None and digest >= known[1]:
            return
        self._panics[panic.panic] = (panic, digest)
        if known is not None:
            self._find()
        elif panic.panic not in self._lifts:
            self.holding = max(filter(None, (self.holding, panic)), key=_rank)

    def lift(self, panic: Uuid, digest: str) -> None:
        """Take the lift of a panic, be that known yet or not."""
        self._lifts[panic] = digest
        if self.holding is not None and self.holding.panic == panic:
            self._find()

    def digest(self, panic: Uuid) -> str | None:
        """The sha256 of the panic that counts under an id; None where none is known."""
        return self._panics[panic][1] if panic in self._panics else None

    def lift_digest(self, panic: Uuid) -> str | None:
        """The sha256 of the lift of this panic that came last; None where it is not lifted."""
        return self._lifts.get(panic)

    def _find(self) -> None:
        held = (panic for panic, _ in self._panics.values() if panic.panic not in self._lifts)
        self.holding = max(held, key=_rank, default=None)


def _rank(panic: Panic) -> tuple[UtcUs, Uuid]:
    return panic.issued, panic.panic
