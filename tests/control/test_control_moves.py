"""`framezero cue hold|resume|seek|identify` against a real mosquitto and venues that are only messages."""

import pytest
from brokers import Mosquitto
from fake_venue import framezero, now_us, retain, retained, told, venue
from makers import cue_body, item_body, program, program_body

from agent.messages import Identify, Play
from agent.timeline import Timeline
from agent.units import US_PER_S, UtcUs, format_utc

SHOW = ("--show", "reel-show")


async def test_hold_seek_and_resume_are_absolute_cues_for_the_frame_that_is_due(mosquitto: Mosquitto) -> None:
    films = [item_body("a", 1798, "30000/1001")]
    await retain(mosquitto, "program/reel/1", program_body(films))
    began = UtcUs(now_us() - 3 * 3600 * US_PER_S)
    play = {"action": "play", "program": "reel", "rev": 1, "loop": True}
    life = {"issued": format_utc(began), "expires": format_utc(UtcUs(began + 86_400 * US_PER_S))}
    await retain(mosquitto, "cue/x", cue_body(1, began, play, **life))
    async with venue(mosquitto, "tokyo") as got, venue(mosquitto, "paris"):
        where = ("--broker", mosquitto.url, *SHOW)
        for command in (("hold",), ("seek", "-10s", "--in", "6s"), ("resume", "--in", "7s")):
            code, out, err = await framezero("cue", *command, *where)
            assert code == 0, out + err
            assert "film #0 a.mp4, frame " in out and ("held" in out) == (command[0] != "resume")
        code, out, err = await framezero("cue", "seek", "10s", "--in", "7500ms", "--json", *where)
        lands = told(out)["lands"]
        assert (lands["film"], lands["frame"], lands["held"]) == ("a.mp4", 299, False), (
            "29.97 fps: it falls into that one"
        )
        code, _, err = await framezero("cue", "resume", "--in", "8s", *where)
        assert (code, "is not held" in err) == (1, True)
    first, held, sought, resumed, _ = got
    assert isinstance(first.do, Play) and isinstance(held.do, Play)
    assert isinstance(sought.do, Play) and isinstance(resumed.do, Play)
    before = Timeline(first, first.do, program(films)).position_at(held.at)
    assert (held.do.from_us, held.do.held, held.expires) == (before, True, first.expires)
    length_us = Timeline(first, first.do, program(films)).length_us
    assert sought.do.held
    assert 0 <= (sought.do.from_us - (held.do.from_us - 10 * US_PER_S)) % length_us < 2
    frame_us = US_PER_S * 1001 / 30000
    assert not resumed.do.held
    assert 0 <= sought.do.from_us - resumed.do.from_us < frame_us, "the frame that seek fell into, by its beginning"


async def test_walls_with_different_cues_are_named(mosquitto: Mosquitto) -> None:
    await retain(mosquitto, "cue/x", cue_body(2, now_us() - US_PER_S, {"action": "black"}, venues=["paris"], **life()))
    async with venue(mosquitto, "tokyo"), venue(mosquitto, "paris"):
        code, _, err = await framezero("cue", "hold", "--broker", mosquitto.url, *SHOW)
    assert code == 1
    assert "the slate (no cue holds) on tokyo" in err and "on paris" in err and "--venues" in err


def life() -> dict[str, str]:
    now = now_us()
    return {"issued": format_utc(UtcUs(now - US_PER_S)), "expires": format_utc(UtcUs(now + 3600 * US_PER_S))}


async def test_identify_is_kept_no_longer_than_it_is_shown(mosquitto: Mosquitto) -> None:
    async with venue(mosquitto, "tokyo") as got:
        code, out, err = await framezero(
            "cue", "identify", "--seconds", "20", "--in", "10s", "--json", "--broker", mosquitto.url, *SHOW
        )
        kept = await retained(mosquitto, "cue/+")
    assert code == 0, out + err
    [cue] = got
    assert cue.do == Identify(action="identify", seconds=20)
    assert cue.expires == cue.at + 21 * US_PER_S
    [properties] = [properties for topic, _, properties in kept if topic == f"cue/{cue.cue}"]
    assert properties.MessageExpiryInterval <= 32
    assert told(out)["cue"]["do"] == {"action": "identify", "seconds": 20}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("seek", "soon"), "not a position"),
        (("seek",), "Missing argument"),
        (("identify", "--seconds", "0"), "--seconds"),
        (("identify", "--seconds", "601"), "--seconds"),
        (("hold", "--nonsense"), "nonsense"),
        (("seek", "5s", "--nonsense"), "nonsense"),
    ],
)
async def test_wrong_usage_is_exit_2_with_the_remedy(arguments: tuple[str, ...], word: str) -> None:
    code, _, err = await framezero("cue", *arguments, "--broker", "mqtt://127.0.0.1:1", *SHOW)
    assert (code, word in err) == (2, True), err
