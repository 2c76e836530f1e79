"""What a shot costs the film that runs: walls with the meter on, and in turns two seconds with a shot and two without.

Both kinds of time lie in one run, as A B B A, so that whatever else the machine does meets both alike. The script
tests/long/shots takes a hundred shots and more; tests/lab/test_shotcost.py is its short form.
"""

import asyncio
import io
import os
import signal
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import median

from PIL import Image

from agent.access import Access
from agent.answered import MAX_JPEG_BYTES
from agent.control import shot as shots
from agent.control.link import Link
from agent.control.shot import Picture, Row
from agent.lab import agents, barcode, meter, operator, readings, reel, watch, world
from agent.lab.analysis import first_seen, percentile
from agent.lab.analysis import watch as sights_of
from agent.lab.films import Film, make_all
from agent.lab.processes import Processes
from agent.lab.programme import Item, Programme
from agent.lab.readings import Change, Gaps, Readings, Value
from agent.lab.reel import Reel
from agent.lab.venues import VENUES
from agent.lab.world import Wishes, World
from agent.messages import Refusal
from agent.units import UtcUs, format_utc

FILM_S = 30
LEAD_S = 6.0
COMMAND_S = 120.0
SPAN_S = 2.05
"""A venue takes one picture in two seconds; as long as this, time with shots and time without take turns."""

COLD = 10
SAY_EACH = 10
SETTLE_S = 4.0
SLOWER_MS = 0.5
"""By so much the 95th percentile of the errors may differ between both kinds of time."""

SURE_NS = 6_000_000
"""When a picture was taken is told by the venue's clock, which is as good as its time servers."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of true time, with shots or without; `pair` is the same for two that belong together."""

    begin_ns: int
    end_ns: int
    shots: bool
    pair: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What was seen of the frames that were due in a stretch of time: errors in ms, first seen − due."""

    errors: tuple[float, ...] = ()
    missed: int = 0
    late: int = 0
    """Seen more than half a frame late."""

    @property
    def frames(self) -> int:
        """How many were due."""
        return len(self.errors) + self.missed

    @property
    def lost(self) -> int:
        """Missed and late ones."""
        return self.missed + self.late

    def at(self, percent: float) -> float:
        """A percentile of |error| in milliseconds."""
        return percentile([abs(error) for error in self.errors], percent) or 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost((*self.errors, *other.errors), self.missed + other.missed, self.late + other.late)


@dataclass(frozen=True, slots=True)
class Taken:
    """One picture; what its code says (clip and frame, None: unreadable), and the code on the wall when it was taken.

    `standing` is by the meter, each code that stood there within `SURE_NS` of that instant.
    """

    picture: Picture
    code: tuple[int, int] | None
    standing: frozenset[Value]

    @property
    def as_said(self) -> bool:
        """Whether the frame in the picture is the one that the venue said was due."""
        return self.code is not None and self.code[1] == self.picture.shot.frame


@dataclass(frozen=True, slots=True)
class Result:
    """A run. `refused` are asks that brought no picture; `covered` is one that was taken in a panic behind it all."""

    costs: tuple[tuple[Span, Cost], ...]
    taken: tuple[Taken, ...]
    refused: tuple[Refusal, ...]
    gaps: Gaps | None
    covered: Picture | None = None

    def total(self, shots: bool) -> Cost:
        """All time of one kind."""
        return sum((cost for span, cost in self.costs if span.shots is shots), Cost())

    @property
    def pairs(self) -> list[tuple[Cost, Cost]]:
        """With shots and without, stretch by stretch."""
        found: dict[tuple[int, bool], Cost] = {(span.pair, span.shots): cost for span, cost in self.costs}
        return [(found[pair, True], found[pair, False]) for pair in sorted({span.pair for span, _ in self.costs})]

    @property
    def slower_ms(self) -> float:
        """By how much the 95th percentile of the errors is greater with shots: the median over the pairs."""
        return median(more.at(95) - less.at(95) for more, less in self.pairs)

    def faults(self) -> list[str]:
        """What is not as it must be.

        Whatever else the machine does meets both kinds of time alike. Where no frame is lost without shots none may be
        with them; where some are, stretches in which only shots lost some may not outnumber the others by more than
        chance does.
        """
        found = [f"no picture: {refusal.code}, {refusal.detail}" for refusal in self.refused]
        only_with = sum(more.lost > 0 and less.lost == 0 for more, less in self.pairs)
        only_without = sum(less.lost > 0 and more.lost == 0 for more, less in self.pairs)
        lost, lost_without = self.total(True).lost, self.total(False).lost
        if (lost and not lost_without) or only_with - only_without > 2 * (only_with + only_without) ** 0.5:
            found.append(f"{lost} frames missed or late with shots, {lost_without} without")
        if self.slower_ms > SLOWER_MS:
            found.append(f"frames come {self.slower_ms:.2f} ms later with shots (p95)")
        for taken in self.taken:
            if taken.code not in taken.standing:
                shown = f"the picture shows {taken.code}, the wall showed {sorted(map(str, taken.standing))}"
                found.append(f"{taken.picture.venue}: {shown}")
            if len(taken.picture.jpeg) > MAX_JPEG_BYTES:
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


def costs(spans: Sequence[Span], measured: Readings, programme: Programme) -> list[tuple[Span, Cost]]:
    """Judge the frames that were due in each span, on all walls."""
    seen = [
        first_seen(sights_of(changes, programme, measured.end_ns)[0], measured.end_ns, programme)
        for changes in measured.changes.values()
    ]
    due = [(programme.due(spot), spot) for spot in programme.spots(max(span.end_ns for span in spans))]
    found = []
    for span in spans:
        errors: list[float] = []
        missed = late = 0
        for at, spot in due[bisect_left(due, (span.begin_ns,)) : bisect_left(due, (span.end_ns,))]:
            for wall in seen:
                if spot not in wall:
                    missed += 1
                    continue
                errors.append((wall[spot] - at) / 1e6)
                late += errors[-1] > 500 / programme.items[spot.item].fps
        found.append((span, Cost(tuple(errors), missed, late)))
    return found


def standing(changes: Sequence[Change], at_ns: int) -> frozenset[Value]:
    """What stood on a wall around an instant."""
    first = bisect_right(changes, at_ns - SURE_NS, key=lambda change: change.ns)
    behind = bisect_right(changes, at_ns + SURE_NS, key=lambda change: change.ns)
    return frozenset(change.value for change in changes[max(0, first - 1) : behind])


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
    pairs: int,
    size: tuple[int, int] = (320, 180),
    fps: Fraction = Fraction(30),
    cover: bool = False,
) -> Result:
    """Play, and take one picture of each wall in every second stretch of time, `pairs` of them. Raises LabError.

    At the start of each `COLD`th stretch with shots the camera processes are killed, so that starting them counts too.
    `cover`: in the end the walls are covered by a panic, and one of them is looked at once more.
    """
    film = Film(out / "films" / "film.mp4", 1, round(fps * FILM_S), fps, *size)
    film.path.parent.mkdir(parents=True)
    make_all([film])
    with Processes(out / "logs") as processes:
        lab = world.build(processes, Wishes(out, VENUES[:venues], size, true_clocks=True), say)
        show = _Show(lab, Reel((film.path,), (film.clip,)), say)
        programme = asyncio.run(show.play(pairs, cover))
    measured = readings.load(out / "meter.jsonl")
    return Result(
        tuple(costs(show.spans, measured, programme)),
        tuple(
            Taken(made, code_in(made.jpeg), standing(measured.changes[made.venue], (made.shot.taken or 0) * 1000))
            for made in (row.outcome for row in show.rows)
            if isinstance(made, Picture)
        ),
        tuple(row.outcome for row in show.rows if isinstance(row.outcome, Refusal)),
        measured.gaps,
        show.covered,
    )


class _Show:
    def __init__(self, standing: World, films: Reel, say: Callable[[str], None]) -> None:
        self._world = standing
        self._films = films
        self._say = say
        self.rows: list[Row] = []
        self.spans: list[Span] = []
        self.covered: Picture | None = None

    async def play(self, pairs: int, cover: bool) -> Programme:
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
            for pair in range(pairs):
                # A B B A: neither kind of time is always the later one.
                for with_shots in (False, True) if pair % 2 == 0 else (True, False):
                    await self._span(line, pair, with_shots)
                if (pair + 1) % SAY_EACH == 0:
                    self._say(f"{pair + 1} of {pairs}: {len(self.rows)} pictures asked for")
            if cover:
                panic = ["cue", "panic", "--profile", str(self._world.profile), "--json"]
                await operator.command(processes, "panic", panic, COMMAND_S)
                await asyncio.sleep(SPAN_S)  # or it would be the picture from before
                found = await shots.take(line, self._world.places[0].venue.venue)
                self.covered = found if isinstance(found, Picture) else None
        processes.end(looker)
        items = [
            Item(film.name, film.clip, Fraction(film.fps), film.frames) for film in reel.facts(self._films, program)
        ]
        return Programme(items, due_ns=due * 1000, loop=True)

    async def _span(self, line: Link, pair: int, with_shots: bool) -> None:
        begin_ns, began_s = time.time_ns(), time.monotonic()
        if with_shots:
            if pair % COLD == 0:
                parents = {child.pid for child in self._world.processes.children if child.tier == "agents"}
                for pid in cameras(parents):
                    os.kill(pid, signal.SIGKILL)
            rows, _ = await shots.take_all(line, ["*"])
            self.rows += rows
        await asyncio.sleep(max(0.0, began_s + SPAN_S - time.monotonic()))
        self.spans.append(Span(begin_ns, time.time_ns(), with_shots, pair))
