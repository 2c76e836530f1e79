"""Walls under attack: real agents on a real broker and real time, some of them with one named control removed.

A wall that is whole is started as systemd starts it; from another, `sabotaged` takes away exactly one control first.
Both are sent the same bytes, so that what differs in their answers is that control's doing.
"""

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiomqtt
from brokers import Mosquitto
from makers import key_of, private

from agent.lab import timeservers
from agent.lab.processes import Child, Processes
from agent.trust import Kind, Role, seal
from agent.units import UtcUs, format_utc

ROOT = "framezero/v1"
SHOW = "bring-your-vision"
SABOTAGED = Path(__file__).with_name("sabotaged.py")
FIRST, SECOND, CONTENT, PANIC, STRANGER = 1, 2, 3, 4, 9
"""The test keys by their numbers: two of role show, one each of content and panic, and one that nobody trusts."""

KEYS: tuple[tuple[int, Role], ...] = ((FIRST, "show"), (SECOND, "show"), (CONTENT, "content"), (PANIC, "panic"))
DAY_S = 86_400
Told = dict[str, Any]


def clock_us() -> int:
    return time.time_ns() // 1000


def from_now(seconds: float) -> str:
    return format_utc(UtcUs(clock_us() + round(seconds * 1e6)))


def cue_body(at_s: float = 3600, do: Told | None = None, **changes: Any) -> Told:
    """A cue that is good for three days: black in an hour, unless said otherwise."""
    body = {
        "v": 1,
        "cue": str(uuid.uuid4()),
        "show": SHOW,
        "venues": ["*"],
        "at": from_now(at_s),
        "issued": from_now(-60),
        "expires": from_now(3 * DAY_S),
        "do": do or {"action": "black"},
    }
    return {**body, **changes}


def signed(body: Told | bytes, *keys: int, kind: Kind = "cue") -> bytes:
    """The envelope of a body, signed by these test keys."""
    exact = body if isinstance(body, bytes) else json.dumps(body).encode()
    return seal(kind, exact, [private(number) for number in keys])


def write_keys(folder: Path, keys: Sequence[tuple[int, Role]] = KEYS) -> Path:
    """The venue's folder of public keys."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, role in keys:
        write_key(folder, f"{role}-{number}", number, role)
    return folder


def write_key(folder: Path, name: str, number: int, role: Role) -> None:
    raw = base64.b64encode(key_of(number, role).raw).decode()
    (folder / f"{name}.toml").write_text(f'name = "{name}"\nrole = "{role}"\nkey = "{raw}"\n')


@dataclass(frozen=True)
class Site:
    """What a wall stands on."""

    folder: Path
    processes: Processes
    urls: tuple[str, ...]
    servers: tuple[int, ...]
    keys: Path
    threshold: int = 1
    named: str = ""
    """What the names of its walls begin with, where there are several sites."""


@dataclass
class Wall:
    """One agent, its venue named after the control that it lacks; a whole one lacks none."""

    site: Site
    removed: str = ""
    child: Child | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.site.named + (self.removed.replace("_", "-") or "whole")

    @property
    def folder(self) -> Path:
        return self.site.folder / self.name

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def log(self) -> str:
        assert self.child is not None
        return self.child.log.read_text(errors="replace")

    def start(self) -> Self:
        """Start it, or start it again after `kill`."""
        (self.folder / "state").mkdir(parents=True, exist_ok=True)
        config = self.folder / "agent.toml"
        clocks = ", ".join(f'{{host = "127.0.0.1", port = {port}, ours = true}}' for port in self.site.servers)
        config.write_text(
            f'venue = "{self.name}"\nshow = "{SHOW}"\ntimezone = "UTC"\nstate_dir = "{self.folder}/state"\n'
            f"[broker]\nurls = {json.dumps(self.site.urls)}\n"
            f"[clock]\nservers = [{clocks}]\nchrony = false\n"
            f'[display]\noutput = "null"\n[cache]\ndir = "{self.cache}"\nreserve_gb = 0\n'
            f'[trust]\nkeys = "{self.site.keys}"\nthreshold = {self.site.threshold}\n'
        )
        program = [str(SABOTAGED), self.removed] if self.removed else ["-m", "agent.cli"]
        argv = [sys.executable, *program, "agent", "--config", str(config)]
        self.child = self.site.processes.start(f"agent-{self.name}", argv, tier="agents")
        return self

    def kill(self) -> None:
        """As the power does; its player goes with it."""
        assert self.child is not None
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.process.wait()
        self.site.processes.end(self.child)

    def shown_files(self) -> set[str]:
        """The sha256 of the content of each film that the wall's processes hold open: what is really on it."""
        assert self.child is not None
        found = set()
        for link in _open_files(self.child.pid):
            with contextlib.suppress(OSError):
                if link.readlink().is_relative_to(self.cache):
                    found.add(sha256(link.read_bytes()).hexdigest())
        return found


def _open_files(session: int) -> Iterator[Path]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[3]) == session:
                yield from (stat.parent / "fd").iterdir()


class Watch:
    """What the walls tell over one broker, over its restarts too, and a pen to send them something."""

    def __init__(self, broker: Mosquitto) -> None:
        self._broker = broker
        self.told: list[tuple[str, str, Told]] = []
        self._listening = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        await self._listening.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with self.client() as client:
                    await client.subscribe(f"{ROOT}/venue/#", qos=1)
                    self._listening.set()
                    async for message in client.messages:
                        _, venue, kind = str(message.topic).rsplit("/", 2)
                        assert isinstance(message.payload, bytes)
                        self.told.append((venue, kind, json.loads(message.payload)))
            await asyncio.sleep(0.1)

    def client(self) -> aiomqtt.Client:
        return aiomqtt.Client("127.0.0.1", self._broker.port, protocol=aiomqtt.ProtocolVersion.V5)

    async def send(self, *messages: tuple[str, bytes], retain: bool = False) -> None:
        """Publish below the root, in this order, with QoS 1."""
        async with self.client() as client:
            for topic, payload in messages:
                await client.publish(f"{ROOT}/{topic}", payload, qos=1, retain=retain)

    async def hello(self) -> None:
        """What proves to the walls that their subscription works."""
        await self.send(("cue/_hello", b"hello"), retain=True)

    def of(self, wall: Wall, kind: str) -> list[Told]:
        """All that a wall has told of a kind, in order."""
        return [told for venue, found, told in self.told if (venue, found) == (wall.name, kind)]

    def stages(self, wall: Wall, cue: str) -> list[str]:
        """What a wall has said of a cue: its stages in order, a refusal with its reason."""
        acks = [ack for ack in self.of(wall, "ack") if ack["cue"] == cue]
        return [f"refused:{ack['reason']}" if ack["stage"] == "refused" else ack["stage"] for ack in acks]

    async def until(self, wall: Wall, kind: str, good: Callable[[Told], bool], seconds: float = 20) -> Told:
        """The first message of a kind that is good; what was told before counts too."""
        found: list[Told] = []

        def look() -> bool:
            assert wall.child is not None and wall.child.running, wall.log
            found.extend(message for message in self.of(wall, kind) if good(message))
            return bool(found)

        await comes_true(look, seconds, lambda: f"{wall.name}: no such {kind}; last {self.of(wall, kind)[-2:]}")
        return found[0]

    async def ack(self, wall: Wall, cue: str, stage: str, seconds: float = 20) -> Told:
        return await self.until(wall, "ack", lambda ack: (ack["cue"], ack["stage"]) == (cue, stage), seconds)

    async def ready(self, *walls: Wall) -> None:
        """Until these have a clock, a player and nothing that ails them."""
        for wall in walls:
            await self.until(wall, "status", lambda status: status["ready"], 40)

    async def fence(self, walls: Sequence[Wall], *keys: int) -> None:
        """Until these have looked at all that was sent before: a good cue, sent last, is acknowledged last."""
        last = cue_body()
        await self.send((f"cue/{last['cue']}", signed(last, *keys)))
        for wall in walls:
            await self.ack(wall, last["cue"], "accepted")

    def last(self, wall: Wall, kind: str) -> Told:
        """What a wall told last of a kind."""
        return self.of(wall, kind)[-1]

    def forget(self) -> None:
        """What was told so far counts no more."""
        self.told.clear()


@contextmanager
def ground(folder: Path, *lines: str, servers: int = 1) -> Iterator[tuple[Site, Mosquitto]]:
    """A broker with these lines in its configuration, time servers and keys; all that stands there ends with it."""
    broker = Mosquitto(folder / "broker", lines)
    broker.start()
    try:
        with Processes(folder / "logs") as processes:
            clocks = timeservers.start(processes, servers, folder / "time")
            keys = write_keys(folder / "keys")
            yield Site(folder, processes, (broker.url,), tuple(clock.port for clock in clocks), keys), broker
    finally:
        broker.stop()


def start(site: Site, *removed: str) -> list[Wall]:
    """A wall that is whole, and one without each of these controls."""
    return [Wall(site, name).start() for name in ("", *removed)]


async def comes_true(fact: Callable[[], bool], seconds: float, otherwise: Callable[[], str] = str) -> None:
    """Wait until something outside this process is so; looking is the only way to know."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, f"not within {seconds} s. {otherwise()}"
        await asyncio.sleep(0.02)
