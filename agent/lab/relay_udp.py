"""All UDP lines in one precise process: each packet leaves at its kernel receive stamp plus the delay.

The NTP exchanges of the lab go through here, and an error of the delay is an error of the lab's clocks:
hence SCHED_FIFO where permitted, `select` with its microsecond time-outs (epoll rounds to milliseconds in
Python), and a spin over the last stretch.
"""

import contextlib
import ctypes
import heapq
import os
import random
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from agent.lab.processes import read_line
from agent.lab.relay import START_S, Link, read_links
from agent.lab.talk import announce, parse

FORGET_S = 10.0
"""After so long without a packet a client's upstream socket is closed."""

_SPIN_S = 150e-6
_SO_TIMESTAMPNS = 35
_PR_SET_TIMERSLACK = 29
_FIFO_PRIORITY = 30
_MAX_PACKET = 2048


@dataclass(order=True, slots=True)
class Packet:
    """A packet on its way: it leaves when the monotonic clock reads `due`."""

    due: float
    serial: int
    line: "Line" = field(compare=False)
    data: bytes = field(compare=False)
    deliver: Callable[[bytes], object] = field(compare=False)


@dataclass(eq=False, slots=True)
class Upstream:
    """The socket towards the server for one client address."""

    client: tuple[str, int]
    socket: socket.socket
    used: float


class Line:
    """One link with its listening socket and its upstream sockets."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.cut = False
        self.socket = _udp()
        self.socket.bind((link.host, 0))
        self.port: int = self.socket.getsockname()[1]
        self.upstreams: dict[tuple[str, int], Upstream] = {}


class UdpRelay:
    """All lines, and the packets that are on their way."""

    def __init__(self, links: list[Link], chance: random.Random) -> None:
        self.lines = {link.name: Line(link) for link in links}
        self._chance = chance
        self._heap: list[Packet] = []
        self._serial = 0
        self._readers: dict[socket.socket, Callable[[], None]] = {}
        self._sweep_at = time.monotonic() + FORGET_S
        for line in self.lines.values():
            self._readers[line.socket] = partial(self._from_venue, line)

    def run(self, control: int) -> None:
        """Relay until the control pipe closes; its lines cut and restore links."""
        text = b""
        while True:
            sources: list[int | socket.socket] = [control, *self._readers]
            ready, _, _ = select.select(sources, [], [], self._time_out())
            for source in ready:
                if isinstance(source, int):
                    piece = os.read(control, 4096)
                    if not piece:
                        return
                    *lines, text = (text + piece).split(b"\n")
                    for line in lines:
                        self.switch(line)
                elif source in self._readers:  # a socket may have been forgotten in this very round
                    self._readers[source]()
            self._deliver()
            if time.monotonic() > self._sweep_at:
                self._forget()

    def switch(self, line: bytes) -> None:
        """Cut or restore a link as one JSON line says. What is on the way on a cut line is lost."""
        message = parse(line) or {}
        if message.get("link") in self.lines:
            self.lines[message["link"]].cut = message.get("cut") is True

    def _time_out(self) -> float:
        if not self._heap:
            return 1.0
        return max(0.0, self._heap[0].due - time.monotonic() - _SPIN_S)

    def _deliver(self) -> None:
        while self._heap and self._heap[0].due - time.monotonic() <= _SPIN_S:
            packet = heapq.heappop(self._heap)
            while time.monotonic() < packet.due:
                pass
            if not packet.line.cut:
                # A closed port answers with ICMP, which is this packet's loss and nobody's fault here.
                with contextlib.suppress(OSError):
                    packet.deliver(packet.data)

    def _from_venue(self, line: Line) -> None:
        received = _receive(line.socket)
        if received is None:
            return
        data, at, client = received
        upstream = line.upstreams.get(client) or self._open(line, client)
        upstream.used = at
        self._send(line, True, at, data, upstream.socket.send)

    def _open(self, line: Line, client: tuple[str, int]) -> Upstream:
        upstream = Upstream(client, _udp(), 0.0)
        upstream.socket.connect(("127.0.0.1", line.link.port))
        line.upstreams[client] = upstream
        self._readers[upstream.socket] = lambda: self._from_server(line, upstream)
        return upstream

    def _from_server(self, line: Line, upstream: Upstream) -> None:
        received = _receive(upstream.socket)
        if received is not None:
            data, at, _ = received
            self._send(line, False, at, data, lambda data: line.socket.sendto(data, upstream.client))

    def _send(self, line: Line, upwards: bool, at: float, data: bytes, deliver: Callable[[bytes], object]) -> None:
        delay = None if line.cut else line.link.delay_s(upwards, self._chance)
        if delay is not None:
            self._serial += 1
            heapq.heappush(self._heap, Packet(at + delay, self._serial, line, data, deliver))

    def _forget(self) -> None:
        now = time.monotonic()
        self._sweep_at = now + 1.0
        for line in self.lines.values():
            for client, upstream in list(line.upstreams.items()):
                if now - upstream.used > FORGET_S:
                    del line.upstreams[client]
                    del self._readers[upstream.socket]
                    upstream.socket.close()


def _udp() -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    one.setblocking(False)
    return one


def _receive(source: socket.socket) -> tuple[bytes, float, tuple[str, int]] | None:
    """A packet, when the kernel received it (on the monotonic clock, seconds), and from whom."""
    try:
        data, ancillary, _, address = source.recvmsg(_MAX_PACKET, socket.CMSG_SPACE(16))
    except OSError:  # nothing there after all, or ICMP's word that the port is closed
        return None
    now = time.monotonic()
    age = 0.0
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("@qq", value[:16])
            age = (time.time_ns() - seconds * 1_000_000_000 - nanoseconds) / 1e9
    return data, now - age if 0 <= age < 1 else now, address


def be_precise() -> None:
    """Ask for real-time scheduling and for timers without slack; go on without where that is not permitted."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_FIFO_PRIORITY))
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


def main() -> None:
    """Read the links from the first line of standard input, say their ports, relay until that is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    relay = UdpRelay(read_links(parse(read_line(sys.stdin.buffer, START_S)) or {}), random.Random())
    be_precise()
    announce({"ports": {name: line.port for name, line in relay.lines.items()}})
    relay.run(sys.stdin.fileno())


if __name__ == "__main__":
    main()
