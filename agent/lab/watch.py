"""Watching the venues as an operator would, but from the broker itself and in true time."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from agent.access import Access
from agent.clock.mapping import ClockState
from agent.clock.ntp import measure
from agent.control.link import Link
from agent.lab import agents
from agent.lab.agents import Place
from agent.lab.processes import LabError, Processes
from agent.lab.rundir import ClockSample
from agent.lab.world import World
from agent.programs import Program
from agent.told import Status
from agent.units import UtcUs

TOPICS = ["venue/+/presence", "venue/+/status", "venue/+/ack", "program/+/+"]
READY_S = 45.0
_MEASURES = 6
_TICK_S = 0.05


def link(world: World) -> AbstractAsyncContextManager[Link]:
    """A line to the lab's broker."""
    return Link([Access(world.broker.url)], agents.ROOT, TOPICS)


def statuses(line: Link) -> dict[str, Status]:
    """The newest status of each venue."""
    return {venue: heard.status for venue, heard in line.view.statuses.items()}


def explain(status: Status | None) -> str:
    """Why a venue is not ready, in sentences."""
    if status is None:
        return "it has sent no status"
    return "; ".join(reason.detail for reason in status.reasons) or "it does not say why"


@dataclass(frozen=True, slots=True)
class Took:
    """How many seconds each venue took from its start until it was ready, and until its clock was in sync."""

    ready_s: dict[str, float | None]
    sync_s: dict[str, float | None]


async def until_ready(line: Link, world: World, films: int, begun_s: float) -> Took:
    """Wait until every venue is ready and has so many films; what that took since monotonic `begun_s`.

    A venue that has not heard of the program yet misses nothing and is ready too: hence the films.
    Raises LabError when a process dies, or when a venue takes too long, with its reasons.
    """
    names = [place.venue.venue for place in world.places]
    took: dict[str, float | None] = {}
    synced: dict[str, float | None] = {}
    while len(took) < len(names):
        world.processes.check()
        for venue, status in statuses(line).items():
            if status.clock.state == ClockState.SYNC:
                synced.setdefault(venue, time.monotonic() - begun_s)
            if status.ready and status.cache.films >= films and venue not in took:
                took[venue] = time.monotonic() - begun_s
        if time.monotonic() - begun_s > READY_S:
            late = [f"{name}: {explain(statuses(line).get(name))}" for name in names if name not in took]
            raise LabError(f"not ready after {READY_S:g} s:\n" + "\n".join(late) + f"\nlogs: {world.processes.logs}")
        await asyncio.sleep(_TICK_S)
    return Took(took, synced)


async def program(line: Link, name: str) -> Program:
    """The newest revision of a program as the broker keeps it. Raises LabError when it is not there."""
    rev = None
    if await line.wait(lambda: line.view.newest_rev(name) is not None, 5):
        rev = line.view.newest_rev(name)
    found = line.view.program(name, rev) if rev is not None else None
    if found is None:
        raise LabError(f"the program {name!r} did not arrive at the broker")
    return found


class Clocks:
    """How far the venues' clocks are from true time, asked now and then."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places
        self.samples: dict[str, list[ClockSample]] = {place.venue.venue: [] for place in places}

    @property
    def errors_ms(self) -> dict[str, float]:
        """The newest error of each clock, signed: its UTC − true."""
        return {venue: samples[-1].error_ms for venue, samples in self.samples.items() if samples}

    async def sample(self) -> None:
        """Ask every venue's clock once; one that does not answer is left out."""
        for place in self._places:
            venue = place.venue.venue
            try:
                found = await asyncio.to_thread(measure, "127.0.0.1", place.clock_port, _MEASURES)
            except ConnectionError:
                continue
            now = UtcUs(time.time_ns() // 1000)
            sample = ClockSample(time=now, error_ms=found.error_ms, bound_ms=found.bound_ms, doubt_ms=found.doubt_ms)
            self.samples[venue].append(sample)


def dead_agents(processes: Processes) -> list[str]:
    """The obituaries of agents that ended; they are then forgotten."""
    found = [child for child in processes.children if child.tier == "agents" and not child.running]
    texts = [child.obituary() for child in found]
    processes.end(*found)
    return texts
