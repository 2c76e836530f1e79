"""The programs that a venue knows: pure.

A published revision never changes; where two bodies come under one all the same, the smaller sha256 counts, at every
venue, and it is an alarm.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from agent.intake import Taken
from agent.messages import Program
from agent.schedule import ProgramKey
from agent.trust import KeyId

MOST_PROGRAMS = 1000
"""So many revisions are known at most; for a further one the oldest that nobody needs is given up."""


class Library:
    """The programs of one venue by id and revision. `changes` grows with everything put in or taken out."""

    def __init__(self) -> None:
        self.changes = 0
        self._taken: dict[ProgramKey, Taken[Program]] = {}
        self._programs: dict[ProgramKey, Program] = {}

    @property
    def programs(self) -> Mapping[ProgramKey, Program]:
        """The programs as they are now; a view that follows the changes."""
        return self._programs

    def __iter__(self) -> Iterator[ProgramKey]:
        return iter(list(self._taken))

    def digest(self, key: ProgramKey) -> str | None:
        """The sha256 of the body that counts under a revision; None where none is known."""
        return self._taken[key].digest if key in self._taken else None

    def signers(self, key: ProgramKey) -> frozenset[KeyId]:
        """The keys that signed a program."""
        return self._taken[key].signers

    def countersign(self, key: ProgramKey, signers: frozenset[KeyId]) -> frozenset[KeyId] | None:
        """The body that counts came with other signatures: all the keys that answer for it now; None: nothing new."""
        known = self._taken[key]
        if signers <= known.signers:
            return None
        self._taken[key] = replace(known, signers=known.signers | signers)
        return self._taken[key].signers

    def put(self, taken: Taken[Program]) -> None:
        """Take a program, in place of what stood under its revision."""
        self.changes += 1
        key = (taken.message.program, taken.message.rev)
        self._taken[key] = taken
        self._programs[key] = taken.message

    def pop(self, key: ProgramKey) -> Taken[Program] | None:
        """Take a program out, if it is known."""
        taken = self._taken.pop(key, None)
        if taken is not None:
            self.changes += 1
            del self._programs[key]
        return taken

    def spare(self, coming: ProgramKey, cued: set[ProgramKey]) -> ProgramKey | None:
        """What may go for a revision that comes: the oldest that is neither cued nor the newest of its program.

        None where all are needed.
        """
        newest = dict([coming])
        for name, rev in self._taken:
            newest[name] = max(rev, newest.get(name, 0))
        free = [key for key in self._taken if key not in cued and key[1] != newest[key[0]]]
        return min(free, key=lambda key: (self._programs[key].issued, key), default=None)

    @property
    def full(self) -> bool:
        """Whether one has to go before another one comes."""
        return len(self._taken) >= MOST_PROGRAMS
