"""Faults of one connection whose remedy depends on what the address asked for; the others are in test_mqtt.py."""

import asyncio
import contextlib
import gc
import signal
import socket
import struct

import pytest
from brokers import Mosquitto

from agent import connection
from agent.access import Access, BrokerError
from agent.connection import connect


async def fault(url: str) -> str:
    with pytest.raises(BrokerError) as caught:
        async with connect(Access(url), identifier="test"):
            pass
    return str(caught.value)


async def test_tls_to_a_plain_port_asks_whether_it_speaks_tls(mosquitto: Mosquitto) -> None:
    text = await fault(f"mqtts://127.0.0.1:{mosquitto.port}")
    assert "does this port speak TLS (mqtt:// else)" in text
    assert "check the network" not in text


@pytest.mark.parametrize(("scheme", "asks"), [("mqtts", True), ("mqtt", False)])
async def test_a_reset_asks_for_tls_only_where_tls_was_wanted(scheme: str, asks: bool) -> None:
    def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        linger = struct.pack("ii", 1, 0)  # closing now sends RST instead of FIN
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        text = await fault(f"{scheme}://127.0.0.1:{port}")
    assert ("does this port speak TLS" in text) is asks, text


async def test_a_connection_that_broke_unheard_is_no_complaint_of_asyncio(mosquitto: Mosquitto) -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    async with connect(Access(mosquitto.url), identifier="test"):
        mosquitto.stop(signal.SIGKILL)
        await asyncio.sleep(0.2)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_a_packet_of_many_megabytes_is_not_read_but_named() -> None:
    """A broker that ignores our limit: it answers, and then announces a publish of 200 MiB."""
    sent = 0

    async def hostile(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.read(1000)
        writer.write(b"\x20\x03\x00\x00\x00")  # CONNACK: success, no properties
        writer.write(b"\x30\x80\x80\x80\x64")  # PUBLISH of 200 MiB
        with contextlib.suppress(OSError):
            while True:
                writer.write(b"x" * 65536)
                sent += 65536
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(hostile, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BrokerError, match="it sent a packet of 209715200 bytes; at most"):
            async with (
                asyncio.timeout(10),
                connect(Access(f"mqtt://127.0.0.1:{port}"), identifier="test") as connection,
            ):
                _ = [message async for message in connection.messages()]
    assert sent < 100_000_000, "what was on its way in the kernel's buffers, and no more"


async def test_a_broker_that_hangs_up_with_its_welcome_is_not_waited_for() -> None:
    async def moody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\x20\x03\x00\x00\x00" + b"\xe0\x01\x8b")  # CONNACK and DISCONNECT: server shutting down
        writer.close()

    async with await asyncio.start_server(moody, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            assert "Server shutting down" in await fault(f"mqtt://127.0.0.1:{port}")


async def test_a_cancellation_that_comes_together_with_an_answer_is_not_lost() -> None:
    client = connection._Client("127.0.0.1", 1)
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(client._wait_for(answer, 5))
    await asyncio.sleep(0)
    answer.set_result("there")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
