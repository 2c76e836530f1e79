"""What must survive a power cut: cues, programs, panics and a local black.

SQLite in WAL mode with ``synchronous=FULL``: when a call returns, its bytes are on the disk. Payloads are kept
verbatim, for they are what was signed. All calls are synchronous, and quick enough for an event loop; writes that
belong together are one transaction, which costs the disk one turn however many they are.
"""

import fcntl
import hashlib
import os
import shutil
import sqlite3
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import structlog

from agent.effects import (
    ForgetCue,
    ForgetId,
    ForgetProgram,
    KeepCue,
    KeepId,
    KeepLocal,
    KeepPanic,
    KeepProgram,
    Write,
)
from agent.messages import Refusal
from agent.told import LocalBlack
from agent.trust import KeyId
from agent.units import UtcUs

log = structlog.get_logger()

FILE_NAME = "journal.sqlite3"
COPY_ATTEMPTS = 5
_FLOCK = struct.Struct("hhqqi4x")
_STEPS = (
    """
CREATE TABLE cues (cue TEXT PRIMARY KEY, payload BLOB NOT NULL, sha256 TEXT NOT NULL, at_us INTEGER NOT NULL,
                   expires_us INTEGER NOT NULL) STRICT;
CREATE TABLE programs (program TEXT NOT NULL, rev INTEGER NOT NULL, payload BLOB NOT NULL, sha256 TEXT NOT NULL,
                       PRIMARY KEY (program, rev)) STRICT;
""",
    """
CREATE TABLE panics (panic TEXT NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL, sha256 TEXT NOT NULL,
                     PRIMARY KEY (panic, kind)) STRICT;
""",
    """
ALTER TABLE cues ADD COLUMN signers TEXT NOT NULL DEFAULT '';
ALTER TABLE programs ADD COLUMN signers TEXT NOT NULL DEFAULT '';
""",
    """
CREATE TABLE ids (cue TEXT PRIMARY KEY, sha256 TEXT NOT NULL, until_us INTEGER NOT NULL, signers TEXT NOT NULL) STRICT;
""",
)
"""What leads from each version of the schema to the next; only ever added to."""
SCHEMA_VERSION = len(_STEPS)
_LOCAL_BLACK = """
CREATE TABLE IF NOT EXISTS local_black (one INTEGER PRIMARY KEY CHECK (one = 1), by TEXT NOT NULL,
                                        since_us INTEGER) STRICT
"""
"""No step: an agent of a version before it, to which an upgrade may be rolled back, opens the journal as before, passes
over this table, and shows what is cued."""


@dataclass(frozen=True, slots=True)
class CueRow:
    """A cue as it came; `signers` are the ids of the keys that signed it, with a blank between them."""

    cue: str
    payload: bytes
    sha256: str
    at: UtcUs
    expires: UtcUs
    signers: str = ""


@dataclass(frozen=True, slots=True)
class ProgramRow:
    """A program as it came; `signers` as in CueRow."""

    program: str
    rev: int
    payload: bytes
    sha256: str
    signers: str = ""


@dataclass(frozen=True, slots=True)
class IdRow:
    """Which body counts under a cue's id, by its sha256, and until when that has to be known; `signers`: see CueRow."""

    cue: str
    sha256: str
    until: UtcUs
    signers: str


@dataclass(frozen=True, slots=True)
class PanicRow:
    """A panic or a lift as it came; `panic` is the id that both have in common."""

    panic: str
    kind: str
    payload: bytes
    sha256: str


class Journal:
    """One agent's journal; `open` makes it, and no second agent can have it at the same time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def open(cls, state_dir: Path) -> "Journal | Refusal":
        """Open or begin the journal in `state_dir`.

        A damaged one is moved aside and a new one begun, with a log line: a wall that has forgotten its cues gets
        the retained ones again, one whose agent does not start stays dark. Refused: a folder that cannot be
        written, a journal in use, one of a newer agent.
        """
        path = state_dir / FILE_NAME
        try:
            state_dir.mkdir(parents=True, exist_ok=True)
            try:
                return cls._connect(path)
            except sqlite3.OperationalError as error:
                # These say nothing about the content: it may be perfectly sound.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR:
                    return _unusable(path, error)
                _set_aside(path, error)
            except sqlite3.DatabaseError as error:
                _set_aside(path, error)
            return cls._connect(path)
        except (sqlite3.Error, OSError) as error:
            return _unusable(path, error)

    @classmethod
    def _connect(cls, path: Path) -> "Journal | Refusal":
        db = sqlite3.connect(path, timeout=2.0, isolation_level=None)
        try:
            # Exclusive: two agents over one state would each undo what the other has promised.
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
                db.execute(f"PRAGMA {pragma}")
            db.execute("BEGIN EXCLUSIVE")
            [version] = db.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA_VERSION:
                db.close()
                return Refusal(
                    code="journal_newer",
                    detail=f"{path} was written by a newer agent (schema {version}, this one knows {SCHEMA_VERSION}); "
                    f"install that agent again, or move the file away and lose what it holds",
                )
            [verdict] = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            if version < SCHEMA_VERSION:
                for statement in ";".join(_STEPS[version:]).split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            db.execute(_LOCAL_BLACK)
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return cls(db)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def keep(self, *writes: Write) -> Refusal | None:
        """Write all of it, or nothing: when this returns None it is on the disk.

        What stood under a cue's id, or a program's revision, is replaced.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for write in writes:
                    self._db.execute(*_statement(write))
                self._db.execute("COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:  # some failures have ended it already
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            return _unwritten(error)
        return None

    def cues(self) -> list[CueRow]:
        """All cues, in the order of `(at, cue)`."""
        return [CueRow(*row) for row in self._db.execute("SELECT * FROM cues ORDER BY at_us, cue")]

    def ids(self) -> list[IdRow]:
        """All ids that are taken, but for those of the cues."""
        return [IdRow(*row) for row in self._db.execute("SELECT * FROM ids ORDER BY cue")]

    def forget_expired(self, now: UtcUs) -> Refusal | None:
        """Drop every cue and id whose time is over: nobody may accept it again, so it is needed no more."""
        try:
            for statement in ("DELETE FROM cues WHERE expires_us <= ?", "DELETE FROM ids WHERE until_us <= ?"):
                self._db.execute(statement, (now,))
        except sqlite3.Error as error:
            return _unwritten(error)
        return None

    def programs(self) -> list[ProgramRow]:
        """All programs, oldest revision first."""
        return [ProgramRow(*row) for row in self._db.execute("SELECT * FROM programs ORDER BY program, rev")]

    def panics(self) -> list[PanicRow]:
        """All panics and lifts."""
        return [PanicRow(*row) for row in self._db.execute("SELECT * FROM panics ORDER BY panic, kind")]

    def local_black(self) -> LocalBlack | None:
        """Whether somebody at the wall has it black."""
        row = self._db.execute("SELECT by, since_us FROM local_black").fetchone()
        return LocalBlack(by=row[0], since=row[1]) if row is not None else None


def _statement(write: Write) -> tuple[str, tuple[str | int | bytes | None, ...]]:
    match write:
        case KeepCue(cue, body, at, expires, signers):
            row = (cue, body, hashlib.sha256(body).hexdigest(), at, expires, _listed(signers))
            return "INSERT OR REPLACE INTO cues VALUES (?, ?, ?, ?, ?, ?)", row
        case ForgetCue(cue):
            return "DELETE FROM cues WHERE cue = ?", (cue,)
        case KeepId(cue, digest, until, signers):
            return "INSERT OR REPLACE INTO ids VALUES (?, ?, ?, ?)", (cue, digest, until, _listed(signers))
        case ForgetId(cue):
            return "DELETE FROM ids WHERE cue = ?", (cue,)
        case KeepProgram(program, rev, body, signers):
            revision = (program, rev, body, hashlib.sha256(body).hexdigest(), _listed(signers))
            return "INSERT OR REPLACE INTO programs VALUES (?, ?, ?, ?, ?)", revision
        case ForgetProgram(program, rev):
            return "DELETE FROM programs WHERE program = ? AND rev = ?", (program, rev)
        case KeepPanic(panic, kind, body):
            alarm = (panic, kind, body, hashlib.sha256(body).hexdigest())
            return "INSERT OR REPLACE INTO panics VALUES (?, ?, ?, ?)", alarm
        case KeepLocal(black):
            if black is None:
                return "DELETE FROM local_black", ()
            return "INSERT OR REPLACE INTO local_black VALUES (1, ?, ?)", (black.by, black.since)
        case _:
            assert_never(write)


def _listed(signers: frozenset[KeyId]) -> str:
    return " ".join(sorted(signers))


def peek(state_dir: Path) -> list[ProgramRow] | Refusal:
    """The programs in the journal of an agent that may be running, oldest revision first.

    A running agent lets nobody else open it, so a copy is read: of file and write-ahead log as they both stood at one
    moment, which is so when neither has changed while they were copied.
    """
    path = state_dir / FILE_NAME
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / FILE_NAME
            if not any(_copied(path, copy) for _ in range(COPY_ATTEMPTS)):
                return Refusal(code="journal_in_use", detail=f"{path} is being written all the time; try again")
            db = sqlite3.connect(copy)
            try:
                return Journal(db).programs()
            finally:
                db.close()
    except FileNotFoundError:
        return Refusal(code="journal_absent", detail=f"{path} is not there; no agent has run with this state_dir yet")
    except (sqlite3.Error, OSError) as error:
        return Refusal(code="journal", detail=f"{path} cannot be read ({error}); run this as the agent's user")


def holder(state_dir: Path) -> int | None:
    """The process of the agent that has the journal in `state_dir`; None where none has. Raises PermissionError.

    SQLite locks bytes from 2³⁰ on (its file format, "the lock-byte page"); the kernel says who has (fcntl(2), F_GETLK).
    """
    question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 1 << 30, 512, 0)
    try:
        with (state_dir / FILE_NAME).open("rb") as file:
            kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, question))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return pid if kind != fcntl.F_UNLCK else None


def _copied(path: Path, copy: Path) -> bool:
    """Copy a journal; false when it changed meanwhile."""
    parts = {path: copy, path.with_name(path.name + "-wal"): copy.with_name(copy.name + "-wal")}
    before = [_stamp(part) for part in parts]
    for part, target in parts.items():
        target.unlink(missing_ok=True)
        if part == path or part.exists():
            shutil.copyfile(part, target)
    return [_stamp(part) for part in parts] == before


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _set_aside(path: Path, error: sqlite3.Error) -> None:
    stamp = time.time_ns() // 1_000_000_000
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(path.with_name(f"{path.name}.corrupt-{stamp}{suffix}"))
    log.critical("the journal is damaged; it was moved aside and a new one begun", path=str(path), error=str(error))


def _unusable(path: Path, error: Exception) -> Refusal:
    if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
        return Refusal(
            code="journal_in_use", detail=f"{path} is in use; stop the other agent or give this one a state_dir"
        )
    return Refusal(code="journal", detail=f"{path}: {error}; make state_dir writable for the agent, on a sound disk")


def _unwritten(error: sqlite3.Error) -> Refusal:
    return Refusal(
        code="journal", detail=f"the journal could not be written: {error}; check space and disk of state_dir"
    )
