"""All TCP lines in one process: each piece of a stream arrives its delay later, in order.

A cut line behaves as a cable that is pulled: nothing arrives, nobody is told, and what was on its way comes
when the line is restored, as TCP's own retransmission would have it. Jitter never reorders a stream: a late
piece holds up those behind it.
"""

import asyncio
import contextlib
import random
import signal
import sys
from collections import deque
from typing import Any

from agent.lab.processes import read_line
from agent.lab.relay import START_S, Link, read_links
from agent.lab.talk import announce, parse

MAX_IN_FLIGHT = 8 * 1024 * 1024
"""A sender is held up when so many bytes of its stream are on the way."""

_PIECE = 64 * 1024


class Line:
    """One link and the connections over it."""

    def __init__(self, link: Link, chance: random.Random) -> None:
        self.link = link
        self.chance = chance
        self.up = asyncio.Event()
        self.up.set()
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Accept connections on a free loopback port."""
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    def switch(self, cut: bool) -> None:
        """Cut or restore the line."""
        if cut:
            self.up.clear()
        else:
            self.up.set()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.up.wait()
        await asyncio.sleep((self.link.up_ms + self.link.down_ms) / 1000)  # the handshake's way
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.link.port)
        except OSError:
            writer.transport.abort()
            return
        pumps = [
            asyncio.ensure_future(Stream(self, True, reader, server_writer).run()),
            asyncio.ensure_future(Stream(self, False, server_reader, writer).run()),
        ]
        try:
            await asyncio.gather(*pumps)
        except OSError:  # one side reset the connection, so the other is reset too
            for pump in pumps:
                pump.cancel()
            for one in (writer, server_writer):
                one.transport.abort()
        else:
            for one in (writer, server_writer):
                one.close()


class Stream:
    """One direction of one connection."""

    def __init__(self, line: Line, upwards: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._line = line
        self._upwards = upwards
        self._reader = reader
        self._writer = writer
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._in_flight = 0
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Relay until the sender ends its direction and everything has arrived. Raises OSError on a reset."""
        sending = asyncio.ensure_future(self._take())
        try:
            await self._give()
            await sending
        finally:
            sending.cancel()

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        due = 0.0
        piece = b"-"
        while piece:
            while self._in_flight >= MAX_IN_FLIGHT:
                self._changed.clear()
                await self._changed.wait()
            try:
                piece = await self._reader.read(_PIECE)
            except OSError:
                piece = b""
                self._writer.transport.abort()
            delay = self._line.link.delay_s(self._upwards, self._line.chance) or 0.0
            due = max(due, loop.time() + delay)
            self._in_flight += len(piece)
            self._pieces.append((due, piece))
            self._changed.set()

    async def _give(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._pieces:
                self._changed.clear()
                await self._changed.wait()
            due, piece = self._pieces.popleft()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._line.up.wait()
            if not piece:
                if self._writer.can_write_eof():
                    with contextlib.suppress(OSError):
                        self._writer.write_eof()
                return
            self._writer.write(piece)
            await self._writer.drain()
            self._in_flight -= len(piece)
            self._changed.set()


async def _control(lines: dict[str, Line]) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while text := await reader.readline():
        message: dict[str, Any] = parse(text) or {}
        if message.get("link") in lines:
            lines[message["link"]].switch(message.get("cut") is True)


async def _run(links: list[Link]) -> None:
    chance = random.Random()
    lines = {link.name: Line(link, chance) for link in links}
    for line in lines.values():
        await line.listen()
    announce({"ports": {name: line.port for name, line in lines.items()}})
    await _control(lines)


def main() -> None:
    """Read the links from the first line of standard input, say their ports, relay until that is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_run(read_links(parse(read_line(sys.stdin.buffer, START_S)) or {})))


if __name__ == "__main__":
    main()
