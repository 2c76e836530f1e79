"""A broker exactly as deploy/broker sets it up, with the certificates that certify makes, in a folder of the test's."""

import asyncio
import getpass
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from brokers import MOSQUITTO, accepts, free_port

from agent.access import Access
from agent.connection import Connection, connect
from agent.received import Received

DEPLOY = Path(__file__).parents[1] / "deploy" / "broker"
HOST = "localhost"
ROOT = "framezero/v1"
KINDS = {"venue": "venues", "operator": "operators", "server": "brokers"}
Done = subprocess.CompletedProcess[str]


def run(*command: str | Path) -> Done:
    """Run one of the scripts as a technician would."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=60)


@dataclass
class Authority:
    """What `certify` keeps."""

    folder: Path

    def certify(self, *words: str, good: bool = True) -> Done:
        """Run certify; by default it has to succeed."""
        done = run(DEPLOY / "certify", "--dir", self.folder, *words)
        assert (done.returncode == 0) is good, done.stdout + done.stderr
        return done

    def folder_of(self, kind: str, name: str) -> Path:
        """The folder that belongs on that machine."""
        return self.folder / KINDS[kind] / name

    def access(self, url: str, kind: str = "", name: str = "") -> Access:
        """How a venue or an operator reaches a broker; without a kind, somebody without a certificate."""
        if not kind:
            return Access(url, ca=str(self.folder / "ca.pem"))
        file = self.folder_of(kind, name) / kind
        return Access(url, ca=str(self.folder / "ca.pem"), cert=f"{file}.pem", key=f"{file}.key")


@dataclass
class Broker:
    """mosquitto with the installed configuration."""

    prefix: Path
    authority: Authority
    server: str
    user: str = field(default_factory=getpass.getuser)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"mqtts://{HOST}:{self.port}"

    def set_up(self, *words: str, good: bool = True) -> Done:
        """Run set-up; by default it has to succeed."""
        server = self.authority.folder_of("server", self.server)
        done = run(
            DEPLOY / "set-up", "--server", server, "--prefix", self.prefix, "--port", str(self.port),
            "--user", self.user, *words,
        )  # fmt: skip
        assert (done.returncode == 0) is good, done.stdout + done.stderr
        return done

    def start(self) -> None:
        """Start it and wait until it listens."""
        assert MOSQUITTO is not None
        with (self.prefix / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [MOSQUITTO, "-c", str(self.prefix / "mosquitto.conf")], stdout=log, stderr=log
            )
        until = time.monotonic() + 10
        while not accepts(self.port):
            assert time.monotonic() < until and self.process.poll() is None, (self.prefix / "log").read_text()
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None

    def restart(self) -> None:
        """As set-up does it with systemd: with a hello after the start."""
        self.stop()
        self.start()
        self.hello()

    def hello(self) -> None:
        """What systemd runs after each start."""
        done = run(self.prefix / "framezero" / "hello")
        assert done.returncode == 0, done.stderr

    def lose_store(self) -> None:
        """The disk was lost."""
        shutil.rmtree(self.prefix / "store")
        (self.prefix / "store").mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.prefix / "store", self.user)


@asynccontextmanager
async def client(authority: Authority, broker: Broker, kind: str = "", name: str = "") -> AsyncIterator[Connection]:
    """A connection as a venue, an operator, or nobody."""
    async with connect(
        authority.access(broker.url, kind, name), identifier=f"test-{name}-{time.monotonic_ns()}"
    ) as made:
        yield made


async def may_write(connection: Connection, topic: str, payload: bytes = b"x", *, retain: bool = False) -> bool:
    """Whether the broker takes this."""
    async with asyncio.timeout(5):
        return not await connection.send(f"{ROOT}/{topic}", payload, retain=retain)


async def heard(connection: Connection, topics: Sequence[str], seconds: float = 0.5) -> list[Received]:
    """What arrives within so long after subscribing."""
    await connection.subscribe([f"{ROOT}/{topic}" for topic in topics])
    found: list[Received] = []
    try:
        async with asyncio.timeout(seconds):
            async for message in connection.messages():
                found.append(message)  # noqa: PERF401 - what came before the time was up counts
    except TimeoutError:
        pass
    return found


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority with a broker, two venues and an operator; tests take copies of it."""
    authority = Authority(tmp_path_factory.mktemp("authority") / "ca")
    authority.certify("init")
    authority.certify("server", "cue-a.example", "192.0.2.7")
    authority.certify("venue", "tokyo", "paris")
    authority.certify("operator", "alice")
    return authority.folder


@pytest.fixture
def authority(made_once: Path, tmp_path: Path) -> Authority:
    """An authority of this test's own."""
    shutil.copytree(made_once, tmp_path / "ca")
    return Authority(tmp_path / "ca")


@pytest.fixture
def brokers_of(authority: Authority, tmp_path: Path) -> Iterator[Callable[[], Broker]]:
    """Make brokers, set up and started, with their hello; they end with the test."""
    made: list[Broker] = []

    def make() -> Broker:
        broker = Broker(tmp_path / f"etc{len(made)}", authority, "cue-a.example")
        made.append(broker)
        broker.set_up("--operator", "alice")
        broker.start()
        broker.hello()
        return broker

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def broker(brokers_of: Callable[[], Broker]) -> Broker:
    """One broker that is set up and runs."""
    return brokers_of()
