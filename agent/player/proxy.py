"""The agent's end of the player: starts the process, feeds it, watches it, replaces it when it dies or hangs."""

import asyncio
import contextlib
import math
import signal
import socket
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from typing import Literal

import structlog
from pydantic import BaseModel, ValidationError

from agent.clock.mapping import Mapping
from agent.liveness import Signs
from agent.player.away import is_away
from agent.player.floor import Floor
from agent.player.wire import (
    REPORTS,
    Beat,
    Cover,
    Covered,
    Failed,
    Hello,
    Identify,
    Plan,
    Quit,
    Report,
    Screen,
    Start,
    clock_of,
    line,
)

log = structlog.get_logger()

RESTART_AT_ONCE_S = 0.02
RESTART_FIRST_S = 0.2
RESTART_MOST_S = 5.0
LOOK_S = 0.25
"""So often it is looked whether a display that is away is back."""
QUIT_S = 2.0
OUTPUT_BYTES = 8192
HARMLESS = frozenset({"Warning: using insecure memory!"})
"""libgcrypt, which FFmpeg loads, says so at each start without the right to lock memory; a player has no secret."""
STEADY_S = 3.0
"""A player that lived so long is replaced at once, one that did not after a pause that grows."""
START_S = 30.0
"""A Raspberry Pi needs seconds to load Python and libmpv."""
OVERDUE_S = 0.3
"""The player says something every 0.2 s, and only one that is late is looked after: until then nothing wakes for it."""
CHECK_S = 0.1
SILENT_CHECKS = 7
"""One that says nothing for so many checks' time hangs."""
HELD_UP_S = 0.3
"""Behind this our own event loop stood still, which says nothing about the player."""
COVER_S = 0.15
"""A player that has not covered the wall by then will not: it is killed, and the floor is black."""
FLOOR_S = 2.0


class PlayerProxy:
    """Keeps one player process alive. What it says goes to `heard`; its death is said as a `Failed`."""

    def __init__(self, screen: Screen, heard: Callable[[Report], None]) -> None:
        self._screen = screen
        self._heard = heard
        self._clock: Mapping | None = None
        self._floor = Floor(screen.name) if screen.output == "x11" else None
        self._layer: threading.Thread | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._process: Process | None = None
        self._cover: Literal["", "black", "slate"] = ""
        self._covered: Literal["", "black", "slate"] = ""
        self._greeted, self._late = asyncio.Event(), asyncio.Event()
        self._overdue: asyncio.TimerHandle | None = None
        self._killed_for: str | None = None
        self._signs = Signs(-math.inf)

    @property
    def pid(self) -> int | None:
        """The process that plays now."""
        return self._process.pid if self._process is not None else None

    @property
    def signs(self) -> Signs:
        """The last signs of life, for the watchdog; by the event loop's clock."""
        return self._signs

    def clock(self, mapping: Mapping) -> None:
        """Hand over the newest mapping."""
        self._clock = mapping
        self._send(clock_of(mapping))

    def plan(self, starts: Sequence[Start]) -> None:
        """Hand over the next starts; they die with the process, whose successor says Hello and is given new ones."""
        self._send(Plan(starts=list(starts)))

    def cover(self, what: Literal["", "black", "slate"]) -> None:
        """Hide the wall, or show it again; it stays so for every further player, and a player that hangs is killed."""
        self._cover = what
        self._send(Cover(what=what))
        if what:
            asyncio.get_running_loop().call_later(COVER_S, self._insist)

    def identify(self, order: Identify) -> None:
        """Lay the overlay over the wall; it dies with the process, whose successor says Hello."""
        self._send(order)

    def _insist(self) -> None:
        # Before its Hello a player has shown nothing: its stage begins black.
        if self._cover and self._covered != self._cover and self._greeted.is_set():
            self._kill("player_hung", "did not cover the wall")

    def _kill(self, reason: str, why: str) -> None:
        # Once is enough: whom the kernel cannot end at once, in a driver's call, it ends when that returns.
        if self._process is not None and self._process.returncode is None and self._killed_for is None:
            log.error("player killed", reason=reason, why=why)
            self._killed_for = reason
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def _send(self, order: BaseModel) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(line(order))

    async def run(self) -> None:
        """Keep a player running until cancelled."""
        pause_s = RESTART_FIRST_S
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                self._signs = Signs(began)
                try:
                    await self._lay_floor()
                    await self._one_life()
                except OSError as error:
                    detail = f"the player process cannot be started ({error}); the machine lacks memory or processes"
                    self._heard(Failed(reason="player_error", detail=detail))
                if self._greeted.is_set() and loop.time() - began > STEADY_S:
                    pause_s = RESTART_AT_ONCE_S
                else:
                    pause_s = min(max(pause_s * 2, RESTART_FIRST_S), RESTART_MOST_S)
                await self._pause(pause_s)
        finally:
            self._writer = None

    async def _pause(self, seconds: float) -> None:
        """Wait before the next player; a display that was away and is back ends it, for then there is hope."""
        loop, name = asyncio.get_running_loop(), self._screen.name
        until = loop.time() + seconds
        watched = self._screen.output == "x11" and is_away(name)
        while (left := until - loop.time()) > 0:
            await asyncio.sleep(min(left, LOOK_S) if watched else left)
            if watched and not is_away(name):
                return

    async def _lay_floor(self) -> None:
        if self._floor is None or (self._layer is not None and self._layer.is_alive()):
            return
        laid, loop = asyncio.Event(), asyncio.get_running_loop()

        def lay(floor: Floor) -> None:
            floor.lay()
            with contextlib.suppress(RuntimeError):  # the agent has ended meanwhile
                loop.call_soon_threadsafe(laid.set)

        # A thread of its own: an X server that hangs would take one of the pool's each time, and those are few.
        self._layer = threading.Thread(target=lay, args=(self._floor,), name="floor", daemon=True)
        self._layer.start()
        try:
            async with asyncio.timeout(FLOOR_S):
                await laid.wait()
        except TimeoutError:
            log.warning("no floor: the display does not answer", display=self._screen.name)

    async def _one_life(self) -> None:
        ours, theirs = socket.socketpair()
        self._greeted.clear()
        self._killed_for, self._covered = None, ""
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "agent.player.process",
                str(theirs.fileno()),
                self._screen.model_dump_json(),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        self._process = process
        now_s = asyncio.get_running_loop().time()
        self._signs = Signs(now_s, granted_s=now_s + START_S)
        helpers = [asyncio.create_task(self._log_output(process)), asyncio.create_task(self._watch())]
        try:
            reader, self._writer = await asyncio.open_connection(sock=ours)
            if self._cover:
                self.cover(self._cover)
            if self._clock is not None:
                self._send(clock_of(self._clock))
            told = await self._listen(reader)
            code = await process.wait()
        finally:
            await self._end(process)
            helpers[1].cancel()
            self._put_off(None)
            _, late = await asyncio.wait(helpers[:1], timeout=QUIT_S)
            for task in late:
                task.cancel()
            if self._writer is not None:
                self._writer.close()
            self._writer = self._process = None
        if not told:
            how = "hung and was killed" if self._killed_for else _how(code)
            reason = self._killed_for or "player_died"
            self._heard(Failed(reason=reason, detail=f"the player process {how}; it is being replaced"))

    async def _listen(self, reader: asyncio.StreamReader) -> bool:
        """Read until the player is gone; true when it said itself why it goes."""
        told, loop = False, asyncio.get_running_loop()
        # A process that dies with unread orders resets the connection.
        with contextlib.suppress(ConnectionError):
            while text := await reader.readline():
                try:
                    report = REPORTS.validate_json(text)
                except ValidationError:
                    # The last line of a process that was killed while writing.
                    continue
                self._signs = Signs(loop.time())
                self._put_off(loop)
                told = isinstance(report, Failed)
                match report:
                    case Beat():
                        continue
                    case Hello():
                        self._greeted.set()
                    case Covered(what=what):
                        self._covered = what
                self._heard(report)
        return told

    def _put_off(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """It has just spoken, and is overdue a little later again; without a loop it is nobody's business any more."""
        if self._overdue is not None:
            self._overdue.cancel()
        self._late.clear()
        self._overdue = loop.call_later(OVERDUE_S, self._late.set) if loop is not None else None

    async def _watch(self) -> None:
        """Kill a player that does not come up, and one that falls silent."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(START_S):
                await self._greeted.wait()
        except TimeoutError:
            self._kill("player_hung", f"was not up after {START_S:.0f} s")
        while True:
            await self._late.wait()
            heard_s, before = self._signs.heard_s, self._signs.heard_s + OVERDUE_S - CHECK_S
            silent = round(OVERDUE_S / CHECK_S) - 1
            while self._late.is_set():
                silent = 0 if loop.time() - before > HELD_UP_S else silent + 1
                if silent >= SILENT_CHECKS:
                    self._kill("player_hung", f"said nothing for {loop.time() - heard_s:.1f} s")
                before = loop.time()
                await asyncio.sleep(CHECK_S)

    async def _log_output(self, process: Process) -> None:
        """Whatever libraries print belongs into the log, line by line."""
        assert process.stdout is not None, "asked for with PIPE"
        while text := await process.stdout.read(OUTPUT_BYTES):
            for part in text.decode(errors="replace").splitlines():
                say = log.debug if part in HARMLESS else log.warning
                say("player output", text=part)

    async def _end(self, process: Process) -> None:
        if process.returncode is not None:
            return
        self._send(Quit())
        gone = asyncio.ensure_future(process.wait())
        try:
            # Not asyncio.timeout: in a task that is cancelled, as this is when the agent ends, that of Python 3.11.2
            # (Debian 12) raises no TimeoutError, and a player that hangs would outlive the agent.
            await asyncio.wait([gone], timeout=QUIT_S if self._writer is not None else 0)
        finally:
            if process.returncode is None:
                process.kill()
        await gone


def _how(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
