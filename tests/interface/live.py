"""One agent without a display, as a process of its own on a real broker: who may send it what, and what it tells."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
from brokers import Mosquitto

from agent.lab import timeservers
from agent.lab.processes import Child, Processes

ROOT = "framezero/v1"
Told = dict[str, Any]


def config(folder: Path, broker: Mosquitto, servers: list[int], keys: Path | None, threshold: int = 1) -> Path:
    """Write the agent.toml of the venue `paris-opera`, which asks for signatures where there are keys."""
    clocks = ", ".join(f'{{host = "127.0.0.1", port = {port}, ours = true}}' for port in servers)
    path = folder / "agent.toml"
    path.write_text(
        f'venue = "paris-opera"\ngroups = ["europe"]\nshow = "bring-your-vision"\ntimezone = "Europe/Paris"\n'
        f'state_dir = "{folder}/state"\n[broker]\nurls = ["{broker.url}"]\n[clock]\nservers = [{clocks}]\n'
        f'[display]\noutput = "null"\n[cache]\ndir = "{folder}/cache"\nreserve_gb = 0\n'
        f"[trust]\n" + (f'keys = "{keys}"\nthreshold = {threshold}\n' if keys else "require = false\n")
    )
    return path


@dataclass
class LiveAgent:
    """The agent, its broker, and all that it has told: by kind (`ack`, `status` …), in order."""

    folder: Path
    broker: Mosquitto
    child: Child
    client: aiomqtt.Client
    told: dict[str, list[Told]] = field(default_factory=dict)

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        """Publish below the root, with QoS 1."""
        await self.client.publish(f"{ROOT}/{topic}", body, qos=1, retain=retain)

    async def until(self, kind: str, good: Callable[[Told], bool], seconds: float = 20) -> Told:
        """The first message of a kind that is good; what was told before counts too."""
        end = time.monotonic() + seconds
        while True:
            for message in self.told.get(kind, []):
                if good(message):
                    return message
            assert time.monotonic() < end, f"no such {kind}; the last were {self.told.get(kind, [])[-3:]}"
            await asyncio.sleep(0.02)

    async def ack(self, cue: str, stage: str, seconds: float = 20) -> Told:
        """The acknowledgement of this stage."""
        return await self.until("ack", lambda ack: ack["cue"] == cue and ack["stage"] == stage, seconds)

    async def _listen(self) -> None:
        async for message in self.client.messages:
            kind = str(message.topic).rpartition("/")[2]
            assert isinstance(message.payload, bytes)
            with contextlib.suppress(ValueError, RecursionError):  # where others than the agent write as well
                self.told.setdefault(kind, []).append(json.loads(message.payload))


@asynccontextmanager
async def live_agent(
    folder: Path, broker: Mosquitto, processes: Processes, keys: Path | None = None, threshold: int = 1
) -> AsyncIterator[LiveAgent]:
    """Run one until the end of the block; it is connected, and on time, at the beginning.

    `keys` is its folder of public keys; without one it takes unsigned messages.
    """
    servers = [server.port for server in timeservers.start(processes, 3, folder / "time")]
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.publish(f"{ROOT}/cue/_hello", b"hello", qos=1, retain=True)
        await client.subscribe(f"{ROOT}/venue/#", qos=1)
        path = config(folder, broker, servers, keys, threshold)
        child = processes.start("agent", [sys.executable, "-m", "agent.cli", "agent", "--config", str(path)])
        agent = LiveAgent(folder, broker, child, client)
        listener = asyncio.create_task(agent._listen())
        try:
            await agent.until("status", lambda status: status["clock"]["state"] == "SYNC")
            yield agent
        finally:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener
