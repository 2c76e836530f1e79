"""What is said of a picture, and how many are given."""

from dataclasses import replace

import pytest
from makers import T0, S, cue_body, item_body, now_at, panic_body, program_body, uuid_of
from walls import FakeWall

from agent.answered import Answer
from agent.effects import Received
from agent.messages import Refusal, decode, encode
from agent.scene import Scene
from agent.shots import BURST, EVERY_US, NO_DISPLAY, Moment, Pace, Print, answer, due, shot
from agent.units import RawNs, UtcUs

PRINT = Print("/9j/", 320, 180, 1920, 1080)


def raw(us: int) -> RawNs:
    return RawNs(us * 1000)


def wall_at(t: int, **do: object) -> FakeWall:
    """A wall with a program of two films (3 s at 30 fps, 4 s at 60), cued for T0."""
    wall = FakeWall()
    wall.t = UtcUs(T0 - 2 * S)
    wall.start_player()
    wall.receive("program/reel/1", program_body())
    wall.receive(f"cue/{uuid_of(1)}", cue_body(do={"action": "play", "program": "reel", "rev": 1, **do}))
    wall.until(t)
    return wall


def scene_at(t: int, **do: object) -> Scene:
    wall = wall_at(t, **do)
    return wall.conductor.snapshot(wall.now())


def test_four_may_look_at_once_and_then_one_in_two_seconds() -> None:
    pace = Pace()
    assert [pace.admit(raw(T0)) for _ in range(BURST)] == [None] * BURST
    refused = pace.admit(raw(T0 + EVERY_US // 2))
    assert refused is not None and refused.code == "rate" and refused.detail.endswith("ask again in 1.0 s")
    assert pace.admit(raw(T0 + EVERY_US)) is None
    assert pace.admit(raw(T0 + EVERY_US)) is not None
    assert [pace.admit(raw(T0 + 100 * EVERY_US)) is None for _ in range(BURST + 1)] == [*[True] * BURST, False]


def test_the_frame_is_the_one_that_is_due_then() -> None:
    first, second = scene_at(T0 + 2 * S), scene_at(T0 + 4 * S)
    assert (first.film, second.film, second.item) == ("a.mp4", "b.mp4", 1)
    assert due(first, UtcUs(T0 + S)) == (S, 30)
    assert due(first, UtcUs(T0 + S + 33_000)) == (S + 33_000, 30)
    assert due(second, UtcUs(T0 + 3 * S + 500_000)) == (500_000, 30)


def test_around_a_cut_nothing_is_claimed() -> None:
    """The picture was taken before the film that the agent knows of began, or after it was to end."""
    assert due(scene_at(T0 + 4 * S), UtcUs(T0 + 3 * S - 1)) is None
    assert due(scene_at(T0 + 2 * S), UtcUs(T0 + 3 * S)) is None
    assert due(scene_at(T0 - S), UtcUs(T0 - S)) is None, "no film runs"


def test_a_film_that_is_held_stands_where_it_does() -> None:
    held = scene_at(T0 + 2 * S, held=True, from_us=1_500_000)
    assert due(held, UtcUs(T0 + S)) == (1_500_000, 45)


def test_a_joined_film_counts_from_its_beginning() -> None:
    wall = FakeWall()
    wall.t = UtcUs(T0 + S)
    wall.start_player()
    wall.receive("program/reel/1", program_body())
    wall.receive(f"cue/{uuid_of(1)}", cue_body())
    wall.until(T0 + 2 * S + S // 2)
    assert due(wall.conductor.snapshot(wall.now()), UtcUs(T0 + 2 * S)) == (2 * S, 60)


def test_a_film_of_no_constant_rate_has_no_frames_to_count() -> None:
    still = {**item_body("a"), "fps": None, "frames": None, "duration_us": 10 * S}
    wall = FakeWall()
    wall.t = UtcUs(T0 - 2 * S)
    wall.start_player()
    wall.receive("program/reel/1", program_body([still]))
    wall.receive(f"cue/{uuid_of(1)}", cue_body())
    wall.until(T0 + 2 * S)
    assert due(wall.conductor.snapshot(wall.now()), UtcUs(T0 + S)) == (S, 0)


def test_a_shot_says_when_it_was_taken_how_old_it_is_and_what_was_on() -> None:
    scene = scene_at(T0 + 2 * S)
    made = shot(PRINT, Moment(now_at(T0 + S, 8200), scene), now_at(T0 + S + 90_400), 0)
    assert (made.taken, made.age_ms, made.bound_us) == (T0 + S, 90, 8200)
    assert (made.state, made.cue, made.program, made.rev, made.item) == ("playing", uuid_of(1), "reel", 1, 0)
    assert (made.film, made.frame, made.position_us, made.panic, made.identifying) == ("a.mp4", 30, S, None, False)
    assert (made.width, made.height, made.wall_width, made.wall_height) == (320, 180, 1920, 1080)


def test_the_display_is_ahead_of_a_wall_that_shows_late() -> None:
    scene = scene_at(T0 + 2 * S)
    made = shot(PRINT, Moment(now_at(T0 + S), scene), now_at(T0 + S), 100_000)
    assert (made.frame, made.taken) == (33, T0 + S)


def test_before_the_time_is_known_no_frame_is() -> None:
    scene = scene_at(T0 + 2 * S)
    made = shot(PRINT, Moment(now_at(None), scene), now_at(None), 0)
    assert (made.taken, made.frame, made.bound_us) == (None, None, None)


def test_in_a_panic_no_cue_is_claimed_whatever_runs_below() -> None:
    wall = wall_at(T0 + S)
    wall.receive("panic", panic_body(7))
    wall.until(T0 + 2 * S)
    made = shot(PRINT, Moment(wall.now(), wall.conductor.snapshot(wall.now())), wall.now(), 0)
    assert (made.state, made.panic, made.cue, made.film, made.frame) == ("panic", uuid_of(7), None, None, None)


def test_an_overlay_is_told_while_it_lies_there() -> None:
    wall = wall_at(T0 + S)
    wall.receive(f"cue/{uuid_of(2)}", cue_body(2, T0 + 2 * S, {"action": "identify", "seconds": 3}))
    told = []
    for t in (T0 + S + S // 2, T0 + 3 * S, T0 + 6 * S):
        wall.until(t)
        told.append(wall.conductor.snapshot(wall.now()).identifying)
    assert told == [False, True, False]


HEAD = Answer(ask=uuid_of(1), venue="paris", boot=uuid_of(2), time=UtcUs(T0), want="shot")


@pytest.mark.parametrize("outcome", [NO_DISPLAY, Refusal(code="display_absent", detail="start the X server")])
def test_what_is_no_picture_is_told_with_its_reason(outcome: Refusal) -> None:
    made = answer(HEAD, outcome)
    assert decode(Answer, encode(made)) == made
    assert (made.want, made.refused, made.shot, made.venue) == ("shot", outcome, None, HEAD.venue)


def test_an_answer_with_the_largest_picture_can_be_read() -> None:
    wall = wall_at(T0 + S)
    moment = Moment(wall.now(), wall.conductor.snapshot(wall.now()))
    large = shot(replace(PRINT, jpeg="A" * 133_336), moment, wall.now(), 0)
    payload = encode(answer(HEAD, large))
    assert 64 * 1024 < len(payload) < 140_000
    assert decode(Answer, payload, 256 * 1024) == answer(HEAD, large)
    assert isinstance(decode(Answer, payload), Refusal), "no other message may be that large"


def test_an_ask_for_a_picture_goes_to_the_camera_and_to_nothing_else() -> None:
    wall = wall_at(T0 + S)
    ask = b'{"v": 1, "ask": "%s", "want": "shot"}' % uuid_of(5).encode()
    effects = wall.conductor.handle(Received("ask/all", ask), wall.now())
    assert [type(effect).__name__ for effect in effects] == ["Shoot"]
