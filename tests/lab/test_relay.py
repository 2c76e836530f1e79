import asyncio
import random
import socket
import statistics
import time
from collections.abc import AsyncIterator

import pytest

from agent.lab import relay
from agent.lab.processes import Processes
from agent.lab.relay import Link


def udp(seconds: float = 1.0) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.settimeout(seconds)
    one.bind(("127.0.0.1", 0))
    return one


def port_of(one: socket.socket) -> int:
    port: int = one.getsockname()[1]
    return port


def test_packets_arrive_their_delay_later_in_both_directions(processes: Processes) -> None:
    with udp() as server, udp() as client:
        link = Link("tokyo-ntp-1", port_of(server), up_ms=20, down_ms=5)
        to = ("127.0.0.1", relay.start(processes, "udp", [link]).ports["tokyo-ntp-1"])
        ups, downs = [], []
        for number in range(40):
            sent = time.monotonic()
            client.sendto(b"%d" % number, to)
            data, back = server.recvfrom(100)
            ups.append(time.monotonic() - sent)
            assert data == b"%d" % number
            sent = time.monotonic()
            server.sendto(data, back)
            assert client.recvfrom(100) == (data, to)
            downs.append(time.monotonic() - sent)
        assert 0.0199 < statistics.median(ups) < 0.0215
        assert 0.0049 < statistics.median(downs) < 0.0065
        assert min(ups) > 0.0199


def test_clients_are_kept_apart(processes: Processes) -> None:
    with udp() as server, udp() as one, udp() as other:
        to = ("127.0.0.1", relay.start(processes, "udp", [Link("a", port_of(server), 1, 1)]).ports["a"])
        one.sendto(b"one", to)
        other.sendto(b"other", to)
        for _ in range(2):
            data, back = server.recvfrom(100)
            server.sendto(data, back)
        assert one.recv(100) == b"one"
        assert other.recv(100) == b"other"


def test_a_cut_udp_line_loses_packets_until_it_is_restored(processes: Processes) -> None:
    with udp(0.3) as server, udp() as client:
        started = relay.start(processes, "udp", [Link("a", port_of(server), 1, 1)])
        to = ("127.0.0.1", started.ports["a"])
        started.cut("a")
        time.sleep(0.1)
        client.sendto(b"lost", to)
        with pytest.raises(TimeoutError):
            server.recv(100)
        started.cut("a", False)
        time.sleep(0.1)
        client.sendto(b"there", to)
        assert server.recv(100) == b"there"


def test_a_packet_to_a_closed_port_does_not_end_the_relay(processes: Processes) -> None:
    with udp() as server, udp(0.3) as client:
        closed = udp()
        links = [Link("open", port_of(server), 1, 1), Link("closed", port_of(closed), 1, 1)]
        closed.close()
        started = relay.start(processes, "udp", links)
        for _ in range(3):
            client.sendto(b"x", ("127.0.0.1", started.ports["closed"]))
            time.sleep(0.02)
        client.sendto(b"y", ("127.0.0.1", started.ports["open"]))
        assert server.recv(100) == b"y"
        processes.check()


def test_loss_spikes_and_jitter_are_what_they_say() -> None:
    chance = random.Random(7)
    lossy = Link("a", 1, 10, 20, loss=0.25)
    assert 0.2 < sum(lossy.delay_s(True, chance) is None for _ in range(1000)) / 1000 < 0.3
    spiky = Link("a", 1, 10, 20, spike=0.1, spike_ms=50)
    delays = [spiky.delay_s(False, chance) for _ in range(1000)]
    assert set(delays) == {0.02, 0.07}
    assert 50 < delays.count(0.07) < 150
    queue = [Link("a", 1, 10, 20, jitter_ms=2).delay_s(True, chance) or 0 for _ in range(5000)]
    assert min(queue) >= 0.01
    assert statistics.mean(queue) == pytest.approx(0.012, abs=0.0002)
    even = [Link("a", 1, 10, 20, jitter_ms=2, jitter="uniform").delay_s(True, chance) or 0 for _ in range(5000)]
    assert 0.01 <= min(even) < max(even) <= 0.012


class Echo:
    """A TCP server that sends back what it gets."""

    def __init__(self) -> None:
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    one = Echo()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    yield one
    server.close()


async def test_a_stream_keeps_its_order_under_jitter_and_its_delay(processes: Processes, echo: Echo) -> None:
    link = Link("a", echo.port, up_ms=30, down_ms=10, jitter_ms=5)
    port = relay.start(processes, "tcp", [link]).ports["a"]
    begun = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = b"".join(b"%06d" % number for number in range(50_000))
    writer.write(b"first.")
    assert await asyncio.wait_for(reader.readexactly(6), 5) == b"first."
    assert time.monotonic() - begun > 0.08  # the handshake and one round trip
    trips_s = []
    for _ in range(5):
        begun = time.monotonic()
        writer.write(b"second")
        await asyncio.wait_for(reader.readexactly(6), 5)
        trips_s.append(time.monotonic() - begun)
    # Not again what the handshake took: none is shorter than the way, and the quickest is not much longer.
    assert 0.04 <= min(trips_s) < 0.08
    writer.write(sent)
    assert await asyncio.wait_for(reader.readexactly(len(sent)), 20) == sent
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_cut_tcp_line_is_silent_and_loses_nothing(processes: Processes, echo: Echo) -> None:
    started = relay.start(processes, "tcp", [Link("a", echo.port, 1, 1)])
    reader, writer = await asyncio.open_connection("127.0.0.1", started.ports["a"])
    writer.write(b"1")
    assert await asyncio.wait_for(reader.readexactly(1), 5) == b"1"
    started.cut("a")
    await asyncio.sleep(0.1)
    writer.write(b"2")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(1), 0.3)
    started.cut("a", False)
    assert await asyncio.wait_for(reader.readexactly(1), 5) == b"2"
    writer.close()


async def test_a_closed_port_ends_the_connection(processes: Processes) -> None:
    closed = udp()
    port = port_of(closed)
    closed.close()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", relay.start(processes, "tcp", [Link("a", port, 1, 1)]).ports["a"]
    )
    try:
        assert await asyncio.wait_for(reader.read(1), 5) == b""
    except ConnectionResetError:
        return
    finally:
        writer.close()


def test_an_unknown_link_cannot_be_cut(processes: Processes) -> None:
    with pytest.raises(KeyError):
        relay.start(processes, "udp", []).cut("nowhere")
