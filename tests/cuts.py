"""Cables that are pulled: how soon `framezero alarms` says so, and in which words.

Real agents (`display.output = "null"`), a real mosquitto, a relay that cuts lines as a pulled cable does (nothing
arrives, nobody is told), the watcher as a service runs it, and a web server that takes what it posts. The script
tests/long/cuts pulls many cables; tests/control/test_alarms_live.py is its short form.
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
from brokers import Mosquitto

from agent.lab import relay, timeservers
from agent.lab.processes import Processes
from agent.units import UtcUs, format_utc

ROOT = "framezero/v1"
READY_S = 40.0
OVER_S = 60.0
"""A line that is whole again: the agent's next attempt, its first status, and the alarm's own patience."""
MOST_S = 15.0
"""What the operators were promised: a cable that is pulled is said within this."""

Told = dict[str, Any]


@dataclass
class Posts:
    """A web server that takes JSON bodies, each with when it came (monotonic)."""

    got: list[tuple[float, Told]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(next(line.partition(":")[2] for line in head.splitlines() if line.startswith("content-length")))
        self.got.append((time.monotonic(), json.loads(await reader.readexactly(length))))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        self.news.set()

    async def first(self, good: Callable[[Told], bool], within_s: float) -> tuple[float, Told]:
        """The first body that is good, with when it came."""
        async with asyncio.timeout(within_s):
            while True:
                self.news.clear()
                for came_s, body in self.got:
                    if good(body):
                        return came_s, body
                await self.news.wait()


@dataclass
class Site:
    """What stands while cables are pulled."""

    broker: Mosquitto
    lines: relay.Relay
    posts: Posts

    async def publish(self, topic: str, body: Told) -> None:
        async with aiomqtt.Client("127.0.0.1", self.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.publish(f"{ROOT}/{topic}", json.dumps(body).encode(), qos=1, retain=True)

    async def cue(self, do: Told, in_s: float) -> str:
        """Send a cue to all; returns its id."""
        name, now = str(uuid.uuid4()), time.time_ns() // 1000
        at, expires = now + round(in_s * 1e6), now + 3_600_000_000
        times = {"at": at, "issued": now, "expires": expires}
        body = {"v": 1, "cue": name, "show": "s", "venues": ["*"], "do": do}
        await self.publish(f"cue/{name}", body | {key: format_utc(UtcUs(us)) for key, us in times.items()})
        return name

    async def pull(self, venue: str, after_s: float = 0.0) -> tuple[float, Told]:
        """Pull one venue's cable, and plug it in again: seconds until it was said, and what was said."""
        await asyncio.sleep(after_s)
        self.posts.got = [(s, body) for s, body in self.posts.got if body["venue"] != venue]
        cut_s = time.monotonic()
        self.lines.cut(venue)
        said_s, said = await self.posts.first(lambda body: (body["code"], body["venue"]) == ("silent", venue), OVER_S)
        self.lines.cut(venue, False)
        await self.posts.first(lambda body: (body["event"], body["venue"]) == ("cleared", venue), OVER_S)
        return said_s - cut_s, said


def configure(folder: Path, venue: str, url: str, servers: Sequence[int]) -> Path:
    """Write one agent's configuration."""
    folder.mkdir(parents=True)
    clocks = ", ".join(f'{{host = "127.0.0.1", port = {port}, ours = true}}' for port in servers)
    path = folder / "agent.toml"
    path.write_text(
        f'venue = "{venue}"\nshow = "s"\ntimezone = "Asia/Tokyo"\nstate_dir = "{folder}/state"\n'
        f'[broker]\nurls = ["{url}"]\n[clock]\nservers = [{clocks}]\nchrony = false\n'
        f'[display]\noutput = "null"\n[cache]\ndir = "{folder}/cache"\nreserve_gb = 0\n[trust]\nrequire = false\n'
    )
    return path


@asynccontextmanager
async def site(folder: Path, broker: Mosquitto, venues: Sequence[str]) -> AsyncIterator[Site]:
    """Agents that are ready, each on a line of its own, and a watcher that posts; `broker` runs already."""
    broker.hello()
    posts = Posts()
    server = await asyncio.start_server(posts.take, "127.0.0.1", 0)
    hook = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/alarms"
    with Processes(folder / "logs") as processes:
        links = [relay.Link(venue, broker.port, 20, 20) for venue in venues]
        lines = relay.start(processes, "tcp", links)
        servers = [one.port for one in timeservers.start(processes, 3, folder / "time")]
        for venue in venues:
            config = configure(folder / venue, venue, f"mqtt://127.0.0.1:{lines.ports[venue]}", servers)
            processes.start(venue, [sys.executable, "-m", "agent.cli", "agent", "--config", str(config)])
        await _ready(broker, len(venues))
        rules = folder / "rules.toml"
        rules.write_text('[alarms]\noff = ["unsigned"]\nclear_after_s = 2\n')
        watcher = ["alarms", "--broker", broker.url, "--webhook", hook, "--rules", str(rules), "--json"]
        processes.start("watcher", [sys.executable, "-m", "agent.cli", *watcher])
        yield Site(broker, lines, posts)
    server.close()


async def _ready(broker: Mosquitto, count: int) -> None:
    ready = set()
    async with (
        asyncio.timeout(READY_S),
        aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client,
    ):
        await client.subscribe(f"{ROOT}/venue/+/status", qos=1)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            status = json.loads(message.payload)
            if status["ready"]:
                ready.add(status["venue"])
            if len(ready) == count:
                return
