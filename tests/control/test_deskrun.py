"""The terminal desk's keys without a terminal: what nobody foresaw is told, and does not pass for silence."""

import asyncio
from typing import Any

import pytest
from makers import cue
from rich.console import Console
from test_operate import desk

from agent.control import deskrun, operate
from agent.control.alarm_rules import Rules
from agent.control.desk import Refused
from agent.control.deskrun import DeskRun
from agent.control.link import Link
from agent.control.operate import Gone
from agent.control.readiness import Readiness


def run() -> DeskRun:
    return DeskRun(Link([], "framezero/v1", []), desk(), Console(), Rules())


async def broken(*_: Any) -> None:
    raise RuntimeError("out of paper")


def gone(*warnings: str) -> Gone:
    return Gone(cue(1), [], [*warnings])


async def told(made: DeskRun) -> str:
    async with asyncio.timeout(10):
        while not (said := made._scene().message[0]):  # noqa: ASYNC110 - it tells by no event
            await asyncio.sleep(0.01)
    return said


async def test_a_key_that_breaks_is_told_and_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operate, "go", broken)
    made = run()
    made._press("space")
    assert "the desk itself is at fault (RuntimeError: out of paper)" in await told(made)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "no timed cue is left to send"),
        ([gone(), gone()], "timed cues sent ahead: 2"),
        ([gone(), gone("mqtt://b: full")], "! timed cues sent ahead: 2, but: mqtt://b: full"),
        ([gone(), Refused("untaken", "no broker took it")], "✗ no broker took it"),
    ],
)
async def test_what_became_of_timed_cues_is_told_with_every_doubt(
    found: list[Gone | Refused], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send_timed(*_: Any) -> list[Gone | Refused]:
        return found

    monkeypatch.setattr(operate, "send_timed", send_timed)
    made = run()
    made._press("t")
    assert await told(made) == words


async def test_where_asking_the_walls_breaks_old_answers_are_none_and_it_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deskrun, "AFTER_FAULT_S", 0.0)
    asked = 0

    async def keep(self: Readiness, wanted: Any) -> None:
        nonlocal asked
        asked += 1
        self.about = wanted()
        if asked > 1:
            await asyncio.sleep(60)
        raise RuntimeError("out of paper")

    monkeypatch.setattr(Readiness, "keep", keep)
    made = run()
    first = made._readiness
    asking = asyncio.create_task(made._ask())
    assert "at fault" in await told(made)
    async with asyncio.timeout(10):
        while asked < 2:  # noqa: ASYNC110 - it tells by no event
            await asyncio.sleep(0)
    assert made._readiness is not first
    asking.cancel()
