"""What a shot costs the film that runs: walls with the meter on, and in turns a time with shots and one without.

Both kinds of time lie in one run, as A B B A, so that whatever else the machine does meets both alike. The script
tests/long/shots takes a hundred shots and more; tests/lab/test_shots.py is its short form.
"""

import asyncio
import io
import os
import signal
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from PIL import Image

from agent.access import Access
from agent.control import shot as shots
from agent.control.link import Link
from agent.control.shot import Picture, Row
from agent.lab import agents, barcode, meter, operator, readings, reel, watch, world
from agent.lab.analysis import first_seen, percentile
from agent.lab.analysis import watch as sights_of
from agent.lab.films import Film, make_all
from agent.lab.processes import Processes
from agent.lab.programme import Item, Programme
from agent.lab.readings import Readings
from agent.lab.reel import Reel
from agent.lab.venues import VENUES
from agent.lab.world import Wishes, World
from agent.messages import Refusal
from agent.units import UtcUs, format_utc

FILM_S = 30
LEAD_S = 6.0
COMMAND_S = 120.0
EVERY_S = 2.05
"""A venue takes one picture in two seconds."""

SETTLE_S = 4.0
TAIL_S = 1.0
"""So long after the last picture has come, time still counts as one with shots."""

SLOWER_MS = 1.0
"""By so much the 99th percentile of the errors may differ between both kinds of time."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of true time, with shots or without."""

    begin_ns: int
    end_ns: int
    shots: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """What was seen of the frames that were due in one kind of time: errors in ms, first seen − due."""

    errors: tuple[float, ...]
    missed: int
    late: int
    """Seen more than half a frame late."""

    @property
    def frames(self) -> int:
        """How many were due."""
        return len(self.errors) + self.missed

    def at(self, percent: float) -> float:
        """A percentile of |error| in milliseconds."""
        return percentile([abs(error) for error in self.errors], percent) or 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    """One picture, and what the code in it says: clip and frame, None where it cannot be read."""

    picture: Picture
    code: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Result:
    """A run. `refused` are asks that brought no picture."""

    spans: tuple[Span, ...]
    with_shots: Cost
    without: Cost
    taken: tuple[Taken, ...]
    refused: tuple[Refusal, ...]
    readings: Readings

    def faults(self) -> list[str]:
        """What is not as it must be."""
        found = [f"no picture: {refusal.code}, {refusal.detail}" for refusal in self.refused]
        more, less = self.with_shots, self.without
        # What the machine does to both alike is no shot's doing; of what it does by chance some is bound to meet one.
        allowed = less.missed + less.late
        if more.missed + more.late > allowed + 3 * allowed**0.5:
            found.append(f"{more.missed} frames missed and {more.late} late with shots, {allowed} without")
        if more.at(99) > less.at(99) + SLOWER_MS:
            found.append(f"p99 of the error is {more.at(99):.2f} ms with shots, {less.at(99):.2f} without")
        for taken in self.taken:
            said = taken.picture.shot
            off = None if taken.code is None or said.frame is None else taken.code[1] - said.frame
            if off is None or abs(off) > 1:
                found.append(f"{taken.picture.venue}: the picture shows {taken.code}, said is frame {said.frame}")
            if len(taken.picture.jpeg) > 100_000:
                found.append(f"{taken.picture.venue}: a picture of {len(taken.picture.jpeg)} bytes")
        return found


def code_in(jpeg: bytes) -> tuple[int, int] | None:
    """Clip and frame as the picture's code has them; None where there is none that can be read."""
    picture = Image.open(io.BytesIO(jpeg)).convert("L")
    column, step = barcode.centre_columns(picture.width)
    rows = []
    for row in (0, 1):
        line = sum(barcode.row_span(row, picture.height)) // 2
        rows.append(bytes(int(picture.getpixel((column + n * step, line))) for n in range(barcode.BLOCKS)))  # type: ignore[arg-type]  # one band
    return barcode.decode(*rows)


def cost(spans: Sequence[Span], with_shots: bool, measured: Readings, programme: Programme) -> Cost:
    """Judge the frames that were due in the spans of one kind, on all walls."""
    errors: list[float] = []
    missed = late = 0
    for changes in measured.changes.values():
        kept, _ = sights_of(changes, programme, measured.end_ns)
        seen = first_seen(kept, measured.end_ns, programme)
        for span in spans:
            if span.shots is not with_shots:
                continue
            for spot in programme.spots(span.end_ns):
                due = programme.due(spot)
                if due < span.begin_ns:
                    continue
                if spot not in seen:
                    missed += 1
                    continue
                error = (seen[spot] - due) / 1e6
                errors.append(error)
                late += error > 500 / programme.items[spot.item].fps
    return Cost(tuple(errors), missed, late)


def cameras(parents: Collection[int]) -> list[int]:
    """The camera processes of these agents."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            argv = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent in parents and b"agent.player.camera_process" in argv:
            found.append(int(status.parent.name))
    return found


def run(
    out: Path,
    say: Callable[[str], None],
    *,
    venues: int,
    blocks: int,
    per_block: int,
    size: tuple[int, int] = (320, 180),
    fps: Fraction = Fraction(30),
) -> Result:
    """Play, and take `per_block` pictures of each wall in every second of `blocks` pairs of spans. Raises LabError.

    At the start of each span with shots the camera processes are killed, so that starting them counts as well.
    """
    film = Film(out / "films" / "film.mp4", 1, round(fps * FILM_S), fps, *size)
    film.path.parent.mkdir(parents=True)
    make_all([film])
    with Processes(out / "logs") as processes:
        standing = world.build(processes, Wishes(out, VENUES[:venues], size, true_clocks=True), say)
        show = _Show(standing, Reel((film.path,), (film.clip,)), say)
        programme = asyncio.run(show.play(blocks, per_block))
    measured = readings.load(out / "meter.jsonl")
    pictures = [row.outcome for row in show.rows if isinstance(row.outcome, Picture)]
    return Result(
        tuple(show.spans),
        cost(show.spans, True, measured, programme),
        cost(show.spans, False, measured, programme),
        tuple(Taken(picture, code_in(picture.jpeg)) for picture in pictures),
        tuple(row.outcome for row in show.rows if isinstance(row.outcome, Refusal)),
        measured,
    )


class _Show:
    def __init__(self, standing: World, films: Reel, say: Callable[[str], None]) -> None:
        self._world = standing
        self._films = films
        self._say = say
        self.rows: list[Row] = []
        self.spans: list[Span] = []

    async def play(self, blocks: int, per_block: int) -> Programme:
        processes, out = self._world.processes, self._world.wishes.out
        async with watch.link(self._world) as line:
            publish = operator.publish_command(self._world, list(self._films.paths))
            await operator.command(processes, "publish", publish, COMMAND_S)
            program = await watch.program(line, operator.PROGRAM)
            self._world.start_agents()
            await watch.until_ready(line, self._world, 1, time.monotonic())
            walls = {place.venue.venue: place.framebuffer for place in self._world.places}
            looker = processes.start("meter", meter.command(out / "meter.jsonl", "barcode", walls), talks=True)
            looker.hear(COMMAND_S)
            due = UtcUs((time.time_ns() + round(LEAD_S * 1e9)) // 1_000_000 * 1000)
            cueing = operator.play_command(self._world, program.rev, format_utc(due), "accepted")
            await operator.command(processes, "cue-play", cueing, COMMAND_S)
            await asyncio.sleep(due / 1e6 - time.time() + SETTLE_S)
        async with Link([Access(self._world.broker.url)], agents.ROOT, shots.TOPICS) as line:
            await line.settle()
            for block in range(blocks):
                # A B B A: neither kind of time is always the later one.
                for with_shots in (False, True) if block % 2 == 0 else (True, False):
                    await self._span(line, per_block, with_shots)
                self._say(f"{block + 1} of {blocks}: {len(self.rows)} pictures asked for")
        processes.end(looker)
        items = [
            Item(film.name, film.clip, Fraction(film.fps), film.frames) for film in reel.facts(self._films, program)
        ]
        return Programme(items, due_ns=due * 1000, loop=True)

    async def _span(self, line: Link, count: int, with_shots: bool) -> None:
        begin_ns, began_s = time.time_ns(), time.monotonic()
        if with_shots:
            parents = {child.pid for child in self._world.processes.children if child.tier == "agents"}
            for pid in cameras(parents):
                os.kill(pid, signal.SIGKILL)
        for number in range(count):
            await asyncio.sleep(max(0.0, began_s + number * EVERY_S - time.monotonic()))
            if with_shots:
                rows, _ = await shots.take_all(line, ["*"])
                self.rows += rows
        await asyncio.sleep(max(0.0, began_s + count * EVERY_S + TAIL_S - time.monotonic()))
        self.spans.append(Span(begin_ns, time.time_ns(), with_shots))
