"""state.py, with which deploy/install saves an agent's state and gives an older version one that it can read."""

import importlib.util
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agent import book, journal

_spec = importlib.util.spec_from_file_location("state", Path(__file__).parents[2] / "deploy" / "installer" / "state.py")
assert _spec is not None
assert _spec.loader is not None
state = importlib.util.module_from_spec(_spec)
sys.modules["state"] = state
_spec.loader.exec_module(state)

SCHEMAS = {state.JOURNAL: 4, state.BOOK: 1}


def write(database: Path, version: int, word: str) -> None:
    with closing(sqlite3.connect(database)) as db:
        db.execute("CREATE TABLE IF NOT EXISTS words (word TEXT)")
        db.execute("INSERT INTO words VALUES (?)", (word,))
        db.execute(f"PRAGMA user_version={version}")
        db.commit()


def words(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as db:
        return [word for (word,) in db.execute("SELECT word FROM words ORDER BY rowid")]


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    live, saved = tmp_path / "live", tmp_path / "saved"
    live.mkdir()
    saved.mkdir()
    write(live / state.JOURNAL, 4, "cue")
    write(live / state.BOOK, 1, "shown")
    (live / "clock.json").write_text("before")
    (live / "other-player").mkdir()
    (live / "link").symlink_to("/etc/shadow")
    return live, saved


def test_it_knows_the_files_by_the_names_that_the_agent_gives_them() -> None:
    assert (state.JOURNAL, state.BOOK) == (journal.FILE_NAME, book.FILE_NAME)


def test_a_copy_has_the_files_without_folders_links_and_the_large_book(places: tuple[Path, Path]) -> None:
    live, saved = places
    (saved / "of an earlier one").touch()
    (live / "clock.json.part").touch()
    state.save(live, saved, with_book=False)
    assert sorted(path.name for path in saved.iterdir()) == ["clock.json", state.JOURNAL]
    assert words(saved / state.JOURNAL) == ["cue"]
    assert state.needed(live, with_book=False) == sum(path.stat().st_size for path in saved.iterdir())
    state.save(live, saved, with_book=True)
    assert words(saved / state.BOOK) == ["shown"]


def test_what_came_since_the_copy_stays_where_the_older_version_reads_it(places: tuple[Path, Path]) -> None:
    live, saved = places
    state.save(live, saved, with_book=False)
    write(live / state.JOURNAL, 4, "a cue of the trial")
    (live / "clock.json").write_text("after")
    assert state.restore(live, saved, SCHEMAS, as_it_was=False, newer="not-1.0") == []
    assert words(live / state.JOURNAL) == ["cue", "a cue of the trial"]
    assert (live / "clock.json").read_text() == "after"


def test_what_it_does_not_read_is_kept_beside_the_copy(places: tuple[Path, Path]) -> None:
    live, saved = places
    state.save(live, saved, with_book=False)
    write(live / state.JOURNAL, 5, "written in another way")
    (live / "clock.json").write_text("after")
    (saved / "clock.json.part").write_text("half of it")
    said = state.restore(live, saved, SCHEMAS, as_it_was=True, newer="not-1.0")
    assert "schema 5" in said[0]
    assert words(live / state.JOURNAL) == ["cue"]
    assert words(live / f"{state.JOURNAL}.not-1.0") == ["cue", "written in another way"]
    assert words(live / state.BOOK) == ["shown"]
    assert (live / "clock.json").read_text() == "before"
    assert not (live / "clock.json.part").exists()
    assert state.restore(live, saved, SCHEMAS, as_it_was=True, newer="not-1.0") == []


def test_a_damaged_journal_is_kept_beside_the_copy(places: tuple[Path, Path]) -> None:
    live, saved = places
    state.save(live, saved, with_book=False)
    (live / state.JOURNAL).write_bytes(b"no database at all, and long enough to be looked at" * 40)
    assert "cannot be read" in state.restore(live, saved, SCHEMAS, as_it_was=False, newer="not-1.0")[0]
    assert words(live / state.JOURNAL) == ["cue"]


def test_a_newer_book_without_a_copy_is_kept_and_a_new_one_begun_by_the_agent(places: tuple[Path, Path]) -> None:
    live, saved = places
    state.save(live, saved, with_book=False)
    write(live / state.BOOK, 2, "written in another way")
    assert state.restore(live, saved, SCHEMAS, as_it_was=True, newer="not-1.0")
    assert not (live / state.BOOK).exists()
    assert words(live / f"{state.BOOK}.not-1.0") == ["shown", "written in another way"]


def test_it_is_there_where_there_is_no_state_yet(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    state.save(tmp_path / "none", saved, with_book=True)
    assert list(saved.iterdir()) == []
    assert state.needed(tmp_path / "none", with_book=True) == 0
