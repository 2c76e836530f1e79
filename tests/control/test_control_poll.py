"""`framezero poll` against a real mosquitto and venues that are only messages."""

import io
from typing import Any

import pytest
from brokers import Mosquitto, MosquittoFactory, free_port
from fake_venue import (
    connected,
    framezero,
    now_us,
    polled,
    presence,
    retain,
    retained,
    told,
    venue,
)
from rich.console import Console
from test_control_cue import keep_program

from agent.answered import Answer, Poll, Reason
from agent.control.poll import Polled, build_ask, judge, page
from agent.control.view import View
from agent.messages import Ask, Refusal, decode, encode
from agent.received import Received

URL = "mqtt://a:1"


async def test_all_go(mosquitto: Mosquitto) -> None:
    async with venue(mosquitto, "tokyo", poll=polled()), venue(mosquitto, "paris", poll=polled()):
        code, out, err = await framezero("poll", "reel", "--broker", mosquitto.url)
    assert code == 0, out + err
    assert "GO: 2 of 2" in out and "r3 12/12 48.3 GB" in out and "±8.2 ms" in out and "88 GB" in out
    assert "no broker keeps program 'reel'" in err


async def test_a_no_go_has_its_reason_and_outranks_a_silence_that_is_named(mosquitto: Mosquitto) -> None:
    await retain(mosquitto, "venue/oslo/presence", encode(presence("oslo", online=False)))
    await retain(mosquitto, "venue/rome/presence", encode(presence("rome")))
    async with venue(mosquitto, "tokyo", poll=polled()), venue(mosquitto, "paris", poll=polled(go=False)):
        code, out, _ = await framezero("poll", "reel", "--json", "--broker", mosquitto.url)
        found = told(out)
        assert (code, found["exit"], found["go"]) == (1, 1, False)
        assert {row["venue"]: row["verdict"] for row in found["venues"]} == {
            "oslo": "silent",
            "paris": "no-go",
            "rome": "silent",
            "tokyo": "go",
        }
        code, out, _ = await framezero("poll", "reel", "--broker", mosquitto.url)
    assert "paris: film_missing – koi.mp4 is being fetched" in out
    assert "rome: SILENT – no answer" in out and "oslo: SILENT – offline" in out
    assert "NO-GO: 1 of 4 go, 1 no-go, 2 silent" in out


async def test_silence_alone_is_exit_3_and_nobody_is_too(mosquitto: Mosquitto) -> None:
    code, out, _ = await framezero("poll", "reel", "--broker", mosquitto.url)
    assert (code, "no venue is known" in out) == (3, True)
    async with venue(mosquitto, "tokyo", poll=polled()), venue(mosquitto, "paris"):
        code, out, _ = await framezero("poll", "reel", "--broker", mosquitto.url)
        assert (code, "paris: SILENT" in out) == (3, True)
        code, out, _ = await framezero("poll", "reel", "--venues", "tokyo", "--broker", mosquitto.url)
        assert (code, "paris" in out) == (0, False)


async def test_an_ask_leaves_nothing_at_the_broker_and_ends_soon(mosquitto: Mosquitto) -> None:
    async with connected(mosquitto) as client:
        await client.subscribe("framezero/v1/ask/+", qos=1)
        await framezero("poll", "reel", "--rev", "2", "--venues", "tokyo,paris", "--broker", mosquitto.url)
        asks = [await anext(client.messages) for _ in range(2)]
    assert sorted(str(ask.topic) for ask in asks) == ["framezero/v1/ask/paris", "framezero/v1/ask/tokyo"]
    for message in asks:
        assert (message.retain, message.qos) == (False, 1)
        properties: Any = message.properties
        assert properties.MessageExpiryInterval <= 10
        assert isinstance(message.payload, bytes)
        ask = decode(Ask, message.payload)
        assert isinstance(ask, Ask)
        assert (ask.program, ask.rev, ask.want) == ("reel", 2, "poll")
        assert ask.issued is not None and abs(ask.issued - now_us()) < 60_000_000
    assert await retained(mosquitto, "ask/+") == []


async def test_a_venue_that_knows_an_older_revision_than_the_broker_is_no_go(mosquitto: Mosquitto) -> None:
    await keep_program(mosquitto, 3, 4)
    async with venue(mosquitto, "tokyo", poll=polled(rev=4)), venue(mosquitto, "paris", poll=polled(rev=3)):
        code, out, err = await framezero("poll", "reel", "--broker", mosquitto.url)
        assert (code, err) == (1, "")
        assert "paris: program_old – it knows rev 3, and rev 4 is published" in out and "tokyo:" not in out
        code, out, _ = await framezero("poll", "reel", "--rev", "3", "--broker", mosquitto.url)
        assert code == 0, out


async def test_a_broker_that_is_away_or_hangs_does_not_hold_the_answer_up(mosquittos: MosquittoFactory) -> None:
    one, two, hanging = mosquittos(), mosquittos(), mosquittos()
    dead = f"mqtt://127.0.0.1:{free_port()}"
    hanging.pause(True)
    where = [word for url in (dead, hanging.url, one.url, two.url) for word in ("--broker", url)]
    async with venue(one, "tokyo", poll=polled()), venue(two, "paris", poll=polled()):
        code, out, err = await framezero("poll", "reel", *where)
    hanging.pause(False)
    assert code == 0, out + err
    assert "GO: 2 of 2" in out and dead in err and hanging.url in err


async def test_another_show_is_no_go_before_a_cue_is_refused(mosquitto: Mosquitto) -> None:
    async with venue(mosquitto, "tokyo", poll=polled()):
        code, out, _ = await framezero("poll", "reel", "--show", "other", "--broker", mosquitto.url)
        assert (code, "tokyo: show – it plays show 'demo'" in out) == (1, True)


async def test_unsigned_venues_are_shouted_and_refusals_are_no_go(mosquitto: Mosquitto) -> None:
    refused = Refusal(code="old", detail="issued yesterday; look at the clock of the host that asks")
    async with venue(mosquitto, "tokyo", poll=polled(unsigned=True)), venue(mosquitto, "paris", poll=refused):
        code, out, _ = await framezero("poll", "reel", "--broker", mosquitto.url)
    assert code == 1
    assert "UNSIGNED, takes cues from anybody: tokyo" in out and "paris: old – issued yesterday" in out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("Reel!",), "program"),
        (("reel", "--venues", "a/#"), "venues"),
        (("reel", "--venues", ","), "venues"),
        (("reel", "--rev", "0"), "rev"),
    ],
)
async def test_wrong_usage_is_exit_2(arguments: tuple[str, ...], word: str) -> None:
    code, _, err = await framezero("poll", *arguments, "--broker", "mqtt://127.0.0.1:1")
    assert (code, word in err) == (2, True), err


async def test_no_broker_is_exit_4() -> None:
    code, _, err = await framezero("poll", "reel", "--broker", f"mqtt://127.0.0.1:{free_port()}")
    assert (code, "nobody listens" in err) == (4, True)


# --- without a broker -----------------------------------------------------------------------------


def view_of(ask: Ask, **polls: Poll) -> View:
    view = View()
    for name, poll in polls.items():
        view.take(Received(f"venue/{name}/presence", encode(presence(name)), True, URL), 0.0)
        answer = Answer(ask=ask.ask, venue=name, boot=ask.ask, time=ask.issued, want="poll", poll=poll)
        view.take(Received(f"venue/{name}/answer", encode(answer), False, URL), 0.0)
    return view


def drawn(width: int, **polls: Poll) -> str:
    ask = build_ask("reel", None, now_us())
    rows = judge(view_of(ask, **polls), ask, ["*"], None)
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(page(Polled(ask, rows, [], [], 0.1), width))
    return console.export_text()


def test_80_columns_hold_every_venue_and_verdict_whole_and_120_the_rest() -> None:
    names = ("hongkong-causeway-bay", "shanghai-nanjing-road", "tokyo-shibuya")
    polls = dict(zip(names, (polled(), polled(go=False), polled()), strict=True))
    narrow, wide = drawn(80, **polls), drawn(120, **polls)
    for text, width in ((narrow, 80), (wide, 120)):
        lines = text.splitlines()
        assert max(map(len, lines)) <= width
        for name in names:
            (row,) = [line for line in lines if line.startswith(f"{name} ")]
            assert "GO" in row and "±8.2 ms" in row and "r3 1" in row
    assert "1920x1080@60" in wide and "play in 1 m" in wide


def test_what_a_venue_answers_cannot_draw_on_the_terminal() -> None:
    evil = "\x1b[2J\x1b]0;x\x07[/red]\u202e"
    bad = polled(go=False, reasons=[Reason(question="films", code=evil, detail=evil)], display=evil)
    text = drawn(160, tokyo=bad)
    assert "\x1b[2J" not in text and "\u202e" not in text and "[/red]" in text


def test_the_newest_revision_that_any_venue_knows_is_asked_of_all() -> None:
    ask = build_ask("reel", None, now_us())
    rows = judge(view_of(ask, a=polled(rev=2), b=polled(rev=3)), ask, ["*"], None)
    assert [(row.venue, row.verdict) for row in rows] == [("a", "no-go"), ("b", "go")]
    pinned = build_ask("reel", 2, now_us())
    rows = judge(view_of(pinned, a=polled(rev=2), b=polled(rev=3)), pinned, ["*"], None)
    assert [row.verdict for row in rows] == ["go", "go"]
