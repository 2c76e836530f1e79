import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.lab import city, displays, faketime
from agent.lab.processes import wait_until


def test_the_agent_does_not_see_the_skew_as_a_setting_and_an_empty_one_is_a_true_clock() -> None:
    found = city.command(Path("/etc/framezero/agent.toml"), "")
    assert found[:2] == ["env", "--unset=FRAMEZERO_SKEW"]
    assert not [word for word in found if word.startswith("FAKETIME")]


def test_a_skew_is_preloaded_into_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faketime, "library", lambda: Path("/lib/libfaketimeMT.so.1"))
    found = city.command(Path("/etc/framezero/agent.toml"), "+1.3 x1.00005")
    assert found[2:4] == ["LD_PRELOAD=/lib/libfaketimeMT.so.1", "FAKETIME=+1.3 x1.00005"]


def test_what_an_earlier_life_kept_of_its_clock_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "mapping.json").write_text("{}")
    city._boot(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    city._boot("")


@pytest.mark.needs("Xvfb")
def test_where_no_real_time_is_given_the_remedy_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(city, "NUMBER", free_display())
    monkeypatch.setattr(displays, "be_prompt", lambda _: False)
    agent = "import os, pathlib, signal, sys, time\n" + (
        "kin = lambda: [int(p) for p in pathlib.Path(f'/proc/{os.getppid()}/task/{os.getppid()}/children')"
        ".read_text().split() if pathlib.Path(f'/proc/{p}/comm').read_text().strip() == 'Xvfb']\n"
        "(first,) = kin()\nos.kill(first, signal.SIGKILL)\n"
        "for _ in range(750):\n    if kin() not in ([first], []): sys.exit(0)\n    time.sleep(0.02)\nsys.exit(1)\n"
    )
    assert city.City([sys.executable, "-c", agent], (320, 180), tmp_path).run() == 0
    assert capsys.readouterr().err.count("compose.realtime.yaml") == 1


def test_a_display_that_does_not_start_is_tried_again_and_an_agent_that_ends_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Children that end at once, and while another one is started, are seen by the loop as any others."""
    tries = tmp_path / "tries"
    program = tmp_path / "Xvfb"
    program.write_text(f"#!/bin/sh\necho x >> {tries}\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(city, "find", lambda _: str(program))
    monkeypatch.setattr(city, "NUMBER", free_display())
    monkeypatch.setattr(city, "PAUSE_S", 0.05)
    agent = f'while [ "$(wc -l < {tries})" -lt 3 ]; do sleep 0.02; done; exit 7'
    assert city.City(["sh", "-c", agent], (320, 180), tmp_path).run() == 7
    assert len(tries.read_text().split()) >= 3


@pytest.mark.needs("Xvfb")
def test_a_display_that_dies_is_raised_again_and_sigterm_ends_all(tmp_path: Path) -> None:
    # In a namespace of its own, as in a container: there it is the first process, and :0 is its own.
    program = f"import sys; sys.argv = ['city']; from agent.lab import city; city.NUMBER = {free_display()}\n" + (
        f"sys.exit(city.City(['sleep', '1000'], (320, 180), __import__('pathlib').Path({str(tmp_path)!r})).run())"
    )
    handlers = "import signal; from agent.lab import city; signal.signal(signal.SIGTERM, city._shut_down)\n"
    child = subprocess.Popen([sys.executable, "-c", handlers + program], stderr=subprocess.DEVNULL)
    screen = tmp_path / "Xvfb_screen0"
    try:
        wait_until(lambda: screen.exists() and displays_of(child.pid) != [], 15, "the display")
        (first,) = displays_of(child.pid)
        with screen.open("rb") as old:  # as the meter has it, so that its number is not given to the next one
            os.kill(first, signal.SIGKILL)
            wait_until(lambda: displays_of(child.pid) not in ([], [first]) and screen.exists(), 15, "another display")
            assert screen.stat().st_ino != os.fstat(old.fileno()).st_ino
        (second,) = displays_of(child.pid)  # it may be starting yet, and ends all the same
    finally:
        child.terminate()
        assert child.wait(15) == 128 + signal.SIGTERM
    assert not Path(f"/proc/{second}").exists()


def displays_of(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == "Xvfb"]


def free_display() -> int:
    return next(number for number in range(300, 900) if not Path(f"/tmp/.X11-unix/X{number}").exists())
