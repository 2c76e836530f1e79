"""The signs of life that the proxy has of its player: what the watchdog is fed by."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.liveness import ANSWERS_S, fed
from agent.player import proxy
from agent.player.proxy import PlayerProxy
from agent.player.wire import Failed, Hello, Report, Screen

SCREEN = Screen(
    output="null", name="", region="", fit="contain", rotate=0, latency_us=0, decoder="auto", volume=0, slate=""
)
FAILED = Failed(reason="display_absent", detail="the display ':0' cannot be opened").model_dump_json()
HELLO = Hello(mpv="mpv 0.35.1", display="", realtime=False).model_dump_json()
BEAT = '{"say": "beat"}'
LIVES = f"echo '{HELLO}' >&$3; while sleep 0.1; do echo '{BEAT}' >&$3; done"


class Bench:
    """A proxy whose player is a shell script: `$3` is its line to the agent."""

    def __init__(self) -> None:
        self.heard: list[Report] = []
        self.player = PlayerProxy(SCREEN, self.heard.append)
        self.task = asyncio.create_task(self.player.run())

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not true():  # noqa: ASYNC110 - what is waited for is not told to tests
                await asyncio.sleep(0.01)


@pytest.fixture
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    program = tmp_path / "player"
    if request.param is not None:
        program.write_text(f"#!/bin/bash\n{request.param}\n")
        program.chmod(0o755)
    monkeypatch.setattr(proxy, "sys", SimpleNamespace(executable=str(program)))
    made = Bench()
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


@pytest.mark.parametrize(
    "bench", [f"echo '{FAILED}' >&$3", "exit 1"], indirect=True, ids=["no display", "dies at once"]
)
async def test_each_attempt_is_a_sign(bench: Bench) -> None:
    await bench.until(lambda: len(bench.heard) == 1)
    first = bench.player.signs.heard_s
    await bench.until(lambda: len(bench.heard) == 3)
    assert bench.player.signs.heard_s > first


@pytest.mark.parametrize("bench", [None], indirect=True, ids=["no such program"])
async def test_so_is_one_that_cannot_be_made(bench: Bench) -> None:
    await bench.until(lambda: len(bench.heard) == 1)
    first = bench.player.signs.heard_s
    await bench.until(lambda: len(bench.heard) == 3)
    assert bench.player.signs.heard_s > first


@pytest.mark.parametrize("bench", ["exec sleep 60"], indirect=True, ids=["never up"])
async def test_a_player_that_is_coming_up_may_take_its_time_and_no_longer(bench: Bench) -> None:
    await bench.until(lambda: bench.player.pid is not None)
    signs = bench.player.signs
    assert fed(signs, signs.heard_s + proxy.START_S - 1)
    assert not fed(signs, signs.heard_s + proxy.START_S + 1)


@pytest.mark.parametrize("bench", [f"echo '{BEAT}' >&$3; exec sleep 60"], indirect=True, ids=["falls silent"])
async def test_one_that_has_spoken_is_a_sign_for_fifteen_seconds(bench: Bench) -> None:
    await bench.until(lambda: bench.player.signs.granted_s == 0.0 and bench.player.pid is not None)
    signs = bench.player.signs
    await asyncio.sleep(0.1)
    assert bench.player.signs == signs, "a kill that does not come through would be no sign"
    assert fed(signs, signs.heard_s + ANSWERS_S - 1)
    assert not fed(signs, signs.heard_s + ANSWERS_S + 1)


@pytest.mark.parametrize("bench", [f"echo '{HELLO}' >&$3; exec sleep 60"], indirect=True, ids=["hangs"])
async def test_one_that_falls_silent_is_killed_and_replaced(bench: Bench) -> None:
    await bench.until(lambda: len(bench.heard) == 3)
    hung = bench.heard[1]
    assert isinstance(hung, Failed) and hung.reason == "player_hung"
    assert [type(report) for report in bench.heard] == [Hello, Failed, Hello]


@pytest.mark.parametrize("bench", [LIVES], indirect=True, ids=["lives"])
async def test_who_is_killed_is_killed_once_however_long_it_takes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.until(lambda: bool(bench.heard))
    assert bench.player._process is not None
    kills: list[None] = []
    monkeypatch.setattr(bench.player._process, "kill", lambda: kills.append(None))
    bench.player._kill("player_hung", "a test says so")
    bench.player._kill("player_hung", "and says so again")
    assert len(kills) == 1
    monkeypatch.undo()
    bench.player._process.kill()


@pytest.mark.parametrize("bench", ["exec sleep 60"], indirect=True, ids=["never up"])
async def test_one_that_does_not_come_up_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "START_S", 0.2)
    await bench.until(lambda: bool(bench.heard))
    hung = bench.heard[0]
    assert isinstance(hung, Failed) and hung.reason == "player_hung"


@pytest.mark.parametrize("bench", ["exec sleep 60"], indirect=True, ids=["never up"])
@pytest.mark.parametrize("later_s", [0.0, 0.2], ids=["before there is a line to it", "with a line"])
async def test_one_that_does_not_listen_ends_with_the_agent(bench: Bench, later_s: float) -> None:
    while bench.player.pid is None:  # noqa: ASYNC110 - what is waited for is not told to tests
        await asyncio.sleep(0)
    process = bench.player._process
    assert process is not None
    await asyncio.sleep(later_s)
    bench.task.cancel()
    await asyncio.gather(bench.task, return_exceptions=True)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("bench", [LIVES], indirect=True, ids=["lives"])
async def test_our_own_silence_is_not_held_against_it(bench: Bench) -> None:
    await bench.until(lambda: bool(bench.heard))
    first = bench.player.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)  # the whole machine stands still, and we with it
    for _ in range(2 * proxy.SILENT_CHECKS):
        time.sleep(proxy.HELD_UP_S + proxy.CHECK_S)  # noqa: ASYNC251
        await asyncio.sleep(0.001)
    assert len(bench.heard) == 1 and bench.player._killed_for is None
    os.kill(first, signal.SIGCONT)
