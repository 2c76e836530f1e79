"""One venue that plays films in a loop, for what is measured on its processes."""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hardships import COMMAND_S, player_of

from agent.lab import operator, watch, world
from agent.lab.processes import LabError, Processes
from agent.lab.venues import VENUES
from agent.lab.world import Wishes
from agent.units import UtcUs, format_utc

LEAD_US = 4_000_000


@contextmanager
def playing(out: Path, films: Sequence[Path], size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The process ids of an agent with a true clock and of its player, which shows the films. Raises LabError."""
    with Processes(out / "logs") as processes:
        standing = world.build(processes, Wishes(out, VENUES[:1], size, true_clocks=True), lambda _: None)

        async def play() -> int:
            async with watch.link(standing) as line:
                publish = operator.publish_command(standing, list(films))
                await operator.command(processes, "publish", publish, COMMAND_S)
                program = await watch.program(line, operator.PROGRAM)
                standing.start_agents()
                await watch.until_ready(line, standing, len(films), time.monotonic())
                at = format_utc(UtcUs(time.time_ns() // 1000 + LEAD_US))
                cue = operator.play_command(standing, program.rev, at, "started")
                await operator.command(processes, "cue", cue, COMMAND_S)
            return next(child.pid for child in processes.children if child.tier == "agents")

        agent = asyncio.run(play())
        player = player_of(agent)
        if player is None:
            raise LabError("the agent has no player")
        yield agent, player


@contextmanager
def resting(out: Path, size: tuple[int, int], *, black: bool = False) -> Iterator[int]:
    """The process id of an agent with a true clock, ready, with nothing but the slate or black. Raises LabError."""
    with Processes(out / "logs") as processes:
        standing = world.build(processes, Wishes(out, VENUES[:1], size, true_clocks=True), lambda _: None)

        async def settle() -> None:
            async with watch.link(standing) as line:
                standing.start_agents()
                await watch.until_ready(line, standing, 0, time.monotonic())
            if black:
                await operator.command(processes, "cue", operator.black_command(standing), COMMAND_S)

        asyncio.run(settle())
        yield next(child.pid for child in processes.children if child.tier == "agents")


@dataclass(frozen=True, slots=True)
class Use:
    """What a process has used and holds: seconds of processor time, megabytes (proportional), handles, threads."""

    cpu_s: float
    mb: float
    handles: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Use":
        """Read it from /proc."""
        folder = Path(f"/proc/{pid}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        rollup = (folder / "smaps_rollup").read_text()
        kb = int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
        handles = len(list((folder / "fd").iterdir()))
        return cls(ticks / os.sysconf("SC_CLK_TCK"), kb / 1024, handles, len(list((folder / "task").iterdir())))
