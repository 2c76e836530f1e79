"""Records are written, then told, in order; no disk holds up the loop, and nothing that fails ends the agent."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from asruns import record
from makers import uuid_of

from agent import scribe as scribes
from agent.answered import AsRunPage
from agent.book import Book, Written
from agent.messages import Ask, Refusal, decode
from agent.scribe import MOST_ASKS, Scribe
from agent.told import AsRun


class SlowBook(Book):
    """A book on a disk that can be made to hang and to fail."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.goes = threading.Event()
        self.goes.set()
        self.broken = False

    def write(self, records: Sequence[tuple[AsRun, bool]], told: Iterable[int] = ()) -> list[Written] | None:
        assert self.goes.wait(10)
        if self.broken:
            self._failed(OSError("the disk is full"))
            return None
        return super().write(records, told)


class Desk:
    """A scribe with what it tells and answers."""

    def __init__(self, book: Book) -> None:
        self.told: list[tuple[bytes, int | None]] = []
        self.answers: list[tuple[Ask, list[AsRunPage] | Refusal]] = []
        self.scribe = Scribe(
            book,
            lambda body, seq: self.told.append((body, seq)),
            lambda ask, found: self.answers.append((ask, found)),
            lambda: None,
        )

    @property
    def numbers(self) -> list[int | None]:
        return [seq for _, seq in self.told]

    async def until(self, fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not fact():  # noqa: ASYNC110 - what a thread does has no event here
                await asyncio.sleep(0.005)


@asynccontextmanager
async def working(book: Book) -> AsyncIterator[Desk]:
    desk = Desk(book)
    task = asyncio.create_task(desk.scribe.run())
    try:
        yield desk
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        desk.scribe.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scribes, "TOLD_S", 0.02)
    monkeypatch.setattr(scribes, "RETRY_S", 0.02)


def ask(number: int = 1) -> Ask:
    return Ask(v=1, ask=uuid_of(number), want="asrun")


async def test_a_record_is_told_with_its_number_once_it_is_written_and_the_loop_goes_on(tmp_path: Path) -> None:
    book = SlowBook(tmp_path)
    async with working(book) as desk:
        book.goes.clear()
        for number in range(3):
            desk.scribe.record(record(number))
        await asyncio.sleep(5 * scribes.GATHER_S)
        assert desk.told == [], "the disk hangs, and this test goes on"
        book.goes.set()
        await desk.until(lambda: len(desk.told) == 3)
        assert desk.numbers == [1, 2, 3]
        told = decode(AsRun, desk.told[1][0])
        assert isinstance(told, AsRun)
        assert (told.seq, told.due) == (2, record(1).due)


async def test_what_no_broker_took_is_told_after_a_restart_before_anything_new(tmp_path: Path) -> None:
    async with working(Book(tmp_path)) as desk:
        for number in range(4):
            desk.scribe.record(record(number))
        await desk.until(lambda: len(desk.told) == 4)
        first = desk.told
        for seq in (1, 2):
            desk.scribe.told(seq)
    desk = Desk(Book(tmp_path))
    desk.scribe.record(record(9))
    task = asyncio.create_task(desk.scribe.run())
    await desk.until(lambda: len(desk.told) == 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    desk.scribe.close()
    assert desk.told[:2] == first[2:], "the same bytes"
    assert desk.numbers == [3, 4, 5]


async def test_what_cannot_be_written_is_told_at_once_and_kept_when_the_disk_is_well_again(tmp_path: Path) -> None:
    book = SlowBook(tmp_path)
    async with working(book) as desk:
        book.broken = True
        desk.scribe.record(record(0))
        await desk.until(lambda: len(desk.told) == 1)
        desk.scribe.record(record(1))
        await desk.until(lambda: len(desk.told) == 2)
        assert (desk.numbers, desk.scribe.fault is not None) == ([None, None], True)
        book.broken = False
        await desk.until(lambda: desk.scribe.fault is None)
        desk.scribe.record(record(2))
        await desk.until(lambda: len(desk.told) == 3)
        assert desk.numbers == [None, None, 3], "each is told once"
        assert [one.seq for one in book.untold(10)] == [3]


async def test_asks_are_answered_one_after_the_other_and_too_many_are_refused(tmp_path: Path) -> None:
    book = SlowBook(tmp_path)
    async with working(book) as desk:
        book.goes.clear()
        desk.scribe.record(record(0))
        await asyncio.sleep(3 * scribes.GATHER_S)
        verdicts = [desk.scribe.ask(ask(number)) for number in range(MOST_ASKS + 1)]
        assert [verdict and verdict.code for verdict in verdicts] == [None] * MOST_ASKS + ["busy"]
        book.goes.set()
        await desk.until(lambda: len(desk.answers) == MOST_ASKS)
        for _, found in desk.answers:
            assert isinstance(found, list)
            assert found[0].count == 1


async def test_whoever_asks_without_end_keeps_no_record_from_being_written(tmp_path: Path) -> None:
    async with working(Book(tmp_path)) as desk:
        asked = 0

        def again(ask_: Ask, found: list[AsRunPage] | Refusal) -> None:
            nonlocal asked
            asked += 1
            desk.answers.append((ask_, found))
            if not desk.told:
                desk.scribe.ask(ask(asked))

        desk.scribe._answered = again
        desk.scribe.ask(ask(0))
        await desk.until(lambda: asked > 3)
        desk.scribe.record(record(0))
        await desk.until(lambda: bool(desk.told))


async def test_what_is_handed_to_the_disk_as_the_agent_ends_is_written(tmp_path: Path) -> None:
    book = SlowBook(tmp_path)
    desk = Desk(book)
    task = asyncio.create_task(desk.scribe.run())
    await desk.until(lambda: book._db is not None)
    blocked = threading.Event()
    desk.scribe._thread.submit(blocked.wait, 10)  # the thread has not begun with it yet
    desk.scribe.record(record(0))
    await desk.until(lambda: not desk.scribe._news)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    blocked.set()
    desk.scribe.close()
    assert [one.seq for one in Book(tmp_path).untold(10)] == [1]


async def test_what_comes_at_the_very_end_is_kept_and_told_the_next_time(tmp_path: Path) -> None:
    async with working(Book(tmp_path)) as desk:
        desk.scribe.record(record(5))
    assert [one.seq for one in Book(tmp_path).untold(10)] == [1]
