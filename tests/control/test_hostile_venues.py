"""Whatever one venue tells of itself, the operator's tool shows all venues, and obeys none of it."""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from fake_venue import BOOT, now_us, polled, presence, status
from pydantic import BaseModel
from rich.console import Console

from agent.answered import Answer
from agent.control import answers, clocks
from agent.control import poll as polls
from agent.control import status as statuses
from agent.control.cue import Sent, build
from agent.control.draft import Draft
from agent.control.times import local_time
from agent.control.verdict import Outcome
from agent.messages import Black, Refusal, decode, encode
from agent.told import Ack, ClockSource, Fetching, Presence, Status

EVIL = ["[/nothing]", "[red", "\x1b]0;a window\x07\x1b[2J\x9b31m", "Asia", "x" * 5000, "\\"]
VAST = [10**19, -(10**19)]
ROOM = 10**400
STATUS = status("tokyo", ready=False, program="reel", rev=1, item=0, frame=7, panic=BOOT, decoder="vaapi")
SOURCE = ClockSource(name="ntp.example", ours=False, agrees=True, why="", offset_us=1, error_us=1, delay_us=1)
STATUS = STATUS.model_copy(
    update={
        "clock": STATUS.clock.model_copy(update={"per_source": [SOURCE], "freq_ppm": 1.0, "skew_ppm": 0.1}),
        "cache": STATUS.cache.model_copy(update={"fetching": Fetching(name="koi.mp4", done=1, size=2)}),
        "broker_faults": {"mqtts://cue-a.example": "is away"},
        "panic_issued": now_us(),
    }
)
ACK = Ack(
    cue=BOOT, venue="tokyo", boot=BOOT, stage="started", time=now_us(), reason="x", detail="y", error_us=1, bound_us=2
)
ANSWER = Answer(ask=BOOT, venue="tokyo", boot=BOOT, time=now_us(), want="poll", poll=polled(go=False))


def leaves(tree: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """The place of every single value in a message."""
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, *path, key)
    else:
        yield path


def changed(message: BaseModel, path: tuple[Any, ...], value: Any) -> bytes:
    """The message with another value in one place."""
    tree = at = json.loads(encode(message))
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return json.dumps(tree).encode()


def page(found: Status, who: Presence) -> list[Any]:
    walls = [statuses.Wall("tokyo", who, found, False, 0, 0)]
    local_time(now_us(), who.timezone)
    return [statuses.page(walls, now_us(), width) for width in (40, 200)] + [clocks.page_of_clocks(walls, now_us(), 80)]


def table(ack: Ack) -> list[Any]:
    cue = build(Draft(Black(action="black")), show="demo", venues=["*"], at=now_us(), now=now_us())
    answers.show(Sent(cue, [], [Outcome("tokyo", "ok", ack)]), {"tokyo": presence("tokyo")}, "started")
    return []


def poll(answer: Answer) -> list[Any]:
    ask = polls.build_ask("reel", None, now_us())
    row = polls.Row("tokyo", "no-go", tuple(answer.poll.reasons if answer.poll else ()), presence("tokyo"), answer)
    return [polls.page(polls.Polled(ask, [row], [], [], 0.0), width) for width in (40, 200)]


CASES: list[tuple[BaseModel, Callable[[Any], list[Any]]]] = [
    (STATUS, lambda found: page(found, presence("tokyo"))),
    (presence("tokyo"), lambda found: page(STATUS, found)),
    (ACK, table),
    (ANSWER, poll),
]


@pytest.mark.parametrize(("message", "show"), CASES, ids=["status", "presence", "ack", "answer"])
def test_no_text_and_no_number_of_a_venue_breaks_or_moves_the_operators_terminal(
    message: BaseModel, show: Callable[[Any], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    taken = 0
    for path in leaves(json.loads(encode(message))):
        for value in [*EVIL, *VAST, ROOM]:
            found = decode(type(message), changed(message, path, value))
            assert value is not ROOM or isinstance(found, Refusal), path
            if isinstance(found, Refusal):
                continue
            taken += 1
            out = StringIO()
            console = Console(file=out, width=200, highlight=False, emoji=False)
            for part in show(found):
                console.print(part)
            printed = out.getvalue() + capsys.readouterr().out
            assert not {"\x1b", "\x07", "\x9b"} & set(printed), (path, value)
    assert taken > 10
