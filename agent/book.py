"""A venue's as-run book: what its wall has shown, kept for ninety days in a SQLite file of its own.

It is not the journal, on which the show hangs: whatever becomes of this file, the agent goes on, says what is amiss,
and tells its records all the same. A record has a number in its book, and one that no broker has taken yet is marked,
so that it is told after a restart. All calls block for as long as the disk likes: they are for a thread (see `scribe`).
"""

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent.answered import AsRunPage
from agent.messages import Ask, Refusal, encode
from agent.pages import MOST_RAW_BYTES, pack
from agent.told import AsRun
from agent.units import US_PER_S, UtcUs

log = structlog.get_logger()

FILE_NAME = "asrun.sqlite3"
KEPT_US = 90 * 86_400 * US_PER_S
MOST_BYTES = 512 << 20
"""Ninety days of a record each eight seconds; of more the oldest go first."""

PRUNED_AT_ONCE = 2000
SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE book (id TEXT NOT NULL) STRICT;
CREATE TABLE records (seq INTEGER PRIMARY KEY AUTOINCREMENT, due_us INTEGER NOT NULL, told INTEGER NOT NULL,
                      body BLOB NOT NULL) STRICT;
CREATE INDEX due ON records (due_us);
CREATE INDEX untold ON records (seq) WHERE told = 0;
"""
# AUTOINCREMENT: the number of a record that was pruned is never given again.


@dataclass(frozen=True, slots=True)
class Written:
    """A record as it is told; `seq` is its number in the book, None where it could not be written."""

    seq: int | None
    body: bytes


class Book:
    """One venue's book in `state_dir`; the file is opened, or begun, with the first call."""

    def __init__(self, state_dir: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path = state_dir / FILE_NAME
        self._most_bytes = most_bytes
        self._db: sqlite3.Connection | None = None
        self._id = ""
        self.fault: Refusal | None = None
        """What is amiss with it; None when nothing is."""

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def write(self, records: Sequence[tuple[AsRun, bool]], told: Iterable[int] = ()) -> list[Written] | None:
        """Write records, each with whether it has been told; `told`: numbers of those that a broker has taken since.

        None when nothing of it could be written, for the reason in `fault`; else all of it is on the disk.
        """
        written: list[Written] = []

        def all_of_it(db: sqlite3.Connection) -> None:
            written.clear()
            for record, was_told in records:
                row = (record.due, was_told, b"")
                seq = db.execute("INSERT INTO records (due_us, told, body) VALUES (?, ?, ?)", row).lastrowid
                assert seq is not None, "an insert has a row"
                body = encode(record.model_copy(update={"book": self._id, "seq": seq}))
                db.execute("UPDATE records SET body = ? WHERE seq = ?", (body, seq))
                written.append(Written(seq, body))
            db.executemany("UPDATE records SET told = 1 WHERE seq = ? AND told = 0", [(seq,) for seq in told])

        return written if self._change(all_of_it) else None

    def untold(self, most: int) -> list[Written]:
        """The newest of the records that no broker has taken, at most so many, oldest first."""
        rows: list[Written] = []

        def look(db: sqlite3.Connection) -> None:
            query = "SELECT seq, body FROM records WHERE told = 0 ORDER BY seq DESC LIMIT ?"
            rows[:] = [Written(*row) for row in db.execute(query, (most,))][::-1]

        return rows if self._change(look) else []

    def pages(self, ask: Ask) -> list[AsRunPage] | Refusal:
        """What is here of the period that an ask is about, as many pages as it wants."""
        found: list[AsRunPage] = []

        def look(db: sqlite3.Connection) -> None:
            found[:] = self._pages(db, ask)

        if self._change(look):
            return found
        assert self.fault is not None, "it has failed"
        return self.fault

    def _pages(self, db: sqlite3.Connection, ask: Ask) -> Iterator[AsRunPage]:
        after = ask.after if ask.book in (None, self._id) else 0
        since = ask.since if ask.since is not None else -(2**62)
        until = ask.until if ask.until is not None else 2**62
        [kept_from] = db.execute("SELECT min(due_us) FROM records").fetchone()
        left, first, last = db.execute(
            "SELECT count(*), min(seq), max(seq) FROM records WHERE due_us >= ? AND due_us < ? AND seq > ?",
            (since, until, after),
        ).fetchone()
        # By their numbers, and of these only the stretch that the index knows of: a film may be on the same disk. The
        # `+` keeps SQLite from sorting all that the index has.
        query = "SELECT seq, body FROM records WHERE seq BETWEEN ? AND ? AND +due_us >= ? AND +due_us < ? ORDER BY seq"
        rows = db.execute(query, (first, last, since, until))
        ahead: list[tuple[int, bytes]] = []
        size = 0
        for page in range(ask.pages):
            while size < MOST_RAW_BYTES and (row := rows.fetchone()) is not None:
                ahead.append(row)
                size += len(row[1])
            records, count = pack([body for _, body in ahead])
            left -= count
            yield AsRunPage(
                book=self._id,
                page=page,
                count=count,
                records=records,
                next=ahead[count - 1][0] if left > 0 else None,
                left=max(0, left),
                kept_from=kept_from,
            )
            if left <= 0:
                return
            size -= sum(len(body) for _, body in ahead[:count])
            del ahead[:count]

    def prune(self, now: UtcUs | None) -> None:
        """Strike what is older than ninety days, where the time is known, and what is more than the file may hold."""
        # By the index: going through all of the file each time would read hundreds of megabytes beside a film.
        while now is not None and self._strike("due_us < ? ORDER BY due_us", now - KEPT_US):
            pass
        while self._bytes() > self._most_bytes and self._strike("seq > ? ORDER BY seq", 0):
            pass
        try:
            aside = sorted(self._path.parent.glob(f"{FILE_NAME}.damaged-*[0-9]"))
        except OSError as error:  # the disk itself
            self._failed(error)
            return
        if self.fault is None and aside:
            self.fault = _damaged(aside[-1])
        elif self.fault is not None and self.fault.code == "asrun_damaged" and not aside:
            self.fault = None

    def _strike(self, which: str, value: int) -> bool:
        """A few at a time, so that nobody waits long behind it; whether there may be more."""
        gone = 0

        def strike(db: sqlite3.Connection) -> None:
            nonlocal gone
            few = f"SELECT seq FROM records WHERE {which} LIMIT {PRUNED_AT_ONCE}"
            gone = db.execute(f"DELETE FROM records WHERE seq IN ({few})", (value,)).rowcount

        return self._change(strike) and gone == PRUNED_AT_ONCE

    def _bytes(self) -> int:
        """What the file holds, without the pages in it that are free again."""
        size = 0

        def look(db: sqlite3.Connection) -> None:
            nonlocal size
            one, all_of_them, free = (
                db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
            )
            size = one * (all_of_them - free)

        return size if self._change(look) else 0

    # --- the file -----------------------------------------------------------------------------

    def _change(self, work: Callable[[sqlite3.Connection], None]) -> bool:
        """Do this in one transaction; a damaged file is moved aside and a new one begun, once."""
        for _ in range(2):
            try:
                with self._transaction() as db:
                    work(db)
            except (sqlite3.Error, OSError) as error:
                self.close()
                if not _tells_of_damage(error):  # all others say nothing about the content: it may be perfectly sound
                    return self._failed(error)
                aside = _set_aside(self._path, error)
                if isinstance(aside, OSError):
                    return self._failed(aside)
                self.fault = _damaged(aside)
            else:
                if self.fault is not None and self.fault.code == "asrun_book":
                    log.warning("the as-run book is written again")
                    self.fault = None
                return True
        return self._failed(OSError("it is damaged again and again"))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._db is None:
            self._db = self._open()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # some failures have ended it already
                self._db.execute("ROLLBACK")
            raise

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Used by one thread at a time, but not always by the same.
        db = sqlite3.connect(self._path, timeout=2.0, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "journal_size_limit=4194304"):
                db.execute(f"PRAGMA {pragma}")
            [version] = db.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                raise OSError("it was written by a newer agent; install that one again, or move the file away")
            if version == 0:
                db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
            if db.execute("SELECT count(*) FROM book").fetchone()[0] == 0:
                db.execute("INSERT INTO book VALUES (?)", (str(uuid.uuid4()),))
            [self._id] = db.execute("SELECT id FROM book").fetchone()
        except BaseException:
            db.close()
            raise
        return db

    def _failed(self, error: Exception) -> bool:
        detail = f"the as-run book {self._path} cannot be used: {error}; check space and rights there"
        if self.fault is None or self.fault.detail != detail:
            log.error("as-run records are told, but not kept", detail=detail)
        self.fault = Refusal(code="asrun_book", detail=detail)
        return False


def _tells_of_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "no such table" in str(error)


def _damaged(aside: Path) -> Refusal:
    detail = (
        f"the as-run book was damaged and begun anew; what it held is in {aside}: 'sqlite3 FILE .recover' may read it; "
        "look at the disk, and move the file away"
    )
    return Refusal(code="asrun_damaged", detail=detail)


def _set_aside(path: Path, error: Exception) -> Path | OSError:
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns() // 1_000_000_000}")
    try:
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
    except OSError as failed:
        return failed
    log.error("the as-run book is damaged; it was moved aside and a new one begun", path=str(aside), error=str(error))
    return aside
