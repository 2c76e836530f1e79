"""What happens to a wall whose player is killed, frozen or starved in mid-film: judged by the pixels, in true time.

The script tests/long/hardships strikes many times and prints a table; tests/lab/test_hardships.py is its short form.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median

from agent.lab import meter, operator, readings, reel, watch, world
from agent.lab.films import Film, make_all
from agent.lab.processes import Child, LabError, Processes
from agent.lab.programme import Item, Programme
from agent.lab.readings import Change, Readings
from agent.lab.reel import Reel
from agent.lab.venues import VENUES
from agent.lab.world import Wishes, World
from agent.units import UtcUs, format_utc

SIZE = (320, 180)
FPS = Fraction(30)
FILM_S = 60
FRAME_MS = 1000 / 30
LEAD_S = 6.0
COMMAND_S = 60.0
FROZEN_S = 3.0
PAUSE_S = 7.0
"""From the end of one blow to the next, at least: the judge looks at the five seconds behind it."""
SETTLED_S = (4.5, 6.0)
TORN_NS = 2_000_000
HOG_PRIORITY = 35
"""Above the players (20 to 30), below the lab's X servers and its meter."""
KINDS = ("kill", "freeze player", "freeze agent", "freeze both", "starve")

BACK_MOST_MS = 2000.0
AT_ONCE_MOST_MS = FRAME_MS / 2
SETTLED_MOST_MS = 2.0


@dataclass(frozen=True, slots=True)
class Blow:
    """What was done to a venue, from when to when (true time)."""

    kind: str
    venue: str
    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the wall took it.

    `back_ms`: from the blow's end (of a kill: from the kill) to the first picture behind the last one that was black,
    stood still or was off by more than two frames; 0 where there was none. `at_once_ms` is its error, `settled_ms` the
    median 4.5 to 6 s behind the blow's end. `jumps` counts what an audience sees from the blow on: a picture that does
    not follow its neighbour within two frames, black included.
    """

    blow: Blow
    back_ms: float | None
    at_once_ms: float | None
    settled_ms: float | None
    jumps: int

    def faults(self) -> list[str]:
        """What is not as it must be."""
        name = f"{self.blow.venue}, {self.blow.kind}"
        if self.back_ms is None or self.at_once_ms is None or self.settled_ms is None:
            return [f"{name}: it never came back"]
        found = []
        if self.back_ms > (BACK_MOST_MS if self.blow.kind == "kill" else SETTLED_S[0] * 1000):
            found.append(f"{name}: right again only after {self.back_ms:.0f} ms")
        if abs(self.at_once_ms) > AT_ONCE_MOST_MS:
            found.append(f"{name}: {self.at_once_ms:+.1f} ms off when it came back")
        if abs(self.settled_ms) > SETTLED_MOST_MS:
            found.append(f"{name}: {self.settled_ms:+.2f} ms off five seconds later")
        if self.jumps > 1:
            found.append(f"{name}: {self.jumps} visible jumps")
        return found


def outcome(blow: Blow, changes: Sequence[Change], programme: Programme) -> Outcome:
    """Judge one blow by what its wall showed."""
    until = blow.end_ns + round(SETTLED_S[1] * 1e9)
    seen = [
        (change.ns, programme.error_ms(*change.value, change.ns) if isinstance(change.value, tuple) else None)
        for change in changes
        if blow.begin_ns <= change.ns < until
    ]
    wrong = [ns for ns, error in seen if error is None or abs(error) > 2 * FRAME_MS]
    # Where the picture stood still no change says so: the gap does.
    instants = [blow.begin_ns, *(ns for ns, _ in seen)]
    wrong += [after for before, after in pairwise(instants) if after - before > 3e6 * FRAME_MS]
    last_wrong = max(wrong, default=blow.begin_ns - 1)
    right = [(ns, error) for ns, error in seen if ns >= last_wrong and error is not None and abs(error) <= 2 * FRAME_MS]
    settled = [error for ns, error in right if ns >= blow.end_ns + SETTLED_S[0] * 1e9]
    if not right or not settled:
        return Outcome(blow, None, None, None, 0)
    left = bool(wrong)
    return Outcome(
        blow,
        max(0.0, (right[0][0] - (blow.begin_ns if blow.kind == "kill" else blow.end_ns)) / 1e6) if left else 0.0,
        right[0][1],
        median(settled),
        _jumps(changes, blow.begin_ns, until, programme),
    )


def _jumps(changes: Sequence[Change], begin_ns: int, until_ns: int, programme: Programme) -> int:
    """Discontinuities after the picture that stood when the blow fell; black and what follows it are one."""
    standing = [change for change in changes if change.ns < begin_ns][-1:]
    looked = [*standing, *(change for change in changes if begin_ns <= change.ns < until_ns)]
    count, before = 0, None
    for number, change in enumerate(looked):
        if number + 1 < len(looked) and looked[number + 1].ns - change.ns < TORN_NS:
            continue  # a look into a picture that was being drawn, or one of those that a held-up player had in hand
        spot = programme.nearest(*change.value, change.ns) if isinstance(change.value, tuple) else None
        if spot is None:
            before = None
            continue
        place = programme.due(spot) / 1e6 / FRAME_MS
        if number and (before is None or not 0.5 < place - before < 3.5):
            count += 1
        before = place
    return count


# --- striking -------------------------------------------------------------------------------------


def player_of(agent: int) -> int | None:
    """The process id of an agent's player."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            argv = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == agent and b"agent.player.process" in argv:
            return int(status.parent.name)
    return None


@contextmanager
def hogs() -> Iterator[None]:
    """Take every core away from everything below the X servers."""
    body = f"import os\nos.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param({HOG_PRIORITY}))\nwhile True: pass"
    took = [subprocess.Popen([sys.executable, "-c", body]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for one in took:
            one.kill()
        for one in took:
            one.wait()


async def strike(kind: str, venue: str, agent: Child) -> Blow:
    """Do it. Raises LabError where there is no player."""
    player = player_of(agent.pid)
    if player is None:
        raise LabError(f"{venue}: its agent has no player")
    begin_ns = time.time_ns()
    match kind:
        case "kill":
            os.kill(player, signal.SIGKILL)
        case "starve":
            with hogs():
                await asyncio.sleep(FROZEN_S)
        case _:
            frozen = {"freeze player": [player], "freeze agent": [agent.pid], "freeze both": [agent.pid, player]}[kind]
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(FROZEN_S)
            for pid in frozen:
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    continue  # replaced by its agent meanwhile
    return Blow(kind, venue, begin_ns, time.time_ns())


# --- a run ----------------------------------------------------------------------------------------


def run(out: Path, blows: Sequence[str], say: Callable[[str], None]) -> tuple[list[Outcome], Readings]:
    """Play on two walls and strike one of them so often; what came of each blow. Raises LabError."""
    film = Film(out / "films" / "film.mp4", 1, round(FPS * FILM_S), FPS, *SIZE)
    film.path.parent.mkdir(parents=True)
    make_all([film])
    with Processes(out / "logs") as processes:
        standing = world.build(processes, Wishes(out, VENUES[:2], SIZE, true_clocks=True), say)
        struck, programme = asyncio.run(_play(standing, Reel((film.path,), (film.clip,)), blows, say))
    measured = readings.load(out / "meter.jsonl")
    return [outcome(blow, measured.changes[blow.venue], programme) for blow in struck], measured


async def _play(
    standing: World, films: Reel, blows: Sequence[str], say: Callable[[str], None]
) -> tuple[list[Blow], Programme]:
    rng = random.Random(7)
    async with watch.link(standing) as line:
        await operator.command(
            standing.processes, "publish", operator.publish_command(standing, list(films.paths)), COMMAND_S
        )
        program = await watch.program(line, operator.PROGRAM)
        standing.start_agents()
        await watch.until_ready(line, standing, 1, time.monotonic())
        say("both venues ready")
        walls = {place.venue.venue: place.framebuffer for place in standing.places}
        looker = standing.processes.start(
            "meter", meter.command(standing.wishes.out / "meter.jsonl", "barcode", walls), talks=True
        )
        looker.hear(COMMAND_S)
        due = UtcUs((time.time_ns() + round(LEAD_S * 1e9)) // 1_000_000 * 1000)
        cueing = operator.play_command(standing, program.rev, format_utc(due), "accepted")
        await operator.command(standing.processes, "cue-play", cueing, COMMAND_S)
        await asyncio.sleep((due / 1e6 - time.time()) + PAUSE_S)
        place = standing.places[0]
        agent = next(child for child in standing.processes.children if child.name == place.name)
        struck = []
        for number, kind in enumerate(blows, start=1):
            await asyncio.sleep(rng.uniform(0, 3))
            struck.append(await strike(kind, place.venue.venue, agent))
            say(f"{number} of {len(blows)}: {kind}")
            await asyncio.sleep(PAUSE_S)
        standing.processes.end(looker)
    items = [Item(film.name, film.clip, Fraction(film.fps), film.frames) for film in reel.facts(films, program)]
    return struck, Programme(items, due_ns=due * 1000, loop=True)
