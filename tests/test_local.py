"""The local socket: who may, what it takes, and that nobody who comes through it disturbs anything."""

import asyncio
import contextlib
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent import local
from agent.local import LocalSocket, Peer
from agent.localsocket import MOST_PATH_BYTES, address
from agent.localwire import MOST_ORDER_BYTES, SOCKET, Order, Reply

QUIET = b'{"want": "quiet"}\n'


@dataclass
class Desk:
    """Answers at once, and remembers who asked."""

    seen: list[tuple[Order, Peer]] = field(default_factory=list)
    wait: asyncio.Event | None = None

    async def answer(self, order: Order, peer: Peer) -> Reply:
        self.seen.append((order, peer))
        if self.wait is not None:
            await self.wait.wait()
        if order.want == "resume":
            raise RuntimeError("a fault of ours")
        return Reply(venue="paris", timezone="Europe/Paris", time=None)


async def comes_true(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not fact():  # noqa: ASYNC110 - looking is the only way to know
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(runtime: Path, state: Path, desk: Desk) -> AsyncIterator[LocalSocket]:
    made = LocalSocket(runtime, state, desk.answer)
    task = asyncio.create_task(made.run())
    try:
        await comes_true(lambda: made.fault is not None or _listens(runtime / SOCKET))
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _listens(path: Path) -> bool:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as knock,
        contextlib.suppress(OSError),
        address(path) as name,
    ):
        knock.connect(name)
        return True
    return False


async def said(path: Path, text: bytes, *, eof: bool = False) -> bytes:
    """What comes back for these bytes until the agent hangs up."""
    async with asyncio.timeout(10):
        with address(path) as name:
            reader, writer = await asyncio.open_unix_connection(name)
        try:
            writer.write(text)
            if eof:
                writer.write_eof()
            with contextlib.suppress(ConnectionError):
                return await reader.read()
            return b""
        finally:
            writer.close()


async def good(path: Path) -> bool:
    return b'"venue":"paris"' in await said(path, QUIET)


async def test_one_line_in_and_one_out_and_the_kernel_says_who(tmp_path: Path) -> None:
    desk = Desk()
    async with running(tmp_path, tmp_path, desk):
        answer = await said(tmp_path / SOCKET, b'{"v": 1, "want": "quiet", "within_s": 60, "by": "alice"}\n')
        assert answer.endswith(b"\n")
        assert json.loads(answer)["venue"] == "paris"
        [(order, peer)] = desk.seen
        assert (order.want, order.within_s, order.by) == ("quiet", 60, "alice")
        assert (peer.uid, peer.pid) == (os.getuid(), os.getpid())
        assert Peer(1, 0).name == "root"
        assert Peer(1, 4_000_000_001).name == "uid 4000000001"
    assert not (tmp_path / SOCKET).exists(), "it goes with the agent"


async def test_only_root_and_the_group_may_open_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with running(tmp_path, tmp_path, Desk()):
            found = (tmp_path / SOCKET).stat()
            assert stat.S_ISSOCK(found.st_mode)
            assert stat.S_IMODE(found.st_mode) == 0o660
            assert found.st_gid == os.getegid()
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"\n", "schema"),
        (b"black\n", "schema"),
        (b"[" * 2000 + b"\n", "schema"),
        (b'{"want": "reboot"}\n', "schema"),
        (b'{"want": "black", "force": true}\n', "schema"),
        (b'{"want": "black", "want": "quiet"}\n', "schema"),
        (b'{"want": "black", "by": "\\u001b[2J"}\n', "schema"),
        (b'{"want": "quiet", "within_s": 1e9}\n', "schema"),
        (b'{"v": 2, "want": "black"}\n', "version"),
        (b"\xff\xfe\x00\n", "schema"),
        (b"x" * (MOST_ORDER_BYTES + 2), "size"),
    ],
)
async def test_what_is_no_order_is_refused_in_words(tmp_path: Path, text: bytes, code: str) -> None:
    desk = Desk()
    async with running(tmp_path, tmp_path, desk):
        assert json.loads(await said(tmp_path / SOCKET, text))["code"] == code
        assert desk.seen == []
        assert await good(tmp_path / SOCKET)


async def test_who_says_nothing_or_hangs_up_disturbs_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "READ_S", 0.2)
    desk = Desk()
    async with running(tmp_path, tmp_path, desk):
        assert await said(tmp_path / SOCKET, b'{"want"', eof=True) == b""
        assert await said(tmp_path / SOCKET, b'{"want"') == b"", "half a line has its time, too"
        idle = [await asyncio.open_unix_connection(str(tmp_path / SOCKET)) for _ in range(local.MOST_AT_ONCE)]
        async with asyncio.timeout(10):
            assert [await reader.read() for reader, _ in idle] == [b""] * local.MOST_AT_ONCE
        assert await good(tmp_path / SOCKET)
        for _, writer in idle:
            writer.close()
        assert len(desk.seen) == 1


async def test_who_is_too_many_is_sent_away_at_once(tmp_path: Path) -> None:
    desk = Desk()
    async with running(tmp_path, tmp_path, desk) as made:
        assert await good(tmp_path / SOCKET)
        await comes_true(lambda: made._serving == 0)
        desk.seen, desk.wait = [], asyncio.Event()
        callers = [asyncio.create_task(good(tmp_path / SOCKET)) for _ in range(local.MOST_AT_ONCE)]
        await comes_true(lambda: len(desk.seen) == local.MOST_AT_ONCE)
        assert await said(tmp_path / SOCKET, QUIET) == b"", "one too many"
        desk.wait.set()
        assert await asyncio.gather(*callers) == [True] * local.MOST_AT_ONCE
        assert await good(tmp_path / SOCKET)


async def test_a_fault_of_ours_ends_one_call_only(tmp_path: Path) -> None:
    async with running(tmp_path, tmp_path, Desk()):
        assert await said(tmp_path / SOCKET, b'{"want": "resume"}\n') == b""
        assert await good(tmp_path / SOCKET)


async def test_an_order_that_is_found_when_its_giver_has_gone_is_not_carried_out(tmp_path: Path) -> None:
    desk = Desk()
    async with running(tmp_path, tmp_path, desk):
        with socket.socket(socket.AF_UNIX) as caller:  # it comes and goes before the agent, which hangs, looks again
            caller.connect(str(tmp_path / SOCKET))
            caller.sendall(b'{"want": "black"}\n')
        assert await said(tmp_path / SOCKET, QUIET, eof=True), "who has only said all still waits"
        assert [order.want for order, _ in desk.seen] == ["quiet"]


async def test_a_socket_that_a_killed_agent_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET))
    async with running(tmp_path, tmp_path, Desk()) as made:
        assert made.fault is None
        assert await good(tmp_path / SOCKET)


@pytest.mark.parametrize("crowded", [False, True])
async def test_a_living_agents_socket_is_not_stolen(tmp_path: Path, crowded: bool) -> None:
    with contextlib.ExitStack() as stack:
        living = stack.enter_context(socket.socket(socket.AF_UNIX))
        living.bind(str(tmp_path / SOCKET))
        living.listen(0)
        before = (tmp_path / SOCKET).lstat().st_ino
        while crowded:  # until it has more callers than it has room for: an agent that hangs
            caller = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
            try:
                caller.connect(str(tmp_path / SOCKET))
            except BlockingIOError:
                break
        async with running(tmp_path, tmp_path / "other", Desk()) as made:
            await comes_true(lambda: made.fault is not None)
            assert made.fault is not None
            assert made.fault.code == "local_socket"
            assert "another agent listens" in made.fault.detail
        assert (tmp_path / SOCKET).lstat().st_ino == before


async def test_something_else_in_its_place_is_named_and_left_alone(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(local, "LOOK_S", 0.05)
    (tmp_path / SOCKET).write_text("precious")
    async with running(tmp_path, tmp_path, Desk()) as made:
        assert made.fault is not None
        assert "move it away" in made.fault.detail
        assert (tmp_path / SOCKET).read_text() == "precious"
        (tmp_path / SOCKET).unlink()
        await comes_true(lambda: made.fault is None)
        assert await good(tmp_path / SOCKET)


async def test_a_folder_that_cannot_be_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    async with running(tmp_path / "run" / "framezero", tmp_path, Desk()) as made:
        assert made.fault is not None
        assert "run" in made.fault.detail


async def test_it_comes_again_where_it_was_taken_away(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(local, "LOOK_S", 0.05)
    async with running(tmp_path, tmp_path, Desk()):
        first = (tmp_path / SOCKET).stat().st_ino
        keep = (tmp_path / "keep").open("w")  # so that its number is not given again
        (tmp_path / SOCKET).rename(tmp_path / "gone")
        await comes_true(lambda: _listens(tmp_path / SOCKET))
        assert (tmp_path / SOCKET).stat().st_ino != first
        keep.close()


async def test_the_state_has_a_link_to_it_over_whatever_was_there(tmp_path: Path) -> None:
    runtime, state = tmp_path / "run", tmp_path / "state"
    state.mkdir()
    (state / SOCKET).symlink_to(tmp_path / "nowhere")
    async with running(runtime, state, Desk()):
        assert (state / SOCKET).readlink() == runtime / SOCKET
        assert await good(state / SOCKET)
    assert not (state / SOCKET).is_symlink()


async def test_what_cannot_be_taken_away_does_not_hold_up_the_end(tmp_path: Path) -> None:
    runtime, state = tmp_path / "run", tmp_path / "state"
    state.mkdir()
    async with running(runtime, state, Desk()):  # which takes the cancellation that it ends with, and nothing else
        (state / SOCKET).unlink()
        (state / SOCKET / "in the way").mkdir(parents=True)
    assert not (runtime / SOCKET).exists()


async def test_no_path_is_too_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    assert len(os.fsencode(deep / SOCKET)) > MOST_PATH_BYTES
    async with running(deep, deep, Desk()) as made:
        assert made.fault is None
        assert await good(deep / SOCKET)
    assert not (deep / SOCKET).exists()
