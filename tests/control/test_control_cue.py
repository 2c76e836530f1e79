"""`framezero cue` against a real mosquitto and venues that are only messages."""

import asyncio
import json
import re
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from brokers import Mosquitto, MosquittoFactory, free_port
from fake_venue import connected, framezero, not_ready, presence, refused, retain, retained, told, venue, whole_way
from typer.testing import CliRunner

from agent.control.cli import app_cue
from agent.control.cue import build, cue_id
from agent.control.draft import CueError, Draft
from agent.messages import Cue, Play, Stop, decode, encode
from agent.programs import Item, Program
from agent.units import US_PER_S, UtcUs, format_utc

SHOW = ("--show", "demo")


def program(rev: int = 1) -> Program:
    item = Item(
        name="a.mp4",
        sha256="ab" * 32,
        size=1,
        codec="h264",
        width=2,
        height=2,
        fps="30",
        frames=300,
        sound=False,
        urls=["http://127.0.0.1/a"],
    )
    return Program(v=1, program="reel", rev=rev, show="demo", issued=UtcUs(0), items=[item])


async def keep_program(broker: Mosquitto, *revs: int) -> None:
    for rev in revs:
        await retain(broker, f"program/reel/{rev}", encode(program(rev)))


async def test_play_pins_the_newest_revision_and_shows_every_venue(mosquitto: Mosquitto) -> None:
    await keep_program(mosquitto, 2, 10, 9)
    async with venue(mosquitto, "tokyo") as got, venue(mosquitto, "paris", zone="Europe/Paris"):
        code, out, err = await framezero("cue", "play", "reel", "--loop", "--broker", mosquitto.url, *SHOW)
    assert code == 0, out + err
    (cue,) = got
    assert isinstance(cue.do, Play)
    assert (cue.do.rev, cue.do.loop, cue.venues, cue.show) == (10, True, ["*"], "demo")
    assert format_utc(cue.at) in out and "JST" in out and ("CEST" in out or "CET" in out)
    assert "tokyo" in out and "paris" in out
    ((topic, payload, properties),) = [kept for kept in await retained(mosquitto, "cue/+") if "_hello" not in kept[0]]
    assert topic == f"cue/{cue.cue}" and decode(Cue, payload) == cue
    rest_s = (cue.expires - cue.issued) / US_PER_S
    assert rest_s - 60 < properties.MessageExpiryInterval <= rest_s == 8 * 86_400


async def test_not_ready_is_no_go_with_its_reason(mosquitto: Mosquitto) -> None:
    async with venue(mosquitto, "tokyo"), venue(mosquitto, "paris", not_ready):
        code, out, _ = await framezero("cue", "stop", "--broker", mosquitto.url, *SHOW)
    assert code == 1
    assert "NO-GO, not ready: paris" in out
    assert re.search(r"paris .*NO-GO.* film_missing", out)
    assert "paris: koi.mp4 is not here; wait for it" in out


async def test_a_silent_venue_is_named_at_the_timeout(mosquitto: Mosquitto) -> None:
    await retain(mosquitto, "venue/paris/presence", encode(presence("paris", online=False)))
    async with venue(mosquitto, "tokyo"):
        began = time.monotonic()
        code, out, _ = await framezero("cue", "stop", "--timeout", "1s", "--broker", mosquitto.url, *SHOW)
    assert code == 3
    assert "SILENT, no answer: paris" in out
    assert time.monotonic() - began < 8


async def test_a_refusal_is_bad(mosquitto: Mosquitto) -> None:
    async with venue(mosquitto, "tokyo", refused):
        code, out, _ = await framezero("cue", "black", "--broker", mosquitto.url, *SHOW)
    assert code == 1
    assert "refused" in out and "another show" in out
    assert "BAD, refused, missed or overtaken: tokyo" in out


async def test_waiting_for_started_shows_the_error_reached(mosquitto: Mosquitto) -> None:
    async with venue(mosquitto, "tokyo", whole_way):
        code, out, _ = await framezero("cue", "stop", "--wait", "started", "--json", "--broker", mosquitto.url, *SHOW)
    found = told(out)
    assert (code, found["exit"]) == (0, 0)
    (row,) = found["venues"]
    assert (row["verdict"], row["ack"]["stage"], row["ack"]["error_us"]) == ("ok", "started", 180)


async def test_a_venue_that_only_accepts_is_late_when_more_was_wanted(mosquitto: Mosquitto) -> None:
    async with venue(mosquitto, "tokyo"):
        code, out, _ = await framezero(
            "cue", "stop", "--wait", "armed", "--timeout", "500ms", "--broker", mosquitto.url, *SHOW
        )
    assert code == 3
    assert "LATE, not armed yet: tokyo" in out


async def test_groups_and_names_say_who_is_expected(mosquitto: Mosquitto) -> None:
    async with venue(mosquitto, "tokyo", groups=("asia",)), venue(mosquitto, "paris"):
        code, out, _ = await framezero(
            "cue", "stop", "--venues", "@asia,oslo", "--timeout", "1s", "--json", "--broker", mosquitto.url, *SHOW
        )
    found = {row["venue"]: row["verdict"] for row in told(out)["venues"]}
    # paris answers in this test although it was not meant, and is shown because it did.
    assert (code, found) == (3, {"tokyo": "ok", "oslo": "silent", "paris": "ok"})


async def test_a_name_or_group_that_nobody_has_is_said_with_the_known_ones(mosquitto: Mosquitto) -> None:
    await retain(mosquitto, "venue/tokyo/presence", encode(presence("tokyo", groups=("asia",))))
    await retain(mosquitto, "venue/paris/presence", encode(presence("paris")))
    for pattern in ("@nogroup", "mars"):
        arguments = ("cue", "stop", "--venues", pattern, "--timeout", "300ms", "--broker", mosquitto.url, *SHOW)
        code, out, err = await framezero(*arguments, "--json")
        warning = f"no venue matches '{pattern}'; known: paris, tokyo, @asia"
        assert (code, warning in told(out)["warnings"]) == (3, True), out
        code, out, err = await framezero(*arguments)
        assert (code, err.count(warning)) == (3, 1), err
        assert "no venue is known" not in out


async def test_local_times_are_those_of_the_venues_addressed(mosquitto: Mosquitto) -> None:
    await retain(mosquitto, "venue/paris/presence", encode(presence("paris", zone="Europe/Paris")))
    async with venue(mosquitto, "tokyo"):
        at = ("--at", "2025-06-02T20:00:00Z")
        code, out, err = await framezero("cue", "stop", "--venues", "tokyo", *at, "--broker", mosquitto.url, *SHOW)
    assert code == 0, out + err
    assert "Tue 2025-06-03 05:00:00 JST  tokyo" in out and "paris" not in out
    assert " h ago)" in out and "newer cue" in err


async def test_nobody_there_is_not_good(mosquitto: Mosquitto) -> None:
    code, out, err = await framezero("cue", "stop", "--timeout", "300ms", "--broker", mosquitto.url, *SHOW)
    assert code == 3
    assert "no venue is known" in out
    assert "_hello did not arrive" in err


async def test_an_unknown_program_is_said(mosquitto: Mosquitto) -> None:
    code, _, err = await framezero("cue", "play", "nothing", "--broker", mosquitto.url, *SHOW)
    assert code == 1
    assert "no broker keeps a program 'nothing'" in err
    assert not await retained(mosquitto, "cue/+")


async def test_an_unknown_revision_is_sent_with_a_warning(mosquitto: Mosquitto) -> None:
    await keep_program(mosquitto, 1)
    async with venue(mosquitto, "tokyo") as got:
        code, _, err = await framezero("cue", "play", "reel", "--rev", "4", "--broker", mosquitto.url, *SHOW)
    assert code == 0
    assert "no broker keeps program 'reel' rev 4, the newest is rev 1" in err
    assert isinstance(got[0].do, Play) and got[0].do.rev == 4


async def test_a_position_behind_the_end_is_refused(mosquitto: Mosquitto) -> None:
    await keep_program(mosquitto, 1)
    code, _, err = await framezero("cue", "play", "reel", "--from", "00:10", "--broker", mosquitto.url, *SHOW)
    assert (code, "lasts 10.0 s" in err) == (2, True)


async def test_an_instant_in_the_past_is_warned_of_and_sent(mosquitto: Mosquitto) -> None:
    async with venue(mosquitto, "tokyo"):
        code, _, err = await framezero("cue", "stop", "--at", "2025-06-02T12:00:00Z", "--broker", mosquitto.url, *SHOW)
    assert code == 0
    assert "in the past" in err


async def test_no_broker_is_exit_4_with_the_reason() -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    code, _, err = await framezero("cue", "stop", "--broker", url, *SHOW)
    assert code == 4
    assert url in err and "nobody listens" in err
    code, out, _ = await framezero("cue", "stop", "--json", "--broker", url, *SHOW)
    assert code == told(out)["exit"] == 4


async def test_one_of_two_brokers_is_enough_and_the_other_is_named(mosquitto: Mosquitto) -> None:
    dead = f"mqtt://127.0.0.1:{free_port()}"
    async with venue(mosquitto, "tokyo"):
        code, out, err = await framezero("cue", "stop", "--broker", dead, "--broker", mosquitto.url, *SHOW)
    assert code == 0, out
    assert dead in err and "nobody listens" in err


async def test_a_venue_at_either_broker_answers_and_duplicates_are_dropped(mosquittos: MosquittoFactory) -> None:
    one, two = mosquittos(), mosquittos()
    async with AsyncExitStack() as stack:
        for broker in (one, two):
            await stack.enter_async_context(venue(broker, "tokyo"))
        await stack.enter_async_context(venue(two, "paris"))
        code, out, _ = await framezero("cue", "stop", "--json", "--broker", one.url, "--broker", two.url, *SHOW)
    assert code == 0
    assert [row["venue"] for row in told(out)["venues"]] == ["paris", "tokyo"]
    assert all(broker["taken"] for broker in told(out)["brokers"])


async def test_a_broker_that_does_not_let_us_cue_says_so(mosquittos: MosquittoFactory, tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read framezero/#\n")
    acl.chmod(0o600)
    broker = mosquittos(f"acl_file {acl}")
    code, out, err = await framezero("cue", "stop", "--broker", broker.url, *SHOW)
    assert code == 1, out
    assert "refused" in err and "access list" in err


async def test_a_broker_that_dies_while_we_wait_is_said(mosquitto: Mosquitto) -> None:
    await retain(mosquitto, "venue/paris/presence", encode(presence("paris")))
    running = asyncio.create_task(framezero("cue", "stop", "--timeout", "60s", "--broker", mosquitto.url, *SHOW))
    async with connected(mosquitto) as client:
        await client.subscribe("framezero/v1/cue/+", qos=1)
        async with asyncio.timeout(20):
            await anext(client.messages)
        mosquitto.stop()
    code, out, err = await asyncio.wait_for(running, 20)
    assert code == 3
    assert "paris" in out and "all brokers were lost" in err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("cue", "stop", "--at", "2025-06-02T12:00:00", *SHOW), "names no zone"),
        (("cue", "stop", "--at", "noon", *SHOW), "not a time"),
        (("cue", "stop", "--in", "soon", *SHOW), "not a length of time"),
        (("cue", "stop", "--in", "5s", "--at", "minute", *SHOW), "not both"),
        (("cue", "stop", "--in", "40d", *SHOW), "30 days"),
        (("cue", "stop", "--venues", "Tokyo!", *SHOW), "--venues 'Tokyo!': a venue or an @group has"),
        (("cue", "stop", "--venues", ",", *SHOW), "--venues names nobody"),
        (("cue", "stop"), "no show is named"),
        (("cue", "stop", "--key", "/nowhere.key", *SHOW), "/nowhere.key: cannot be read"),
        (("cue", "play", "reel", "--from", "x", *SHOW), "not a position"),
        (("cue", "stop", "--wait", "forever", *SHOW), "forever"),
        (("cue", "stop", "--profile", "/nowhere.toml", *SHOW), "--profile"),
        (("status", "--root", "a/#"), "without wildcards"),
    ],
)
async def test_wrong_usage_is_exit_2_with_the_remedy(arguments: tuple[str, ...], word: str) -> None:
    code, _, err = await framezero(*arguments, "--broker", "mqtt://127.0.0.1:1")
    assert (code, word in err) == (2, True), err


def test_every_command_helps_with_an_example() -> None:
    own = {"play": "[the newest]", "panic": "[10s]", "cancel": "[10s]", "list": "--clean"}
    commands = ("play", "stop", "black", "identify", "hold", "resume", "seek", "panic", "cancel", "list")
    for command in commands:
        result = CliRunner().invoke(app_cue, [command, "--help"])  # no process for each: nothing is connected
        assert (result.exit_code, "Example" in result.output) == (0, True)
        for default in ("[framezero/v1]", "[~/.config", own.get(command, "[5s]")):
            assert default in result.output, result.output


def test_later_cue_ids_are_greater() -> None:
    ids = [cue_id(UtcUs(second * US_PER_S)) for second in (0, 1, 1_700_000_000, 1_800_000_000)]
    assert ids == sorted(ids)
    assert all(
        json.loads(encode(build(Draft(Stop(action="stop")), show="a", venues=["*"], at=UtcUs(2), now=UtcUs(1))))
        for _ in ids
    )


def test_a_cue_outlives_its_instant() -> None:
    now, day = UtcUs(0), 86_400 * US_PER_S
    cue = build(Draft(Stop(action="stop")), show="a", venues=["*"], at=UtcUs(20 * day), now=now)
    assert cue.expires > cue.at
    with pytest.raises(CueError):
        build(Draft(Stop(action="stop")), show="a", venues=["*"], at=UtcUs(31 * day), now=now)
