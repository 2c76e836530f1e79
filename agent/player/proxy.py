"""The agent's end of the player: starts the process, feeds it, replaces it when it dies."""

import asyncio
import contextlib
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from typing import Literal

import structlog
from pydantic import BaseModel, ValidationError

from agent.clock.mapping import Mapping
from agent.player.wire import REPORTS, Cover, Failed, Identify, Plan, Quit, Report, Screen, Start, clock_of, line

log = structlog.get_logger()

RESTART_FIRST_S = 0.2
RESTART_MOST_S = 10.0
QUIT_S = 2.0
OUTPUT_BYTES = 8192
STEADY_S = 30.0


class PlayerProxy:
    """Keeps one player process alive. What it says goes to `heard`; its death is said as a `Failed`."""

    def __init__(self, screen: Screen, heard: Callable[[Report], None]) -> None:
        self._screen = screen
        self._heard = heard
        self._clock: Mapping | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.pid: int | None = None

    def clock(self, mapping: Mapping) -> None:
        """Hand over the newest mapping."""
        self._clock = mapping
        self._send(clock_of(mapping))

    def plan(self, starts: Sequence[Start]) -> None:
        """Hand over the next starts; they die with the process, whose successor says Hello and is given new ones."""
        self._send(Plan(starts=list(starts)))

    def cover(self, what: Literal["", "black", "slate"]) -> None:
        """Hide the wall at once, or show it again with ''; dies with the process, as plans do."""
        self._send(Cover(what=what))

    def identify(self, order: Identify) -> None:
        """Hand over when to lay over the picture which wall this is; dies with the process, as plans do."""
        self._send(order)

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
                try:
                    await self._one_life()
                except OSError as error:
                    detail = f"the player process cannot be started ({error}); the machine lacks memory or processes"
                    self._heard(Failed(reason="player_error", detail=detail))
                pause_s = RESTART_FIRST_S if loop.time() - began > STEADY_S else min(pause_s * 2, RESTART_MOST_S)
                await asyncio.sleep(pause_s)
        finally:
            self._writer = None

    async def _one_life(self) -> None:
        ours, theirs = socket.socketpair()
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
        self.pid = process.pid
        reader, self._writer = await asyncio.open_connection(sock=ours)
        if self._clock is not None:
            self._send(clock_of(self._clock))
        chatter = asyncio.create_task(self._log_output(process))
        try:
            told = await self._listen(reader)
            code = await process.wait()
        finally:
            await self._end(process)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUIT_S):
                    await chatter
            self._writer.close()
            self._writer = self.pid = None
        if not told:
            self._heard(Failed(reason="player_died", detail=f"the player process {_how(code)}; it is being replaced"))

    async def _listen(self, reader: asyncio.StreamReader) -> bool:
        """Read until the player is gone; true when it said itself why it goes."""
        told = False
        # A process that dies with unread orders resets the connection.
        with contextlib.suppress(ConnectionError):
            while text := await reader.readline():
                try:
                    report = REPORTS.validate_json(text)
                except ValidationError:
                    # The last line of a process that was killed while writing.
                    continue
                told = isinstance(report, Failed)
                self._heard(report)
        return told

    async def _log_output(self, process: Process) -> None:
        """Whatever libraries print belongs into the log, line by line."""
        assert process.stdout is not None, "asked for with PIPE"
        while text := await process.stdout.read(OUTPUT_BYTES):
            for part in text.decode(errors="replace").splitlines():
                log.warning("player output", text=part)

    async def _end(self, process: Process) -> None:
        if process.returncode is not None:
            return
        self._send(Quit())
        try:
            async with asyncio.timeout(QUIT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _how(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
