"""The programs that a venue knows: pure.

A published revision never changes: the body that a venue has had first is the one that it plays, whoever signs another.
That another one is about is an alarm and a NO-GO, since a wall that has it first would show something else.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from agent.intake import Taken
from agent.messages import Refusal
from agent.programs import Program
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
        self._rivals: dict[ProgramKey, frozenset[KeyId]] = {}
        self._conflicts: dict[ProgramKey, Refusal] = {}

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

    def contest(self, rival: Taken[Program]) -> None:
        """Another body has come under a revision that is known; that it comes again is no news."""
        key = (rival.message.program, rival.message.rev)
        signers = self._rivals.get(key, frozenset()) | rival.signers
        if self._rivals.get(key) != signers:
            self.changes += 1
            self._rivals[key] = signers
            self._conflicts[key] = _conflict(key)

    def settle(self, trusted: Callable[[frozenset[KeyId]], bool]) -> None:
        """Other keys are trusted: a body that none of them answers for is no rival any more."""
        self.changes += 1
        self._rivals = {key: signers for key, signers in self._rivals.items() if trusted(signers)}
        self._conflicts = {key: self._conflicts[key] for key in self._rivals}

    @property
    def conflicts(self) -> Mapping[ProgramKey, Refusal]:
        """The revisions of which other walls may show something else, each with what to do about it."""
        return self._conflicts

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
            self._rivals.pop(key, None)
            self._conflicts.pop(key, None)
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


def _conflict(key: ProgramKey) -> Refusal:
    detail = f"two programs were published as {key[0]} rev {key[1]}; this wall plays the first that it had"
    return Refusal(code="program_conflict", detail=f"{detail}: publish the next revision, and cue that")
