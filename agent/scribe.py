"""Keeps the as-run book in a thread of its own, so that no disk can hold up the daemon's loop.

A record is written first and told then, with its number; one that cannot be written is told without, and written later
if the disk gets well. What no broker had taken before the last end is told at the start, before anything new.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog

from agent.answered import AsRunPage
from agent.book import Book
from agent.messages import Ask, Refusal, encode
from agent.outbox import ROOMS
from agent.told import AsRun
from agent.units import UtcUs

log = structlog.get_logger()

GATHER_S = 0.05
TOLD_S = 5.0  # what brokers have taken is noted so often: after a crash the rest is told twice, and read once
RETRY_S = 10.0
PRUNE_S = 600.0
MOST_ASKS = 4
AT_ONCE = 200  # records that are told at the start before the loop does anything else
MOST_UNWRITTEN = 10_000

T = TypeVar("T")
Tell = Callable[[bytes, int | None], None]
Answered = Callable[[Ask, list[AsRunPage] | Refusal], None]


class Scribe:
    """The as-run records of one agent: `record` takes them, and `tell` is called with each body and its number."""

    def __init__(self, book: Book, tell: Tell, answered: Answered, vouched: Callable[[], UtcUs | None]) -> None:
        self._book = book
        self._tell = tell
        self._answered = answered
        self._vouched = vouched
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="as-run")
        self._news: list[AsRun] = []
        self._unwritten: deque[AsRun] = deque(maxlen=MOST_UNWRITTEN)  # told already
        self._told: set[int] = set()
        self._asks: deque[Ask] = deque()
        self._wake = asyncio.Event()

    @property
    def fault(self) -> Refusal | None:
        """What is amiss with the book."""
        return self._book.fault

    def record(self, record: AsRun) -> None:
        """Keep this, and tell it."""
        self._news.append(record)
        self._wake.set()

    def told(self, seq: int) -> None:
        """A broker has taken the record of this number."""
        self._told.add(seq)

    def ask(self, ask: Ask) -> Refusal | None:
        """Answer this from the book, by and by; refused where others ask all the time."""
        if len(self._asks) >= MOST_ASKS:
            return Refusal(code="busy", detail="others are reading its as-run records; ask again in some seconds")
        self._asks.append(ask)
        self._wake.set()
        return None

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        for number, written in enumerate(await self._aside(partial(self._book.untold, ROOMS["asrun"].count))):
            self._tell(written.body, written.seq)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)  # a week of them, while the wall is waiting for its film
        noted_s = pruned_s = -PRUNE_S
        while True:
            now_s = loop.time()
            if self._news or now_s - noted_s >= (RETRY_S if self._book.fault else TOLD_S):
                await self._write()
                noted_s = now_s
            if self._asks:
                ask = self._asks.popleft()
                self._answered(ask, await self._aside(partial(self._book.pages, ask)))
            if now_s - pruned_s >= PRUNE_S:
                await self._aside(partial(self._book.prune, self._vouched()))
                pruned_s = now_s
            if self._asks:
                continue  # but what the wall shows is written first, however many ask
            try:
                async with asyncio.timeout(TOLD_S):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()
            await asyncio.sleep(GATHER_S)

    async def _aside(self, work: Callable[[], T]) -> T:
        """Have the thread do this. What it has been given it does, even where nobody waits for it any more."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    async def _write(self) -> None:
        """All that has come since the last time, as one transaction."""
        news, self._news = self._news, []
        told, self._told = self._told, set()
        if not (news or told or self._unwritten):
            return
        late = list(self._unwritten)
        records = [(record, True) for record in late] + [(record, False) for record in news]
        written = await self._aside(partial(self._book.write, records, told))
        if written is None:
            self._told |= told
            self._unwritten.extend(news)
            for record in news:
                self._tell(encode(record), None)
            return
        self._unwritten.clear()
        for one in written[len(late) :]:
            self._tell(one.body, one.seq)

    def close(self) -> None:
        """Write what is left, and let go of the file."""
        self._thread.shutdown(wait=True)
        records = [(record, True) for record in self._unwritten] + [(record, False) for record in self._news]
        if records or self._told:
            self._book.write(records, self._told)
        self._book.close()
