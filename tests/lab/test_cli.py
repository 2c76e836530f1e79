"""The commands as people type them, each in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.lab import rundir
from agent.lab.processes import kill_marked, marked

ALL = ("Xvfb", "mosquitto", "chronyd", "ffmpeg", "mosquitto_pub")


def lab(*words: str, timeout: float = 100) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "agent.cli", "lab", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "big"), "--size: 'big' is not a size; write it as 320x180"),
        (("--fps", "fast"), "--fps: 'fast' is not a frame rate"),
        (("--asymmetry", "9999"), "--asymmetry 9999: is not between"),
        (("--films", "/nonexistent"), "--films /nonexistent: cannot be read"),
    ],
)
def test_odd_options_are_explained_without_a_traceback(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = lab("run", *words, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_folder_with_other_things_is_refused_also_as_json(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    done = lab("run", "--out", str(tmp_path), "--json")
    assert done.returncode == 2
    said = json.loads(done.stdout)
    assert said["exit"] == 2
    assert "not empty" in said["errors"][0]


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    done = lab("report", str(tmp_path))
    assert done.returncode == 2
    assert "name the folder of a lab run" in done.stderr


@pytest.mark.parametrize("command", ["run", "up", "report"])
def test_every_command_has_an_example(command: str) -> None:
    assert f"Example: framezero lab {command}" in lab(command, "--help").stdout


@pytest.mark.needs(*ALL)
def test_a_short_run_leaves_a_report_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = lab("run", "--venues", "2", "--seconds", "8", "--out", str(out), "--json")
    # Whether it was in sync is the machine's business; that it was measured is the lab's.
    assert done.returncode in (0, 1, 5), done.stderr
    figures = json.loads(done.stdout)
    assert figures == json.loads((out / rundir.REPORT).read_text())
    assert figures["venues"] == ["shanghai", "hongkong"]
    for display in figures["displays"]:
        assert abs(display["first_frame_error_ms"]) < 500
        assert abs(display["clock_error_ms"]) < 50
        assert display["ready_s"] < 40
        assert display["frames"] > 150
    assert all((out / name).stat().st_size for name in (rundir.PLOT, rundir.PAGE, rundir.WALLS))
    assert not (out / "displays" / "shanghai" / "Xvfb_screen0").exists()
    assert processes_in(out) == []
    again = lab("report", str(out))
    assert again.returncode == done.returncode
    assert "skew across 2 walls" in again.stdout


@pytest.mark.needs(*ALL)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_standing_lab_ends_with_all_its_processes(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    with (tmp_path / "words").open("w") as words:
        argv = [sys.executable, "-m", "agent.cli", "lab", "up", "--venues", "1", "--out", str(out)]
        up = subprocess.Popen(argv, stdout=words, stderr=words)
    mark = ""
    try:
        wait_for(lambda: "mosquitto_pub" in (tmp_path / "words").read_text() or up.poll() is not None, 60)
        assert up.poll() is None, (tmp_path / "words").read_text()
        described = json.loads((out / "lab.json").read_text())
        mark = mark_of(described["pids"]["broker"])
        assert set(described["pids"].values()) <= set(marked(mark))
        left = [Path("/dev/shm", f"faketime_shm_{described['pids']['agent-shanghai']}")]
        left.append(Path(f"/tmp/.X11-unix/X{described['venues'][0]['display'][1:]}"))
        assert all(path.exists() for path in left)
        up.send_signal(number)
        assert up.wait(20) == (-9 if number is signal.SIGKILL else 130)
        wait_for(lambda: not marked(mark) and not any(path.exists() for path in left), 5)
        assert marked(mark) == []
        assert not any(path.exists() for path in left)
        if number is not signal.SIGKILL:
            assert "nothing is left running" in (tmp_path / "words").read_text()
    finally:
        up.kill()
        up.wait()
        if mark:
            kill_marked(mark)


def mark_of(pid: int) -> str:
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    (found,) = (word for word in environment if word.startswith(b"LAB_RUN_MARK="))
    return found.partition(b"=")[2].decode()


def wait_for(done: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)


def processes_in(out: Path) -> list[str]:
    """The command lines of all processes that name a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(out) in words:
                found.append(words)
    return found
