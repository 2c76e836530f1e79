"""A tiny NTP server over the agent's own mapping, so that its clock can be measured from outside."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

import ntplib

from agent.clock.kernel import raw_now_ns
from agent.clock.mapping import ClockState, Mapping
from agent.clock.ntp import PACKET_BYTES, ntp_bytes
from agent.units import NS_PER_US, RawNs

STRATUM = 3
_UNSYNC_STRATUM = 16
_PRECISION = -20


def reply(data: bytes, mapping: Mapping | None, received: RawNs, sent: RawNs) -> bytes | None:
    """The answer to one packet, or None where there should not be any.

    Only a client's request (mode 3, version 3 or 4) is answered, with 48 bytes and so never with more than were sent.
    Without a mapping, or with one that is not in use, the answer says so: leap 3, stratum 16.
    """
    if len(data) < PACKET_BYTES or data[0] & 7 != 3 or data[0] >> 3 & 7 not in (3, 4):
        return None
    usable = mapping is not None and mapping.state not in (ClockState.UNSYNC, ClockState.HOST)
    packet = ntplib.NTPPacket(version=data[0] >> 3 & 7, mode=4)
    packet.leap = 0 if usable else 3
    packet.stratum = STRATUM if usable else _UNSYNC_STRATUM
    packet.poll = data[2]
    packet.precision = _PRECISION
    if mapping is not None:
        # The codec cuts to units of 2^-16 s; nobody must read less than the bound.
        packet.root_dispersion = min(mapping.bound_at_us(sent) / 1e6 + 2**-16, 65_535.0)
    packet.ref_id = struct.unpack("!I", b"FZRO")[0]
    head = bytearray(packet.to_data())
    head[24:32] = data[40:48]
    if mapping is not None:
        head[16:24] = ntp_bytes(_utc_ns(mapping, mapping.raw0))
        head[32:40] = ntp_bytes(_utc_ns(mapping, received))
        head[40:48] = ntp_bytes(_utc_ns(mapping, sent))
    return bytes(head)


def _utc_ns(mapping: Mapping, raw: RawNs) -> int:
    return mapping.utc_at(raw) * NS_PER_US


class _Responder(asyncio.DatagramProtocol):
    def __init__(self, current: Callable[[], Mapping | None]) -> None:
        self._current = current
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own transport does not derive from DatagramTransport, so isinstance would not find it.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        received = raw_now_ns()
        answer = reply(data, self._current(), received, raw_now_ns())
        if answer and self._transport:
            self._transport.sendto(answer, addr)


async def serve(listen: str, current: Callable[[], Mapping | None]) -> None:
    """Answer NTP on `listen` ("127.0.0.1:1123") from the newest mapping, until cancelled.

    Raises OSError where the port cannot be had: taken, or below 1024 without the right to it.
    """
    host, _, port = listen.rpartition(":")
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Responder(current), local_addr=(host.strip("[]"), int(port)), family=socket.AF_UNSPEC
    )
    try:
        await asyncio.Event().wait()
    finally:
        transport.close()
