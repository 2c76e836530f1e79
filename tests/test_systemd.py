"""What systemd is told, on real sockets."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_venue import status

from agent.liveness import Signs
from agent.systemd import Notifier, Supervised, notifier
from agent.told import Status


class Manager:
    """The service manager's end: a real datagram socket, at a path or an abstract name."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.bind("\0" + address[1:] if address.startswith("@") else address)

    def told(self) -> list[str]:
        """Everything since it was last asked."""
        said = []
        while True:
            try:
                said.append(self._sock.recv(65536).decode())
            except BlockingIOError:
                return said

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    found = Manager(str(tmp_path / "notify"))
    yield found
    found.close()


def test_a_socket_with_a_path_is_told(manager: Manager) -> None:
    assert Notifier(manager.address).tell("READY=1", "STATUS=well")
    assert manager.told() == ["READY=1\nSTATUS=well"]


def test_so_is_one_with_an_abstract_name() -> None:
    manager = Manager(f"@framezero-test-{os.getpid()}")
    assert Notifier(manager.address).tell("READY=1")
    assert manager.told() == ["READY=1"]
    manager.close()


@pytest.mark.parametrize("address", ["", "relative/path", "vsock:2:1234"])
def test_without_a_socket_of_ours_nothing_happens(address: str) -> None:
    silent = Notifier(address, watchdog_s=20)
    assert silent.tell("READY=1")
    assert silent.watchdog_s is None


def test_a_socket_that_nobody_serves_is_tried_again_later(tmp_path: Path) -> None:
    assert not Notifier(str(tmp_path / "gone")).tell("READY=1")


def test_a_manager_that_does_not_read_holds_nothing_up(manager: Manager) -> None:
    telling = Notifier(manager.address)
    assert not all(telling.tell("WATCHDOG=1") for _ in range(100_000))
    manager.told()
    assert telling.tell("WATCHDOG=1")


@pytest.mark.parametrize(
    ("usec", "pid", "watchdog_s"),
    [("20000000", "7", 20.0), ("20000000", "", 20.0), ("20000000", "8", None), ("0", "7", None), ("soon", "7", None)],
)
def test_the_watchdog_counts_where_it_is_meant_for_us(usec: str, pid: str, watchdog_s: float | None) -> None:
    environ = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid, "PATH": "/bin"}
    assert notifier(environ, 7).watchdog_s == watchdog_s
    assert environ == {"PATH": "/bin"}, "a player that inherited it would speak for the agent"


class World:
    """An agent with a player whose last sign of life, and status, the test sets."""

    def __init__(self, telling: Notifier) -> None:
        self.silent_s = 0.0
        self.status: Status | None = None
        self.supervised = Supervised(telling, self._signs, lambda: self.status)

    def _signs(self) -> Signs:
        return Signs(asyncio.get_running_loop().time() - self.silent_s)


async def turns(manager: Manager, most: int = 50) -> list[str]:
    """What is told within some turns of the loop below, whose watchdog is hurried."""
    await asyncio.sleep(most / 1000)
    return manager.told()


async def test_ready_is_said_first_then_the_watchdog_is_fed_and_the_end_is_said(manager: Manager) -> None:
    world = World(Notifier(manager.address, watchdog_s=0.02))
    task = asyncio.create_task(world.supervised.run())
    told = await turns(manager)
    assert told[:3] == ["READY=1", "STATUS=starts", "WATCHDOG=1"]
    assert set(told[3:]) == {"WATCHDOG=1"}, "and nothing is said twice"
    world.status = status("paris")
    assert "STATUS=slate · GO" in await turns(manager)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert manager.told()[-1].splitlines()[0] == "STOPPING=1"


async def test_a_player_that_is_lost_starves_the_watchdog_until_it_is_back(manager: Manager) -> None:
    world = World(Notifier(manager.address, watchdog_s=0.02))
    world.silent_s = 16.0
    task = asyncio.create_task(world.supervised.run())
    assert await turns(manager) == ["READY=1", "STATUS=starts"]
    world.silent_s = 0.0
    assert "WATCHDOG=1" in await turns(manager)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_ready_that_did_not_get_through_is_said_again(tmp_path: Path) -> None:
    address = str(tmp_path / "late")
    task = asyncio.create_task(World(Notifier(address, watchdog_s=0.02)).supervised.run())
    await asyncio.sleep(0.02)
    manager = Manager(address)
    assert "READY=1" in await turns(manager)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    manager.close()
