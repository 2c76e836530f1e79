"""A desk in a terminal and a board for one show, on a real broker: who goes, who waits, and who sees what was sent."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from brokers import Mosquitto
from fake_venue import ROOT, polled, retained, venue, whole_way
from terminal import Terminal
from test_control_cue import keep_program

from agent.access import Access
from agent.board.engine import Done, Order
from agent.board.live import Choices, Live, topics
from agent.board.snapshot import Board
from agent.control.desk import Desk
from agent.control.link import Link
from agent.control.showfile import parse_show
from agent.messages import Cue, decode

SHOW = """
show = "demo"
min_gap = "90s"
lead = "1s"
quick_lead = "1s"
[[cue]]
id = "1"
name = "Reel"
action = "play"
program = "reel"
loop = true
[[cue]]
id = "2"
name = "End"
action = "stop"
"""
ANNA, BEN = "anna@terminal", "ben@board"


@asynccontextmanager
async def board(broker: Mosquitto) -> AsyncIterator[Live]:
    async with Link([Access(broker.url)], ROOT, topics("demo"), patient=True) as link:
        made = Live(link, Desk(parse_show(SHOW.encode(), "show.toml"), BEN), Choices(pictures_s=0))
        async with made.running():
            yield made


@asynccontextmanager
async def terminal(broker: Mosquitto, folder: Path) -> AsyncIterator[Terminal]:
    (folder / "show.toml").write_text(SHOW)
    arguments = ["show", "run", str(folder / "show.toml"), "--broker", broker.url, "--as", ANNA]
    made = Terminal(arguments, columns=160, lines=50)
    try:
        await made.shows("SPACE GO")
        yield made
    finally:
        made.close()


async def until(made: Live, condition: Callable[[Board], bool]) -> Board:
    found = made.board
    async with asyncio.timeout(60):
        while not condition(found):
            found = await made.changed(found)
    return found


async def said(made: Live, by: str, what: str) -> None:
    await until(made, lambda board: any(one.by == by and what in one.what for one in board.said))


async def done(made: Live, order: Order) -> Done:
    found = await made.do(order, "operator")
    assert found.good, found.text
    return found


async def gos(broker: Mosquitto) -> list[Cue]:
    found = [decode(Cue, payload) for topic, payload, _ in await retained(broker, "cue/+") if "_hello" not in topic]
    return [cue for cue in found if isinstance(cue, Cue) and cue.label == "1 Reel"]


@pytest.mark.needs("mosquitto")
async def test_of_a_terminal_and_a_board_one_goes_and_each_sees_what_the_other_does(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    mosquitto.hello()
    await keep_program(mosquitto, 3)
    async with (
        venue(mosquitto, "tokyo", whole_way, poll=polled()),
        board(mosquitto) as page,
        terminal(mosquitto, tmp_path) as desk,
    ):
        await until(page, lambda board: any(broker.up for broker in board.brokers) and bool(board.rows))
        desk.press(" ")
        pressed = await page.do(Order("go"), "operator")
        board_seen = await until(page, lambda board: any("1 Reel" in one.what for one in board.said))
        (went,) = await gos(mosquitto)
        assert pressed.good is (went.by == BEN)
        assert [one.by for one in board_seen.said if "1 Reel" in one.what] == [went.by]
        await desk.shows(f"LAST 1 Reel by {went.by}")
        await desk.shows("STANDBY 2")
        if went.by == BEN:
            place = await desk.shows(f"{BEN} pressed GO '1 Reel'")
        else:
            assert f"{ANNA} pressed GO '1 Reel'" in pressed.text
            place = await desk.shows("sent: 1 Reel")
        # Of both a second one is refused with whom.
        again = await page.do(Order("go"), "operator")
        assert not again.good
        assert ("you" if went.by == BEN else ANNA) + " pressed GO '1 Reel'" in again.text
        await asyncio.sleep(0.8)  # a key that comes sooner is one that is held down
        desk.press(" ")
        await desk.shows(("you" if went.by == ANNA else BEN) + " pressed GO '1 Reel'", place)
        assert len(await gos(mosquitto)) == 1

        # What is no GO waits for nobody, and the other sees it.
        held = await done(page, Order("hold"))
        place = await desk.shows(f"{BEN}: hold")
        await until(page, lambda board: any(coming.cue == held.cue for coming in board.coming))
        desk.press("r")
        await said(page, ANNA, "resume")
        await done(page, Order("black"))
        place = await desk.shows(f"{BEN}: black", place)
        desk.press("sy")
        await said(page, ANNA, "stop")
        await done(page, Order("panic"))
        place = await desk.shows("PANIC to black holds", place)
        place = await desk.shows(f"by {BEN}", place)
        desk.press("l")
        await until(page, lambda board: not board.panics)
        await said(page, ANNA, "lift")
        desk.press("py")
        board_seen = await until(page, lambda board: bool(board.panics))
        assert board_seen.panics[0].by == ANNA
        await done(page, Order("lift", panic=board_seen.panics[0].panic))
        await desk.shows(f"{BEN}: panic lifted", place)
