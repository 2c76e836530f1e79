import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.lab import faketime
from agent.lab.processes import LabError, Processes, kill_marked, marked, remove

# A lab with a stubborn child (deaf to SIGTERM), a grandchild that left the session, and a file to remove.
LAB = """
import sys, time
from pathlib import Path
from agent.lab import processes
from agent.lab.processes import Processes, heed_signals
heed_signals()
processes.GRACE_S = 0.3
grandchild = "import subprocess, sys, time; subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(600)"
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
try:
    with Processes(Path(sys.argv[1])) as all:
        all.start("parent", [sys.executable, "-c", grandchild])
        all.start("deaf", [sys.executable, "-c", deaf])
        all.leaves(Path(sys.argv[1]) / "remains")
        time.sleep(0.5)
        sys.stdout.write(all.mark + "\\n"); sys.stdout.flush()
        if sys.argv[2] == "raise":
            raise RuntimeError("something broke")
        time.sleep(600)
except KeyboardInterrupt:
    sys.exit(130)
"""


def launch(tmp_path: Path, how: str = "wait") -> tuple[subprocess.Popen[str], str]:
    (tmp_path / "remains").touch()
    lab = subprocess.Popen(
        [sys.executable, "-c", LAB, str(tmp_path), how], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert lab.stdout is not None
    return lab, lab.stdout.readline().strip()


def gone(mark: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while marked(mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def keeper_of(mark: str) -> int:
    wanted = f"agent.lab.keeper\0{mark}\0".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and wanted in (entry / "cmdline").read_bytes():
            return int(entry.name)
    raise AssertionError("there is no keeper")


def removed(path: Path, seconds: float = 3) -> bool:
    deadline = time.monotonic() + seconds
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not path.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_lab_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    lab, mark = launch(tmp_path)
    try:
        assert len(marked(mark)) == 3
        lab.send_signal(number)
        assert lab.wait(10) == (-9 if number is signal.SIGKILL else 130)
        assert gone(mark, 5)
        assert removed(tmp_path / "remains")
    finally:
        lab.kill()
        kill_marked(mark)


def test_an_exception_leaves_nothing_running(tmp_path: Path) -> None:
    lab, mark = launch(tmp_path, "raise")
    try:
        assert lab.wait(10) == 1
        assert gone(mark, 0)
        assert removed(tmp_path / "remains", 0)
    finally:
        lab.kill()
        kill_marked(mark)


def test_the_parent_death_signal_alone_ends_the_children(tmp_path: Path) -> None:
    """The keeper may be killed together with the lab."""
    lab, mark = launch(tmp_path)
    try:
        for pid in (keeper_of(mark), lab.pid):
            os.kill(pid, signal.SIGKILL)
        lab.wait(10)
        time.sleep(0.3)
        # All that is left is the grandchild that left the session.
        assert [Path(f"/proc/{pid}/comm").read_text().strip() for pid in marked(mark)] == ["sleep"]
    finally:
        lab.kill()
        kill_marked(mark)


def test_a_child_that_dies_is_named_with_its_last_words(processes: Processes) -> None:
    processes.start("steady", ["sleep", "600"])
    child = processes.start("agent-tokyo", ["sh", "-c", "echo the wall fell over >&2; exit 7"])
    child.process.wait(5)
    with pytest.raises(LabError, match=r"(?s)agent-tokyo ended with status 7.*the wall fell over"):
        processes.check()


def test_a_child_killed_by_a_signal_says_which(processes: Processes) -> None:
    child = processes.start("broker", ["sleep", "600"])
    processes.check()
    os.kill(child.pid, signal.SIGSEGV)
    child.process.wait(5)
    with pytest.raises(LabError, match="broker was killed by SIGSEGV"):
        processes.check()


def test_children_end_in_reverse_order(processes: Processes, tmp_path: Path) -> None:
    for name in ("first", "second"):
        trap = (
            f'trap "echo {name} >> {tmp_path}/order; exit" TERM; touch {tmp_path}/{name}; while :; do sleep 0.05; done'
        )
        child = processes.start(name, ["sh", "-c", trap])
        processes.wait_for((tmp_path / name).exists, 5, child, "starting")
    processes.end_all()
    assert (tmp_path / "order").read_text().split() == ["second", "first"]


def test_a_silent_child_is_not_waited_for_without_end(processes: Processes) -> None:
    child = processes.start("relay-udp", ["sleep", "600"], talks=True)
    with pytest.raises(LabError, match=r"relay-udp said nothing for 0\.2 s"):
        child.hear(0.2)


@pytest.mark.skipif(faketime.library() is None, reason="libfaketime is not installed")
def test_a_skewed_child_gets_its_signals_and_shares_its_timeline(processes: Processes, tmp_path: Path) -> None:
    show = "import time; print(time.time(), time.clock_gettime(time.CLOCK_MONOTONIC_RAW), flush=True)"
    script = (
        f"import subprocess, sys, time, pathlib\n{show}\ntime.sleep(1)\n"
        f"subprocess.run([sys.executable, '-c', {show!r}])\n{show}\npathlib.Path({str(tmp_path / 'done')!r}).touch()\n"
        "time.sleep(600)"
    )
    argv = ["env", *faketime.variables("+37 x2"), sys.executable, "-c", script]
    child = processes.start("agent-tokyo", argv, remains=faketime.remains)
    processes.wait_for((tmp_path / "done").exists, 10, child, "showing its clocks")
    assert all(path.exists() for path in child.remains)
    processes.end(child)
    assert not any(path.exists() for path in child.remains)
    first, grandchild, last = ([float(word) for word in line.split()] for line in child.log.read_text().splitlines())
    assert first[0] - time.time() == pytest.approx(37, abs=3)
    for clock in (0, 1):  # a grandchild on a timeline of its own would be about a second behind
        assert first[clock] + 0.9 < grandchild[clock] < last[clock]


def test_a_socket_that_somebody_has_taken_over_is_not_removed(tmp_path: Path) -> None:
    stale, taken, file = tmp_path / "stale", tmp_path / "taken", tmp_path / "file"
    file.touch()
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(stale))
    with socket.socket(socket.AF_UNIX) as new:
        new.bind(str(taken))
        new.listen()
        remove(stale, taken, file, tmp_path / "never there")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_processes_outside_the_context_are_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("logs").mkdir()
    orphan = Processes(tmp_path / "logs")
    with pytest.raises(LabError, match="inside the context"):
        orphan.leaves(tmp_path / "x")
