"""A time server that lies: `python -m agent.lab.liar MS` serves this machine's time plus so many milliseconds.

It claims to be exact: nothing but the other servers contradicts it.
"""

import signal
import socket
import sys

from agent.clock.kernel import instant_now
from agent.clock.mapping import ClockState, Mapping
from agent.clock.serve import reply
from agent.lab import ports
from agent.lab.processes import Child, Processes
from agent.lab.talk import announce

START_S = 15.0
_ATTEMPTS = 3


def start(processes: Processes, wrong_ms: float) -> int:
    """Start the liar; returns the loopback port on which it serves. Raises LabError."""
    child: Child = processes.start(
        "liar", [sys.executable, "-m", "agent.lab.liar", f"{wrong_ms:g}"], tier="timeservers", talks=True
    )
    return int(child.hear(START_S)["port"])


def answer(data: bytes, wrong_ms: float) -> bytes | None:
    """What the liar says to one packet that came just now."""
    now = instant_now()
    lie = Mapping(now.raw, now.real_ns + round(wrong_ms * 1e6), 0.0, 0.0, 0.0, ClockState.SYNC, "")
    return reply(data, lie, now.raw, instant_now().raw)


def main() -> None:
    """Say the port on standard output, then lie until killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wrong_ms = float(sys.argv[1])
    server = _bound()
    announce({"port": server.getsockname()[1]})
    while True:
        data, client = server.recvfrom(512)
        said = answer(data, wrong_ms)
        if said:
            server.sendto(said, client)


def _bound() -> socket.socket:
    for attempt in range(1, _ATTEMPTS + 1):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            server.bind(("127.0.0.1", ports.free("udp", 1)[0]))
        except OSError:
            # Another process was quicker with this port.
            server.close()
            if attempt == _ATTEMPTS:
                raise
        else:
            return server
    raise AssertionError("unreachable")


if __name__ == "__main__":
    main()
