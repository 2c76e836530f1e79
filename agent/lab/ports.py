"""Free ports on the loopback interface."""

import random
import socket
from pathlib import Path
from typing import Literal

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000  # below are the ports that services are known by
_NEED = 1_000  # with fewer ports than that outside the kernel's range, the kernel's own choice collides less
_ATTEMPTS = 200


def free(kind: Literal["tcp", "udp"], count: int) -> list[int]:
    """So many different ports that nobody uses at the moment. Somebody may take one before its user does.

    They lie outside the range from which the kernel serves whoever asks for any port: every NTP question and
    every connection takes one of those, so that a port from that range may be gone before its server binds it.
    """
    type_ = socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM
    held: list[socket.socket] = []
    try:
        while len(held) < count:
            held.append(_bound(type_))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def _bound(type_: socket.SocketKind) -> socket.socket:
    chosen = _outside(_EPHEMERAL.read_text() if _EPHEMERAL.exists() else "")
    for _ in range(_ATTEMPTS if chosen else 0):
        one = socket.socket(socket.AF_INET, type_)
        try:
            one.bind(("127.0.0.1", random.choice(chosen)))
        except OSError:
            one.close()
        else:
            return one
    one = socket.socket(socket.AF_INET, type_)
    one.bind(("127.0.0.1", 0))
    return one


def _outside(ephemeral: str) -> range:
    """The ports below the kernel's range, given as Linux writes it; none where that leaves too few to choose from."""
    first = int((ephemeral.split() or ["0"])[0])
    return range(_LOWEST, first) if first - _LOWEST >= _NEED else range(0)
