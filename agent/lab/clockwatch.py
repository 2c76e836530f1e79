"""The lab's clocks alone: five venues without films, their true errors beside their bounds, once a second."""

import asyncio
import time
from dataclasses import dataclass

from agent.lab import folder, tools, watch, world
from agent.lab.console import Narrator
from agent.lab.processes import Processes
from agent.lab.rundir import ClockSample
from agent.lab.steal import Ticks
from agent.lab.watch import Clocks
from agent.lab.world import Wishes

SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Watched:
    """What became of each venue's clock; `sync_s` from the agents' start, `stolen` while it was watched."""

    samples: dict[str, list[ClockSample]]
    sync_s: dict[str, float | None]
    stolen: float


def clocks(wishes: Wishes, after_s: float, seconds: float, narrator: Narrator) -> Watched:
    """Let a lab stand; watch its clocks from `after_s` after the agents' start, for `seconds`. Raises LabError."""
    tools.check(wishes.true_clocks)
    out = folder.prepare(wishes.out)
    with Processes(out / "logs") as processes:
        standing = world.build(processes, wishes, narrator.say)
        return asyncio.run(_watch(standing, after_s, seconds, narrator))


async def _watch(standing: world.World, after_s: float, seconds: float, narrator: Narrator) -> Watched:
    async with watch.link(standing) as line:
        begun_s = time.monotonic()
        standing.start_agents()
        took = await watch.until_ready(line, standing, 0, begun_s)
        narrator.say(f"all clocks in sync; watching from {after_s:g} s on, for {seconds:g} s")
        seen = Clocks(standing.places)
        await asyncio.sleep(max(0.0, begun_s + after_s - time.monotonic()))
        before = Ticks.now()
        while time.monotonic() < begun_s + after_s + seconds:
            standing.processes.check()
            await seen.sample()
            await asyncio.sleep(SAMPLE_S)
        return Watched(seen.samples, took.sync_s, Ticks.now().stolen_since(before))
