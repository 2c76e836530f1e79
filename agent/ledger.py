"""What has been told about each cue, so that every stage is told once: pure.

Accepted may be told again when readiness changes; armed, started, missed, cancelled and superseded once each.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from agent.messages import Cue, Refusal
from agent.schedule import Agenda
from agent.told import Stage
from agent.trust import KeyId
from agent.units import UtcUs

REFUSED_KEPT = 1000


@dataclass(slots=True)
class Entry:
    """One cue that this venue has taken, and the keys that signed it.

    `restored`: the journal had it, and what became of it is not looked at yet.
    """

    cue: Cue
    digest: str
    told: set[Stage] = field(default_factory=set)
    restored: bool = False
    signers: frozenset[KeyId] = frozenset()
    short: Refusal | None = None

    @property
    def settled(self) -> bool:
        """Whether its instant has had its answer."""
        return bool(self.told & {"started", "missed", "cancelled", "superseded"})


class Ledger:
    """All cues that count, and the ids of those that were refused."""

    def __init__(self) -> None:
        self.agenda = Agenda()
        self._entries: dict[str, Entry] = {}
        self._refused: list[str] = []

    def get(self, cue: str) -> Entry | None:
        """The entry of a cue, if it was taken."""
        return self._entries.get(cue)

    def put(self, cue: Cue, digest: str, signers: frozenset[KeyId] = frozenset()) -> Entry:
        """Take a cue; an entry under the same id is replaced."""
        entry = Entry(cue, digest, signers=signers)
        self._entries[cue.cue] = entry
        self.agenda.put(cue)
        return entry

    def drop(self, cue: str) -> None:
        """A cue counts no longer."""
        self._entries.pop(cue, None)
        self.agenda.drop(cue)

    def restore(self, entry: Entry) -> None:
        """A cue counts again as it did, unless one stands under its id by now."""
        if entry.cue.cue not in self._entries:
            self._entries[entry.cue.cue] = entry
            self.agenda.put(entry.cue)

    def entries(self) -> list[Entry]:
        """Every entry."""
        return list(self._entries.values())

    def first_refusal(self, topic_id: str | None, payload: bytes) -> bool:
        """Whether this message is refused for the first time; a retained one comes with every reconnect."""
        digest = f"{topic_id}:{sha256(payload).hexdigest()}"
        if digest in self._refused:
            return False
        self._refused = [*self._refused[1 - REFUSED_KEPT :], digest]
        return True

    def forget_refusals(self) -> None:
        """What was refused is judged anew, and said anew."""
        self._refused = []

    def forget_expired(self, now: UtcUs) -> None:
        """From `expires` on a cue exists for nobody."""
        for cue in self.agenda.expire(now):
            del self._entries[cue]
