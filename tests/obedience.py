"""How two walls obey: panic, hold, resume, seek and a latency that was changed; judged by the pixels, in true time.

The script tests/long/obedience does it several times and prints a table; tests/lab/test_obedience.py is its short form.
"""

import asyncio
import json
import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

from hardships import COMMAND_S, FPS, FRAME_MS, SIZE, player_of

from agent.control import signing
from agent.control.link import Link
from agent.lab import agents, meter, operator, readings, watch, world
from agent.lab.films import Film, make_all
from agent.lab.framebuffer import snapshots
from agent.lab.processes import LabError, Processes
from agent.lab.readings import Change, Readings
from agent.lab.venues import VENUES
from agent.lab.world import Wishes, World
from agent.units import UtcUs, format_utc, parse_utc

FILM_S = 40
LEAD = "3s"
BLACK_MOST_MS = 300.0
LATENCY_MS = 40.0
LATENCY_MOST_OFF_MS = 1.0
SETTLE_S = 2.0


@dataclass(slots=True)
class Report:
    """What was measured; `faults` is what is not as it must be."""

    panics_ms: dict[str, list[float]] = field(default_factory=dict)
    moves: list[tuple[str, list[str], float | None]] = field(default_factory=list)
    latency_ms: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def run(out: Path, rounds: int, say: Callable[[str], None]) -> Report:
    """Give every order so often. Raises LabError."""
    film = Film(out / "films" / "film.mp4", 1, round(FPS * FILM_S), FPS, *SIZE)
    film.path.parent.mkdir(parents=True)
    make_all([film])
    with Processes(out / "logs") as processes:
        standing = world.build(processes, Wishes(out, VENUES[:2], SIZE, true_clocks=True), say)
        return asyncio.run(_Orders(standing, say).all(film.path, rounds))


class _Orders:
    """The operator, and what the meter saw of it."""

    def __init__(self, standing: World, say: Callable[[str], None]) -> None:
        self._world = standing
        self._say = say
        self._names = [place.venue.venue for place in standing.places]
        self._report = Report()
        self._number = 0
        self._rev = 0
        self._pen = signing.load([str(key) for key in standing.keys], lambda _: "")

    async def all(self, film: Path, rounds: int) -> Report:
        """Everything, one after the other."""
        processes = self._world.processes
        async with watch.link(self._world) as line:
            publish = operator.publish_command(self._world, [film])
            await operator.command(processes, "publish", publish, COMMAND_S)
            self._rev = (await watch.program(line, operator.PROGRAM)).rev
            self._world.start_agents()
            await watch.until_ready(line, self._world, 1, time.monotonic())
            walls = {place.venue.venue: place.framebuffer for place in self._world.places}
            looker = processes.start("meter", meter.command(self._record, "barcode", walls), talks=True)
            looker.hear(COMMAND_S)
            await self._play()
            for _ in range(rounds):
                await self._move("hold", held=True)
                await self._move("seek", "00:25", held=True)
                await self._move("resume", held=False)
                await self._move("seek", "00:05", held=False)
            for number in range(2 * rounds):
                await self._panic(line, hung=bool(number % 2))
            before = await self._latenesses()
            await self._set_latency(line)
            self._judge_latency(before, await self._latenesses())
            processes.end(looker)
        return self._report

    @property
    def _record(self) -> Path:
        return self._world.wishes.out / "meter.jsonl"

    async def _read(self) -> Readings:
        await asyncio.sleep(1.2)  # the meter writes once a second
        return readings.load(self._record)

    async def _cue(self, *words: str) -> dict[str, Any]:
        self._number += 1
        argv = ["cue", *words, "--profile", str(self._world.profile), "--json"]
        answer: dict[str, Any] = await operator.command(self._world.processes, f"cue-{self._number}", argv, COMMAND_S)
        return answer

    async def _play(self) -> UtcUs:
        at = UtcUs((time.time_ns() + 5_000_000_000) // 1_000_000 * 1000)
        play = ["play", operator.PROGRAM, "--rev", str(self._rev), "--loop", "--at", format_utc(at)]
        await self._cue(*play, "--wait", "started")
        await asyncio.sleep(SETTLE_S)
        return at

    # --- hold, resume, seek ---------------------------------------------------------------------

    async def _move(self, *words: str, held: bool) -> None:
        told = await self._cue(*words, "--in", LEAD, "--wait", "started")
        await asyncio.sleep(SETTLE_S)
        at_ns = parse_utc(told["at"]) * 1000
        frame = round(Fraction(told["cue"]["do"]["from_us"]) * FPS / 1_000_000)
        seen = await self._read()
        name = " ".join(words)
        stands = [_standing(seen.changes[venue], at_ns + round(FRAME_MS * 5e5)) for venue in self._names]
        if stands != [frame] * len(stands):
            self._report.faults.append(f"{name}: the walls show frames {stands}, due was {frame}")
        apart = _apart([seen.changes[venue] for venue in self._names], at_ns, frame)
        if words[0] == "seek" and (apart is None or apart > FRAME_MS / 2):
            self._report.faults.append(f"{name}: the walls showed frame {frame} {apart} ms apart")
        moving = [_standing(seen.changes[venue], seen.end_ns) != frame for venue in self._names]
        if moving != [not held] * len(moving):
            self._report.faults.append(f"{name}: held {[not one for one in moving]}, wanted {held}")
        self._report.moves.append((name, [str(stand) for stand in stands], apart))
        self._say(f"{name}: frames {stands}, due {frame}, the walls {apart} ms apart")

    # --- panic ----------------------------------------------------------------------------------

    async def _panic(self, line: Link, *, hung: bool) -> None:
        kind = "a player that hangs" if hung else "a player that plays"
        await asyncio.sleep(random.Random(self._number).uniform(0, 1))
        if hung:
            for child in [c for c in self._world.processes.children if c.tier == "agents"]:
                player = player_of(child.pid)
                if player is None:
                    raise LabError(f"{child.name} has no player")
                os.kill(player, signal.SIGSTOP)
            await asyncio.sleep(0.05)
        panic = str(uuid.uuid4())
        body = {
            "v": 1,
            "panic": panic,
            "show": agents.SHOW,
            "venues": ["*"],
            "issued": format_utc(UtcUs(time.time_ns() // 1000)),
            "to": "black",
        }
        sent_ns = time.time_ns()
        await line.publish("panic", self._pen.seal("panic", json.dumps(body).encode()))
        await asyncio.sleep(SETTLE_S)
        pictures = snapshots({place.venue.venue: place.framebuffer for place in self._world.places})
        seen = await self._read()
        for place in self._world.places:
            venue = place.venue.venue
            took_ms = _black_after(seen.changes[venue], sent_ns)
            if took_ms is None or pictures[venue].any():
                self._report.faults.append(f"{venue}, {kind}: it is not black")
                continue
            took_ms -= place.venue.broker_ms  # the message's way
            self._report.panics_ms.setdefault(kind, []).append(took_ms)
            if took_ms > BLACK_MOST_MS:
                self._report.faults.append(f"{venue}, {kind}: black after {took_ms:.0f} ms")
        self._say(f"panic, {kind}: black")
        await self._cue("panic", "--lift")
        await asyncio.sleep(2 * SETTLE_S)
        back = await self._read()
        stands = [_standing(back.changes[venue], back.end_ns) for venue in self._names]
        if None in stands:
            self._report.faults.append(f"{kind}: lifted, and the walls show {stands}")

    # --- latency --------------------------------------------------------------------------------

    async def _latenesses(self) -> dict[str, float]:
        """Play from the beginning; the median lateness of each wall's first seconds, in milliseconds."""
        at = await self._play()
        seen = await self._read()
        return {
            venue: median(
                (change.ns - at * 1000) / 1e6 - change.value[1] * FRAME_MS
                for change in seen.changes[venue]
                if isinstance(change.value, tuple) and at * 1000 - 1e8 < change.ns < at * 1000 + 1.5e9
            )
            for venue in self._names
        }

    async def _set_latency(self, line: Link) -> None:
        place = self._world.places[0]
        text = place.config.read_text(encoding="utf-8")
        place.config.write_text(
            text.replace("[display]\n", f"[display]\nlatency_ms = {LATENCY_MS}\n"), encoding="utf-8"
        )
        processes = self._world.processes
        processes.end(next(child for child in processes.children if child.name == place.name))
        agents.start(processes, [place], true_clocks=True)
        await watch.until_ready(line, self._world, 1, time.monotonic())

    def _judge_latency(self, before: dict[str, float], after: dict[str, float]) -> None:
        for venue in self._names:
            moved_ms = before[venue] - after[venue]
            wanted_ms = LATENCY_MS if venue == self._names[0] else 0.0
            self._report.latency_ms[venue] = moved_ms
            self._say(f"latency_ms: {venue} comes {moved_ms:+.2f} ms earlier, wanted {wanted_ms:+g}")
            if abs(moved_ms - wanted_ms) > LATENCY_MOST_OFF_MS:
                self._report.faults.append(f"{venue}: latency moved the start by {moved_ms:.2f} ms, not {wanted_ms:g}")


def _standing(changes: Sequence[Change], ns: int) -> int | None:
    """The frame that stands on a wall at an instant."""
    shown = [change for change in changes if change.ns <= ns]
    return shown[-1].value[1] if shown and isinstance(shown[-1].value, tuple) else None


def _apart(walls: Sequence[Sequence[Change]], at_ns: int, frame: int) -> float | None:
    """Milliseconds between the walls' first sights of a frame around an instant; None where one had it already."""
    firsts = [
        next(
            (c.ns for c in changes if abs(c.ns - at_ns) < 1e8 and isinstance(c.value, tuple) and c.value[1] == frame),
            None,
        )
        for changes in walls
    ]
    known = [first for first in firsts if first is not None]
    return round((max(known) - min(known)) / 1e6, 2) if len(known) == len(walls) else None


def _black_after(changes: Sequence[Change], ns: int) -> float | None:
    """Milliseconds from an instant to the first reading that is no frame."""
    return next(((change.ns - ns) / 1e6 for change in changes if change.ns >= ns and change.value is None), None)
