"""`framezero local`: where the agent is looked for, what is said where it does not answer, and the page."""

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from makers import T0, uuid_of
from rich.console import Console
from test_json_shapes import SHAPES
from test_status import status_of
from test_technician_cli import framezero, write
from walls import FakeWall

from agent.localwire import SOCKET, Order, Reply, Use
from agent.messages import Refusal, encode
from agent.technician import local
from agent.technician.local import NoAnswer, Place, ask, find
from agent.technician.local_page import page
from agent.technician.local_words import both_times, in_use
from agent.told import LocalBlack, NextCue, SelfTest, SelfTestFinding
from agent.units import US_PER_S, UtcUs

QUIET = Order(want="quiet")


def reply(**more: Any) -> Reply:
    return Reply(venue="paris", timezone="Europe/Paris", time=T0).model_copy(update=more)


@contextmanager
def agent_at(path: Path, *answers: bytes) -> Iterator[list[bytes]]:
    """Somebody who listens there and gives each caller the next answer; what was asked is yielded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(8)

        def serve() -> None:
            for answer in answers:
                with suppress(OSError):
                    caller, _ = listener.accept()
                    with caller:
                        if answer:  # else it hangs up at once, as one who has too many callers
                            asked.append(caller.recv(4096))
                            caller.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield asked
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def place_of(folder: Path) -> Place:
    found = find(write(folder, [("127.0.0.1", 1, True)]), {})
    assert isinstance(found, Place)
    return found


def trouble(answer: Reply | NoAnswer | Place) -> str:
    assert isinstance(answer, NoAnswer), answer
    return answer.trouble


def test_the_units_own_places_are_known_and_no_other_wall_is_reached(tmp_path: Path, monkeypatch: Any) -> None:
    etc, run = tmp_path / "etc", tmp_path / "run"
    monkeypatch.setattr(local, "CONFIG", etc / "agent.toml")
    monkeypatch.setattr(local, "RUNTIME", run)
    for folder in (etc, etc / "left", tmp_path / "elsewhere"):
        folder.mkdir()
        write(folder, [("127.0.0.1", 1, True)])
    found = {name: find(path, {}) for name, path in {
        "one": etc / "agent.toml", "left": etc / "left/agent.toml", "other": tmp_path / "elsewhere/agent.toml",
    }.items()}  # fmt: skip
    assert found == {
        "one": Place((etc / "state" / SOCKET, run / SOCKET), etc / "state", "framezero"),
        "left": Place((etc / "left/state" / SOCKET, run / "left" / SOCKET), etc / "left/state", "framezero@left"),
        "other": Place((tmp_path / "elsewhere/state" / SOCKET,), tmp_path / "elsewhere/state", "framezero"),
    }
    moved = find(etc / "agent.toml", {"FRAMEZERO_STATE_DIR": str(tmp_path)})
    assert isinstance(moved, Place)
    assert moved.sockets[0] == tmp_path / SOCKET


@pytest.mark.parametrize("text", ["not toml", 'venue = 17\nstate_dir = ["x"]\n', "state_dir = 1\n", "\xff"])
def test_a_broken_configuration_does_not_keep_a_technician_from_the_wall(
    tmp_path: Path, monkeypatch: Any, text: str
) -> None:
    monkeypatch.setattr(local, "CONFIG", tmp_path / "agent.toml")
    monkeypatch.setattr(local, "RUNTIME", tmp_path / "run")
    (tmp_path / "agent.toml").write_text(text, encoding="latin-1")
    found = find(tmp_path / "agent.toml", {})
    assert isinstance(found, Place)
    assert (found.sockets, found.state_dir) == ((tmp_path / "run" / SOCKET,), None)
    assert trouble(ask(found, QUIET)) == "config", "whether an agent runs that has no socket cannot be told"
    with agent_at(tmp_path / "run" / SOCKET, encode(reply()) + b"\n"):
        assert ask(found, QUIET) == reply()
    (tmp_path / "other.toml").write_text(text, encoding="latin-1")
    assert trouble(find(tmp_path / "other.toml", {})) == "config"


def test_a_configuration_that_is_not_there_is_a_slip_of_the_hand_or_no_player_yet(
    tmp_path: Path, monkeypatch: Any
) -> None:
    assert trouble(find(tmp_path / "agent.tml", {})) == "config"
    monkeypatch.setattr(local, "CONFIG", tmp_path / "agent.toml")
    monkeypatch.setattr(local, "RUNTIME", tmp_path / "run")
    found = find(tmp_path / "agent.toml", {})
    assert isinstance(found, Place)
    assert trouble(ask(found, QUIET)) == "absent"


def test_the_order_is_one_line_and_an_agent_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    with agent_at(tmp_path / "state" / SOCKET, b"", b"", encode(reply()) + b"\n") as asked:
        assert ask(place, QUIET) == reply()
    [line] = asked
    assert (json.loads(line)["want"], line.endswith(b"\n")) == ("quiet", True)


def test_a_refusal_and_nonsense_are_told_and_silence_has_an_end(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    old = encode(Refusal(code="version", detail="v: 2 is not read here"))
    for answer in (old + b"\n", b"what?\n", b'{"v": 9}\n', b"x" * 300_000):
        with agent_at(tmp_path / "state" / SOCKET, answer):
            assert trouble(ask(place, QUIET, 2)) == "refused"
        (tmp_path / "state" / SOCKET).unlink()
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(tmp_path / "state" / SOCKET))
        hung.listen(1)
        began = time.monotonic()
        assert trouble(ask(place, QUIET, 0.3)) == "silent"
        assert time.monotonic() - began >= 0.3
    assert trouble(ask(place, QUIET)) == "absent", "nobody listens any more, and nobody has the journal"


def test_an_agent_without_a_socket_is_not_taken_for_none(tmp_path: Path) -> None:
    place = place_of(tmp_path)
    code = f"import sys; from pathlib import Path; from agent.journal import Journal\nj = Journal.open(Path({str(tmp_path / 'state')!r})); print(1, flush=True); sys.stdin.read()"  # noqa: E501 - a program of one line
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as old:
        assert old.stdout is not None
        assert old.stdin is not None
        old.stdout.readline()
        assert trouble(ask(place, QUIET)) == "deaf"
        done = framezero("local", "quiet", "--config", str(tmp_path / "agent.toml"))
        assert (done.returncode, f"process {old.pid}" in done.stdout) == (1, True), done
        old.stdin.close()
    assert framezero("local", "quiet", "--config", str(tmp_path / "agent.toml")).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_told_of_sudo(tmp_path: Path) -> None:
    place_of(tmp_path)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    with agent_at(tmp_path / "state" / SOCKET):
        (tmp_path / "state" / SOCKET).chmod(0o660)
        code = (
            "import os, sys; sys.argv[0] = 'framezero'; from agent.cli import main, tree; tree('local'); "
            "os.setgroups([]); os.setgid(65534); os.setuid(65534); main()"
        )
        for command in ("status", "black", "resume", "quiet"):
            argv = [sys.executable, "-c", code, "local", command, "--config", str(tmp_path / "agent.toml")]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
            again = f"sudo framezero local {command} --config {tmp_path / 'agent.toml'}"
            assert (done.returncode, again in done.stderr) == (2, True), done


def test_the_shapes_of_json_are_as_they_are_described(tmp_path: Path) -> None:
    place_of(tmp_path)
    config = ("--json", "--config", str(tmp_path / "agent.toml"))
    told = reply(status=status_of(FakeWall()), film="a.mp4", uses=[Use(what="cue", detail="cue 1", at=T0)])
    both = "local black, resume"
    shapes = {"status": "local status", "black": both, "resume": both, "quiet": "local quiet"}
    for command, shape in shapes.items():
        with agent_at(tmp_path / "state" / SOCKET, encode(told) + b"\n"):
            done = framezero("local", command, *config)
        (tmp_path / "state" / SOCKET).unlink()
        found = json.loads(done.stdout)
        assert found.keys() == SHAPES[shape].keys(), command
        assert found["exit"] == done.returncode
    assert found["uses"][0].keys() == SHAPES["local quiet"]["uses"]
    absent = json.loads(framezero("local", "status", *config).stdout)
    assert (absent.keys(), absent["exit"], absent["trouble"]) == (SHAPES["local …"].keys(), 1, "absent")


@pytest.mark.parametrize("span", ["", "3", "60", "m", "-1m", "1y", "32d", "9" * 9 + "m", "\x1b[2J"])
def test_a_time_that_cannot_be_read_is_refused_with_examples(span: str) -> None:
    done = framezero("local", "quiet", "--for", span)
    assert (done.returncode, "write 90s, 60m, 2h or 1d" in done.stderr, "\x1b" in done.stderr) == (2, True, False)


# --- words ----------------------------------------------------------------------------------------


def test_times_are_in_utc_and_by_the_clock_on_the_venues_wall() -> None:
    assert both_times(T0, "Asia/Tokyo") == "2025-06-02 12:00:00 UTC (21:00:00 Asia/Tokyo)"
    late = UtcUs(T0 + 6 * 3600 * US_PER_S)
    assert both_times(late, "Asia/Tokyo") == "2025-06-02 18:00:00 UTC (2025-06-03 03:00:00 Asia/Tokyo)"
    assert both_times(T0, "Asia/Nowhere") == "2025-06-02 12:00:00 UTC"
    assert "not known" in both_times(None, "Asia/Tokyo")


def test_what_a_wall_is_used_for_is_a_line_each() -> None:
    uses = [Use(what="cue", detail="cue 1: reel rev 1", at=T0), Use(what="start", detail="cue 2: stop", at=T0),
            Use(what="unknown", detail="the time is not known\x1b[31m")]  # fmt: skip
    assert in_use(reply(uses=uses)) == [
        "in use: cue 1: reel rev 1, since 2025-06-02 12:00:00 UTC (14:00:00 Europe/Paris)",
        "in use: cue 2: stop, starts at 2025-06-02 12:00:00 UTC (14:00:00 Europe/Paris)",
        "in use: the time is not known",
    ]


def shown(told: Reply) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    console.print(page(told))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    return " ".join(text.split())


def test_the_page_tells_wall_next_cue_clock_and_each_fault_with_its_remedy() -> None:
    test = SelfTest(
        time=T0,
        good=9,
        warnings=0,
        faults=1,
        findings=[SelfTestFinding(area="display", verdict="fault", code="x", what="no mode", mend="xrandr --auto")],
    )
    status = status_of(FakeWall()).model_copy(
        update={
            "state": "playing",
            "program": "winners-reel",
            "rev": 3,
            "frame": 370,
            "position_us": 12_345_678,
            "display": "1920x1080@60",
            "ready": False,
            "reasons": [Refusal(code="film_missing", detail="koi\x1b]0;x\x07.mp4 is not here; framezero import")],
            "warnings": [Refusal(code="asrun_book", detail="the book is full; make room")],
            "next": NextCue(cue=uuid_of(2), at=UtcUs(T0 + 3723 * US_PER_S), action="play"),
            "pending": 3,
            "broker_faults": {"mqtt://127.0.0.1:1883": "it refuses us"},
            "self_test": test,
        }
    )
    told = shown(reply(status=status, film="koi.mp4", next_program="finale"))
    for words in (
        "paris NOT READY 2025-06-02 12:00:00 UTC (14:00:00 Europe/Paris)",
        "PLAYING koi.mp4 (winners-reel rev 3) frame 370 at 0:00:12.3",
        "play finale in 1 h 02 min, and 2 more 2025-06-02 13:02:03 UTC (15:02:03 Europe/Paris)",
        "SYNC",
        "1920x1080@60",
        "mqtt://127.0.0.1:1883 it refuses us",
        "✗ film_missing: koi.mp4 is not here; framezero import",
        "! asrun_book: the book is full; make room",
        "9 good, 0 warnings, 1 fault",
        "✗ no mode → xrandr --auto",
    ):
        assert words in told, f"{words!r} is not in {told}"


def test_the_page_says_who_has_the_wall_black_and_which_panic_holds() -> None:
    black = {"state": "black", "local_black": LocalBlack(by="alice (by sudo)", since=T0)}
    assert "BLACK by alice (by sudo), here at the wall" in shown(
        reply(status=status_of(FakeWall()).model_copy(update=black))
    )
    panic = {"state": "panic", "panic": uuid_of(50)}
    told = shown(reply(status=status_of(FakeWall()).model_copy(update=panic), time=None))
    assert f"PANIC {uuid_of(50)}" in told
    assert "nothing is cued here" in told
