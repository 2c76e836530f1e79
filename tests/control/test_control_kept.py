"""`cue list`, `cue cancel` and `venue forget` against a real mosquitto and venues that are only messages."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto, MosquittoFactory, free_port
from fake_venue import framezero, now_us, presence, ready, refused, retain, retained, status, told, venue
from test_control_cue import keep_program

from agent.control import signing
from agent.control.cue import build
from agent.control.draft import Draft
from agent.messages import Action, Black, Cancel, Cue, Play, decode, encode
from agent.units import US_PER_S, UtcUs

SHOW = ("--show", "demo")
BLACK = Black(action="black")


async def keep(broker: Mosquitto, do: Action = BLACK, in_s: float = 600, venues: Iterable[str] = ("*",)) -> Cue:
    at = UtcUs(now_us() + round(in_s * US_PER_S))
    cue = build(Draft(do), show="demo", venues=[*venues], at=at, now=now_us())
    await retain(broker, "cue/_hello", b"{}")
    await retain(broker, f"cue/{cue.cue}", encode(cue))
    return cue


async def kept_at(broker: Mosquitto) -> set[str]:
    return {topic.removeprefix("cue/") for topic, _, _ in await retained(broker, "cue/+")} - {"_hello"}


def obeys(cue: Cue) -> list[dict[str, Any]]:
    """A venue that had the cue: it takes the cancel and says what became of the other one."""
    if not isinstance(cue.do, Cancel):
        return ready(cue)
    return [{"stage": "accepted", "ready": True}, {"stage": "cancelled", "cue": cue.do.cue}]


async def test_the_list_tells_of_each_cue_in_utc_and_in_the_venues_time(mosquitto: Mosquitto) -> None:
    await keep_program(mosquitto, 1)
    play = await keep(mosquitto, Play(action="play", program="reel", rev=1, loop=True), -60)
    black = await keep(mosquitto, in_s=600)
    gone = await keep(mosquitto, Play(action="play", program="lost", rev=1), 1200)
    await keep(mosquitto, Cancel(action="cancel", cue=black.cue), -1, ["paris"])
    await retain(mosquitto, "venue/paris/presence", encode(presence("paris", zone="Europe/Paris")))
    await retain(mosquitto, "venue/tokyo/presence", encode(presence("tokyo")))
    code, out, err = await framezero("cue", "list", "--broker", mosquitto.url)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    for words in ("running", "play reel r1 loop", "UNSIGNED", "black", "mixed", "cancel ", "pending"):
        assert any(words in line for line in lines), words
    assert "cancelled at paris; pending? at tokyo" in out and "the venue's status does not tell" in out
    assert "JST tokyo" in out and "no broker keeps its program" in out
    code, out, _ = await framezero("cue", "list", "--venues", "tokyo", "--json", "--broker", mosquitto.url)
    found = {row["cue"]["cue"]: row for row in told(out)["cues"]}
    assert {key: row["states"] for key, row in found.items()} == {
        play.cue: {"tokyo": "running"},
        black.cue: {"tokyo": "pending"},
        gone.cue: {"tokyo": "pending"},
    }
    assert found[black.cue]["confirmed"] == {"tokyo": None}
    assert found[gone.cue]["program_kept"] is False and found[play.cue]["brokers"] == [mosquitto.url]
    assert "Asia/Tokyo" in found[black.cue]["local"]


async def test_a_cue_is_cancelled_by_the_beginning_of_its_id_and_kept_no_longer(mosquitto: Mosquitto) -> None:
    cue = await keep(mosquitto)
    async with venue(mosquitto, "tokyo", obeys), venue(mosquitto, "paris", ready):
        code, out, err = await framezero("cue", "cancel", cue.cue[:20], "--broker", mosquitto.url, *SHOW)
    assert (code, err) == (0, ""), out + err
    assert cue.cue in out and "black at" in out
    assert "cancelled" in out and "accepted" in out  # paris never had it
    (left,) = await kept_at(mosquitto)
    ((_, payload, properties),) = await retained(mosquitto, f"cue/{left}")
    cancel = decode(Cue, payload)
    assert isinstance(cancel, Cue) and isinstance(cancel.do, Cancel) and cancel.do.cue == cue.cue
    assert cancel.expires - cancel.issued == 31 * 86_400 * US_PER_S
    assert properties.MessageExpiryInterval > 31 * 86_400 - 60


async def test_what_counts_until_later_or_elsewhere_stays_at_the_brokers(mosquitto: Mosquitto) -> None:
    cue = await keep(mosquitto)
    async with venue(mosquitto, "tokyo", ready):
        arguments = ("--broker", mosquitto.url, *SHOW)
        code, out, err = await framezero("cue", "cancel", cue.cue, "--at", "2099-01-01T00:00:00Z", *arguments)
        assert (code, "30 days" in err) == (2, True)
        code, out, err = await framezero("cue", "cancel", cue.cue, "--venues", "tokyo", *arguments)
        assert code == 0 and "stays at the brokers for the others" in err, out + err
    assert cue.cue in await kept_at(mosquitto)


async def test_a_refusal_or_a_silence_shows_and_an_unknown_id_is_refused_with_those_that_are(
    mosquitto: Mosquitto,
) -> None:
    cue = await keep(mosquitto)
    await retain(mosquitto, "venue/oslo/presence", encode(presence("oslo")))
    async with venue(mosquitto, "tokyo", refused), venue(mosquitto, "paris", obeys):
        arguments = ("--timeout", "2s", "--broker", mosquitto.url, *SHOW)
        code, _, err = await framezero("cue", "cancel", "ffff", *arguments)
        assert (code, cue.cue in err) == (1, True)
        code, out, _ = await framezero("cue", "cancel", cue.cue, "--json", *arguments)
    found = told(out)
    assert (code, found["exit"], found["cancelled"]) == (1, 1, cue.cue)
    assert {row["venue"]: row["verdict"] for row in found["venues"]} == {
        "oslo": "silent",
        "paris": "ok",
        "tokyo": "bad",
    }
    # Tokyo goes on with it, and so will a player that takes tokyo's place.
    assert (found["cleared"], cue.cue in await kept_at(mosquitto)) == (None, True)
    assert any("goes on at tokyo" in warning for warning in found["warnings"])


async def test_a_broker_that_may_keep_the_cue_still_is_said_and_the_exit_is_not_good(
    mosquittos: MosquittoFactory,
) -> None:
    one = mosquittos()
    cue = await keep(one)
    dead = f"mqtt://127.0.0.1:{free_port()}"
    async with venue(one, "tokyo", obeys):
        code, out, err = await framezero("cue", "cancel", cue.cue, "--broker", one.url, "--broker", dead, *SHOW)
        assert (code, f"may keep cue {cue.cue} still" in err and dead in err) == (1, True), out + err
    assert cue.cue not in await kept_at(one)


async def test_cleaning_takes_what_counts_for_nobody_and_nothing_else(mosquitto: Mosquitto) -> None:
    dropped, stays = await keep(mosquitto), await keep(mosquitto, in_s=700)
    cancel = await keep(mosquitto, Cancel(action="cancel", cue=dropped.cue), -1)
    old = stays.model_copy(
        update={"cue": "f" + stays.cue[1:], "at": UtcUs(1), "issued": UtcUs(0), "expires": UtcUs(US_PER_S)}
    )
    await retain(mosquitto, f"cue/{old.cue}", encode(old))
    code, out, err = await framezero("cue", "list", "--clean", "--broker", mosquitto.url)
    assert code == 0, out + err
    assert out.count("cleared: ") == 2
    assert await kept_at(mosquitto) == {stays.cue, cancel.cue}


async def test_a_host_whose_clock_is_ahead_cleans_nothing_away_that_a_venue_still_goes_by(mosquitto: Mosquitto) -> None:
    cue = await keep(mosquitto)
    back = UtcUs(cue.at - 3600 * US_PER_S)
    ended = cue.model_copy(update={"at": UtcUs(back - 2), "issued": UtcUs(back - 3), "expires": UtcUs(back + US_PER_S)})
    await retain(mosquitto, f"cue/{cue.cue}", encode(ended))
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo", at=UtcUs(back - 60 * US_PER_S))))
    where = ("--clean", "--broker", mosquitto.url)
    code, out, err = await framezero("cue", "list", *where)
    assert (code, "cleared" in out, "clock right" in err) == (0, False, True), out + err
    assert await kept_at(mosquitto) == {cue.cue}
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo")))
    code, out, err = await framezero("cue", "list", *where)
    assert (code, "cleared" in out, err) == (0, True, ""), out + err


async def test_an_unsigned_cue_is_said_in_a_line_and_cleaned_away_where_no_venue_takes_it(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    signing.make("alice", "show", tmp_path / "keys")
    where = ("--broker", mosquitto.url, "--profile", str(tmp_path / "control.toml"))
    (tmp_path / "control.toml").write_text('trust = "keys"')
    kept = {(await keep(mosquitto)).cue for _ in range(2)}
    await retain(mosquitto, "venue/tokyo/presence", encode(presence("tokyo")))
    code, out, err = await framezero("cue", "list", *where)
    assert (code, err.count("warning"), "2 cues that brokers keep are passed over" in err) == (0, 1, True), out + err
    code, out, err = await framezero("cue", "list", "--clean", *where)
    assert (code, "tokyo takes them" in err, await kept_at(mosquitto)) == (0, True, kept), "a lab's wall shows them"
    signed = presence("tokyo").model_copy(update={"unsigned": False})
    await retain(mosquitto, "venue/tokyo/presence", encode(signed))
    code, out, err = await framezero("cue", "list", "--clean", *where)
    assert (code, err, out.count("unsigned"), await kept_at(mosquitto)) == (0, "", 2, set()), out + err


async def test_a_venue_that_is_gone_is_forgotten_and_one_that_lives_is_not(mosquitto: Mosquitto) -> None:
    await retain(mosquitto, "cue/_hello", b"{}")
    for name, online in (("oslo", False), ("tokyo", True)):
        await retain(mosquitto, f"venue/{name}/presence", encode(presence(name, online=online)))
        await retain(mosquitto, f"venue/{name}/status", encode(status(name)))
    where = ("--broker", mosquitto.url)
    code, _, err = await framezero("venue", "forget", "osl", *where)
    assert (code, "known are oslo" in err) == (1, True)
    code, _, err = await framezero("venue", "forget", "tokyo", *where)
    assert (code, "tokyo is alive" in err) == (1, True)
    code, out, err = await framezero("venue", "forget", "oslo", *where)
    assert (code, "oslo is forgotten" in out) == (0, True), err
    assert {topic for topic, _, _ in await retained(mosquitto, "venue/+/+")} == {
        "venue/tokyo/presence",
        "venue/tokyo/status",
    }
    code, out, err = await framezero("venue", "forget", "tokyo", "--force", "--json", *where)
    assert (code, told(out)["venue"]) == (0, "tokyo"), err
    assert await retained(mosquitto, "venue/+/+") == []


async def test_a_broker_that_does_not_let_us_forget_says_so(mosquittos: MosquittoFactory, tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite framezero/#\n")
    acl.chmod(0o600)
    broker = mosquittos(f"acl_file {acl}")
    cue = await keep(broker)
    await retain(broker, f"cue/old/{cue.cue}", encode(cue))
    await retain(broker, "venue/oslo/presence", encode(presence("oslo", online=False)))
    broker.stop()
    acl.write_text("topic read framezero/#\ntopic write framezero/v1/cue/+\ntopic write framezero/v1/venue/tokyo/#\n")
    broker.start()
    code, out, err = await framezero("venue", "forget", "oslo", "--broker", broker.url)
    assert (code, "access list" in err, "not everywhere" in out) == (1, True, True)
    async with venue(broker, "tokyo", obeys):
        code, out, err = await framezero("cue", "cancel", cue.cue, "--broker", broker.url, *SHOW)
    assert (code, f"may keep cue {cue.cue} still" in err, "access list" in err) == (1, True, True), out + err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("cue", "list", "--venues", "Tokyo!"), "venues"),
        (("cue", "cancel", "x"), "no show is named"),
        (("cue", "cancel", "x", "--at", "noon", *SHOW), "not a time"),
        (("cue", "cancel", "x", "--timeout", "soon", *SHOW), "not a length of time"),
    ],
)
async def test_wrong_usage_is_exit_2(arguments: tuple[str, ...], word: str) -> None:
    code, _, err = await framezero(*arguments, "--broker", "mqtt://127.0.0.1:1")
    assert (code, word in err) == (2, True), err
