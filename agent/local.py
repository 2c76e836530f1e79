"""The local socket's server: orders from this host, for whoever stands at the wall without network.

Who may is the file's mode: root and the group of the agent. Nothing that comes through it, or fails to, disturbs the
show: an order has a size and a time, few are served at once, and a socket that cannot be made is a warning.
"""

import asyncio
import contextlib
import os
import select
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent.localsocket import address
from agent.localwire import MOST_ORDER_BYTES, SOCKET, Order, Reply
from agent.messages import Refusal, decode
from agent.printable import printable

log = structlog.get_logger()

MODE = 0o660
MOST_AT_ONCE = 4
BACKLOG = 8
READ_S = 2.0
WRITE_S = 2.0
LOOK_S = 10.0
"""So often it is looked whether the socket is still there: what empties /run takes it away."""

_CREDENTIALS = struct.Struct("3i")


class InTheWayError(Exception):
    """The socket's place is taken; the text says by whom, and the remedy."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, by the kernel's word (SO_PEERCRED, unix(7))."""

    pid: int
    uid: int

    @property
    def name(self) -> str:
        """The user's name where this host itself knows it: a directory server may be out of reach."""
        with contextlib.suppress(OSError):
            for line in Path("/etc/passwd").read_text(encoding="utf-8", errors="replace").splitlines():
                fields = line.split(":")
                if len(fields) > 2 and fields[2] == str(self.uid):
                    return printable(fields[0], 32)
        return f"uid {self.uid}"


class LocalSocket:
    """The socket in `runtime`, and a link to it in `state_dir`, which this agent has for itself."""

    def __init__(self, runtime: Path, state_dir: Path, answer: Callable[[Order, Peer], Awaitable[Reply]]) -> None:
        self._path = runtime / SOCKET
        self._link = state_dir / SOCKET
        self._answer = answer
        self._serving = 0
        self.fault: Refusal | None = None
        """Why it cannot be reached; None where it can."""

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            try:
                listener = self._listen()
            except (OSError, InTheWayError) as error:
                self._amiss(str(error))
                await asyncio.sleep(LOOK_S)
                continue
            ours = _inode(self._path)
            try:
                server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MOST_ORDER_BYTES)
                if self.fault is not None:
                    log.info("local socket is there", path=str(self._path))
                self.fault = None
                try:
                    while _inode(self._path) == ours:  # noqa: ASYNC110 - nobody tells when a file is taken away
                        await asyncio.sleep(LOOK_S)
                finally:
                    server.close()  # without waiting for callers: each has its own end
            finally:
                listener.close()
                if _inode(self._path) == ours:
                    # A disk that cannot be written any more holds up no end; the next agent makes way.
                    with contextlib.suppress(OSError):
                        self._path.unlink(missing_ok=True)
                        self._link.unlink(missing_ok=True)

    def _amiss(self, why: str) -> None:
        remedy = "mend that, and it comes by itself; until then 'framezero local' cannot reach this agent"
        fault = Refusal(code="local_socket", detail=f"no local socket: {why}; {remedy}")
        if fault != self.fault:
            log.warning("no local socket", path=str(self._path), error=why)
        self.fault = fault

    def _listen(self) -> socket.socket:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._make_way()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            with address(self._path) as name:
                listener.bind(name)
            self._path.chmod(MODE)  # before it listens, so that nobody else can come in first
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
        if self._link != self._path:
            with contextlib.suppress(OSError):  # those who know the runtime directory find it without
                self._link.unlink(missing_ok=True)
                self._link.symlink_to(self._path)
        return listener

    def _make_way(self) -> None:
        """Take away what a killed agent left behind. Raises InTheWayError where it is something else."""
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode) and not stat.S_ISLNK(found.st_mode):
            raise InTheWayError(f"{self._path} is something else; move it away")
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as knock,
            address(self._path) as name,
        ):
            try:
                knock.connect(name)
            except (ConnectionRefusedError, FileNotFoundError):
                self._path.unlink(missing_ok=True)
                return
            except BlockingIOError:
                pass  # it has more callers than it answers: somebody listens
        raise InTheWayError(f"another agent listens at {self._path}; end it, or give each a RUNTIME_DIRECTORY")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving += 1
        try:
            if self._serving <= MOST_AT_ONCE:
                await self._converse(reader, writer)
        except (OSError, TimeoutError):
            pass  # whoever asked has gone, or never said what is wanted
        except Exception:
            log.exception("local order dropped: it broke the agent's reading of it")
        finally:
            self._serving -= 1
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer(writer)
        async with asyncio.timeout(READ_S):
            try:
                text = await reader.readuntil(b"\n")
            except asyncio.LimitOverrunError:
                order: Order | Refusal = Refusal(code="size", detail=f"an order has at most {MOST_ORDER_BYTES} bytes")
            except asyncio.IncompleteReadError:
                return
            else:
                order = decode(Order, text)
        if isinstance(order, Refusal):
            log.warning("local order refused", uid=peer.uid, pid=peer.pid, reason=order.code, detail=order.detail)
            answer = order.model_dump_json()
        else:
            if _gone(writer):
                log.warning(
                    "local order dropped: the agent hung, and who gave it has gone", want=order.want, uid=peer.uid
                )
                return
            answer = (await self._answer(order, peer)).model_dump_json()
        writer.write(answer.encode() + b"\n")
        async with asyncio.timeout(WRITE_S):
            await writer.drain()
            writer.close()
            await writer.wait_closed()


def _peer(writer: asyncio.StreamWriter) -> Peer:
    connection = writer.get_extra_info("socket")
    pid, uid, _gid = _CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    return Peer(pid, uid)


def _gone(writer: asyncio.StreamWriter) -> bool:
    """Whether the other end is closed, and not for writing alone: nobody waits for an answer any more (poll(2))."""
    look = select.poll()
    look.register(writer.get_extra_info("socket").fileno(), 0)  # POLLHUP is told unasked
    return bool(look.poll(0))


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
