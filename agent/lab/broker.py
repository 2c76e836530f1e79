"""The lab's broker: mosquitto on a loopback port, open to everybody on this machine, with no memory on disk."""

import getpass
import json
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiomqtt

from agent.lab import ports
from agent.lab.processes import Child, LabError, Processes, find

START_S = 15.0
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker that accepts connections."""

    port: int
    child: Child

    @property
    def url(self) -> str:
        """Its address for configurations."""
        return f"mqtt://127.0.0.1:{self.port}"


def configuration(port: int) -> str:
    """Without a listener line mosquitto 2 would be closed to anonymous clients; five acks of everything fit the queue.

    The user stays who started it: mosquitto as root would change to its own, and so lose the parent-death signal.
    """
    return (
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 100000\n"
        f"user {getpass.getuser()}\nlog_dest stderr\nconnection_messages true\n"
    )


def start(processes: Processes, folder: Path) -> Broker:
    """Start the broker and wait until it accepts connections. Raises LabError."""
    program = find("mosquitto")
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, _ATTEMPTS + 1):
        (port,) = ports.free("tcp", 1)
        file = folder / "mosquitto.conf"
        file.write_text(configuration(port))
        child = processes.start("broker", [program, "-c", str(file)])
        try:
            processes.wait_for(partial(accepts, port), START_S, child, "accepting connections")
        except LabError:
            if attempt == _ATTEMPTS or child.running:
                raise
            processes.end(child)
        else:
            return Broker(port, child)
    raise AssertionError("unreachable")


def accepts(port: int) -> bool:
    """Whether somebody listens on this TCP port of the loopback interface."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


async def hello(port: int, root: str) -> None:
    """Retain `cue/_hello`, by which every agent sees that its subscription works. Raises LabError."""
    body = json.dumps({"v": 1, "hello": True}).encode()
    try:
        async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, timeout=5) as client:
            await client.publish(f"{root}/cue/_hello", body, qos=1, retain=True)
    except aiomqtt.MqttError as error:
        raise LabError(f"the lab's broker does not take messages: {error}", status=4) from error
