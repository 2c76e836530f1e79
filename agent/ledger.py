"""The cues of a venue, what has been told about each, and the ids of all cues of the show: pure.

Every stage is told once: accepted may be told again when readiness changes; armed, started, missed, cancelled and
superseded once each.

Of two bodies under one id the smaller sha256 counts, at every venue. So a venue remembers the ids of cues that name
other venues too, and for as long as any body that it has seen under an id could still come back: a body that lost must
not be taken for a new one after the winner has expired.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.effects import Acknowledge
from agent.messages import Cue, Refusal
from agent.schedule import Agenda
from agent.told import Stage
from agent.trust import KeyId
from agent.units import UtcUs

MOST_CUES = 10_000
"""So many cues wait at a venue at most; cancels are taken up to twice as many."""

MOST_IDS = 50_000
"""So many ids without a cue here are remembered at most; beyond that the one that ends first is given up."""


@dataclass(slots=True)
class Entry:
    """One cue that this venue has taken, and the keys that signed it.

    `restored`: the journal had it, and what became of it is not looked at yet. `withheld`: what is told when
    `accepted` has been, which waits for the journal.
    """

    cue: Cue
    digest: str
    told: set[Stage] = field(default_factory=set)
    restored: bool = False
    signers: frozenset[KeyId] = frozenset()
    short: Refusal | None = None
    withheld: list[Acknowledge] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Whether its instant has had its answer."""
        return bool(self.told & {"started", "missed", "cancelled", "superseded"})


@dataclass(frozen=True, slots=True)
class Memory:
    """Which body counts under an id, by its hash, and until when that has to be known."""

    digest: str
    until: UtcUs
    signers: frozenset[KeyId]


class Ledger:
    """All cues that count here, and all ids that are taken.

    `fresh` are cues of which nothing has been told yet, `restored` those that wait for the time; `open` those whose
    instant has come and that may still have an answer to get; `recheck` names cues that a cancel may have taken back
    just now.
    """

    def __init__(self) -> None:
        self.agenda = Agenda()
        self.fresh: dict[str, Entry] = {}
        self.restored: dict[str, Entry] = {}
        self.open: dict[str, Entry] = {}
        self.recheck: set[str] = set()
        self._entries: dict[str, Entry] = {}
        self._to_come: list[tuple[UtcUs, str]] = []
        self._ids: dict[str, Memory] = {}
        self._ends: list[tuple[UtcUs, str]] = []  # of the ids

    def get(self, cue: str) -> Entry | None:
        """The entry of a cue, if it counts here."""
        return self._entries.get(cue)

    def entries(self) -> Iterable[Entry]:
        """Every entry."""
        return self._entries.values()

    def put(self, cue: Cue, digest: str, signers: frozenset[KeyId] = frozenset(), *, restored: bool = False) -> Entry:
        """Take a cue; an entry under the same id is replaced."""
        entry = Entry(cue, digest, restored=restored, signers=signers)
        self._take_in(entry)
        return entry

    def drop(self, cue: str) -> None:
        """A cue counts no longer, and its id is free."""
        self._take_out(cue)
        self._forget(cue)

    def restore(self, entry: Entry) -> bool:
        """A cue counts again as it did; false where another body stands under its id by now."""
        if self.digest(entry.cue.cue) not in {None, entry.digest}:
            return False
        self._take_in(entry)
        return True

    def full(self, cue: Cue) -> bool:
        """Whether there is no room for one more cue such as this one."""
        return len(self._entries) >= (2 if cue.do.action == "cancel" else 1) * MOST_CUES

    # --- ids ----------------------------------------------------------------------------------

    def digest(self, cue: str) -> str | None:
        """The hash of the body that counts under an id; None where the id is new."""
        known = self._ids.get(cue)
        return known.digest if known else None

    def memory(self, cue: str) -> Memory | None:
        """What is known of the body that counts under an id."""
        return self._ids.get(cue)

    def recall(self, cue: str, digest: str, until: UtcUs, signers: frozenset[KeyId]) -> Memory:
        """A body was seen under an id: the smaller hash counts, and the id is taken until the last of them expires."""
        known = self._ids.get(cue)
        if known is not None and known.digest < digest:
            digest, signers = known.digest, known.signers
        elif known is not None and known.digest == digest:
            signers |= known.signers
        entry = self._entries.get(cue)
        if entry is not None and entry.digest != digest:
            self._take_out(cue)
        return self._note(cue, digest, until, signers)

    def countersign(self, cue: str, signers: frozenset[KeyId]) -> Memory | None:
        """The body that counts under an id came with other signatures: all keys answer for it. None: nothing new."""
        known = self._ids[cue]
        if signers <= known.signers:
            return None
        if cue in self._entries:
            self._entries[cue].signers |= signers
        return self._note(cue, known.digest, known.until, known.signers | signers)

    def strangers(self) -> list[tuple[str, Memory]]:
        """The ids that no cue of this venue has."""
        return [(cue, memory) for cue, memory in self._ids.items() if cue not in self._entries]

    def _note(self, cue: str, digest: str, until: UtcUs, signers: frozenset[KeyId]) -> Memory:
        known = self._ids.get(cue)
        memory = Memory(digest, until if known is None else max(until, known.until), signers)
        self._forget(cue)
        self._ids[cue] = memory
        insort(self._ends, (memory.until, cue))
        if len(self._ids) > MOST_IDS + len(self._entries):
            self._forget(next(other for _, other in self._ends if other not in self._entries))
        return memory

    def _forget(self, cue: str) -> None:
        memory = self._ids.pop(cue, None)
        if memory is not None:
            del self._ends[bisect_left(self._ends, (memory.until, cue))]

    # --- time ---------------------------------------------------------------------------------

    def begin(self, now: UtcUs) -> list[Entry]:
        """Open the cues whose instant has come; they are returned."""
        count = bisect_left(self._to_come, (UtcUs(now + 1), ""))
        begun = [self._entries[cue] for _, cue in self._to_come[:count]]
        del self._to_come[:count]
        self.open.update((entry.cue.cue, entry) for entry in begun)
        return begun

    def rewind(self, now: UtcUs) -> None:
        """The clock was set back: cues that it took for begun are still to come, and nothing has been told of them."""
        for cue, entry in self._entries.items():
            place = (entry.cue.at, cue)
            index = bisect_left(self._to_come, place)
            if entry.cue.at > now and self._to_come[index : index + 1] != [place]:
                self._to_come.insert(index, place)
                self.open.pop(cue, None)
                entry.told.clear()
                self.fresh[cue] = entry

    def forget_expired(self, now: UtcUs) -> None:
        """From `expires` on a cue exists for nobody."""
        for cue in self.agenda.expire(now):
            self._take_out(cue)
        over = [cue for _, cue in self._ends[: bisect_left(self._ends, (UtcUs(now + 1), ""))]]
        for cue in over:
            self._forget(cue)

    # --- entries ------------------------------------------------------------------------------

    def _take_in(self, entry: Entry) -> None:
        cue = entry.cue
        self._take_out(cue.cue)
        self._entries[cue.cue] = entry
        self.agenda.put(cue)
        self._note(cue.cue, entry.digest, cue.expires, entry.signers)
        (self.restored if entry.restored else self.fresh)[cue.cue] = entry
        self.recheck.add(cue.cue)
        insort(self._to_come, (cue.at, cue.cue))

    def _take_out(self, cue: str) -> None:
        entry = self._entries.pop(cue, None)
        if entry is None:
            return
        self.agenda.drop(cue)
        self.fresh.pop(cue, None)
        self.restored.pop(cue, None)
        self.open.pop(cue, None)
        self.recheck.discard(cue)
        place = (entry.cue.at, cue)
        index = bisect_left(self._to_come, place)
        if index < len(self._to_come) and self._to_come[index] == place:
            del self._to_come[index]
