"""What an agent at rest costs: all its processes, while the slate or black is on the wall and no cue is near.

The script tests/long/rest measures for a minute and judges; tests/lab/test_rest.py is its short form.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_CORE, MOST_MB = 0.01, 200
_NAMES = {"agent.player.process": "player", "agent.player.camera_process": "camera", "agent.cli": "daemon"}
_SELF_TEST = "check"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one process has used and holds (proc(5)).

    `wakes` is, by thread, how often it gave up a core by itself, and so was woken again: on a machine that does other
    things too this is steadier than time. Threads that ended in between are not in it, but their time is in `cpu_s`.
    """

    name: str
    cpu_s: float
    pss_mb: float
    private_mb: float
    wakes: dict[int, int]

    @classmethod
    def of(cls, pid: int) -> "Snapshot":
        """Read it. Raises OSError when the process has ended."""
        folder = Path(f"/proc/{pid}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        held = _kilobytes((folder / "smaps_rollup").read_text())
        wakes = {int(task.name): _given_up(task) for task in (folder / "task").iterdir()}
        private = held["Private_Clean"] + held["Private_Dirty"]
        name = _name(folder)
        return cls(name, (int(fields[11]) + int(fields[12])) / _TICKS_PER_S, held["Pss"] / 1024, private / 1024, wakes)


@dataclass(frozen=True, slots=True)
class Share:
    """What a process used in a stretch of time: of one core, megabytes at its end, wake-ups a second, threads."""

    name: str
    core: float
    pss_mb: float
    private_mb: float
    wakes_s: float
    threads: int


def family(pid: int) -> list[int]:
    """A process and everything below it, the eldest first."""
    return [pid, *(below for child in _children(pid) for below in family(child))]


def measure(agent: int, seconds: float) -> list[Share]:
    """What each process of an agent uses for so long. One that was not there all the time counts as much as it used."""
    before = {pid: Snapshot.of(pid) for pid in family(agent)}
    began_s = time.monotonic()
    time.sleep(seconds)
    after = {pid: Snapshot.of(pid) for pid in family(agent)}
    took_s = time.monotonic() - began_s
    return [_share(before.get(pid), now, took_s) for pid, now in after.items()]


def settled(agent: int) -> bool:
    """Whether there is nothing but agent and player: no self-test, no camera."""
    return len(family(agent)) == 2


def faults(shares: list[Share]) -> list[str]:
    """What is more than an agent may use at rest."""
    core, mb = sum(share.core for share in shares), sum(share.pss_mb for share in shares)
    found = [] if core <= MOST_CORE else [f"{core:.2%} of a core at rest; at most {MOST_CORE:.0%}"]
    return found if mb <= MOST_MB else [*found, f"{mb:.0f} MB; at most {MOST_MB}"]


def _share(before: Snapshot | None, now: Snapshot, took_s: float) -> Share:
    used_s = now.cpu_s - (before.cpu_s if before else 0.0)
    woken = sum(count - (before.wakes.get(task, 0) if before else 0) for task, count in now.wakes.items())
    return Share(now.name, used_s / took_s, now.pss_mb, now.private_mb, woken / took_s, len(now.wakes))


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def _name(folder: Path) -> str:
    argv = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    if _SELF_TEST in argv:  # started by the agent itself, once after each boot
        return "self-test"
    return next((_NAMES[word] for word in argv if word in _NAMES), (folder / "comm").read_text().strip())


def _kilobytes(rollup: str) -> dict[str, int]:
    lines = [line.split() for line in rollup.splitlines()[1:]]
    return {words[0].rstrip(":"): int(words[1]) for words in lines}


def _given_up(task: Path) -> int:
    lines = (task / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("voluntary_ctxt_switches")).split()[1])
