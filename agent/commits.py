"""Writes to the journal, gathered for a moment so that a burst of messages costs the disk one turn.

What cannot be written is tried again until it can, and meanwhile said to be on no disk: nothing is given up.
"""

import asyncio
from collections.abc import Callable

import structlog

from agent.effects import Kept, Write
from agent.journal import Journal
from agent.messages import Refusal

log = structlog.get_logger()

GATHER_S = 0.01
RETRY_S = 2.0


class Commits:
    """The writes of one agent. `kept` is called with what became of them, never from within `add`."""

    def __init__(self, journal: Journal, kept: Callable[[Kept], None]) -> None:
        self._journal = journal
        self._kept = kept
        self._writes: dict[str, Write] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._news: list[str] = []  # keys that came while the journal could not be written
        self.fault: Refusal | None = None
        """Why the last attempt failed; None when it did not."""

    def add(self, write: Write) -> None:
        """Write this, in place of what was to be written under its key."""
        self._writes[write.key] = write
        loop = asyncio.get_running_loop()
        if self.fault is not None:
            # It waits for the next attempt: a journal that fails is not asked for each write anew.
            if not self._news:
                loop.call_soon(self._tell_news)
            self._news.append(write.key)
        elif self._timer is None:
            self._timer = loop.call_later(GATHER_S, self.commit)

    def commit(self) -> None:
        """Write what has been gathered now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._writes:
            return
        fault = self._journal.keep(*self._writes.values())
        keys = tuple(self._writes)
        if fault is None:
            self._writes.clear()
            if self.fault is not None:
                log.warning("journal is written again")
        else:
            self._timer = asyncio.get_running_loop().call_later(RETRY_S, self.commit)
            if self.fault is None:
                log.error("journal cannot be written; tried again until it can", reason=fault.code, detail=fault.detail)
        self.fault = fault
        self._kept(Kept(keys, fault))

    def _tell_news(self) -> None:
        keys, self._news = tuple(self._news), []
        if self.fault is not None:
            self._kept(Kept(keys, self.fault))
