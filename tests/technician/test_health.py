import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.technician import health


def status(**more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "state": "playing",
        "cue": "c",
        "item": 0,
        "frame": 10,
        "position_us": 400_000,
        "frame_us": 40_000,
        "reasons": [],
        "brokers": {"mqtts://a": False, "mqtts://b": True},
    }
    return told | more


def test_frames_that_advance_and_one_broker_are_health() -> None:
    assert health.judge(status(), status(frame=35, position_us=1_400_000)) is None
    assert health.judge(status(frame=90), status(item=1, frame=10)) is None


def test_a_film_that_stands_is_not() -> None:
    assert "no new frame" in str(health.judge(status(), status()))


def test_a_still_stands_as_meant() -> None:
    assert health.judge(status(frame_us=None), status(frame_us=None)) is None


@pytest.mark.parametrize("state", ["slate", "black", "panic", "held", "armed"])
def test_what_stands_as_meant_is_healthy(state: str) -> None:
    assert health.judge(status(state=state), status(state=state)) is None


@pytest.mark.parametrize("state", ["fault", "starting", "something new"])
def test_a_wall_that_shows_nothing_is_not(state: str) -> None:
    assert state in str(health.judge(status(state=state), status(state=state)))


def test_no_broker_is_not() -> None:
    gone = {"mqtts://a": False, "mqtts://b": False}
    assert health.judge(status(brokers=gone), status(frame=35, brokers=gone)) == "no broker is connected"


def test_a_display_that_is_gone_is_named_whatever_the_state_says() -> None:
    reason = {"code": "display_absent", "detail": "no X server at :0"}
    assert health.judge(status(), status(frame=35, reasons=[reason])) == "display_absent: no X server at :0"


def test_what_only_the_next_cue_lacks_is_no_illness() -> None:
    reason = {"code": "film_missing", "detail": "koi.mp4 is not here"}
    assert health.judge(status(), status(frame=35, reasons=[reason])) is None


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[list[bytes]]:
    """What answers the next callers at a local socket."""
    answers: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / health.SOCKET))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                line.recv(4096)
                line.sendall(answers.pop(0))

    threading.Thread(target=serve, daemon=True).start()
    yield answers
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_an_agent_is_asked_twice(agent: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "APART_S", 0.0)
    agent += [json.dumps({"status": status(frame=frame)}).encode() + b"\n" for frame in (1, 2)]
    assert health.look(tmp_path / "agent.toml", {"RUNTIME_DIRECTORY": str(tmp_path)}) is None
    assert not agent


def test_an_agent_that_answers_oddly_is_not_healthy(agent: list[bytes], tmp_path: Path) -> None:
    agent += [b"nothing of this\n"]
    (tmp_path / "agent.toml").write_text(f'state_dir = "{tmp_path}"\n')
    assert "cannot be read" in str(health.look(tmp_path / "agent.toml", {}))


def test_no_agent_is_not_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert health.main([]) == 1
    assert "does not answer" in capsys.readouterr().out


def test_it_needs_nothing_but_pythons_own_library() -> None:
    source = Path(str(health.__file__)).read_text()
    imported = {
        line.split()[1].partition(".")[0] for line in source.splitlines() if line.startswith(("import", "from"))
    }
    assert imported <= set(sys.stdlib_module_names)
