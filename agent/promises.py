"""What is on the disk of all that this venue was told to keep: pure.

An ack `accepted` with `ready` true says that a restart will not lose the cue. So it waits for the journal's word, and
where that cannot write the cue is not ready (`journal`) until it can.
"""

from agent.effects import Kept
from agent.messages import Refusal


class Promises:
    """The writes that the journal has not confirmed.

    `changes` grows with each word of it that may change whether a cue is ready that was told of before: a write that
    fails or has come right, and a program that is on the disk at last.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._waiting: set[str] = set()
        self._failed: dict[str, Refusal] = {}

    def ordered(self, key: str) -> None:
        """A write has been ordered; what was known of an earlier one under its key counts no more."""
        self._failed.pop(key, None)
        self._waiting.add(key)

    def heard(self, kept: Kept) -> None:
        """Take the journal's word."""
        for key in kept.keys:
            self.changes += self._failed.get(key) != kept.refusal or key.startswith("program/")
            self._waiting.discard(key)
            if kept.refusal is None:
                self._failed.pop(key, None)
            else:
                self._failed[key] = kept.refusal

    def waiting(self, key: str) -> bool:
        """Whether nobody knows yet if it is on the disk."""
        return key in self._waiting

    def short(self, key: str) -> Refusal | None:
        """Why it is not on the disk, though it should be; None where it is."""
        return self._failed.get(key)
