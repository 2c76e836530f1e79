"""What is told of each cue on its way: accepted, armed, started, missed, cancelled, superseded. Pure.

What is told costs nothing where nothing is new: of all the cues that wait only those are looked at that have just
come, whose instant has come, or that a cancel names; and all of them when something changes that keeps cues from being
ready.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from agent import identify
from agent.effects import Acknowledge, Effect, Now
from agent.ledger import Entry, Ledger
from agent.library import Library
from agent.messages import Cancel, Cue, Identify, Play, Refusal
from agent.planner import World, readiness
from agent.promises import Promises
from agent.schedule import ProgramKey, program_key
from agent.teller import Teller
from agent.told import Stage

MISS_AFTER_US = 250_000
SAME_ID = Refusal(
    code="same_id",
    detail="another cue under this id has the smaller sha256, so it counts at every venue; send this under a new id",
)


@dataclass(frozen=True, slots=True)
class Shorts:
    """What keeps every cue from being shown as things are, whatever it plays; None where nothing does."""

    hidden: Refusal | None
    clock: Refusal | None
    display: Refusal | None


class Stages:
    """The acks of one venue's cues."""

    def __init__(self, teller: Teller, ledger: Ledger, library: Library, promises: Promises) -> None:
        self._teller = teller
        self._ledger = ledger
        self._library = library
        self._promises = promises
        self._readiness: dict[ProgramKey, Refusal | None] = {}
        self._readiness_of: Hashable = None
        self._judged: Hashable = None

    def once(
        self, entry: Entry | None, stage: Stage, now: Now, refusal: Refusal | None = None, **more: Any
    ) -> list[Effect]:
        """Acknowledge a stage that was not yet told; after `started` only what ends the cue is news."""
        if entry is None or stage in entry.told or (stage in {"armed", "missed"} and "started" in entry.told):
            return []
        entry.told.add(stage)
        ack = self._teller.ack(entry.cue.cue, stage, now, refusal, **more)
        if self._promises.waiting(_key(entry.cue)):
            entry.withheld.append(ack)
            return []
        return [ack]

    def ready(self, world: World, key: ProgramKey, films: int) -> Refusal | None:
        """Why a program could not be shown, apart from clock and display; `films` counts what was heard of films."""
        stamp = (self._library.changes, films, self._promises.changes)
        if stamp != self._readiness_of:
            self._readiness, self._readiness_of = {}, stamp
        if key not in self._readiness:
            unkept = self._promises.short(f"program/{key[0]}/{key[1]}")
            self._readiness[key] = readiness(world, key) or unkept or world.conflicts.get(key)
        return self._readiness[key]

    # --- accepted -----------------------------------------------------------------------------

    def accepted(self, world: World, shorts: Shorts, films: int, now: Now) -> list[Effect]:
        """Say of new cues whether they are ready, and of all others where that has changed."""
        codes = tuple(short.code if short else "" for short in (shorts.hidden, shorts.clock, shorts.display))
        stamp = (codes, self._library.changes, films, self._promises.changes)
        entries = list(self._ledger.fresh.values() if stamp == self._judged else self._ledger.entries())
        self._judged = stamp
        effects: list[Effect] = []
        for entry in entries:
            first = "accepted" not in entry.told
            if entry.restored or self._waits(entry.cue):
                continue
            self._ledger.fresh.pop(entry.cue.cue, None)
            if entry.settled and not first:
                continue
            short = self._short(world, entry.cue, shorts, films)
            changed = (short.code if short else None) != (entry.short.code if entry.short else None)
            if first or changed:
                entry.told.add("accepted")
                entry.short = short
                effects.append(self._teller.ack(entry.cue.cue, "accepted", now, short, ready=short is None))
            effects += entry.withheld
            entry.withheld = []
        return effects

    def _waits(self, cue: Cue) -> bool:
        """Whether the journal has not said yet that a cue, or its program, is on the disk."""
        return self._promises.waiting(_key(cue)) or (
            isinstance(cue.do, Play) and self._promises.waiting(f"program/{cue.do.program}/{cue.do.rev}")
        )

    def _short(self, world: World, cue: Cue, shorts: Shorts, films: int) -> Refusal | None:
        """Why a cue could not be shown as things are, or not after a restart."""
        if isinstance(cue.do, Cancel):
            return self._promises.short(_key(cue))
        program = self.ready(world, program_key(cue), films) if isinstance(cue.do, Play) else None
        return shorts.hidden or program or shorts.clock or shorts.display or self._promises.short(_key(cue))

    # --- what became of it --------------------------------------------------------------------

    def wake(self, world: World, now: Now) -> None:
        """With the time the cues that the journal kept become news, but for what they have had before the restart."""
        assert now.utc is not None, "called with a time"
        ledger = self._ledger
        if not ledger.restored:
            return
        wanted = world.agenda.wanted_at(now.utc)
        ledger.fresh |= ledger.restored
        restored, ledger.restored = ledger.restored, {}
        for entry in restored.values():
            entry.restored = False
            if entry.cue.at > now.utc:
                continue
            if wanted is not None and wanted.cue == entry.cue.cue:
                entry.told.add("missed")
            else:
                entry.told |= {"accepted", "missed", "superseded", "cancelled"}
            if isinstance(entry.cue.do, Identify):
                entry.told.add("started")

    def settle(self, world: World, shorts: Shorts, films: int, player: bool, now: Now) -> list[Effect]:
        """Say what became of cues whose instant has passed; `player`: there is one that shows overlays."""
        assert now.utc is not None, "called with a time"
        effects: list[Effect] = []
        ledger, agenda = self._ledger, world.agenda
        ledger.recheck |= {entry.cue.do.cue for entry in ledger.begin(now.utc) if isinstance(entry.cue.do, Cancel)}
        for cue_id in ledger.recheck:
            if agenda.cancelled(cue_id, now.utc):
                effects += self.once(ledger.get(cue_id), "cancelled", now)
        ledger.recheck.clear()
        wanted = agenda.wanted_at(now.utc)
        if wanted is not None and (holding := ledger.get(wanted.cue)) is not None:
            ledger.open[wanted.cue] = holding  # maybe once more, when what was over it has expired
        for cue_id, entry in list(ledger.open.items()):
            cue = entry.cue
            if cue.at > now.utc:  # the clock was set back
                continue
            if isinstance(cue.do, Cancel) or agenda.cancelled(cue_id, now.utc):
                del ledger.open[cue_id]
            elif isinstance(cue.do, Identify):
                effects += self._identified(entry, world, shorts, player, now)
                if entry.told & {"started", "missed"}:
                    del ledger.open[cue_id]
            elif wanted is not None and cue_id != wanted.cue:
                effects += self.once(entry, "superseded", now)
                del ledger.open[cue_id]
            elif wanted is not None and cue.at < now.utc - MISS_AFTER_US:
                late = Refusal(code="late", detail="it came after its instant; the wall joins at the right frame")
                short = self._short(world, cue, shorts, films)
                effects += self.once(entry, "missed", now, short or late)
        return effects

    def _identified(self, entry: Entry, world: World, shorts: Shorts, player: bool, now: Now) -> list[Effect]:
        """The overlay is taken for shown when its instant has come and there is a player that shows it."""
        assert now.utc is not None, "called with a time"
        cue = entry.cue
        if now.utc >= identify.ends_at(cue, world.agenda.cancels_of(cue.cue), now.utc):
            late = Refusal(code="late", detail="its time was over when it came; send it again for a later instant")
            return self.once(entry, "missed", now, shorts.hidden or shorts.clock or shorts.display or late)
        if not player or world.instead is not None:
            return []
        return self.once(entry, "started", now, None, due=cue.at, joined=cue.at < now.utc - MISS_AFTER_US)

    def ousted(self, entry: Entry, now: Now) -> Acknowledge:
        """Another body under its id keeps a cue out that was accepted here, and is for other venues, or has expired."""
        return self._teller.ack(entry.cue.cue, "cancelled", now, SAME_ID)


def _key(cue: Cue) -> str:
    return f"cue/{cue.cue}"
