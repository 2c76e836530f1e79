"""An agent's state around a change of its version: a copy before, and back what the older version cannot read.

For deploy/install, while the agent stands still; run as the agent's user, whose files these are and stay. Only what
Debian's Python has: it runs before and beside any framezero.
"""

import argparse
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

BOOK = "asrun.sqlite3"
"""Up to 512 MB: it is copied only for a version that would write it in another way."""
JOURNAL = "journal.sqlite3"
PART = ".part"
"""The end of the name of a copy that is not whole: a power cut leaves one."""
BESIDE = ("-wal", "-shm")
"""SQLite's own files beside a database: they belong to it until it was closed well (https://sqlite.org/tempfiles.html)."""


def wanted(state: Path, with_book: bool) -> Iterator[Path]:
    """The files of `state` that a copy has: no folders (another player's), links, sockets or half copies."""
    for path in sorted(state.iterdir()) if state.is_dir() else ():
        ours = path.suffix != PART and path.is_file() and not path.is_symlink()
        if ours and (with_book or not path.name.startswith(BOOK)):
            yield path


def needed(state: Path, with_book: bool) -> int:
    """How many bytes a copy takes."""
    return sum(path.stat().st_size for path in wanted(state, with_book))


def save(state: Path, saved: Path, with_book: bool) -> None:
    """Copy the state into `saved`, in place of what was there; on the disk when this returns."""
    for old in saved.iterdir():
        old.unlink()
    for path in wanted(state, with_book):
        _copy(path, saved / path.name)


def restore(state: Path, saved: Path, schemas: Mapping[str, int], as_it_was: bool, newer: str) -> list[str]:
    """Make `state` one that an older version reads; returns what was done, a line each.

    `schemas`: the newest schema of each database that the older version knows. A database that it can read stays as
    it is, with all that came since the copy. One that it cannot read is kept under its name and `newer`, and the
    copy takes its place; without a copy the agent begins anew, and has its cues again from the brokers. `as_it_was`:
    other files become those of the copy, too.
    """
    said = []
    for name, schema in schemas.items():
        live = state / name
        why = _unreadable(live, schema) if live.exists() else ""
        if why:
            for end in ("", *BESIDE):
                if (state / (name + end)).exists():
                    (state / (name + end)).rename(state / f"{name}.{newer}{end}")
            said.append(f"{live} {why}: kept as {name}.{newer}")
        if (why or not live.exists()) and (saved / name).exists():
            for end in (*BESIDE, ""):  # the database last: until then there is none, rather than half of one
                if (saved / (name + end)).exists():
                    _copy(saved / (name + end), state / (name + end))
            said.append(f"{live} is the copy from before")
    if as_it_was:
        databases = {name + end for name in schemas for end in ("", *BESIDE)}
        for path in sorted(saved.iterdir()):
            if path.name not in databases and path.suffix != PART:
                _copy(path, state / path.name)
    return said


def _unreadable(database: Path, schema: int) -> str:
    """Why a version that knows `schema` does not read it; empty where it does."""
    try:
        with closing(sqlite3.connect(database, timeout=2.0)) as db:
            [version] = db.execute("PRAGMA user_version").fetchone()
            if version > schema:
                return f"has schema {version}, and {schema} is the newest that the older version knows"
            # The book is large, and the agent looks after a damaged one by itself.
            [verdict] = db.execute("PRAGMA quick_check(1)").fetchone() if database.name == JOURNAL else ["ok"]
            return "" if verdict == "ok" else f"is damaged ({verdict})"
    except sqlite3.Error as error:
        return f"cannot be read ({error})"


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all, and on the disk."""
    part = target.with_name(target.name + PART)
    shutil.copyfile(source, part)
    shutil.copystat(source, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.rename(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


def main() -> None:
    """`needed STATE`, `save STATE SAVED` or `restore STATE SAVED`; see the functions of these names."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("deed", choices=("needed", "save", "restore"))
    parser.add_argument("state", type=Path)
    parser.add_argument("saved", type=Path, nargs="?")
    parser.add_argument("--with-book", action="store_true")
    parser.add_argument("--as-it-was", action="store_true")
    parser.add_argument("--newer", default="newer")
    parser.add_argument("--journal", type=int, default=0)
    parser.add_argument("--book", type=int, default=0)
    asked = parser.parse_args()
    if asked.deed == "needed":
        print(needed(asked.state, asked.with_book))  # noqa: T201  # its caller is a shell
    elif asked.deed == "save":
        save(asked.state, asked.saved, asked.with_book)
    else:
        schemas = {JOURNAL: asked.journal, BOOK: asked.book}
        for line in restore(asked.state, asked.saved, schemas, asked.as_it_was, asked.newer):
            print(line)  # noqa: T201  # its caller is a shell


if __name__ == "__main__":
    main()
