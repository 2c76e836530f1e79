"""Faults of one connection whose remedy depends on what the address asked for; the others are in test_mqtt.py."""

import asyncio
import gc
import signal
import socket
import struct

import pytest
from brokers import Mosquitto

from agent.connection import Access, BrokerError, connect


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
