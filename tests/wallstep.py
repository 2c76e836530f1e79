"""A host's wall clock stepped in mid-film, and what the pixels make of it: a real agent beside an undisturbed one.

libfaketime fakes CLOCK_REALTIME alone, in the agent and in the player that it starts; the offset stands in a file that
is read anew at every look at the clock, so that replacing the file steps the clock. A witness in both processes
(tests/witness) proves that their REALTIME stepped and that nothing else did.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from agent.control.link import Link
from agent.lab import agents, analysis, faketime, meter, operator, readings, reel, watch, world
from agent.lab.agents import Place
from agent.lab.analysis import DisplayFacts, percentile
from agent.lab.films import Film, make_all
from agent.lab.processes import LabError, Processes
from agent.lab.programme import Item, Programme
from agent.lab.reel import Reel
from agent.lab.rundir import FilmFacts
from agent.lab.steal import Ticks
from agent.lab.venues import VENUES
from agent.lab.watch import Clocks
from agent.lab.world import Wishes, World
from agent.told import Status
from agent.units import UtcUs, format_utc, parse_rate

STEPPED, CONTROL = "tokyo", "hongkong"
STEPS_S = (2.0, 0.0)
"""The offset of the stepped venue's REALTIME after the first step and after the second: two seconds ahead, and back."""

MOST_MOVED_MS = 2.0
MISSED_SHARE = 0.02
"""So many frames more than before the step, or than the undisturbed wall, may be noise of the machine."""

LEAD_S = 5.0
START_S = 1.0
"""The first second is the start's: its lateness is trimmed away there, and no step is to be blamed for it."""

FILM_S = 10
FPS = Fraction(30)
SIZE = (320, 180)
COMMAND_S = 60.0
TICK_S = 0.2
TAIL_S = 0.5
STEP_S = 1.0
"""More than this between two looks of a witness is a step; less may be a witness that had to wait for its turn."""

STATUS_SLACK_S = 0.05
WITNESS = Path(__file__).parent / "witness"

GOOD, MOVED, VOID = 0, 1, 5


@dataclass(frozen=True)
class Stretch:
    """A wall between two instants: frames due, missed, and the errors in ms (first seen − due) of the others."""

    due: int
    missed: int
    median_ms: float
    p99_ms: float
    first_second_ms: float


@dataclass(frozen=True)
class Effect:
    """A wall before and after an instant at which the stepped venue's clock was set to `to_s` ahead of true time."""

    venue: str
    to_s: float
    before: Stretch
    after: Stretch

    @property
    def moved_ms(self) -> float:
        """How far the pixels' timing moved."""
        return self.after.median_ms - self.before.median_ms

    @property
    def moved_at_once_ms(self) -> float:
        """The same for the first second after the step alone."""
        return self.after.first_second_ms - self.before.median_ms


@dataclass(frozen=True)
class Verdict:
    """What came out. `void` says why the measurement proves nothing, if it does not; `notes` are facts beside it."""

    effects: list[Effect]
    faults: list[str]
    notes: list[str]
    void: str | None

    @property
    def status(self) -> int:
        """The exit status: 0 the timing stood, 1 it moved, 5 the measurement counts for nothing."""
        return VOID if self.void else MOVED if self.faults else GOOD


@dataclass(frozen=True)
class Evidence:
    """What the witness saw in one process: its looks on the raw counter, REALTIME − RAW and MONOTONIC − RAW there."""

    raw_ns: list[int]
    real_ns: list[int]
    monotonic_ns: list[int]

    @classmethod
    def read(cls, path: Path) -> "Evidence":
        """Take it from the witness's file; a last line that is being written is left out."""
        text = path.read_text(encoding="ascii") if path.exists() else ""
        rows = [[int(word) for word in row.split()] for row in text[: text.rfind("\n") + 1].splitlines()]
        raws = [raw for _, _, raw in rows]
        return cls(raws, [real - raw for real, _, raw in rows], [monotonic - raw for _, monotonic, raw in rows])

    def steps(self) -> list[tuple[int, float]]:
        """Raw instant and seconds of every step of REALTIME by more than STEP_S."""
        jumps = [(after - before) / 1e9 for before, after in pairwise(self.real_ns)]
        return [(raw, jump) for raw, jump in zip(self.raw_ns[1:], jumps, strict=True) if abs(jump) > STEP_S]

    def steady(self) -> bool:
        """Whether MONOTONIC did not step against RAW, nor RAW by itself."""
        span = max(self.monotonic_ns) - min(self.monotonic_ns)
        gaps_ns = [after - before for before, after in pairwise(self.raw_ns)]
        return span < STEP_S * 1e9 and all(0 < gap < STEP_S * 1e9 for gap in gaps_ns)


class Clockwork:
    """The wall clocks of the venues: files that libfaketime reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, venue: str) -> Path:
        """Where a venue's offset stands."""
        return self._folder / venue / "offset"

    def evidence(self, venue: str, role: str) -> Evidence:
        """What the witness saw in the venue's `agent` or `player`."""
        return Evidence.read(self._folder / venue / role)

    def set(self, venue: str, offset_s: float) -> None:
        """Put a venue's REALTIME so many seconds ahead of true time."""
        file = self.file(venue)
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(f"{offset_s:+g}\n", encoding="ascii")
        new.replace(file)

    def variables(self, venue: str) -> list[str]:
        """What `env` puts before an agent so that it and its player live by the file."""
        library = faketime.library()
        if library is None:
            raise LabError("libfaketime is not installed: sudo apt-get install --no-install-recommends faketime", 2)
        return [
            f"LD_PRELOAD={library}",
            f"FAKETIME_TIMESTAMP_FILE={self.file(venue)}",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            # libfaketime 0.9.10 does not notice a new file with FAKETIME_CACHE_DURATION=1 when MONOTONIC is left alone.
            "FAKETIME_NO_CACHE=1",
            # Nor does it wait for a condition on MONOTONIC then: it takes the instant for one long gone by, and whoever
            # waits for Python's lock spins, under SCHED_FIFO before the thread that has the lock. This puts it right.
            "FAKETIME_FORCE_MONOTONIC_FIX=0",
            f"PYTHONPATH={WITNESS}",
            f"CLOCK_WITNESS={self.file(venue).parent}",
        ]


@dataclass(frozen=True)
class Played:
    """All that a run left behind."""

    films: list[FilmFacts]
    due_us: UtcUs
    stepped_us: list[UtcUs]
    statuses: dict[str, list[Status]]
    clocks: Clocks
    stolen: float


def run(out: Path, seconds: float, say: Callable[[str], None]) -> Verdict:
    """Play so many seconds, step a clock at a third and at two thirds of them, judge. Raises LabError."""
    venues = tuple(venue for venue in VENUES if venue.venue in (STEPPED, CONTROL))
    film = Film(out / "films" / "film.mp4", 1, round(FPS * FILM_S), FPS, *SIZE)
    film.path.parent.mkdir(parents=True)
    make_all([film])
    clockwork = Clockwork(out / "clocks")
    with Processes(out / "logs") as processes:
        standing = world.build(processes, Wishes(out, venues, SIZE, true_clocks=True), say)
        played = asyncio.run(_play(standing, Reel((film.path,), (film.clip,)), clockwork, seconds, say))
    raw_to_utc_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    return judge(readings.load(_record(out)), played, clockwork, raw_to_utc_ns, seconds)


async def _play(
    standing: World, films: Reel, clockwork: Clockwork, seconds: float, say: Callable[[str], None]
) -> Played:
    processes = standing.processes
    async with watch.link(standing) as line:
        publish = operator.publish_command(standing, list(films.paths))
        await operator.command(processes, "publish", publish, COMMAND_S)
        program = await watch.program(line, operator.PROGRAM)
        begun_s = time.monotonic()
        for place in standing.places:
            _start(processes, place, clockwork)
        await watch.until_ready(line, standing, 1, begun_s)
        say(f"two venues ready after {time.monotonic() - begun_s:.1f} s")
        walls = {place.venue.venue: place.framebuffer for place in standing.places}
        looker = processes.start("meter", meter.command(_record(standing.wishes.out), "barcode", walls), talks=True)
        looker.hear(COMMAND_S)
        before = Ticks.now()
        due_us = UtcUs(time.time_ns() // 1000 + round(LEAD_S * 1e6))
        cueing = operator.play_command(standing, program.rev, format_utc(due_us), "accepted")
        await operator.command(processes, "cue-play", cueing, COMMAND_S)
        clocks = Clocks(standing.places)
        statuses: dict[str, list[Status]] = {name: [] for name in walls}
        stepped_us: list[UtcUs] = []
        for number, offset_s in enumerate([*STEPS_S, None], start=1):
            await _follow(line, standing, clocks, statuses, due_us / 1e6 + seconds * number / 3)
            if offset_s is not None:
                clockwork.set(STEPPED, offset_s)
                stepped_us.append(UtcUs(time.time_ns() // 1000))
                say(f"{STEPPED}'s wall clock set to {offset_s:+g} s, {seconds * number / 3:.1f} s into the film")
        await asyncio.sleep(TAIL_S)
        processes.end(looker)
    stolen = Ticks.now().stolen_since(before)
    return Played(reel.facts(films, program), due_us, stepped_us, statuses, clocks, stolen)


def _record(out: Path) -> Path:
    return out / "meter.jsonl"


def _start(processes: Processes, place: Place, clockwork: Clockwork) -> None:
    """Start a venue's agent as the lab does, with a wall clock that can be set."""
    venue = place.venue.venue
    clockwork.set(venue, 0.0)
    word, *rest = agents.command(place, True)
    assert word == "env"
    processes.start(place.name, ["env", *clockwork.variables(venue), *rest], tier="agents", remains=faketime.remains)


async def _follow(
    line: Link, standing: World, clocks: Clocks, statuses: dict[str, list[Status]], until_s: float
) -> None:
    """Collect what the venues say, and ask their clocks, until an instant of true time."""
    while (left_s := until_s - time.time()) > 0:
        standing.processes.check()
        for venue, status in watch.statuses(line).items():
            if not statuses[venue] or statuses[venue][-1].time != status.time:
                statuses[venue].append(status)
        if left_s < 1 and not any(sample.time > (until_s - 2) * 1e6 for sample in clocks.samples[STEPPED]):
            await clocks.sample()
        await asyncio.sleep(min(TICK_S, max(0.0, until_s - time.time())))


# --- the verdict ----------------------------------------------------------------------------------


def judge(
    measured: readings.Readings, played: Played, clockwork: Clockwork, raw_to_utc_ns: int, seconds: float
) -> Verdict:
    """From the pixels, the witnesses and the statuses to a verdict."""
    items = [Item(film.name, film.clip, parse_rate(film.fps), film.frames) for film in played.films]
    programme = Programme(items, due_ns=played.due_us * 1000, loop=True)
    whole = programme.spots(programme.due_ns + round(seconds * 1e9))
    due_s = [(programme.due(spot) - programme.due_ns) / 1e9 for spot in whole]
    found = analysis.analyse(measured, programme)
    effects = [
        effect(display, due_s, (stepped_us - played.due_us) / 1e6, to_s, seconds / 3 - TAIL_S)
        for stepped_us, to_s in zip(played.stepped_us, STEPS_S, strict=True)
        for display in found.displays
    ]
    doubts = [found.void, *(_unwitnessed(clockwork, role, played, raw_to_utc_ns) for role in ("agent", "player"))]
    doubts.append(_untold(played))
    void = "; ".join(doubt for doubt in doubts if doubt) or None
    return Verdict(effects, [*faults(effects), *_restarted(played)], _notes(played), void)


def effect(display: DisplayFacts, due_s: Sequence[float], step_s: float, to_s: float, length_s: float) -> Effect:
    """A wall in the `length_s` before and after a step, in seconds after the first instant."""
    before = stretch(display, due_s, max(START_S, step_s - length_s), step_s)
    return Effect(display.venue, to_s, before, stretch(display, due_s, step_s, step_s + length_s))


def stretch(display: DisplayFacts, due_s: Sequence[float], begin_s: float, end_s: float) -> Stretch:
    """The frames that were due between two instants. Raises LabError when none of them was seen."""
    seen = [(due, error) for due, error in display.errors if begin_s <= due < end_s]
    first = [error for due, error in seen if due < begin_s + 1] or [error for _, error in seen[:1]]
    due = sum(begin_s <= due < end_s for due in due_s)
    errors = [error for _, error in seen]
    median, p99 = percentile(errors, 50), percentile([abs(error) for error in errors], 99)
    at_once = percentile(first, 50)
    if median is None or p99 is None or at_once is None:
        raise LabError(f"{display.venue}: no frame was seen between {begin_s:.1f} and {end_s:.1f} s")
    return Stretch(due, due - len(seen), median, p99, at_once)


def faults(effects: Sequence[Effect]) -> list[str]:
    """What moved on the stepped wall, and which frames it lost that the other one did not lose."""
    found = []
    others = {one.to_s: one.after.missed for one in effects if one.venue != STEPPED}
    for one in effects:
        if one.venue != STEPPED:
            continue
        name = f"{one.venue}, wall clock set to {one.to_s:+g} s"
        for moved_ms, what in ((one.moved_ms, "the pixels"), (one.moved_at_once_ms, "the pixels of the next second")):
            if abs(moved_ms) > MOST_MOVED_MS:
                found.append(f"{name}: {what} moved by {moved_ms:+.2f} ms, allowed ± {MOST_MOVED_MS:g}")
        noise = max(one.before.missed, others.get(one.to_s, 0)) + MISSED_SHARE * one.after.due
        if one.after.missed > noise:
            found.append(f"{name}: {one.after.missed} of {one.after.due} frames missed, {one.before.missed} before")
    return found


def _unwitnessed(clockwork: Clockwork, role: str, played: Played, raw_to_utc_ns: int) -> str | None:
    """Why it is not proved that this process's REALTIME stepped, that nothing else did, and the other venue's not."""
    seen, other = clockwork.evidence(STEPPED, role), clockwork.evidence(CONTROL, role)
    if not seen.raw_ns or not other.raw_ns:
        return f"there is no witness in the {role}"
    wanted = [after - before for before, after in pairwise((0.0, *STEPS_S))]
    steps = seen.steps()
    late_s = [
        (raw + raw_to_utc_ns) / 1e9 - at_us / 1e6 for (raw, _), at_us in zip(steps, played.stepped_us, strict=False)
    ]
    if [round(jump, 1) for _, jump in steps] != wanted or not all(abs(late) < 1 for late in late_s):
        return f"the {role}'s REALTIME stepped by {[round(jump, 3) for _, jump in steps]} s, {late_s} s after the order"
    if not seen.steady() or other.steps():
        return f"more than REALTIME stepped in the {role}, or the other venue's clock did"
    return None


def _untold(played: Played) -> str | None:
    """Why the statuses do not show the steps, if they do not: `clock.offset_host_us` has to follow them."""
    bounds = [0, *played.stepped_us, UtcUs(2**63)]
    for offset_s, begin, end in zip((0.0, *STEPS_S), bounds, bounds[1:], strict=False):
        told = [
            status.clock.offset_host_us / 1e6
            for status in played.statuses[STEPPED]
            if begin + STATUS_SLACK_S * 1e6 < (status.time or 0) < end and status.clock.offset_host_us is not None
        ]
        if not told or any(abs(value - offset_s) > STATUS_SLACK_S for value in told):
            return f"{STEPPED}'s status tells of offsets {told} where the wall clock was {offset_s:+g} s ahead"
    return None


def _restarted(played: Played) -> list[str]:
    """What statuses say that no wall may do while the film runs: a re-anchor, another state than playing."""
    found = []
    for venue, statuses in played.statuses.items():
        during = [status for status in statuses if (status.time or 0) > played.due_us + START_S * 1e6]
        if during and during[-1].reanchors > during[0].reanchors:
            found.append(f"{venue}: {during[-1].reanchors - during[0].reanchors} re-anchors")
        states = {status.state for status in during} - {"playing"}
        if states:
            found.append(f"{venue}: was {', '.join(sorted(states))} while the film ran")
    return found


def _notes(played: Played) -> list[str]:
    notes = []
    for venue, statuses in played.statuses.items():
        offsets = [status.clock.offset_host_us for status in statuses if status.clock.offset_host_us is not None]
        errors = [sample.error_ms for sample in played.clocks.samples[venue]]
        notes.append(
            f"{venue}: REALTIME by status {min(offsets) / 1e6:+.3f} to {max(offsets) / 1e6:+.3f} s ahead of it, "
            f"{statuses[-1].reanchors} re-anchors; its clock's true error just before each step and at the end, ms: "
            + ", ".join(f"{error:+.2f}" for error in errors)
        )
    return [*notes, f"the host took {played.stolen:.1%} of the processors' time away (steal)"]
