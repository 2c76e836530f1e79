"""How long a wall goes without the right frame when its agent or its player is killed, by the pixels; no systemd.

The agent is started again at once, as systemd would after its RestartSec. The script tests/long/comeback kills both
again and again; tests/lab/test_comeback.py does it once each.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import quantiles

from hardships import COMMAND_S, player_of

from agent.lab import agents, barcode, operator, watch, world
from agent.lab.films import Film, make_all
from agent.lab.framebuffer import Framebuffer
from agent.lab.processes import Child, LabError, Processes, wait_until
from agent.lab.programme import NS_PER_S, Item, Programme
from agent.lab.venues import VENUES
from agent.lab.world import Wishes, World
from agent.units import UtcUs, format_utc

FPS, FILM_S, SIZE = Fraction(30), 30, (320, 180)
LEAD_US = 4_000_000
LOOK_S = 0.002
RIGHT_FRAMES = 5
"""So many frames in a row have to come in their time: one alone may still stand from before."""
NEAR_NS = NS_PER_S // 10
BACK_S = 60.0
STEADY_S = 4.0
"""A player that has lived for three seconds is replaced at once."""
VICTIMS = ("daemon", "player")


@dataclass
class Times:
    """Seconds from each death until the right frame; for agents also until READY, from its start."""

    frame_s: dict[str, list[float]] = field(default_factory=lambda: {victim: [] for victim in VICTIMS})
    ready_s: list[float] = field(default_factory=list)

    def told(self) -> list[str]:
        """A line for each: median, 95th percentile, worst."""
        rows = [(f"kill -9 of the {victim} → right frame", found) for victim, found in self.frame_s.items()]
        return [_row(*row) for row in [*rows, ("start of the agent → READY", self.ready_s)] if row[1]]


def _row(what: str, found: list[float]) -> str:
    p95 = quantiles(found, n=20)[-1] if len(found) > 1 else found[0]
    return (
        f"{what}: median {sorted(found)[len(found) // 2]:.2f} s, p95 {p95:.2f}, worst {max(found):.2f} of {len(found)}"
    )


class Wall:
    """One venue whose film runs in a loop."""

    def __init__(self, standing: World, notified: socket.socket) -> None:
        self._standing = standing
        self._programme: Programme | None = None
        self._frame = 0
        self._notified = notified
        self._screen = Framebuffer.open(standing.places[0].framebuffer)
        self._slices = self._screen.barcode_slices()
        self.times = Times()

    def kill(self, victim: str) -> None:
        """Kill it, and wait for the right frame. Raises LabError when that does not come."""
        time.sleep(STEADY_S)
        agent = self._agent
        pid = agent.pid if victim == "daemon" else player_of(agent.pid)
        if pid is None:
            raise LabError("the agent has no player")
        began_s = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        if victim == "daemon":
            agent.process.wait()
            self._standing.processes.end(agent)
            self.start()
        wait_until(lambda: not self._right(), BACK_S, "the loss of the picture")
        self.times.frame_s[victim].append(self._again_s(began_s) - began_s)
        if victim == "daemon":
            self.times.ready_s.append(self._ready_s - self._started_s)

    def shows(self, programme: Programme) -> None:
        """It has been told to show this; wait for its frames. Raises LabError."""
        self._programme = programme
        self._again_s(time.monotonic())

    @property
    def _agent(self) -> Child:
        return next(child for child in self._standing.processes.children if child.tier == "agents")

    def start(self) -> None:
        """Start the agent, and wait for nothing."""
        place = self._standing.places[0]
        env = {"NOTIFY_SOCKET": str(self._notified.getsockname())}
        self._started_s = self._ready_s = time.monotonic()
        self._standing.processes.start(place.name, agents.command(place, True), tier="agents", env=env)

    def _again_s(self, since_s: float) -> float:
        """When the first of some right frames came that followed one another."""
        first_s, seen = 0.0, set[int]()
        while len(seen) < RIGHT_FRAMES:
            self._listen()
            now_s = time.monotonic()
            if now_s - since_s > BACK_S:
                raise LabError(f"no right frame within {BACK_S:.0f} s\n{self._agent.tail()}")
            if not self._right():
                seen.clear()
            else:
                first_s = first_s if seen else now_s
                seen.add(self._frame)
            time.sleep(LOOK_S)
        return first_s

    def _listen(self) -> None:
        try:
            if b"READY=1" in self._notified.recv(4096):
                self._ready_s = time.monotonic()
        except BlockingIOError:
            return

    def _right(self) -> bool:
        """Whether a frame stands there that is due about now."""
        assert self._programme is not None, "judged by it"
        upper, lower = self._slices
        found = barcode.decode(self._screen.memory[upper], self._screen.memory[lower])
        if found is None:
            return False
        now_ns = time.time_ns()
        spot = self._programme.nearest(*found, now_ns)
        self._frame = found[1]
        return spot is not None and abs(self._programme.due(spot) - now_ns) < NEAR_NS


@contextmanager
def wall(out: Path) -> Iterator[Wall]:
    """A venue with a true clock whose film runs. Raises LabError."""
    film = Film(out / "film.mp4", 1, round(FPS * FILM_S), FPS, *SIZE)
    make_all([film])
    with ExitStack() as stack:
        notified = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        notified.bind(str(out / "notify"))
        processes = stack.enter_context(Processes(out / "logs"))
        standing = world.build(processes, Wishes(out, VENUES[:1], SIZE, true_clocks=True), lambda _: None)
        item = Item(film.path.name, film.clip, film.fps, film.frames)
        found = Wall(standing, notified)

        async def play() -> int:
            async with watch.link(standing) as line:
                publish = operator.publish_command(standing, [film.path])
                await operator.command(processes, "publish", publish, COMMAND_S)
                rev = (await watch.program(line, operator.PROGRAM)).rev
                found.start()
                await watch.until_ready(line, standing, 1, time.monotonic())
                at_us = time.time_ns() // 1000 + LEAD_US
                cue = operator.play_command(standing, rev, format_utc(UtcUs(at_us)), "started")
                await operator.command(processes, "cue", cue, COMMAND_S)
                return at_us * 1000

        found.shows(Programme([item], due_ns=asyncio.run(play()), loop=True))
        yield found
