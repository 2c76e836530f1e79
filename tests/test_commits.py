import asyncio
from pathlib import Path

import pytest

from agent import commits
from agent.commits import Commits
from agent.effects import ForgetCue, KeepCue, KeepId, KeepProgram, Kept, Write
from agent.journal import Journal
from agent.messages import Refusal
from agent.units import UtcUs


class FakeJournal(Journal):
    """Counts its transactions, and can be made to fail."""

    def __init__(self) -> None:
        self.transactions: list[tuple[Write, ...]] = []
        self.fault: Refusal | None = None

    def keep(self, *writes: Write) -> Refusal | None:
        self.transactions.append(writes)
        return self.fault


FULL = Refusal(code="journal", detail="the disk is full")


def cue(number: int, body: bytes = b"") -> KeepCue:
    return KeepCue(f"cue{number}", body, UtcUs(0), UtcUs(1))


async def pause() -> None:
    await asyncio.sleep(5 * commits.GATHER_S)


def test_a_burst_is_one_transaction_and_one_word_of_it() -> None:
    async def burst() -> None:
        journal, said = FakeJournal(), list[Kept]()
        writer = Commits(journal, said.append)
        for number in range(100):
            writer.add(cue(number))
        assert (journal.transactions, said) == ([], []), "never from within"
        await pause()
        assert [len(writes) for writes in journal.transactions] == [100]
        assert said == [Kept(tuple(f"cue/cue{number}" for number in range(100)), None)]
        await pause()
        assert len(said) == 1

    asyncio.run(burst())


def test_of_two_writes_about_the_same_the_last_counts() -> None:
    async def twice() -> None:
        journal = FakeJournal()
        writer = Commits(journal, lambda _: None)
        for write in (cue(1, b"one"), cue(1, b"two"), cue(2), ForgetCue("cue2")):
            writer.add(write)
        writer.commit()
        assert journal.transactions == [(cue(1, b"two"), ForgetCue("cue2"))]

    asyncio.run(twice())


def test_what_cannot_be_written_is_said_at_once_kept_and_tried_again_with_all_that_came_since() -> None:
    async def fail() -> None:
        journal, said = FakeJournal(), list[Kept]()
        writer = Commits(journal, said.append)
        journal.fault = FULL
        writer.add(cue(1))
        await pause()
        assert (said, writer.fault) == ([Kept(("cue/cue1",), FULL)], FULL)
        for number in (2, 3):
            writer.add(cue(number))
        await asyncio.sleep(0)
        assert said[1:] == [Kept(("cue/cue2", "cue/cue3"), FULL)]
        assert len(journal.transactions) == 1, "it is not asked for each one anew"
        journal.fault = None
        writer.commit()
        assert journal.transactions[1] == (cue(1), cue(2), cue(3))
        assert (said[2], writer.fault) == (Kept(("cue/cue1", "cue/cue2", "cue/cue3"), None), None)

    asyncio.run(fail())


def test_a_failed_write_is_tried_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "RETRY_S", 0.01)

    async def heal() -> None:
        journal, healed = FakeJournal(), asyncio.Event()
        writer = Commits(journal, lambda kept: healed.set() if kept.refusal is None else None)
        journal.fault = FULL
        writer.add(cue(1))
        await pause()
        assert len(journal.transactions) > 1
        journal.fault = None
        async with asyncio.timeout(10):
            await healed.wait()
        assert writer.fault is None

    asyncio.run(heal())


def test_all_or_nothing_gets_on_the_disk(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    assert isinstance(journal, Journal)
    broken = KeepId("x", None, UtcUs(1))  # type: ignore[arg-type]  # what the table does not take
    refusal = journal.keep(cue(1), KeepProgram("reel", 1, b"one"), broken)
    assert refusal is not None and refusal.code == "journal"
    assert (journal.cues(), journal.programs()) == ([], [])
    assert journal.keep(cue(1), KeepProgram("reel", 1, b"one")) is None
    assert (len(journal.cues()), len(journal.programs())) == (1, 1)


def test_a_disk_that_takes_nothing_for_a_while_loses_nothing(tmp_path: Path) -> None:
    async def come_back() -> None:
        journal, said = Journal.open(tmp_path), list[Kept]()
        assert isinstance(journal, Journal)
        writer = Commits(journal, said.append)
        journal._db.execute("PRAGMA query_only=ON")
        writer.add(cue(1, b"one"))
        writer.commit()
        writer.add(cue(2, b"two"))
        await asyncio.sleep(0)
        assert [kept.refusal is None for kept in said] == [False, False]
        assert "state_dir" in (said[0].refusal.detail if said[0].refusal else "")
        journal._db.execute("PRAGMA query_only=OFF")
        writer.commit()
        assert said[-1] == Kept(("cue/cue1", "cue/cue2"), None)
        assert [row.payload for row in journal.cues()] == [b"one", b"two"]

    asyncio.run(come_back())
