"""A whole agent under a service manager: a real process, a real socket, and nothing else that it could lean on."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import free_port
from test_systemd import Manager

from agent.lab.processes import Child, Processes

pytestmark = pytest.mark.timeout(120)
PLAYER = b"agent.player.process"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    found = Manager(str(tmp_path / "notify"))
    yield found
    found.close()


@pytest.fixture
def agent(tmp_path: Path, manager: Manager) -> Iterator[Child]:
    """One without broker, time servers and display."""
    config = tmp_path / "agent.toml"
    config.write_text(
        f'venue = "paris"\nshow = "lab"\ntimezone = "UTC"\nstate_dir = "{tmp_path}/state"\n'
        f'[broker]\nurls = ["mqtt://127.0.0.1:{free_port()}"]\n[clock]\nservers = ["127.0.0.1"]\nchrony = false\n'
        f'[display]\nname = ":4712"\n[cache]\ndir = "{tmp_path}/cache"\n[trust]\nkeys = "{tmp_path}"\n'
    )
    with Processes(tmp_path / "logs") as processes:
        argv = [sys.executable, "-m", "agent.cli", "agent", "--config", str(config)]
        yield processes.start("agent", argv, env={"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "8000000"})


async def heard(manager: Manager, *wanted: str, seconds: float = 30) -> list[str]:
    """All that is told until each of these has been, in any order, as the beginning of a line."""
    told: list[str] = []
    async with asyncio.timeout(seconds):
        while not all(any(line.startswith(want) for line in told) for want in wanted):
            told += [line for message in manager.told() for line in message.splitlines()]
            await asyncio.sleep(0.05)
    return told


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def stands_still(pid: int) -> bool:
    return ") T " in Path(f"/proc/{pid}/stat").read_text()


async def test_it_is_ready_whatever_is_missing_says_what_and_lives_on(agent: Child, manager: Manager) -> None:
    told = await heard(manager, "READY=1", "WATCHDOG=1", "STATUS=fault · NO-GO display_absent")
    assert told[0] == "READY=1"
    assert told.count("READY=1") == 1
    manager.told()
    await heard(manager, "WATCHDOG=1")  # players that find no display are an answer
    assert agent.running
    os.kill(agent.pid, signal.SIGTERM)
    await heard(manager, "STOPPING=1")


async def test_nobody_but_the_agent_speaks_to_the_manager(agent: Child, manager: Manager) -> None:
    await heard(manager, "READY=1")
    async with asyncio.timeout(30):
        while True:
            for child in children_of(agent.pid):
                place = Path(f"/proc/{child}")
                try:
                    words, environ = (place / "cmdline").read_bytes(), (place / "environ").read_bytes()
                except OSError:  # a player without a display ends soon
                    continue
                if PLAYER in words and environ:
                    assert b"NOTIFY_SOCKET" not in environ
                    return
            await asyncio.sleep(0.01)


async def test_an_agent_that_stands_still_says_nothing(agent: Child, manager: Manager) -> None:
    await heard(manager, "WATCHDOG=1")
    os.kill(agent.pid, signal.SIGSTOP)
    async with asyncio.timeout(10):
        while not stands_still(agent.pid):  # noqa: ASYNC110 - looking is the only way to know
            await asyncio.sleep(0.01)
    manager.told()
    await asyncio.sleep(2.5)
    assert manager.told() == []
    os.kill(agent.pid, signal.SIGCONT)
    await heard(manager, "WATCHDOG=1")
