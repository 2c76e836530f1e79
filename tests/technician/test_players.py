import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.config import Display
from agent.player.wire import Screen
from agent.technician import players

SCREEN = Screen(
    output="x11", name=":4711", region="", fit="contain", rotate=0, latency_us=0, decoder="auto", volume=0, slate=""
)


@contextmanager
def something_like_a_player(work: str, name: str = ":4711") -> Iterator[int]:
    """A process with a player's words on its command line, and its name for the module."""
    words = [players.MODULE.decode(), "3", SCREEN.model_copy(update={"name": name}).model_dump_json()]
    process = subprocess.Popen([sys.executable, "-c", f"print(flush=True)\n{work}", *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_player_that_waits_and_one_that_works() -> None:
    display = Display(name=":4711")
    with something_like_a_player("import time; time.sleep(60)") as pid:
        assert players.running(display) == players.Player(pid, realtime=False, plays=False)
    with something_like_a_player("while True: pass") as pid:
        assert players.running(display) == players.Player(pid, realtime=False, plays=True)


def test_a_player_with_real_time_scheduling() -> None:
    with something_like_a_player("import time; time.sleep(60)") as pid:
        try:
            os.sched_setscheduler(pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        except PermissionError:
            return
        found = players.running(Display(name=":4711"))
        assert found is not None and found.realtime


def test_another_displays_player_is_not_ours() -> None:
    with something_like_a_player("import time; time.sleep(60)", name=":4712"):
        assert players.running(Display(name=":4711")) is None


def test_what_is_no_player_is_passed_over(tmp_path: Path) -> None:
    for pid, words in ((1, b"init\0"), (2, b"python\0-m\0agent.player.process\0{}\0"), (3, b"")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes(words)
    (tmp_path / "4").mkdir()
    assert players.running(Display(name=":4711"), tmp_path) is None
