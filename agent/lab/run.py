"""`lab run`: five venues, one program, one cue, and the verdict of the pixels."""

import asyncio
import sys
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from agent.access import BrokerError
from agent.control.link import Link, NoBrokerError
from agent.lab import folder, operator, plots, reel, report, rundir, tools, watch, world
from agent.lab.console import Narrator, summary, venues_table
from agent.lab.framebuffer import Picture, snapshots
from agent.lab.pixels import Pixels
from agent.lab.processes import Child, LabError, Processes
from agent.lab.reel import Reel
from agent.lab.rundir import FilmFacts, RunFacts
from agent.lab.steal import Ticks
from agent.lab.watch import Clocks, Took
from agent.lab.world import Wishes, World
from agent.units import US_PER_S, UtcUs, format_utc

LEAD_S = 10.0
"""From the sending of the cue to its instant: more than the 8 s that a wall far away needs to arm in comfort."""

STOP_LEAD_S = 5.0
"""The stop is sent so long before its instant, so that all walls stop together."""

TAIL_S = 1.5
"""The meter looks on for so long after the stop."""

SAMPLE_S = 1.0
TICK_S = 0.25
COMMAND_S = 60.0
NO_BROKER = 4


@dataclass(frozen=True, slots=True)
class RunWishes:
    """What is to be played for how long, and by which limits it is judged."""

    world: Wishes
    seconds: float
    fps: Fraction | None
    films: Path | None
    max_p99_ms: float | None
    max_first_ms: float | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a show leaves: its facts, and the walls photographed in the middle of it."""

    facts: RunFacts
    walls: dict[str, Picture]


def run(wishes: RunWishes, narrator: Narrator) -> report.Report:
    """Build the lab, play, measure, end everything, judge. Raises LabError."""
    tools.check(wishes.world.true_clocks)
    out = folder.prepare(wishes.world.out)
    own = reel.take(wishes.films) if wishes.films else None
    with Processes(out / "logs") as processes:
        films = own or reel.make(out / "films", wishes.world.size, wishes.fps, narrator)
        standing = world.build(processes, wishes.world, narrator.say)
        try:
            shown = asyncio.run(_Show(wishes, standing, films, narrator).play())
        except NoBrokerError as error:
            raise LabError(f"the lab's broker cannot be used: {error}", NO_BROKER) from error
        except BrokerError as error:
            raise LabError(f"the lab's broker went away: {error}", NO_BROKER) from error
    narrator.say("everything is ended; analysing")
    rundir.save(out, shown.facts)
    if shown.walls:
        plots.walls(out / rundir.WALLS, shown.walls)
    return report.conclude(out)


async def open_venues(standing: World, films: Reel, line: Link, narrator: Narrator) -> Took:
    """Publish the films, start the agents, wait until all are ready; what each took. Raises LabError."""
    await operator.command(
        standing.processes, "publish", operator.publish_command(standing, list(films.paths)), COMMAND_S
    )
    narrator.say(f"program {operator.PROGRAM!r} of {len(films.paths)} films published")
    published = await watch.program(line, operator.PROGRAM)
    begun_s = time.monotonic()
    standing.start_agents()
    world.write_description(standing)
    took = await watch.until_ready(line, standing, len({item.sha256 for item in published.items}), begun_s)
    each = ", ".join(f"{venue} {seconds:.1f} s" for venue, seconds in took.ready_s.items() if seconds is not None)
    narrator.say(f"all venues ready: {each}")
    return took


def utc_in(seconds: float) -> UtcUs:
    """The instant so many seconds from now, true time, in whole milliseconds."""
    return UtcUs((time.time_ns() + round(seconds * 1e9)) // 1_000_000 * 1000)


class _Show:
    """One run, from publishing to the last frame."""

    def __init__(self, wishes: RunWishes, standing: World, films: Reel, narrator: Narrator) -> None:
        self._wishes = wishes
        self._world = standing
        self._films = films
        self._narrator = narrator
        self._clocks = Clocks(standing.places)
        self._walls: dict[str, Picture] = {}

    async def play(self) -> Shown:
        """Play and measure. Raises LabError, NoBrokerError, BrokerError."""
        processes = self._world.processes
        async with watch.link(self._world) as line:
            took = await open_venues(self._world, self._films, line, self._narrator)
            program = await watch.program(line, operator.PROGRAM)
            films = reel.facts(self._films, program)
            meter = self._start_meter()
            before = Ticks.now()
            due = utc_in(LEAD_S)
            end = UtcUs(due + round(self._wishes.seconds * US_PER_S))
            facts = self._facts(films, due, end, took)
            pixels = Pixels(meter, facts.programme())
            cueing = operator.play_command(self._world, program.rev, format_utc(due), "accepted")
            await operator.command(processes, "cue-play", cueing, COMMAND_S)
            self._narrator.say(f"cue sent and accepted; frame zero at {format_utc(due)}")
            await self._follow(line, pixels, due, end)
            pixels.close()
            processes.end(meter)
        measured = {"clock": self._clocks.samples, "stolen": Ticks.now().stolen_since(before)}
        return Shown(facts.model_copy(update=measured), self._walls)

    def _facts(self, films: list[FilmFacts], due: UtcUs, end: UtcUs, took: Took) -> RunFacts:
        wishes = self._wishes
        return RunFacts(
            venues=[place.venue.venue for place in self._world.places],
            films=films,
            loop=True,
            due_utc=due,
            end_utc=end,
            size=f"{wishes.world.size[0]}x{wishes.world.size[1]}",
            max_p99_ms=wishes.max_p99_ms,
            max_first_ms=wishes.max_first_ms,
            ready_s=took.ready_s,
            sync_s=took.sync_s,
            true_clocks=wishes.world.true_clocks,
            liar_ms=wishes.world.liar_ms,
            asymmetry_ms=wishes.world.asymmetry_ms,
        )

    def _start_meter(self) -> Child:
        walls = [f"{place.venue.venue}={place.framebuffer}" for place in self._world.places]
        readings = self._world.wishes.out.resolve() / rundir.METER
        argv = [sys.executable, "-m", "agent.lab.meter", "--out", str(readings), "--mode", self._films.mode, *walls]
        meter = self._world.processes.start("meter", argv, talks=True)
        meter.hear(COMMAND_S)
        return meter

    async def _follow(self, line: Link, pixels: Pixels, due: UtcUs, end: UtcUs) -> None:
        """Show what happens until the end; photograph the walls in the middle; send the stop in time."""
        stopping: asyncio.Task[None] | None = None
        sampling = asyncio.create_task(self._sample())
        try:
            with self._narrator.live() as show:
                while (now := utc_in(0)) < end + TAIL_S * US_PER_S:
                    self._world.processes.check()
                    if stopping is None and now > max(due, end - STOP_LEAD_S * US_PER_S):
                        stopping = asyncio.create_task(self._stop(end))
                    if not self._walls and now > (due + end) / 2:
                        self._walls = snapshots({place.venue.venue: place.framebuffer for place in self._world.places})
                    statuses = watch.statuses(line)
                    table = venues_table(self._world.places, statuses, pixels.seen, self._clocks.errors_ms)
                    show(table, f"{_when(now, due, end)}   {summary(statuses, pixels.seen)}")
                    await asyncio.sleep(TICK_S)
            if stopping is not None:
                await stopping
        finally:
            sampling.cancel()
            if stopping is not None:
                stopping.cancel()

    async def _sample(self) -> None:
        while True:
            await self._clocks.sample()
            await asyncio.sleep(SAMPLE_S)

    async def _stop(self, end: UtcUs) -> None:
        command = operator.stop_command(self._world, format_utc(end))
        await operator.command(self._world.processes, "cue-stop", command, COMMAND_S)


def _when(now: UtcUs, due: UtcUs, end: UtcUs) -> str:
    if now < due:
        return f"T−{(due - now) / US_PER_S:.1f} s"
    return f"T+{(now - due) / US_PER_S:.1f} of {(end - due) / US_PER_S:.0f} s"
