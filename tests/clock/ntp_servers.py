"""A hostile NTP server for tests, in a thread and on loopback, and ntplib's own client beside ours."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import ntplib

from agent.clock.kernel import real_now_ns
from agent.clock.ntp import ntp_bytes, resolve
from agent.clock.sample import Address
from agent.lab import ports

Answer = Callable[[bytes], Iterable[bytes]]


def packet(
    origin: bytes,
    *,
    leap: int = 0,
    version: int = 4,
    mode: int = 4,
    stratum: int = 1,
    precision: int = -20,
    root_delay_s: float = 0.0,
    root_disp_s: float = 0.0,
    ref_id: bytes = b"TEST",
    t2_ns: int | None = None,
    t3_ns: int | None = None,
) -> bytes:
    """A server's packet, made by hand so that the codec under test does not judge itself; time 0 stands for unset."""
    now = real_now_ns()
    stamps = [bytes(8) if ns == 0 else ntp_bytes(now if ns is None else ns) for ns in (t2_ns, t3_ns)]
    head = struct.pack("!BBbb", leap << 6 | version << 3 | mode, stratum, 6, precision)
    root = struct.pack("!II", round(root_delay_s * 2**16), round(root_disp_s * 2**16))
    return head + root + ref_id + bytes(8) + origin + stamps[0] + stamps[1]


class FakeServer:
    """Answers every request with what `answer` makes of its nonce; `asked` counts them. Use it with `with`.

    With a `before`, another socket (`elsewhere`, of any address and port) answers first, with what that makes of the
    nonce: a reply that comes from somewhere else than was asked.
    """

    def __init__(
        self,
        answer: Answer,
        after_s: float = 0.0,
        host: str = "127.0.0.1",
        before: Answer | None = None,
        elsewhere: str | None = None,
    ) -> None:
        self.answer = answer
        self.after_s = after_s
        self.before = before
        self.asked = 0
        self.ports_seen: set[int] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._other = socket.socket(family, socket.SOCK_DGRAM)
        self._other.bind((elsewhere or host, 0))
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(5)
        self._socket.close()
        self._other.close()

    @property
    def address(self) -> Address:
        """Where it listens, as exchange() wants it."""
        found = resolve(self.host, self.port)
        assert isinstance(found, list)
        return found[0]

    def _run(self) -> None:
        self._socket.settimeout(0.05)
        while not self._stop.is_set():
            try:
                data, peer = self._socket.recvfrom(512)
            except TimeoutError:
                continue
            self.asked += 1
            self.ports_seen.add(peer[1])
            time.sleep(self.after_s)
            for reply in self.before(data[40:48]) if self.before else ():
                self._other.sendto(reply, peer)
            for number, reply in enumerate(self.answer(data[40:48])):
                self._socket.sendto(reply, peer)
                if number % 50 == 49:
                    time.sleep(0.002)  # a receive buffer holds some 250 packets; what is dropped tests nothing


def free_udp_port() -> int:
    """A UDP port that nobody had a moment ago."""
    return ports.free("udp", 1)[0]


def ask_ntplib(server: FakeServer, timeout_s: float = 1.0) -> Any:
    """What ntplib's own client makes of a server: its statistics, or the ntplib.NTPException or OSError it raises."""
    return ntplib.NTPClient().request(server.host, version=4, port=server.port, timeout=timeout_s)
