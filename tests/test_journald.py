"""Entries as the journal reads them, on a real socket."""

import array
import io
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from agent import journald, log
from agent.journald import Journal, encode, field_name, is_journal


class Reader:
    """The journal's end of the socket, as its documentation has it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self._sock.settimeout(5)

    def entry(self) -> dict[str, str]:
        """The next entry; it is there, or comes."""
        payload, ancillary, _, _ = self._sock.recvmsg(1 << 20, socket.CMSG_SPACE(4))
        if ancillary:
            [fd] = array.array("i", ancillary[0][2])
            payload = os.pread(fd, 1 << 24, 0)
            with pytest.raises(OSError, match="not permitted"):
                os.write(fd, b"what was sealed cannot be changed")
            os.close(fd)
        return decode(payload)

    def silent(self) -> bool:
        self._sock.setblocking(False)
        try:
            self._sock.recv(1)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            self._sock.settimeout(5)

    def close(self) -> None:
        self._sock.close()
        self._path.unlink(missing_ok=True)


def decode(payload: bytes) -> dict[str, str]:
    """Read an entry; written from the protocol's description, without a look at the encoder."""
    fields = {}
    at = 0
    while at < len(payload):
        end = payload.index(b"\n", at)
        name, equals, value = payload[at:end].partition(b"=")
        at = end + 1
        if not equals:
            size = int.from_bytes(payload[at : at + 8], "little")
            value = payload[at + 8 : at + 8 + size]
            assert payload[at + 8 + size : at + 9 + size] == b"\n"
            at += size + 9
        fields[name.decode()] = value.decode()
    return fields


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    found = Reader(tmp_path / "socket")
    yield found
    found.close()


@pytest.fixture
def journal(reader: Reader, tmp_path: Path) -> Journal:
    return Journal(str(tmp_path / "socket"))


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    kept = (root.handlers, root.level, sys.excepthook)
    yield
    root.handlers, root.level, sys.excepthook = kept
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.mark.parametrize("value", ["", "plain", "a=b", "two\nlines", "\n", "é\x1b[31m\0"])
def test_any_value_arrives_as_it_was(value: str) -> None:
    assert decode(encode({"MESSAGE": value, "PRIORITY": "6"})) == {"MESSAGE": value, "PRIORITY": "6"}


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("error_us", "ERROR_US"),
        ("_private", "PRIVATE"),
        ("films of a cue", "FILMS_OF_A_CUE"),
        ("ü" * 3 + "x" * 99, "X" * 64),
    ],
)
def test_a_name_is_made_one_that_the_journal_takes(name: str, taken: str) -> None:
    assert field_name(name) == taken


def test_a_line_has_its_fields_and_a_message_that_a_person_can_read(journal: Journal, reader: Reader) -> None:
    stream = io.StringIO()
    log.configure(stream, journal=journal)
    structlog.get_logger("agent.daemon").warning("cue", stage="missed", error_us=-3, ready=False, reasons=["a", "b"])
    entry = reader.entry()
    assert entry == {
        "MESSAGE": "cue: stage=missed error_us=-3 ready=false reasons=a b",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "framezero",
        "FRAMEZERO_EVENT": "cue",
        "FRAMEZERO_LOGGER": "agent.daemon",
        "FRAMEZERO_STAGE": "missed",
        "FRAMEZERO_ERROR_US": "-3",
        "FRAMEZERO_READY": "false",
        "FRAMEZERO_REASONS": "a\nb",
    }
    assert stream.getvalue() == "", "nothing is said twice"


def test_what_libraries_say_and_exceptions_are_entries_too(journal: Journal, reader: Reader) -> None:
    log.configure(io.StringIO(), journal=journal)
    logging.getLogger("some.library").error("it %s", "broke", extra={"host": "cue-a"})
    entry = reader.entry()
    assert (entry["MESSAGE"], entry["PRIORITY"]) == ("it broke: host=cue-a", "3")
    assert entry["FRAMEZERO_LOGGER"] == "some.library"
    try:
        raise ValueError("odd\nfilm")
    except ValueError:
        structlog.get_logger().exception("broken")
    entry = reader.entry()
    assert entry["FRAMEZERO_ERROR"] == "ValueError: odd\nfilm"
    assert "test_journald.py" in entry["FRAMEZERO_TRACE"]
    assert "\n" not in entry["MESSAGE"] and "test_journald.py" not in entry["MESSAGE"], "one entry, one line"
    assert reader.silent()


def test_what_comes_from_outside_cannot_forge_a_field_or_steer_a_terminal(journal: Journal, reader: Reader) -> None:
    log.configure(io.StringIO(), journal=journal)
    structlog.get_logger().info("heard", text="x\nPRIORITY=0\x1b[2J")
    entry = reader.entry()
    assert entry["PRIORITY"] == "6"
    assert entry["FRAMEZERO_TEXT"] == "x\nPRIORITY=0\x1b[2J"
    assert "\x1b" not in entry["MESSAGE"]


def test_an_entry_that_no_datagram_holds_goes_in_sealed_memory(journal: Journal, reader: Reader) -> None:
    log.configure(io.StringIO(), journal=journal)
    structlog.get_logger().info("handled", effects="x" * 3_000_000)
    entry = reader.entry()
    assert entry["FRAMEZERO_EFFECTS"] == "x" * 3_000_000
    assert len(entry["MESSAGE"]) <= 1000


def test_where_there_is_no_journal_a_line_is_said_on_the_stream(tmp_path: Path) -> None:
    stream = io.StringIO()
    log.configure(stream, journal=Journal(str(tmp_path / "none")))
    structlog.get_logger().info("hello", n=1)
    said = json.loads(stream.getvalue())
    assert (said["event"], said["n"], said["level"]) == ("hello", 1, "info")


def test_a_journal_that_is_slow_gets_all_of_it_in_order_and_nobody_waits(journal: Journal, reader: Reader) -> None:
    log.configure(io.StringIO(), journal=journal)
    for n in range(900):  # more than a socket holds, whatever net.unix.max_dgram_qlen is
        structlog.get_logger().info("line", n=n)
    assert [reader.entry()["FRAMEZERO_N"] for _ in range(900)] == [str(n) for n in range(900)]


def test_what_is_left_out_is_counted_and_said(
    journal: Journal, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journald, "WAITING", 5)
    sent = 0
    while journal._dropped < 7:
        assert journal.send(encode({"MESSAGE": str(sent)}))
        sent += 1
    numbers: list[int] = []
    losses: list[str] = []
    while not numbers or numbers[-1] != sent - 8:
        entry = reader.entry()
        losses += [entry["FRAMEZERO_DROPPED"]] if "FRAMEZERO_DROPPED" in entry else []
        numbers += [int(entry["MESSAGE"])] if "FRAMEZERO_DROPPED" not in entry else []
    assert losses == ["7"]
    assert numbers == list(range(sent - 7))


def test_long_lines_wait_only_as_far_as_there_is_memory_for_them(journal: Journal, reader: Reader) -> None:
    while not journal._later:  # full, and nobody reads
        assert journal.send(encode({"MESSAGE": "short"}))
    assert journal.send(encode({"MESSAGE": "x" * journald.WAITING_BYTES}))
    assert (journal._dropped, len(journal._later)) == (1, 1), "it does not fit beside the other"
    assert journal.send(encode({"MESSAGE": "last"}))
    while "last" not in (entry := reader.entry())["MESSAGE"]:
        assert entry["MESSAGE"] == "short" or entry["FRAMEZERO_DROPPED"] == "1"
    journal.close()
    assert (journal._dropped, journal._later_bytes) == (0, 0)


def test_what_a_dead_journal_did_not_take_is_said_with_the_next_line(
    journal: Journal, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journald, "SEND_S", 0.05)
    sent = 0
    while not journal._dropped:  # full, and nobody reads
        assert journal.send(encode({"MESSAGE": str(sent)}))
        sent += 1
    journal.close()
    given_up = journal._dropped
    taken = [reader.entry()["MESSAGE"] for _ in range(sent - given_up)]
    assert taken == [str(n) for n in range(sent - given_up)]
    assert journal.send(encode({"MESSAGE": "next"}))
    assert reader.entry()["FRAMEZERO_DROPPED"] == str(given_up)
    assert reader.entry()["MESSAGE"] == "next"
    assert reader.silent()


def test_the_end_of_the_program_waits_a_moment_for_a_slow_journal(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "slow")
    code = (
        "import io, structlog; from agent import log; from agent.journald import Journal\n"
        f"log.configure(io.StringIO(), journal=Journal({str(tmp_path / 'slow')!r}))\n"
        "for n in range(900): structlog.get_logger().info('line', n=n)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as child:
        assert [reader.entry()["FRAMEZERO_N"] for _ in range(900)] == [str(n) for n in range(900)]
    assert child.returncode == 0
    reader.close()


def test_the_journal_is_where_systemd_says_so_of_this_very_stream(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        found = os.fstat(stream.fileno())
        assert is_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not is_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not is_journal(stream, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "8:1"})


def test_an_inherited_variable_does_not_send_the_lines_of_a_terminal_to_the_journal() -> None:
    code = "import sys, os; from agent import journald; sys.exit(journald.is_journal(sys.stderr, os.environ))"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "JOURNAL_STREAM": "9:12345"}, check=False)
    assert done.returncode == 0
