"""The player process of an agent that runs here, seen from outside: by what the kernel tells of it."""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from agent.config import Display
from agent.player.wire import Screen

MODULE = b"agent.player.process"
LOOK_S = 0.5
PLAYS_FROM = 0.03
"""The share of one processor that a player with a running film takes at least; one that waits takes next to none."""


@dataclass(frozen=True, slots=True)
class Player:
    """A running player: whether it has real-time scheduling, and whether it seems to be playing a film."""

    pid: int
    realtime: bool
    plays: bool


def running(display: Display, proc: Path = Path("/proc")) -> Player | None:
    """The player for this display, if one runs; takes half a second then."""
    pid = next((pid for pid in _pids(proc) if _shows_on(display, _words(proc, pid))), None)
    if pid is None:
        return None
    try:
        policy = os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK
        before = _cpu_s(proc, pid)
        time.sleep(LOOK_S)
        plays = (_cpu_s(proc, pid) - before) / LOOK_S > PLAYS_FROM
    except (OSError, IndexError):
        return None  # it ended a moment ago
    return Player(pid, policy == os.SCHED_FIFO, plays)


def agents(display: Display, proc: Path = Path("/proc")) -> int:
    """How many agents have a player on this display; players that are none's child count, too."""
    found = set()
    for pid in _pids(proc):
        if _shows_on(display, _words(proc, pid)):
            with contextlib.suppress(OSError, IndexError):  # it ended a moment ago
                # proc(5): the parent is the 2nd field behind the name.
                found.add((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return len(found)


def _pids(proc: Path) -> list[int]:
    """Every process of this host, or of this container: a container's display :0 is another one."""
    ours = _namespace(proc, "self")
    pids = sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())
    return [pid for pid in pids if _namespace(proc, str(pid)) in (ours, None)]


def _namespace(proc: Path, pid: str) -> str | None:
    """The name of a process's PID namespace; None where it is not ours to know (proc(5), ptrace(2))."""
    try:
        return str((proc / pid / "ns" / "pid").readlink())
    except OSError:
        return None


def _words(proc: Path, pid: int) -> list[bytes]:
    try:
        return (proc / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return []


def _shows_on(display: Display, words: list[bytes]) -> bool:
    if MODULE not in words:
        return False
    try:
        screen = Screen.model_validate_json(words[-1])
    except ValidationError:
        return False
    return (screen.output, screen.name) == (display.output, display.name)


def _cpu_s(proc: Path, pid: int) -> float:
    """Seconds of processor time so far (proc(5): utime and stime are the 12th and 13th field behind the name)."""
    fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
