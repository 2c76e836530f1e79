"""`framezero status` against a real mosquitto."""

import asyncio
import io
import json
import signal
import sys
from typing import Any

import pytest
from brokers import Mosquitto, free_port
from fake_venue import BOOT, connected, framezero, now_us, presence, retain, status, told
from rich.console import Console

from agent.control.status import Wall as Seen
from agent.control.status import clock_warning, exit_code, head, page
from agent.messages import Refusal, encode
from agent.told import ErrorWindow, Fetching, SelfTest
from agent.units import US_PER_S, UtcUs, parse_utc

NOON = parse_utc("2025-06-02T12:00:00Z")


async def keep(broker: Mosquitto, venue: str, *, age_s: float = 0, **more: Any) -> None:
    await retain(broker, "cue/_hello", b"{}")
    await retain(broker, f"venue/{venue}/presence", encode(presence(venue)))
    at = UtcUs(now_us() - round(age_s * US_PER_S))
    await retain(broker, f"venue/{venue}/status", encode(status(venue, at=at, **more)))


async def test_all_ready_is_good(mosquitto: Mosquitto) -> None:
    await keep(mosquitto, "tokyo")
    await keep(mosquitto, "paris", state="playing", program="reel", rev=3, item=1, frame=370, position_us=1)
    code, out, err = await framezero("status", "--broker", mosquitto.url)
    assert code == 0, out + err
    assert "reel r3 #1 f370" in out and "±8.2 ms (0.25 f)" in out and "play in 1 m 2" in out
    assert err == ""


async def test_one_that_is_not_ready_is_no_go(mosquitto: Mosquitto) -> None:
    await keep(mosquitto, "tokyo")
    await keep(mosquitto, "paris", ready=False)
    code, out, _ = await framezero("status", "--broker", mosquitto.url)
    assert code == 1
    assert "NO-GO film_missing" in out and "paris: film_missing – koi.mp4 is not here; wait for it" in out


async def test_an_old_status_is_silence(mosquitto: Mosquitto) -> None:
    await keep(mosquitto, "tokyo")
    await keep(mosquitto, "paris", age_s=60, ready=False)
    code, out, _ = await framezero("status", "--json", "--broker", mosquitto.url)
    found = {row["venue"]: row["silent"] for row in told(out)["venues"]}
    assert (code, found) == (3, {"tokyo": False, "paris": True})
    await keep(mosquitto, "tokyo")
    code, out, _ = await framezero("status", "--broker", mosquitto.url)
    assert "paris: SILENT – no status for 1 m " in out and "tokyo: SILENT" not in out


async def test_a_venue_that_only_left_its_presence_is_silent(mosquitto: Mosquitto) -> None:
    await retain(mosquitto, "venue/oslo/presence", encode(presence("oslo", online=False)))
    code, out, _ = await framezero("status", "--broker", mosquitto.url)
    assert code == 3
    assert "offline" in out


async def test_a_heartbeat_outweighs_a_host_clock_that_is_off(mosquitto: Mosquitto) -> None:
    """The venue's statuses look a minute old to this host, but one comes while we listen: it is alive."""
    await keep(mosquitto, "tokyo", age_s=60)

    async def beat() -> None:
        async with connected(mosquitto) as client:
            while True:
                at = UtcUs(now_us() - 60 * US_PER_S)
                payload = encode(status("tokyo", at=at))
                await client.publish("framezero/v1/venue/tokyo/status", payload, qos=1, retain=True)
                await asyncio.sleep(0.3)

    beating = asyncio.create_task(beat())
    code, out, _ = await framezero("status", "--json", "--broker", mosquitto.url)
    beating.cancel()
    found = told(out)
    assert (code, found["venues"][0]["silent"]) == (0, False)
    assert any("this host's clock" in warning for warning in found["warnings"])


async def test_a_status_from_the_future_does_not_prove_life(mosquitto: Mosquitto) -> None:
    await keep(mosquitto, "tokyo", age_s=-60)
    code, _, _ = await framezero("status", "--broker", mosquitto.url)
    assert code == 3


async def test_nothing_there_and_no_broker(mosquitto: Mosquitto) -> None:
    code, _, err = await framezero("status", "--broker", mosquitto.url)
    assert (code, "no venue has left a trace" in err) == (3, True)
    code, _, err = await framezero("status", "--broker", f"mqtt://127.0.0.1:{free_port()}")
    assert (code, "nobody listens" in err) == (4, True)


async def test_a_status_that_cannot_be_read_is_said(mosquitto: Mosquitto) -> None:
    await keep(mosquitto, "tokyo")
    await retain(mosquitto, "venue/oslo/status", b'{"v": 1}')
    code, _, err = await framezero("status", "--broker", mosquitto.url)
    assert code == 0
    assert "venue/oslo/status cannot be read" in err


@pytest.mark.timeout(180)
async def test_watching_draws_again_and_survives_the_broker(mosquitto: Mosquitto) -> None:
    await keep(mosquitto, "tokyo")
    arguments = ("-m", "agent.cli", "status", "--watch", "--json", "--broker", mosquitto.url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    stdout, stderr = process.stdout, process.stderr
    assert stdout is not None and stderr is not None

    async def line_where(connected_now: bool) -> None:
        while line := await stdout.readline():
            if json.loads(line)["brokers"][mosquitto.url] is connected_now:
                return
        raise AssertionError(f"it ended by itself: {(await stderr.read()).decode()}")

    try:
        # Only what is drawn counts here, however long a busy machine takes for it.
        async with asyncio.timeout(100):
            for connected_now, change in ((True, mosquitto.stop), (False, mosquitto.start), (True, None)):
                await line_where(connected_now)
                if change is not None:
                    change()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
    # To the end of the pipes at once: one that is full would keep it from ending.
    _, err = await process.communicate()
    assert (process.returncode, err) == (130, b"")


def shown(walls: list[Seen], width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(page(walls, now_us(), width))
    return console.export_text()


def test_80_columns_hold_every_venue_and_code_whole() -> None:
    missing = [Refusal(code=code, detail=f"{code}: mend it") for code in ("film_missing", "display_absent")]
    busy: dict[str, Any] = {
        "state": "starting",
        "program": "winners-reel",
        "rev": 13,
        "item": 2,
        "frame": 12345,
        "error_us": ErrorWindow(median=-12180, p99=29000, window_s=60),
    }
    for first in (0, 1):
        reasons = missing[first:] + missing[:first]
        walls = [
            Seen("tokyo-shibuya", None, status("tokyo-shibuya", ready=False, reasons=reasons, **busy), False, 0, 0),
            Seen("hongkong-central", None, status("hongkong-central", **busy), False, 0, 0),
            Seen("paris", None, status("paris"), True, 60 * US_PER_S),
        ]
        lines = shown(walls, 80).splitlines()
        (tokyo,) = [line for line in lines if line.startswith("tokyo-shibuya ")]
        assert f"NO-GO {reasons[0].code} +1" in tokyo and "±8.2 ms" in tokyo
        assert "…" not in "".join(lines)
        assert "next: play in 1 m 2" in "".join(lines) and "next:" not in shown(walls, 160)
        assert sum(line.startswith("hongkong-central ") for line in lines) == 1
        assert sum(line.startswith("paris ") and "SILENT" in line for line in lines) == 1
        for reason in missing:
            assert f"tokyo-shibuya: {reason.code} – {reason.detail}" in lines
    assert "winners-reel r13 #2 f12345" in shown(walls, 160)


def test_a_lost_broker_stands_above_the_table() -> None:
    live = Seen("tokyo", None, status("tokyo"), False, 90 * US_PER_S, 3 * US_PER_S)
    brokers = {"mqtt://a:1": True, "mqtt://b:1": False}
    lines = [str(line) for line in head([live], NOON, brokers, {"mqtt://b:1": "nobody listens"})]
    assert lines[0] == "framezero status · 2025-06-02T12:00:00Z"
    assert lines[1] == "no connection to mqtt://b:1: nobody listens"
    assert "this host's clock" in lines[2]
    assert " 3 s " in shown([live], 80)  # since it was heard, whatever the clocks say


def test_a_panic_is_shown_with_its_age_and_unsigned_venues_are_shouted() -> None:
    now = now_us()
    raised = status("tokyo", panic="some-id", panic_issued=UtcUs(now - 90 * US_PER_S), unsigned=True)
    older = status("paris", panic="some-id", unsigned=False)  # an agent that does not tell when
    text = shown([Seen("tokyo", None, raised, False, 0), Seen("paris", None, older, False, 0)], 80)
    assert "PANIC some-id, raised 1 m 30 s ago – tokyo" in text
    assert "PANIC some-id – paris" in text
    assert "UNSIGNED, takes cues from anybody: tokyo\n" in text


def test_what_a_venue_says_cannot_draw_on_the_terminal() -> None:
    evil = "\x1b[2J\x9b31mall \u202eready[/red][bold]:warning:"
    reasons = [Refusal(code=evil, detail=evil)]
    told_evil = status("tokyo", ready=False, reasons=reasons, panic=evil)
    for width in (80, 160):
        text = shown([Seen(evil, None, told_evil, False, 0), Seen("oslo", None, None, True, None)], width)
        assert "\x1b[2J" not in text and "\x9b" not in text and "\u202e" not in text
        assert "all ready[/red][bold]:warning:" in text


def test_what_is_amiss_and_keeps_nothing_from_being_shown_is_said() -> None:
    warning = Refusal(code="metrics", detail="metrics.listen 127.0.0.1:1 cannot be used; name a free address")
    text = shown([Seen("tokyo", None, status("tokyo", warnings=[warning]), False, 0)], 120)
    assert "tokyo: metrics – metrics.listen 127.0.0.1:1 cannot be used" in text


def test_what_a_player_found_of_itself_stands_below_with_what_mends_it() -> None:
    def found(verdict: str, code: str, mend: str) -> dict[str, str]:
        return {"area": "broker", "verdict": verdict, "code": code, "what": f"[red]{code}", "mend": mend}

    some = [found("fault", "ended", "certify renew tokyo"), found("warning", "key_rights", "chmod 600 k")]
    test = SelfTest.model_validate({"time": None, "good": 9, "warnings": 1, "faults": 3, "findings": some})
    text = shown([Seen("tokyo", None, status("tokyo", self_test=test), False, 0)], 120)
    assert "tokyo: self-test, ended – [red]ended → certify renew tokyo" in text
    assert "tokyo: self-test – 2 more: framezero check" in text
    assert "tokyo: self-test – 1 to look at: key_rights; framezero check there" in text
    good = test.model_copy(update={"warnings": 0, "faults": 0, "findings": []})
    assert "self-test" not in shown([Seen("tokyo", None, status("tokyo", self_test=good), False, 0)], 120)
    assert "self-test" not in shown([Seen("tokyo", None, status("tokyo", self_test=test), True, 0)], 120)


def test_one_film_is_singular() -> None:
    cache = status("tokyo").cache
    for films, text in ((1, "1 film "), (2, "2 films ")):
        told_films = status("tokyo", cache=cache.model_copy(update={"films": films}))
        assert text in shown([Seen("tokyo", None, told_films, False, 0)], 160)


def test_the_table_names_what_an_operator_looks_for() -> None:
    cache = status("tokyo").cache.model_copy(update={"fetching": Fetching(name="k", done=1, size=4)})
    playing = status("tokyo", state="playing", error_us=ErrorWindow(median=180, p99=900, window_s=60), cache=cache)
    walls = [Seen("tokyo", presence("tokyo"), playing, False, 0), Seen("[b]oslo", None, None, True, None)]
    text = shown(walls, 160)
    assert "+0.18 ms / +0.90 ms" in text and "fetching 25 %" in text and "SILENT" in text and "[b]oslo" in text


def test_the_exit_code_never_hides_a_no_go_behind_a_silence() -> None:
    good = Seen("a", None, status("a"), False, 0)
    bad = Seen("b", None, status("b", ready=False), False, 0)
    silent = Seen("c", None, status("c"), True, 0)
    assert [exit_code(walls) for walls in ([good], [good, bad], [bad, silent], [])] == [0, 1, 1, 3]
    assert clock_warning([good]) == ""
    for age_s, heard_s, words in (
        (4, 4, ""),
        (304, 4, "5 m 00 s ahead of the venues'"),
        (-296, 4, "5 m 00 s behind the venues'"),
        (7, 4, "3.0 s ahead of"),
        (7, None, ""),  # a retained one may be as old as that
    ):
        heard_us = None if heard_s is None else heard_s * US_PER_S
        assert words in clock_warning([Seen("a", None, status("a"), False, age_s * US_PER_S, heard_us)])
        assert bool(clock_warning([Seen("a", None, status("a"), False, age_s * US_PER_S, heard_us)])) is bool(words)
    assert BOOT in encode(status("a")).decode()


async def test_a_broker_that_a_venue_misses_is_told_though_it_is_ready(mosquitto: Mosquitto) -> None:
    away = "mqtts://cue-b.example:8883"
    brokers: dict[str, Any] = {
        "brokers": {mosquitto.url: True, away: False},
        "broker_faults": {away: "nobody listens there"},
    }
    await keep(mosquitto, "tokyo", **brokers)
    code, out, _ = await framezero("status", "--broker", mosquitto.url)
    assert code == 0
    assert f"tokyo: broker away – {away}: nobody listens there" in " ".join(out.split())


async def test_an_agent_that_reads_other_messages_than_this_tool_writes_is_named(mosquitto: Mosquitto) -> None:
    await keep(mosquitto, "tokyo")
    await retain(mosquitto, "venue/tokyo/presence", encode(presence("tokyo").model_copy(update={"messages": [2, 3]})))
    _, out, _ = await framezero("status", "--broker", mosquitto.url)
    assert "tokyo: version – its agent reads messages of version 2, 3, this tool writes 1" in " ".join(out.split())
