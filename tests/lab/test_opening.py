import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from brokers import free_port

from agent.lab import barcode, opening
from agent.lab.processes import LabError, wait_until


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No profile but what the environment says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FRAMEZERO_CONTROL__SHOW", "lab")
    return monkeypatch


def test_the_reel_is_of_films_that_the_meter_tells_apart() -> None:
    films = opening.reel(Path("/films"))
    assert len({film.clip for film in films}) == len(films) == 2
    assert all(film.seconds == 15 and film.frames <= barcode.MAX_FRAME for film in films)


def test_what_a_command_says_is_told_when_it_fails(profile: pytest.MonkeyPatch) -> None:
    profile.setenv("FRAMEZERO_CONTROL__BROKER", f"mqtt://127.0.0.1:{free_port()}")
    with pytest.raises(LabError, match="cue list"):
        opening.framezero("cue", "list")


def test_a_broker_that_never_comes_is_named(
    profile: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    profile.setenv("FRAMEZERO_CONTROL__BROKER", f"mqtt://127.0.0.1:{port}")
    profile.setattr(opening, "BROKER_S", 0.0)
    assert opening.main(["--films", str(tmp_path), "--url", "http://films"]) == 1
    assert str(port) in capsys.readouterr().err


def test_sigterm_ends_it_at_once_while_it_waits_for_its_broker(tmp_path: Path) -> None:
    """As the first process of a container, in a namespace of its own, where no signal has an effect by itself."""
    if os.geteuid() != 0:
        pytest.skip("a namespace for processes needs root")
    argv = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-m", "agent.lab.opening"]
    env = {
        **os.environ,
        "HOME": str(tmp_path),
        "FRAMEZERO_CONTROL__SHOW": "lab",
        "FRAMEZERO_CONTROL__BROKER": f"mqtt://127.0.0.1:{free_port()}",
    }
    child = subprocess.Popen([*argv, "--films", str(tmp_path), "--url", "http://films"], env=env)
    try:
        inner = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        wait_until(lambda: handles_sigterm(inner.read_text().split()), 15, "the opening")
        os.kill(int(inner.read_text()), signal.SIGTERM)
        assert child.wait(10) == 128 + signal.SIGTERM
    finally:
        child.kill()
        child.wait()


def handles_sigterm(pids: list[str]) -> bool:
    """Whether it has got so far."""
    status = "".join(Path(f"/proc/{pid}/status").read_text() for pid in pids)
    caught = int(status.partition("SigCgt:")[2].split()[0], 16) if status else 0
    return bool(caught >> (signal.SIGTERM - 1) & 1)
