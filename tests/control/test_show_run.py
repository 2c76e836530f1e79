"""`framezero show run` as an operator has it: keys on a terminal, cues on a broker."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from brokers import Mosquitto
from fake_venue import framezero, now_us, polled, retain, retained, venue, whole_way
from terminal import Terminal
from test_control_cue import keep_program

from agent.control.cue import build
from agent.control.draft import Draft
from agent.control.panic import build_panic
from agent.messages import Cue, Lift, Panic, Stop, decode, encode
from agent.units import US_PER_S, UtcUs

SHOW = """
show = "demo"
title = "Koi night"
min_gap = "30s"
lead = "1s"
[[venue]]
id = "tokyo"
city = "Tokyo"
[[cue]]
id = "1"
name = "Black"
action = "black"
[[cue]]
id = "2"
name = "Reel"
action = "play"
program = "reel"
[rehearsal]
show = "dry-run"
"""


@asynccontextmanager
async def desk(broker: Mosquitto, folder: Path, *more: str, lead: str = "1s") -> AsyncIterator[Terminal]:
    (folder / "show.toml").write_text(SHOW.replace('lead = "1s"', f'lead = "{lead}"'))
    terminal = Terminal(
        ["show", "run", str(folder / "show.toml"), "--broker", broker.url, "--as", "anna@control-hk", *more]
    )
    try:
        await terminal.shows("SPACE GO")
        yield terminal
    finally:
        terminal.close()


async def kept(broker: Mosquitto) -> list[Cue]:
    found = [decode(Cue, payload) for topic, payload, _ in await retained(broker, "cue/+") if "_hello" not in topic]
    return [cue for cue in found if isinstance(cue, Cue)]


async def test_go_panic_and_leaving_by_keys(mosquitto: Mosquitto, tmp_path: Path) -> None:
    mosquitto.hello()
    await keep_program(mosquitto, 3)
    async with venue(mosquitto, "tokyo", whole_way, poll=polled()) as got:
        async with desk(mosquitto, tmp_path) as terminal:
            assert "Koi night" in terminal.said and "STANDBY 1" in terminal.said
            place = await terminal.shows("1/1 ready")
            terminal.press(" ")
            place = await terminal.shows("sent: 1 Black", place)
            await terminal.shows("STANDBY 2", place)
            (cue,) = await kept(mosquitto)
            assert (cue.do.action, cue.by, cue.label) == ("black", "anna@control-hk", "1 Black")
            terminal.press("p")
            place = await terminal.shows("PANIC?", place)
            terminal.press("x")
            place = await terminal.shows("panic: not done", place)
            terminal.press("\x1b[200~p y py\x1b[201~")  # pasted
            assert await retained(mosquitto, "panic") == [], "one key, a pasted text: no panic"
            terminal.press("py")
            place = await terminal.shows("PANIC to black", place)
            ((_, payload, _),) = await retained(mosquitto, "panic")
            panic = decode(Panic, payload)
            assert isinstance(panic, Panic) and panic.by == "anna@control-hk"
            place = await terminal.shows("holds, raised", place)
            terminal.press("l")
            place = await terminal.shows("the panic is lifted", place)
            ((_, payload, _),) = await retained(mosquitto, "panic")
            assert isinstance(decode(Lift, payload), Lift)
            terminal.press("q")
            await terminal.shows("QUIT?", place)
            terminal.press("y")
            assert await terminal.ended() == 0
            assert terminal.mode == terminal.before, "the terminal is as it was"
            assert "\x1b[?1049l" in terminal.text, "and off its second page"
        assert [each.label for each in got] == ["1 Black"]


async def test_a_second_go_within_the_gap_is_refused_and_a_held_key_is_one_press(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    mosquitto.hello()
    (tmp_path / "show.toml").write_text(SHOW)
    async with desk(mosquitto, tmp_path) as terminal:
        terminal.press("    ")
        await terminal.shows("the key was held down")
        place = await terminal.shows("LAST 1 Black")
        assert len(await kept(mosquitto)) == 1
        now = UtcUs(now_us())
        ben = build(Draft(Stop(action="stop")), show="demo", venues=["*"], at=now, now=now, by="ben@paris")
        await retain(mosquitto, f"cue/{ben.cue}", encode(ben))
        place = await terminal.shows("ben@paris: stop", place)
        _, listed, _ = await framezero("cue", "list", "--show", "demo", "--broker", mosquitto.url)
        assert "ben@paris" in listed and "1 Black" in listed and "anna@control-hk" in listed
        await asyncio.sleep(0.8)  # a key that comes sooner is one that is held down
        terminal.press(" ")
        place = await terminal.shows("ben@paris sent a cue", place)
        assert len(await kept(mosquitto)) == 2
        terminal.process.send_signal(signal.SIGTERM)
        assert await terminal.ended() == 0
        assert terminal.mode == terminal.before


async def test_a_panic_waits_for_no_key_pressed_by_mistake_and_of_two_a_number_lifts_one(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    mosquitto.hello()
    async with desk(mosquitto, tmp_path) as terminal:
        terminal.press("bp")
        place = await terminal.shows("PANIC?")
        terminal.press("y")
        place = await terminal.shows("PANIC to black; l lifts it", place)
        ben = build_panic("slate", show="demo", venues=["tokyo"], now=UtcUs(now_us() - US_PER_S), by="ben@paris")
        await retain(mosquitto, f"panic/{ben.panic}", encode(ben))
        place = await terminal.shows("holds (+1)", place)
        terminal.press("l")
        place = await terminal.shows("2 panics hold; press the number", place)
        number = terminal.said.rsplit(" to slate on tokyo by ben@paris", 1)[0][-1]
        terminal.press(number)
        place = await terminal.shows("the panic is lifted", place)
        ((_, payload, _),) = await retained(mosquitto, f"panic/{ben.panic}")
        assert isinstance(decode(Lift, payload), Lift)
        terminal.press("l")
        async with asyncio.timeout(30):
            while not all(
                isinstance(decode(Lift, payload), Lift) for _, payload, _ in await retained(mosquitto, "panic/+")
            ):
                pass


async def test_a_lost_broker_a_window_of_another_size_and_a_terminal_that_is_gone(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    mosquitto.hello()
    async with desk(mosquitto, tmp_path, lead="60s") as terminal:
        terminal.press(" ")
        place = await terminal.shows("sent: 1 Black")
        place = await terminal.shows("T−00:5", place)
        terminal.resize(50, 14)
        place = await terminal.shows("T−00:5", place)
        mosquitto.stop()
        place = await terminal.shows("no connection to", place)
        terminal.press("py")
        await terminal.shows("no broker is connected", place)
        terminal.hang_up()
        terminal.process.send_signal(signal.SIGHUP)
        assert await terminal.ended() in (0, 120), "120: what it would still say reaches nobody"


async def test_go_goes_in_spite_of_a_wall_that_is_not_ready_and_says_so(mosquitto: Mosquitto, tmp_path: Path) -> None:
    mosquitto.hello()
    async with venue(mosquitto, "tokyo", poll=polled(go=False)), desk(mosquitto, tmp_path) as terminal:
        await terminal.shows("NO-GO 0/1 ready")
        terminal.press(" ")
        await terminal.shows("but: 1 of 1 walls were not ready: Tokyo film_missing")
        assert [cue.label for cue in await kept(mosquitto)] == ["1 Black"]


async def test_a_rehearsal_says_so_and_goes_to_its_own_show(mosquitto: Mosquitto, tmp_path: Path) -> None:
    mosquitto.hello()
    async with desk(mosquitto, tmp_path, "--rehearse") as terminal:
        assert "REHEARSAL" in terminal.said
        terminal.press(" ")
        await terminal.shows("sent: 1 Black")
        assert [cue.show for cue in await kept(mosquitto)] == ["dry-run"]
        os.kill(terminal.process.pid, signal.SIGINT)
        assert await terminal.ended() == 130
        assert terminal.mode == terminal.before


async def test_it_wants_a_terminal_and_a_file_that_can_be_read(mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "show.toml").write_text(SHOW)
    where = ("--broker", mosquitto.url)
    (tmp_path / "bad.toml").write_text(SHOW.replace("action", "acton"))
    good, bad = str(tmp_path / "show.toml"), str(tmp_path / "bad.toml")
    for (code, _, err), words in zip(
        await asyncio.gather(
            framezero("show", "run", good, *where),
            framezero("show", "run", bad, *where),
            framezero("show", "check", good, "--show", "other", *where),
        ),
        ("framezero cue", "did you mean 'action'?", "the file is for 'demo'"),
        strict=True,
    ):
        assert (code, words in err) == (2, True), err
