"""The agent's end of the camera: starts the process when a picture is asked for, and lets it go when none has been.

One order at a time. A process that dies is replaced at once, and one that hangs is killed: the display that it waits
for may be the reason. Nothing here waits on the event loop for either.
"""

import asyncio
import contextlib
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from agent.effects import Shoot
from agent.messages import Refusal
from agent.player.camera_wire import LINE_BYTES, SAID, Copied, Developed, Ready, Spoilt, Take
from agent.player.wire import Screen, line
from agent.shots import FRESH_US, Print
from agent.units import US_PER_S, RawNs

log = structlog.get_logger()

START_S = 30.0
"""A Raspberry Pi needs seconds to load the libraries, and this process is the last to be served."""

TAKE_S = 6.0
"""Less than an operator waits: a display that hangs is told as that, not by silence."""

IDLE_S = 120.0
"""A process that nobody has asked for so long is let go: a venue without an audience pays nothing."""

WAITING = 8
OUTPUT_BYTES = 8192

M = TypeVar("M")


class _LostError(Exception):
    """The process died or hung (`hung`); the text says which."""

    def __init__(self, how: str, *, hung: bool = False) -> None:
        super().__init__(how)
        self.hung = hung


@dataclass(slots=True)
class _Copy(Generic[M]):
    """The copy of the display that the process holds: when it was made, what it was of, its pictures by width."""

    at_s: float
    moment: M
    prints: dict[int, Print] = field(default_factory=dict)


class Camera(Generic[M]):
    """Pictures of one display.

    `moment` is called as soon as the display has been copied, with the instant: what it returns goes to `done` with the
    picture. `done` is called once for each order, with a picture or a refusal.
    """

    def __init__(
        self,
        screen: Screen,
        moment: Callable[[RawNs], M],
        done: Callable[[Shoot, tuple[Print, M] | Refusal], None],
    ) -> None:
        self._screen = screen
        self._moment = moment
        self._done = done
        self._orders: asyncio.Queue[Shoot] = asyncio.Queue()
        self._process: Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._output: asyncio.Task[None] | None = None
        self._copy: _Copy[M] | None = None

    @property
    def pid(self) -> int | None:
        """The process that takes the pictures, while there is one."""
        return self._process.pid if self._process is not None else None

    def shoot(self, order: Shoot) -> None:
        """Have a picture taken; never waits."""
        if self._orders.qsize() >= WAITING:
            detail = f"{WAITING} pictures are waited for already; ask again when they have come"
            self._done(order, Refusal(code="rate", detail=detail))
            return
        self._orders.put_nowait(order)

    async def run(self) -> None:
        """Carry out orders until cancelled."""
        try:
            while True:
                order = await self._next()
                if order is None:
                    await self._end()
                else:
                    self._done(order, await self._guarded(order))
        finally:
            await self._end()

    async def _next(self) -> Shoot | None:
        """The next order; None when none has come for so long that the process may go."""
        try:
            async with asyncio.timeout(IDLE_S if self._process is not None else None):
                return await self._orders.get()
        except TimeoutError:
            return None

    async def _guarded(self, order: Shoot) -> tuple[Print, M] | Refusal:
        try:
            return await self._take(order)
        except Exception:
            # A fault of ours; but no picture may end a running film.
            log.exception("camera broke", width=order.width)
            await self._end()
            return Refusal(code="shot_failed", detail="no picture could be taken; the venue's log says why")

    async def _take(self, order: Shoot) -> tuple[Print, M] | Refusal:
        now_s = asyncio.get_running_loop().time()
        fresh = self._copy is not None and (now_s - self._copy.at_s) * US_PER_S < FRESH_US
        if self._copy is not None and fresh and order.width in self._copy.prints:
            return self._copy.prints[order.width], self._copy.moment
        try:
            try:
                return await self._ask(Take(width=order.width, again=fresh))
            except _LostError as lost:
                log.warning("camera lost", how=str(lost))
                await self._end()
                if lost.hung:  # another one would wait for the same thing
                    raise
                return await self._ask(Take(width=order.width))
        except _LostError as lost:
            await self._end()
            detail = f"no picture could be taken: the camera process {lost}; does the display answer?"
            return Refusal(code="shot_failed", detail=detail)
        except OSError as error:
            detail = f"the camera process cannot be started ({error}); the machine lacks memory or processes"
            return Refusal(code="shot_failed", detail=detail)

    async def _ask(self, take: Take) -> tuple[Print, M] | Refusal:
        """One order to the process, and what comes of it. Raises _LostError, OSError."""
        if self._process is None:
            refused = await self._start()
            if refused is not None:
                return refused
        try:
            async with asyncio.timeout(TAKE_S):
                return await self._talk(take)
        except TimeoutError:
            raise _LostError(f"has not answered for {TAKE_S:g} s", hung=True) from None

    async def _talk(self, take: Take) -> tuple[Print, M] | Refusal:
        assert self._writer is not None, "started before"
        self._writer.write(line(take))
        while True:
            match await self._hear():
                case Copied(raw=raw):
                    self._copy = _Copy(asyncio.get_running_loop().time(), self._moment(raw))
                case Spoilt(reason=reason, detail=detail):
                    self._copy = None
                    return Refusal(code=reason, detail=detail)
                case Developed() as made if self._copy is not None:
                    picture = Print(made.jpeg, made.width, made.height, made.wall_width, made.wall_height)
                    self._copy.prints[take.width] = picture
                    return picture, self._copy.moment

    async def _hear(self) -> Ready | Copied | Developed | Spoilt:
        assert self._reader is not None, "started before"
        try:
            text = await self._reader.readline()
        except ConnectionError:  # it died with an order unread
            text = b""
        if not text.endswith(b"\n"):
            raise _LostError("died")
        return SAID.validate_json(text)

    async def _start(self) -> Refusal | None:
        """Start the process and wait until it is up; what it says if it cannot be. Raises _LostError, OSError."""
        ours, theirs = socket.socketpair()
        argv = ["-m", "agent.player.camera_process", str(theirs.fileno()), self._screen.model_dump_json()]
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *argv,
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                )
        except OSError:
            ours.close()
            raise
        self._output = asyncio.create_task(self._log_output(self._process))
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=LINE_BYTES)
        try:
            async with asyncio.timeout(START_S):
                said = await self._hear()
        except TimeoutError:
            raise _LostError(f"was not up after {START_S:g} s", hung=True) from None
        if isinstance(said, Spoilt):
            await self._end()
            return Refusal(code=said.reason, detail=said.detail)
        return None

    async def _log_output(self, process: Process) -> None:
        """Whatever libraries print belongs into the log, line by line."""
        assert process.stdout is not None, "asked for with PIPE"
        while text := await process.stdout.read(OUTPUT_BYTES):
            for part in text.decode(errors="replace").splitlines():
                log.warning("camera output", text=part)

    async def _end(self) -> None:
        """Let the process go; it has nothing to save."""
        process, self._process, self._copy = self._process, None, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if self._output is not None:
            self._output.cancel()
        if self._writer is not None:
            self._writer.close()
            self._writer = self._reader = None
