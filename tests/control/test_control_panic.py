"""`framezero cue panic` against a real mosquitto and venues that are only messages."""

import uuid
from pathlib import Path

import pytest
from brokers import Mosquitto, MosquittoFactory, free_port
from fake_venue import framezero, presence, retain, retained, status, told, venue

from agent.messages import Lift, Panic, decode, encode

SHOW = ("--show", "demo")


async def kept(broker: Mosquitto) -> bytes:
    [(_, payload, _)] = await retained(broker, "panic")
    return payload


async def test_a_panic_is_kept_until_it_is_lifted_by_its_id_which_the_tool_finds(mosquitto: Mosquitto) -> None:
    where = ("--broker", mosquitto.url, *SHOW)
    async with venue(mosquitto, "tokyo"), venue(mosquitto, "paris"):
        code, out, err = await framezero("cue", "panic", *where)
        assert code == 0, out + err
        panic = decode(Panic, await kept(mosquitto))
        assert isinstance(panic, Panic)
        assert (panic.to, panic.venues, panic.show) == ("black", ["*"], "demo")
        for words in (
            panic.panic,
            "tokyo",
            "paris",
            "started",
            f"until it is lifted: framezero cue panic --lift {panic.panic}",
        ):
            assert words in out
        code, out, err = await framezero("cue", "panic", "--lift", *where)
        assert code == 0, out + err
        lift = decode(Lift, await kept(mosquitto))
        assert isinstance(lift, Lift)
        assert (lift.lift, lift.venues, "cancelled" in out) == (panic.panic, ["*"], True)
        assert f"lift of panic {panic.panic}, raised " in out
        code, _, err = await framezero("cue", "panic", "--lift", *where)
        assert (code, "no panic holds" in err) == (1, True)
        code, out, _ = await framezero("cue", "panic", "--lift", panic.panic, *where)
        assert code == 0, "named by its id it is lifted whatever is known of it"


async def test_several_panics_and_lifts_are_all_kept_for_a_player_that_comes_later(mosquitto: Mosquitto) -> None:
    where = ("--timeout", "5s", "--broker", mosquitto.url, *SHOW)
    async with venue(mosquitto, "tokyo"):
        for _ in range(2):
            code, out, err = await framezero("cue", "panic", *where)
            assert code == 0, out + err
        panics = {topic: decode(Panic, body) for topic, body, _ in await retained(mosquitto, "panic/+")}
        first, second = sorted(panics)
        assert [f"panic/{found.panic}" for found in panics.values() if isinstance(found, Panic)] == list(panics)
        code, out, err = await framezero("cue", "panic", "--lift", *where)
        assert (code, "more than one panic holds" in err) == (1, True)
        code, out, err = await framezero("cue", "panic", "--lift", first.removeprefix("panic/"), *where)
        assert code == 0, out + err
        kept_now = {topic: body for topic, body, _ in await retained(mosquitto, "panic/+")}
        assert isinstance(decode(Lift, kept_now[first]), Lift) and isinstance(decode(Panic, kept_now[second]), Panic)
        # A lift for one venue of many must not take the panic away from those who come later.
        code, out, err = await framezero("cue", "panic", "--lift", "--venues", "tokyo", *where)
        assert code == 0, out + err
        kept_now = {topic: body for topic, body, _ in await retained(mosquitto, "panic/+")}
        assert isinstance(decode(Panic, kept_now[second]), Panic) and len(kept_now) == 3


async def test_a_broker_that_takes_only_the_common_topic_is_enough_and_said(
    mosquittos: MosquittoFactory, tmp_path: Path
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read framezero/#\ntopic write framezero/v1/panic\ntopic write framezero/v1/venue/#\n")
    acl.chmod(0o600)
    broker = mosquittos(f"acl_file {acl}")
    async with venue(broker, "tokyo"):
        code, out, err = await framezero("cue", "panic", "--broker", broker.url, *SHOW)
    assert code == 0, out + err
    assert "access list" in err


async def test_to_the_slate_on_some_venues_as_json(mosquitto: Mosquitto) -> None:
    arguments = ("cue", "panic", "--to", "slate", "--venues", "tokyo,oslo", "--timeout", "500ms", "--json")
    async with venue(mosquitto, "tokyo"):
        code, out, _ = await framezero(*arguments, "--broker", mosquitto.url, *SHOW)
    found = told(out)
    assert (code, found["exit"], found["panic"]["to"], found["panic"]["venues"]) == (3, 3, "slate", ["tokyo", "oslo"])
    assert {row["venue"]: row["verdict"] for row in found["venues"]} == {"tokyo": "ok", "oslo": "silent"}
    assert any("no venue matches 'oslo'" in warning for warning in found["warnings"])


async def test_what_a_venue_says_it_is_in_can_be_lifted_and_of_two_one_must_be_named(mosquitto: Mosquitto) -> None:
    where = ("--broker", mosquitto.url, *SHOW)
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    async with venue(mosquitto, "tokyo"):
        await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo", panic=one)))
        code, out, _ = await framezero("cue", "panic", "--lift", "--json", *where)
        assert (code, told(out)["lift"]["lift"]) == (0, one)
        await retain(mosquitto, "venue/paris/presence", encode(presence("paris")))
        await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo", panic=one)))
        await retain(mosquitto, "venue/paris/status", encode(status("paris", panic=two)))
        code, _, err = await framezero("cue", "panic", "--lift", *where)
    assert code == 1
    assert one in err and two in err and "name the one" in err


async def test_a_dead_broker_keeps_nobody_waiting_and_every_other_gets_it(mosquittos: MosquittoFactory) -> None:
    first, second = mosquittos(), mosquittos()
    dead = f"mqtt://127.0.0.1:{free_port()}"
    where = [word for url in (dead, first.url, second.url) for word in ("--broker", url)]
    async with venue(first, "tokyo"), venue(second, "paris"):
        code, out, err = await framezero("cue", "panic", *where, *SHOW)
        assert code == 0, out + err
        assert dead in err
        assert decode(Panic, await kept(first)) == decode(Panic, await kept(second))


async def test_a_broker_that_hangs_is_not_waited_for(mosquittos: MosquittoFactory) -> None:
    first, hanging = mosquittos(), mosquittos()
    hanging.pause(True)
    async with venue(first, "tokyo"):
        code, out, err = await framezero(
            "cue", "panic", "--broker", hanging.url, "--broker", first.url, "--timeout", "2s", *SHOW
        )
    hanging.pause(False)
    assert code == 0, out + err
    assert hanging.url in err


async def test_no_broker_is_exit_4() -> None:
    code, _, err = await framezero("cue", "panic", "--broker", f"mqtt://127.0.0.1:{free_port()}", *SHOW)
    assert (code, "nobody listens" in err) == (4, True)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11",), "--lift"),
        (("--lift", "yesterday"), "lift"),
        (("--to", "pink"), "pink"),
        (("--venues", "Tokyo!"), "venues"),
        (("--timeout", "soon"), "not a length of time"),
    ],
)
async def test_wrong_usage_is_exit_2_with_the_remedy(arguments: tuple[str, ...], word: str) -> None:
    code, _, err = await framezero("cue", "panic", *arguments, "--broker", "mqtt://127.0.0.1:1", *SHOW)
    assert (code, word in err) == (2, True), err
