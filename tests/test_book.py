"""The as-run book: every record is there once, whatever becomes of disk and file, and nothing outgrows its bound."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from asruns import MINUTE, record
from hypothesis import given
from hypothesis import strategies as some
from makers import T0, uuid_of

from agent import book as books
from agent.answered import AsRunPage
from agent.book import FILE_NAME, KEPT_US, Book
from agent.messages import Ask, Refusal, decode
from agent.pages import unpack
from agent.told import AsRun
from agent.units import UtcUs


def ask(**fields: object) -> Ask:
    return Ask.model_validate({"v": 1, "ask": uuid_of(9), "want": "asrun", **fields})


def pages(kept: Book, **fields: object) -> list[AsRunPage]:
    found = kept.pages(ask(**fields))
    assert not isinstance(found, Refusal), found
    return found


def read(found: list[AsRunPage]) -> list[AsRun]:
    records = []
    for page in found:
        some_of_them = unpack(page, "paris")
        assert not isinstance(some_of_them, Refusal), some_of_them
        records += some_of_them
    return records


def everything(book: Book, **fields: object) -> list[AsRun]:
    """As a reader collects it."""
    records: list[AsRun] = []
    after: int | None = 0
    while after is not None:
        found = pages(book, after=after, **fields)
        records += read(found)
        after = found[-1].next
    return records


def test_records_get_numbers_and_come_back_as_they_were_told(tmp_path: Path) -> None:
    book = Book(tmp_path)
    written = book.write([(record(n), False) for n in range(3)])
    assert written is not None
    told = [decode(AsRun, one.body) for one in written]
    assert [one.seq for one in written] == [1, 2, 3]
    [page] = pages(book)
    assert read([page]) == told
    assert (page.next, page.left, page.kept_from) == (None, 0, T0)
    assert {one.book for one in read([page])} == {page.book}


def test_an_empty_book_is_a_page_without_records(tmp_path: Path) -> None:
    [page] = pages(Book(tmp_path))
    assert (page.count, page.next, page.kept_from, read([page])) == (0, None, None, [])


@given(
    some.integers(0, 400), some.integers(1, 4), some.integers(-5, 405), some.integers(0, 410), some.integers(200, 4000)
)
def test_every_record_of_the_period_comes_exactly_once_whatever_a_page_holds(
    tmp_path_factory: pytest.TempPathFactory, count: int, at_once: int, since: int, length: int, chars: int
) -> None:
    folder = tmp_path_factory.mktemp("book")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agent.pages.PAGE_CHARS", chars)
        patch.setattr("agent.pages.STEP", 3)
        book = Book(folder)
        assert book.write([(record(n), True) for n in range(count)]) is not None
        period = {"since": T0 + since * MINUTE, "until": T0 + (since + length) * MINUTE}
        found = everything(book, pages=at_once, **period)
        book.close()
    wanted = [n for n in range(count) if since <= n < since + length]
    assert [(one.due - T0) // MINUTE for one in found] == wanted


def test_a_cursor_of_another_book_begins_anew(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.write([(record(n), True) for n in range(3)])
    [page] = pages(book, after=2, book=uuid_of(3))
    assert page.count == 3
    assert pages(book, after=2, book=page.book)[0].count == 1


def test_what_no_broker_has_taken_is_known_after_a_crash(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from asruns import record; from agent.book import Book\n"
        "book = Book(Path(sys.argv[1])); book.write([(record(n), False) for n in range(5)], [])\n"
        "book.write([], [1, 2]); book.write([(record(9), True)]); print('told', flush=True); input()"
    )
    argv = [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent), str(Path(__file__).parents[1])]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"told\n"
        os.kill(process.pid, signal.SIGKILL)
    book = Book(tmp_path)
    assert [one.seq for one in book.untold(100)] == [3, 4, 5]
    assert [one.seq for one in book.untold(2)] == [4, 5]
    assert len(everything(book)) == 6


def test_what_is_older_than_ninety_days_goes_and_its_numbers_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "PRUNED_AT_ONCE", 3)
    book = Book(tmp_path)
    book.write([(record(n), True) for n in range(20)])
    book.prune(None)
    assert len(everything(book)) == 20, "without the time nothing is old"
    book.prune(UtcUs(T0 + KEPT_US + 10 * MINUTE))
    assert [one.seq for one in everything(book)] == list(range(11, 21))
    book.prune(UtcUs(T0 + 2 * KEPT_US))
    written = book.write([(record(1), True)])
    assert written is not None
    assert written[0].seq == 21


def test_a_day_of_ninety_and_the_look_for_what_is_too_old_cost_no_walk_through_the_file(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.write([(record(n), True) for n in range(4000)])
    looked = 0

    def count() -> int:
        nonlocal looked
        looked += 1
        return 0

    assert book._db is not None
    book._db.set_progress_handler(count, 100)  # so many of SQLite's steps; a walk takes ten for each record
    since = record(2000).due
    assert len(read(pages(book, since=since, until=record(2010).due))) == 10
    book.prune(record(10).due)
    assert looked < 20
    book._db.set_progress_handler(count, 0)
    assert len(everything(book)) == 4000


def test_a_book_does_not_outgrow_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "PRUNED_AT_ONCE", 50)
    most = 400_000
    book = Book(tmp_path, most)
    for start in range(0, 6000, 500):
        book.write([(record(start + n), True) for n in range(500)])
        book.prune(UtcUs(T0))
    found = everything(book)
    assert found[-1].seq == 6000
    assert 300 < len(found) < 1500
    book.close()
    assert (tmp_path / FILE_NAME).stat().st_size < 2 * most


@pytest.mark.parametrize("spoilt", ["head", "page", "empty", "other"])
def test_a_damaged_book_is_moved_aside_and_said_until_it_is_moved_away(tmp_path: Path, spoilt: str) -> None:
    book = Book(tmp_path)
    book.write([(record(n), True) for n in range(300)])
    book.close()
    path = tmp_path / FILE_NAME
    if spoilt == "head":
        path.write_bytes(b"no database at all" * 1000)
    elif spoilt == "page":
        content = bytearray(path.read_bytes())
        content[4096 : len(content)] = b"\xa5" * (len(content) - 4096)
        path.write_bytes(content)
    elif spoilt == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE mine (a)")
        db.execute("PRAGMA user_version=1")
        db.close()
    book = Book(tmp_path)
    written = book.write([(record(1), False)])
    assert written is not None
    assert len(everything(book)) == 1
    if spoilt == "empty":  # an empty file is a new one to SQLite
        assert book.fault is None
        return
    assert book.fault is not None
    assert book.fault.code == "asrun_damaged"
    again = Book(tmp_path)
    again.prune(None)
    assert again.fault == book.fault, "over restarts"
    for aside in tmp_path.glob("*.damaged-*"):
        aside.unlink()
    again.prune(None)
    assert again.fault is None


def test_a_full_disk_and_a_folder_that_cannot_be_written_are_said_and_forgiven(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.write_text("not a folder")
    book = Book(folder)
    assert book.write([(record(1), False)]) is None
    assert book.fault is not None
    assert (book.fault.code, str(folder) in book.fault.detail) == ("asrun_book", True)
    assert isinstance(book.pages(ask()), Refusal)
    folder.unlink()
    assert book.write([(record(1), False)]) is not None
    assert book.fault is None
    assert book._db is not None
    book._db.execute(f"PRAGMA max_page_count={book._db.execute('PRAGMA page_count').fetchone()[0]}")
    assert book.write([(record(n), False) for n in range(200)]) is None, "as a full disk"
    assert "full" in book.fault.detail
    assert book.write([(record(n), False) for n in range(200)]) is not None
    assert len(everything(book)) == 201


def test_a_book_of_a_newer_agent_is_left_alone(tmp_path: Path) -> None:
    Book(tmp_path).write([(record(1), True)])
    db = sqlite3.connect(tmp_path / FILE_NAME)
    db.execute("PRAGMA user_version=99")
    db.close()
    book = Book(tmp_path)
    assert book.write([(record(2), True)]) is None
    assert book.fault is not None
    assert "newer agent" in book.fault.detail
    assert not list(tmp_path.glob("*.damaged-*"))
