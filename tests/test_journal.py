import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from agent.effects import KeepCue, KeepLocal, KeepPanic, KeepProgram
from agent.journal import FILE_NAME, SCHEMA_VERSION, Journal, ProgramRow, holder, peek
from agent.messages import Refusal
from agent.told import LocalBlack
from agent.units import UtcUs

A, B = "a" * 8, "b" * 8
AT, EXPIRES = UtcUs(1_000), UtcUs(2_000)


def opened(path: Path) -> Journal:
    journal = Journal.open(path)
    assert isinstance(journal, Journal), journal
    return journal


def refused(path: Path) -> Refusal:
    outcome = Journal.open(path)
    assert isinstance(outcome, Refusal)
    return outcome


def test_cues_come_back_verbatim_after_a_restart_in_their_order(tmp_path: Path) -> None:
    odd = b' {"cue" : "\xff\x00"} '
    journal = opened(tmp_path / "state")
    assert journal.keep(KeepCue(B, odd, AT, EXPIRES)) is None
    assert journal.keep(KeepCue(A, b"one", AT, EXPIRES)) is None
    assert journal.keep(KeepCue("c", b"early", UtcUs(1), EXPIRES)) is None
    journal.close()
    rows = opened(tmp_path / "state").cues()
    assert [row.cue for row in rows] == ["c", A, B]
    assert rows[2].payload == odd
    assert rows[2].sha256 == sha256(odd).hexdigest()
    assert (rows[2].at, rows[2].expires) == (AT, EXPIRES)


def test_a_cue_takes_the_place_of_the_one_under_its_id(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.keep(KeepCue(A, b"one", AT, EXPIRES))
    journal.keep(KeepCue(A, b"two", AT, UtcUs(EXPIRES + 1)))
    [row] = journal.cues()
    assert (row.payload, row.expires) == (b"two", EXPIRES + 1)


def test_what_has_expired_is_forgotten_at_its_very_instant(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.keep(KeepCue(A, b"one", AT, EXPIRES))
    journal.keep(KeepCue(B, b"two", AT, UtcUs(EXPIRES + 1)))
    journal.forget_expired(UtcUs(EXPIRES - 1))
    assert [row.cue for row in journal.cues()] == [A, B]
    journal.forget_expired(EXPIRES)
    assert [row.cue for row in journal.cues()] == [B]


def test_programs_come_back_by_revision(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for rev in (10, 9):
        assert journal.keep(KeepProgram("reel", rev, b"rev %d" % rev)) is None
    assert journal.keep(KeepProgram("reel", 9, b"rev 9")) is None
    assert [(row.rev, row.payload) for row in journal.programs()] == [(9, b"rev 9"), (10, b"rev 10")]


def test_panics_and_lifts_come_back(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for write in (
        KeepPanic(B, "panic", b"b"),
        KeepPanic(A, "panic", b"a"),
        KeepPanic(A, "lift", b"one"),
        KeepPanic(A, "lift", b"two"),
    ):
        assert journal.keep(write) is None
    journal.close()
    rows = opened(tmp_path).panics()
    assert [(row.panic, row.kind, row.payload) for row in rows] == [
        (A, "lift", b"two"),
        (A, "panic", b"a"),
        (B, "panic", b"b"),
    ]
    assert rows[0].sha256 == sha256(b"two").hexdigest()


VERSION_1 = """
CREATE TABLE cues (cue TEXT PRIMARY KEY, payload BLOB NOT NULL, sha256 TEXT NOT NULL, at_us INTEGER NOT NULL,
                   expires_us INTEGER NOT NULL) STRICT;
CREATE TABLE programs (program TEXT NOT NULL, rev INTEGER NOT NULL, payload BLOB NOT NULL, sha256 TEXT NOT NULL,
                       PRIMARY KEY (program, rev)) STRICT;
INSERT INTO cues VALUES ('aaaaaaaa', X'6f6e65', 'hash', 1000, 2000);
INSERT INTO programs VALUES ('reel', 3, X'6f6e65', 'hash');
PRAGMA user_version=1;
"""


def test_the_journal_of_an_older_agent_is_taken_over_with_what_it_holds(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.executescript(VERSION_1)
    for _ in range(2):
        journal = opened(tmp_path)
        assert [(row.cue, row.at) for row in journal.cues()] == [(A, AT)]
        assert [(row.program, row.rev) for row in journal.programs()] == [("reel", 3)]
        assert journal.keep(KeepPanic(A, "panic", b"a")) is None
        journal.close()
    assert not list(tmp_path.glob("*corrupt*"))


def test_a_second_agent_is_refused(tmp_path: Path) -> None:
    first = opened(tmp_path)
    reason = refused(tmp_path)
    assert reason.code == "journal_in_use"
    assert "state_dir" in reason.detail
    first.close()
    opened(tmp_path)


def test_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.keep(KeepCue(A, b"one", AT, EXPIRES))
    journal.close()
    with contextlib.closing(sqlite3.connect(tmp_path / FILE_NAME)) as db:
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    assert refused(tmp_path).code == "journal_newer"
    assert [path.name for path in tmp_path.glob("*corrupt*")] == []


def flip_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for place in range(4096, len(data), 4096):
        data[place : place + 64] = b"\xa5" * 64
    path.write_bytes(data)


def no_database(path: Path) -> None:
    path.write_bytes(b"this is no database, it is a text of some length " * 100)


def cut(path: Path) -> None:
    os.truncate(path, 4096 + 100)


def other_schema(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE cues (something TEXT)")


@pytest.mark.parametrize("harm", [flip_pages, no_database, cut, other_schema])
def test_a_damaged_journal_is_moved_aside_and_a_new_one_begun(tmp_path: Path, harm: object) -> None:
    journal = opened(tmp_path)
    for number in range(50):
        journal.keep(KeepCue(f"cue{number}", os.urandom(1000), AT, EXPIRES))
    journal.close()
    assert callable(harm)
    harm(tmp_path / FILE_NAME)
    journal = opened(tmp_path)
    assert journal.cues() == []
    assert journal.keep(KeepCue(A, b"one", AT, EXPIRES)) is None
    assert len(list(tmp_path.glob(f"{FILE_NAME}.corrupt-*"))) >= 1


def test_an_empty_file_is_a_new_journal(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    assert opened(tmp_path).keep(KeepCue(A, b"one", AT, EXPIRES)) is None


def test_a_folder_that_cannot_be_used_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reason = refused(tmp_path / "file")
    assert reason.code == "journal"
    assert "state_dir" in reason.detail


def test_a_write_that_fails_is_a_refusal(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal._db.execute("PRAGMA query_only=ON")
    for outcome in (
        journal.keep(KeepCue(A, b"one", AT, EXPIRES)),
        journal.keep(KeepProgram("reel", 1, b"one")),
        journal.keep(KeepPanic(A, "panic", b"one")),
        journal.forget_expired(AT),
    ):
        assert isinstance(outcome, Refusal)
        assert outcome.code == "journal"


def test_a_commit_is_on_the_disk_and_quick_enough_for_an_event_loop(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    times = []
    for number in range(100):
        before = time.perf_counter()
        journal.keep(KeepCue(f"cue{number}", b"x" * 1500, AT, EXPIRES))
        times.append(time.perf_counter() - before)
    assert sorted(times)[50] < 0.05


WRITER = """
import sys
from pathlib import Path
from agent.effects import KeepCue
from agent.journal import Journal
journal = Journal.open(Path(sys.argv[1]))
start = int(sys.argv[2])
for number in range(start, start + 1_000_000):
    assert journal.keep(KeepCue(f"cue{number:09}", b"x" * (number % 3000), number, 10**18)) is None
    print(number, flush=True)
"""


def test_every_acknowledged_write_survives_sigkill(tmp_path: Path) -> None:
    acknowledged: set[int] = set()
    for round_ in range(20):
        start = round_ * 1_000_000
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(start)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(5 + 7 * round_):
            acknowledged.add(int(child.stdout.readline()))
        child.send_signal(signal.SIGKILL)
        acknowledged.update(int(line) for line in child.stdout.read().splitlines() if line)
        child.stdout.close()
        assert child.wait(10) == -signal.SIGKILL
    rows = {row.cue: row.payload for row in opened(tmp_path).cues()}
    assert len(acknowledged) >= 20 * 5
    for number in acknowledged:
        assert rows[f"cue{number:09}"] == b"x" * (number % 3000)
    assert not list(tmp_path.glob("*corrupt*"))


def programs_in(path: Path) -> list[ProgramRow]:
    found = peek(path)
    assert not isinstance(found, Refusal), found
    return found


def test_a_running_agents_programs_can_be_read_beside_it_and_it_goes_on(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert journal.keep(KeepProgram("reel", 1, b"first")) is None
    assert [row.payload for row in programs_in(tmp_path)] == [b"first"]
    assert journal.keep(KeepProgram("reel", 2, b"second")) is None
    assert [(row.rev, row.payload) for row in programs_in(tmp_path)] == [(1, b"first"), (2, b"second")]
    assert journal.programs() == programs_in(tmp_path)
    journal.close()
    assert [row.payload for row in programs_in(tmp_path)] == [b"first", b"second"]


def test_a_journal_that_changes_while_it_is_copied_is_copied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    copy, writes = shutil.copyfile, [b"one", b"two"]

    def disturbed(source: Path, target: Path) -> None:
        copy(source, target)
        if writes:
            assert journal.keep(KeepProgram(f"reel-{len(writes)}", 1, writes.pop())) is None

    monkeypatch.setattr(shutil, "copyfile", disturbed)
    assert len(programs_in(tmp_path)) == 2
    writes += [b"more"] * 99
    busy = peek(tmp_path)
    assert isinstance(busy, Refusal) and busy.code == "journal_in_use"
    journal.close()


def test_what_is_no_journal_is_said(tmp_path: Path) -> None:
    absent = peek(tmp_path)
    assert isinstance(absent, Refusal) and absent.code == "journal_absent"
    (tmp_path / FILE_NAME).write_bytes(b"noise" * 1000)
    noise = peek(tmp_path)
    assert isinstance(noise, Refusal) and noise.code == "journal"
    assert (tmp_path / FILE_NAME).read_bytes() == b"noise" * 1000


def test_a_local_black_comes_back_until_it_is_struck(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    assert journal.local_black() is None
    for black in (LocalBlack(by="alice", since=UtcUs(7)), LocalBlack(by="bob", since=None)):
        assert journal.keep(KeepLocal(black)) is None
        journal.close()
        journal = opened(tmp_path)
        assert journal.local_black() == black
    assert journal.keep(KeepLocal(None)) is None
    assert journal.local_black() is None


def test_a_journal_with_a_local_black_is_no_newer_one_for_the_agent_before_it(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.keep(KeepLocal(LocalBlack(by="alice", since=None)))
    journal.close()
    db = sqlite3.connect(tmp_path / FILE_NAME)
    [version] = db.execute("PRAGMA user_version").fetchone()
    assert version == 4, "what that agent knows, and so opens after a roll-back"
    db.execute("DROP TABLE local_black")  # as it would have made it
    db.close()
    assert opened(tmp_path).local_black() is None


def test_the_holder_of_a_journal_is_named_and_nobody_where_it_is_closed(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    code = f"""
import sys, time
from pathlib import Path
from agent.journal import Journal
journal = Journal.open(Path({str(tmp_path)!r}))
print("open", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"open\n"
        assert holder(tmp_path) == process.pid
        process.stdin.close()
    assert holder(tmp_path) is None
