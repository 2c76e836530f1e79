import itertools
from collections.abc import Callable
from typing import Any

import pytest
from fake_venue import presence, status
from makers import T0, S, cue_body, item_body, program_body, uuid_of

from agent.control.draft import CueError, Draft
from agent.control.moves import Running, check_known, hold, parse_step, resume, running_at, seek
from agent.control.times import TimeError
from agent.control.view import View
from agent.messages import Play, encode
from agent.received import Received
from agent.timeline import Timeline
from agent.units import UtcUs

PLAY = {"action": "play", "program": "reel", "rev": 1}
LOOP = {**PLAY, "loop": True}
URL = "mqtt://a:1"


def at(seconds: float) -> UtcUs:
    return UtcUs(round(T0 + seconds * S))


def view(*cues: bytes, program: bytes | None = None, **groups: tuple[str, ...]) -> View:
    made = View()
    for name, of in (groups or {"paris": (), "tokyo": ("east",)}).items():
        made.take(Received(f"venue/{name}/presence", encode(presence(name, groups=of)), True, URL), 0.0)
    for number, body in enumerate(cues):
        made.take(Received(f"cue/{number}", body, True, URL), 0.0)
    made.take(Received("program/reel/1", program or program_body(), True, URL), 0.0)
    return made


def running(*cues: bytes, t: float, venues: str = "*", **more: Any) -> Running:
    return running_at(view(*cues, **more), "reel-show", venues.split(","), at(t))


def moved(draft: Draft) -> Play:
    assert isinstance(draft.do, Play)
    return draft.do


def test_hold_takes_the_frame_that_is_due_and_lives_as_long_as_what_it_holds() -> None:
    found = running(cue_body(do=LOOP), t=8.51)
    draft = hold(found)
    play = moved(draft)
    assert (play.held, play.loop, play.program, play.rev) == (True, True, "reel", 1)
    assert play.from_us == 1_500_000, "frame 45 of the second loop's first film, at 30 a second"
    assert draft.expires == found.cue.expires


def test_resume_goes_on_from_where_it_is_held() -> None:
    held = cue_body(2, at(10), {**LOOP, "held": True, "from_us": 1_500_000})
    draft = resume(running(cue_body(do=LOOP), held, t=500))
    assert (moved(draft).held, moved(draft).from_us) == (False, 1_500_000)


@pytest.mark.parametrize(
    ("text", "do", "position_us"),
    [
        ("00:02", LOOP, 2 * S),
        ("2s", {**LOOP, "held": True}, 2 * S),
        ("8s", LOOP, S),
        ("+3s", LOOP, 4 * S),
        ("-2s", LOOP, 6 * S),
        ("−2s", LOOP, 6 * S),
        ("+13s", LOOP, 0),
        ("-2s", PLAY, 0),
        ("+3s", PLAY, 4 * S),
    ],
)
def test_seek_goes_to_a_position_or_so_far_from_here(text: str, do: dict[str, Any], position_us: int) -> None:
    t = 1.0 if "held" not in do else 77.0
    play = moved(seek(running(cue_body(do=do), t=t), parse_step(text)))
    assert (play.from_us, play.held, play.loop) == (position_us, do.get("held", False), do.get("loop", False))


@pytest.mark.parametrize(("fps", "frames"), [("30000/1001", 100), ("24000/1001", 100), ("60000/1001", 157)])
def test_back_over_the_start_of_a_loop_is_exact_where_its_length_is_no_whole_microsecond(fps: str, frames: int) -> None:
    reel = program_body([item_body("a", frames, fps), item_body("b", 144, "24")])
    found = running_at(view(cue_body(do=LOOP), program=reel), "reel-show", ["*"], at(0))
    play = moved(seek(found, parse_step("-5s")))
    piece = Timeline(found.cue, play, found.program).piece_at(at(0))
    assert (piece.item, piece.frame) == (1, 24), "one second into the film of six"


def test_behind_the_end_nothing_can_be_sought() -> None:
    with pytest.raises(CueError, match=r"lasts 7\.0 s") as error:
        seek(running(cue_body(do=PLAY), t=1), parse_step("7s"))
    assert error.value.usage


@pytest.mark.parametrize("text", ["", "+", "soon", "--5s", "+-5s"])
def test_what_is_no_position_is_said(text: str) -> None:
    with pytest.raises(TimeError, match="is not a position"):
        parse_step(text)


@pytest.mark.parametrize(
    ("cues", "t", "words"),
    [
        ([], 1, "the slate (no cue holds)"),
        ([cue_body(do={"action": "stop"})], 1, f"the slate (cue {uuid_of(1)[:13]})"),
        ([cue_body(do={"action": "black"})], 1, f"black (cue {uuid_of(1)[:13]})"),
        ([cue_body(do=LOOP)], -1, "the slate (no cue holds)"),
        ([cue_body(do=PLAY)], 7, "at its end"),
        ([cue_body(do=LOOP, show="other")], 1, "no cue holds"),
        ([cue_body(do={**LOOP, "rev": 2})], 1, "no broker keeps program 'reel' rev 2"),
        ([cue_body(do=LOOP), cue_body(2, at(0.5), {"action": "cancel", "cue": uuid_of(1)})], 1, "no cue holds"),
    ],
)
def test_what_does_not_move_cannot_be_moved(cues: list[bytes], t: float, words: str) -> None:
    with pytest.raises(CueError) as error:
        running(*cues, t=t)
    assert words in str(error.value)
    assert not error.value.usage


def test_identify_over_it_does_not_matter() -> None:
    over = cue_body(2, at(0.5), {"action": "identify", "seconds": 10})
    assert running(cue_body(do=LOOP), over, t=1).cue.cue == uuid_of(1)


def test_venues_that_show_different_things_are_named_and_each_can_be_chosen() -> None:
    cues = [cue_body(do=LOOP), cue_body(2, at(0.5), {"action": "black"}, venues=["@east"])]
    with pytest.raises(CueError) as error:
        running(*cues, t=1)
    for words in (f"play reel (cue {uuid_of(1)[:13]}) on paris", f"black (cue {uuid_of(2)[:13]}) on tokyo", "--venues"):
        assert words in str(error.value)
    assert running(*cues, t=1, venues="paris").cue.cue == uuid_of(1)


def test_without_any_known_venue_nobody_can_say() -> None:
    with pytest.raises(CueError, match="no venue is known"):
        running_at(View(), "reel-show", ["*"], at(1))


def test_held_twice_and_resumed_without_are_refused() -> None:
    with pytest.raises(CueError, match="held already \\(cue 6 Still for the press\\)"):
        hold(running(cue_body(do={**LOOP, "held": True}, label="6 Still for the press"), t=1))
    with pytest.raises(CueError, match=f"held already \\(cue {uuid_of(1)[:13]}\\)"):
        hold(running(cue_body(do={**LOOP, "held": True}), t=1))
    with pytest.raises(CueError, match="is not held"):
        resume(running(cue_body(do=LOOP), t=1))


def test_a_wall_that_shows_a_cue_of_which_no_broker_knows_is_named() -> None:
    known = view(cue_body(do=LOOP))
    for cue, fine in ((None, True), (uuid_of(1), True), (uuid_of(7), False)):
        told = status("paris", cue=cue, at=at(1))
        known.take(Received("venue/paris/status", encode(told), False, URL), 0.0)
        if fine:
            check_known(known, ["*"], at(1), 1.0)
        else:
            with pytest.raises(CueError, match=f"paris shows cue {uuid_of(7)}"):
                check_known(known, ["*"], at(1), 1.0)
    check_known(known, ["tokyo"], at(1), 1.0)
    check_known(known, ["*"], at(1), 60.0)  # it is silent: what it said is no longer so


def back_5_s(found: Running) -> Draft:
    return seek(found, parse_step("-5s"))


RATES = ("24000/1001", "30000/1001", "25", "60000/1001")


@pytest.mark.parametrize("fps", RATES)
def test_hold_resume_and_seek_land_on_one_frame_on_every_wall_after_hours_of_loops(fps: str) -> None:
    reel = program_body([item_body("a", 1798, fps), item_body("b", 300, "50")])
    cues = [cue_body(1, do=LOOP)]
    moves: dict[str, Callable[[Running], Draft]] = {"hold": hold, "resume": resume, "seek": back_5_s}
    steps = [("hold", 9_000.123457), ("resume", 9_100.5), ("seek", 20_000.000001), ("hold", 21_000.7)]
    seen = []
    for number, (what, t) in enumerate(steps, start=2):
        found = running_at(view(*cues, program=reel), "reel-show", ["*"], at(t))
        draft = moves[what](found)
        cues.append(cue_body(number, at(t), moved(draft).model_dump()))
        walls = []
        # A wall that was there all the time, and one that is new and knows only what is retained, in any order.
        for order in itertools.islice(itertools.permutations(cues), 6):
            there = running_at(view(*order, program=reel), "reel-show", ["*"], at(t))
            piece = Timeline(there.cue, there.play, there.program).piece_at(at(t))
            walls.append((piece.item, piece.frame, piece.position_us))
        assert len(set(walls)) == 1
        seen.append(walls[0])
        before = Timeline(found.cue, found.play, found.program)
        if what != "seek":
            assert before.position_at(at(t)) == moved(draft).from_us
    assert seen[0] == seen[1], "it goes on at the very frame at which it was held"
