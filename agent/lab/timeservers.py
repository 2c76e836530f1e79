"""Time servers that serve this machine's clock as true time: chronyd, without touching the clock."""

import os
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.lab import ports
from agent.lab.processes import Child, LabError, Processes, find

START_S = 15.0
_CLIENT_V4 = 0x23  # leap 0, version 4, mode 3
_SERVER_MODE = 4
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class TimeServer:
    """One NTP server on the loopback interface that answers."""

    port: int
    child: Child


def configuration(port: int, folder: Path) -> str:
    """The configuration of one server: stratum 1 by its own word, loopback only, no command channel."""
    return (
        f"port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\nlocal stratum 1\n"
        f"cmdport 0\nbindcmdaddress /\npidfile {folder / f'chrony-{port}.pid'}\n"
    )


def start(processes: Processes, count: int, folder: Path) -> list[TimeServer]:
    """Start so many servers and wait until each answers. Raises LabError."""
    program = find("chronyd")
    folder.mkdir(parents=True, exist_ok=True)
    return [_start(processes, program, number, folder) for number in range(1, count + 1)]


def _start(processes: Processes, program: str, number: int, folder: Path) -> TimeServer:
    for attempt in range(1, _ATTEMPTS + 1):
        (port,) = ports.free("udp", 1)
        file = folder / f"chrony-{number}.conf"
        file.write_text(configuration(port, folder))
        # -x: never set the clock. -U: works without root. -u: stays who it is (changing the user would lose
        # the parent-death signal). -d: in the foreground, log to standard error.
        user = ["-u", "root"] if os.geteuid() == 0 else ["-U"]
        child = processes.start(
            f"timeserver-{number}", [program, "-d", "-x", *user, "-f", str(file)], tier="timeservers"
        )
        try:
            processes.wait_for(partial(answers, port), START_S, child, "answering NTP")
        except LabError:
            # Another process may have taken the port between our look and chronyd's bind: then try another.
            if attempt == _ATTEMPTS or child.running:
                raise
            processes.end(child)
        else:
            return TimeServer(port, child)
    raise AssertionError("unreachable")


def answers(port: int) -> bool:
    """Whether an NTP server on this port of the loopback interface answers with a synchronised time within 50 ms."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.05)
        nonce = os.urandom(8)
        try:
            client.connect(("127.0.0.1", port))
            client.send(bytes([_CLIENT_V4]) + bytes(39) + nonce)
            reply = client.recv(512)
        except OSError:
            return False
    return len(reply) >= 48 and reply[24:32] == nonce and reply[0] & 7 == _SERVER_MODE and 0 < reply[1] < 16
