"""The board below the page at real brokers: they go and come, orders are done or refused, the time is asked for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from brokers import Mosquitto, MosquittoFactory
from fake_venue import ROOT, now_us, polled, presence, retain, retained, status, venue
from painter import painter

from agent.access import Access
from agent.board.engine import Order
from agent.board.live import Choices, Live, topics
from agent.board.snapshot import Board
from agent.control.collect import Fetched
from agent.control.desk import Desk
from agent.control.link import Link
from agent.control.showfile import ShowFile, parse_show
from agent.messages import encode
from agent.units import US_PER_S, UtcUs

SHOW = b"""
show = "demo"
[[cue]]
id = "1"
name = "dark"
action = "black"
[[cue]]
id = "2"
name = "slate"
action = "stop"
"""


@asynccontextmanager
async def live(
    *brokers: Mosquitto, file: bytes | None = SHOW, choices: Choices | None = None, rehearsing: bool = False
) -> AsyncIterator[Live]:
    show = parse_show(file, "show.toml") if file else ShowFile.model_construct(show="demo", cue=[])
    desk = Desk(show, "anna", rehearsing=rehearsing)
    access = [Access(broker.url, "", "", "", "", "") for broker in brokers]
    async with Link(access, ROOT, topics(desk.show), patient=True) as link:
        made = Live(link, desk, choices or Choices(pictures_s=0))
        async with made.running():
            yield made


async def until(made: Live, condition: Callable[[Board], bool]) -> Board:
    board = made.board
    async with asyncio.timeout(60):
        while not condition(board):
            board = await made.changed(board)
    return board


@pytest.mark.needs("mosquitto")
async def test_without_a_broker_it_waits_and_says_so_and_is_live_when_one_is_there(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    async with live(mosquitto) as made:
        board = await until(made, lambda board: bool(board.brokers and board.brokers[0].fault))
        assert board.stale_since_us is not None and "is the broker running" in board.brokers[0].fault
        refused = await made.do(Order("black"), "operator")
        assert not refused.good and "no broker" in refused.text
        mosquitto.start()
        await retain(mosquitto, "venue/paris/presence", encode(presence("paris")))
        await retain(mosquitto, "venue/paris/status", encode(status("paris")))
        board = await until(made, lambda board: bool(board.rows) and board.brokers[0].up)
        assert board.stale_since_us is None and board.rows[0].venue == "paris"
        mosquitto.stop()
        board = await until(made, lambda board: board.stale_since_us is not None)
        assert board.rows[0].venue == "paris", "the last that was heard stays"


@pytest.mark.needs("mosquitto")
async def test_what_is_forgotten_while_its_line_was_gone_is_gone(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    for name in ("paris", "tokyo"):
        await retain(mosquitto, f"venue/{name}/presence", encode(presence(name)))
    async with live(mosquitto) as made:
        await until(made, lambda board: len(board.rows) == 2)
        mosquitto.stop()
        mosquitto.forget()
        await until(made, lambda board: board.stale_since_us is not None)
        mosquitto.start()
        mosquitto.hello()
        await retain(mosquitto, "venue/tokyo/presence", encode(presence("tokyo")))
        board = await until(made, lambda board: [row.venue for row in board.rows] == ["tokyo"])
        assert board.brokers[0].up


@pytest.mark.needs("mosquitto")
async def test_a_go_goes_is_seen_by_who_sent_it_and_a_second_one_waits_for_the_gap(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with live(mosquitto) as made:
        board = await until(made, lambda board: any(broker.up for broker in board.brokers))
        assert board.deck.standby == 0 and [line.state for line in board.deck.lines] == ["standby", ""]
        guest = await made.do(Order("go"), "guest")
        assert not guest.good and "guest" in guest.text
        done = await made.do(Order("go"), "operator")
        assert done.good and done.cue, done.text
        board = await until(made, lambda board: bool(board.said) and bool(board.coming))
        assert (board.said[0].what, board.said[0].by, board.said[0].here) == ("GO 1 dark", "anna", True)
        assert (board.coming[0].cue, board.coming[0].label, board.coming[0].by) == (done.cue, "1 dark", "anna")
        assert board.deck.standby == 1 and board.deck.lines[0].cue == done.cue
        assert board.deck.gap_until_us is not None
        again = await made.do(Order("go"), "operator")
        assert not again.good and "between two GOs" in again.text
        assert not (await made.do(Order("go", line=7), "operator")).good
        assert (await made.do(Order("standby", line=0), "operator")).good
        assert (await until(made, lambda board: board.deck.standby == 0)).deck.lines[0].state == "standby"


@pytest.mark.needs("mosquitto")
async def test_of_two_tabs_that_press_at_once_one_goes(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with live(mosquitto) as made:
        await until(made, lambda board: any(broker.up for broker in board.brokers))
        done = await asyncio.gather(*(made.do(Order("go", line=0), "operator") for _ in range(5)))
        assert [one.good for one in done].count(True) == 1, done
        assert all("GO" in one.text for one in done if not one.good), "and the others are told why"
        kept = [topic for topic, _, _ in await retained(mosquitto, "cue/#") if not topic.endswith("_hello")]
        assert len(kept) == 1


@pytest.mark.needs("mosquitto")
async def test_a_rehearsal_is_played_to_its_own_show_alone(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    await retain(mosquitto, "venue/paris/presence", encode(presence("paris")))
    file = SHOW + b'[rehearsal]\nshow = "demo-dry"\n'
    async with live(mosquitto, file=file, rehearsing=True) as made:
        board = await until(made, lambda board: any(broker.up for broker in board.brokers))
        assert board.rehearsing and board.show == "demo-dry" and board.rows == ()
        assert (await made.do(Order("go"), "operator")).good
        assert (await made.do(Order("panic"), "operator")).good
        kept = [body for topic, body, _ in await retained(mosquitto, "cue/#") if not topic.endswith("_hello")]
        kept += [body for _, body, _ in await retained(mosquitto, "panic/#")]
        assert len(kept) >= 2 and all(b'"show":"demo-dry"' in body for body in kept)


@pytest.mark.needs("mosquitto")
async def test_a_panic_holds_until_its_lift(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with live(mosquitto, file=None) as made:
        await until(made, lambda board: any(broker.up for broker in board.brokers))
        no_list = await made.do(Order("go"), "operator")
        assert not no_list.good and "--show-file" in no_list.text
        done = await made.do(Order("panic"), "operator")
        assert done.good, done.text
        board = await until(made, lambda board: bool(board.panics))
        assert (board.panics[0].to, board.panics[0].by) == ("black", "anna")
        assert (await made.do(Order("lift", panic=done.cue), "operator")).good
        await until(made, lambda board: not board.panics)


@pytest.mark.needs("mosquitto")
async def test_a_board_that_only_shows_sends_nothing_for_anybody(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with live(mosquitto, choices=Choices(read_only=True, pictures_s=0)) as made:
        await until(made, lambda board: any(broker.up for broker in board.brokers))
        for deed in ("go", "standby", "hold", "resume", "black", "stop", "panic", "lift", "identify", "picture"):
            done = await made.do(Order(deed, line=1), "operator")
            assert not done.good and "--read-only" in done.text
        await asyncio.sleep(0.5)
        assert made.board.said == ()


@pytest.mark.needs("mosquitto")
async def test_venues_that_are_expected_have_a_place_before_they_are_heard(mosquittos: MosquittoFactory) -> None:
    async with live(mosquittos(), choices=Choices(pictures_s=0, expected=("atlantis",))) as made:
        board = await until(made, lambda board: bool(board.rows))
        assert (board.rows[0].venue, board.rows[0].presence) == ("atlantis", "offline")
        assert "never heard of" in board.cards["atlantis"].silence


@pytest.mark.needs("mosquitto")
async def test_the_walls_know_the_time_where_this_computer_does_not(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong_us = 5 * US_PER_S
    for module in ("agent.board.live", "agent.control.housetime"):
        monkeypatch.setattr(f"{module}.utc_now", lambda: UtcUs(now_us() + wrong_us))
    async with venue(mosquitto, "paris", poll=polled()):
        await retain(mosquitto, "venue/paris/status", encode(status("paris")))
        async with live(mosquitto) as made:
            assert made.clock()[1] is None and not made.board.house.known
            board = await until(made, lambda board: board.house.known)
            assert board.house.venue == "paris"
            utc_us, error_us = made.clock()
            assert error_us is not None and error_us >= 8200, "the wall's own bound is in it"
            assert abs(utc_us - now_us()) <= error_us + 1000
            assert abs(board.house.offset_us + wrong_us) <= error_us + 1000
            assert any("this computer's clock is 5.0 s ahead" in warning for warning in board.warnings)
            before = now_us()
            assert (await made.do(Order("go"), "operator")).good
            board = await until(made, lambda board: bool(board.coming))
            lead_us = parse_show(SHOW, "show.toml").lead
            assert abs(board.coming[0].at_us - before - lead_us) < 2 * US_PER_S, "and so a GO is for the true time"


@pytest.mark.needs("mosquitto")
async def test_pictures_are_asked_for_in_turn_and_kept_and_a_refusal_is_said(mosquitto: Mosquitto) -> None:
    mosquitto.hello()
    async with (
        painter(mosquitto, "paris", b"\xff\xd8\xff paris"),
        painter(mosquitto, "tokyo", None),
        live(mosquitto, choices=Choices(pictures_s=2.0)) as made,
    ):
        board = await until(made, lambda board: bool(board.cards and board.cards["paris"].picture.tag))
        tag, jpeg = made.pictures.jpeg("paris") or ("", b"")
        assert (tag, jpeg) == (board.cards["paris"].picture.tag, b"\xff\xd8\xff paris")
        board = await until(made, lambda board: bool(board.cards["tokyo"].picture.refused))
        assert board.cards["tokyo"].picture.refused == "no display; plug one in"
        assert made.pictures.jpeg("tokyo") is None
        refused = await made.do(Order("picture", venues=("tokyo",)), "operator")
        assert not refused.good


@pytest.mark.needs("mosquitto")
async def test_a_wall_is_asked_for_its_starts_when_it_comes_and_again_where_it_did_not_answer(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SETTLED_S", 0.05), ("BACKFILL_AGAIN_S", 0.1)):
        monkeypatch.setattr(f"agent.board.live.{name}", value)
    asked: asyncio.Queue[str] = asyncio.Queue()
    faults = ["no answer", ""]

    async def fetch(_: Link, venues: list[str], *__: object) -> dict[str, Fetched]:
        asked.put_nowait(venues[0])
        return {venues[0]: Fetched(fault=faults.pop(0) if faults else "")}

    monkeypatch.setattr("agent.control.collect.fetch", fetch)
    mosquitto.hello()

    async def comes(online: bool) -> None:
        await retain(mosquitto, "venue/paris/presence", encode(presence("paris", online=online)))
        await retain(mosquitto, "venue/paris/status", encode(status("paris")))

    async with live(mosquitto) as made, asyncio.timeout(60):
        await comes(True)
        assert [await asked.get(), await asked.get()] == ["paris", "paris"]
        await asyncio.sleep(0.5)
        assert asked.empty(), "what is known is not asked again"
        await comes(False)
        await until(made, lambda board: board.rows[0].presence == "offline")
        await asyncio.sleep(0.5)
        await comes(True)
        assert await asked.get() == "paris", "it may have played on without a line"
