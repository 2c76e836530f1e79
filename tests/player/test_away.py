"""A display that was away and is back is tried at once; everything else has its pause."""

import asyncio
import socket
from pathlib import Path

import pytest

from agent.player import away, proxy
from agent.player.away import is_away
from agent.player.proxy import PlayerProxy
from agent.player.wire import Screen

LONG_S = 3600.0


@pytest.fixture(autouse=True)
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(away, "SOCKETS", str(tmp_path))
    return tmp_path


def listen(place: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    place.unlink(missing_ok=True)
    server.bind(str(place))
    server.listen(1)
    return server


@pytest.mark.parametrize("name", [":7", ":7.0", "unix:7"])
def test_a_display_is_away_until_somebody_listens(sockets: Path, name: str) -> None:
    assert is_away(name)
    with listen(sockets / "X7"):
        assert not is_away(name)
    assert is_away(name), "a killed server leaves its socket"


def test_a_server_with_many_to_greet_is_there(sockets: Path) -> None:
    with listen(sockets / "X7"):
        assert not any(is_away(":7") for _ in range(10))


@pytest.mark.parametrize("name", ["wall:0", "", "10.0.0.1:0.0", ":x"])
def test_what_only_a_client_could_tell_is_not_called_away(name: str) -> None:
    assert not is_away(name)


def made(name: str) -> PlayerProxy:
    screen = Screen(
        output="x11", name=name, region="", fit="contain", rotate=0, latency_us=0, decoder="auto", volume=0, slate=""
    )
    return PlayerProxy(screen, lambda _: None)


async def test_the_pause_ends_when_the_display_is_back(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "LOOK_S", 0.01)
    pause = asyncio.create_task(made(":7")._pause(LONG_S))
    await asyncio.sleep(0.05)
    assert not pause.done()
    with listen(sockets / "X7"):
        async with asyncio.timeout(20):
            await pause


@pytest.mark.parametrize("name", [":7", "wall:0"])
async def test_a_display_that_was_never_away_ends_no_pause(sockets: Path, name: str) -> None:
    with listen(sockets / "X7"):
        pause = asyncio.create_task(made(name)._pause(LONG_S))
        await asyncio.sleep(0.05)
        assert not pause.done()
        pause.cancel()
