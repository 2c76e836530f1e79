"""Networks that are far away, in user space: relays with a delay per direction, jitter, loss, spikes and a cut.

One process relays all UDP lines (relay_udp.py) and one all TCP lines (relay_tcp.py). The lab tells a relay
process its links as one JSON line; it answers with the port of each, and listens to switches from then on:
`{"link": "tokyo-broker", "cut": true}` cuts a line, `false` restores it.
"""

import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from agent.lab.processes import Child, Processes

START_S = 15.0


@dataclass(frozen=True, slots=True)
class Link:
    """One line from a venue to a loopback port.

    `up_ms` delays what the venue sends, `down_ms` what it receives. `jitter_ms` is added to each packet or
    piece: `exponential` with that mean (a queue on the way; the default), or `uniform` between 0 and it.
    UDP only: `loss` is the probability that a packet vanishes, `spike` that it takes `spike_ms` longer; `host` is
    the loopback address on which the line listens (chronyd tells servers apart by their addresses alone).
    """

    name: str
    port: int
    up_ms: float
    down_ms: float
    jitter_ms: float = 0.0
    jitter: Literal["exponential", "uniform"] = "exponential"
    loss: float = 0.0
    spike: float = 0.0
    spike_ms: float = 0.0
    host: str = "127.0.0.1"

    def delay_s(self, upwards: bool, chance: random.Random) -> float | None:
        """How long the next packet takes, in seconds; None when it is lost."""
        if self.loss and chance.random() < self.loss:
            return None
        delay_ms = self.up_ms if upwards else self.down_ms
        if self.jitter_ms:
            uniform = self.jitter == "uniform"
            delay_ms += chance.uniform(0, self.jitter_ms) if uniform else chance.expovariate(1 / self.jitter_ms)
        if self.spike and chance.random() < self.spike:
            delay_ms += self.spike_ms
        return delay_ms / 1000


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay process with the loopback port of each of its links."""

    child: Child
    ports: dict[str, int]

    def cut(self, link: str, cut: bool = True) -> None:
        """Cut a line, or restore it."""
        if link not in self.ports:
            raise KeyError(link)
        self.child.tell({"link": link, "cut": cut})


def start(processes: Processes, kind: Literal["udp", "tcp"], links: Sequence[Link]) -> Relay:
    """Start the relay process for these lines. Raises LabError."""
    argv = [sys.executable, "-m", f"agent.lab.relay_{kind}"]
    child = processes.start(f"relay-{kind}", argv, tier="relays", talks=True)
    child.tell({"links": [asdict(link) for link in links]})
    return Relay(child, {name: int(port) for name, port in child.hear(START_S)["ports"].items()})


def read_links(message: dict[str, Any]) -> list[Link]:
    """The relay process's side of `start`."""
    return [Link(**link) for link in message["links"]]
