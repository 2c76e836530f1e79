"""Whether a wall is in use: what restarts an agent asks first."""

from typing import Any

from makers import T0, S, cue_body, item_body, panic_body, program_body, uuid_of
from walls import FakeWall

from agent.effects import LocalOrdered
from agent.told import LocalBlack

LOOP = {"action": "play", "program": "reel", "rev": 1, "loop": True}
ONCE = {"action": "play", "program": "reel", "rev": 1}
HOUR_S = 3600


def wall_with(do: dict[str, Any], at: int = T0, **more: Any) -> FakeWall:
    wall = FakeWall()
    wall.start_player()
    wall.receive("program/reel/1", program_body([item_body("a", 90)]))
    wall.receive("cue", cue_body(do=do, at=at, **more))
    return wall


def uses(wall: FakeWall, within_s: int = HOUR_S) -> list[tuple[str, int | None, str | None]]:
    return [(use.what, use.at, use.cue) for use in wall.conductor.uses(wall.now(), within_s)]


def test_a_slate_with_nothing_cued_is_quiet() -> None:
    wall = FakeWall()
    assert uses(wall) == []
    wall.start_player()
    wall.until(T0)
    assert uses(wall) == []


def test_a_film_is_in_use_until_its_program_ends() -> None:
    wall = wall_with(ONCE)
    wall.until(T0 + S)
    [use] = wall.conductor.uses(wall.now(), 0)
    assert (use.what, use.at, use.cue) == ("cue", T0, uuid_of(1))
    assert "reel rev 1" in use.detail
    wall.until(T0 + 4 * S)
    assert wall.shown[-1][1].kind == "slate"
    assert uses(wall) == []


def test_a_loop_and_a_held_film_never_end() -> None:
    for do in (LOOP, {**ONCE, "held": True}):
        wall = wall_with(do)
        wall.until(T0 + 20 * S)
        assert uses(wall, 0) == [("cue", T0, uuid_of(1))]


def test_a_cue_of_a_program_that_is_not_here_yet_may_be_shown_at_any_moment() -> None:
    wall = FakeWall()
    wall.start_player()
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + S)
    assert uses(wall, 0) == [("cue", T0, uuid_of(1))]


def test_a_start_counts_within_the_time_to_its_last_second() -> None:
    wall = wall_with(ONCE, at=T0 + 600 * S)
    wall.until(T0)
    assert uses(wall, 599) == []
    assert uses(wall, 600) == [("start", T0 + 600 * S, uuid_of(1))]


def test_black_or_stop_ahead_count_and_when_they_hold_they_are_quiet() -> None:
    for action in ("black", "stop"):
        wall = wall_with({"action": action}, at=T0)
        wall.until(T0 - S)
        assert [use[0] for use in uses(wall)] == ["start"]
        wall.until(T0 + S)
        assert uses(wall) == []


def test_a_cue_that_comes_back_when_a_newer_one_expires_is_a_start() -> None:
    wall = wall_with(LOOP)
    wall.receive("cue", cue_body(2, at=T0 + S, do={"action": "stop"}, expires="2025-06-02T12:10:00Z"))
    wall.until(T0 + 2 * S)
    assert uses(wall, 60) == []
    assert uses(wall, HOUR_S) == [("start", T0 + 600 * S, uuid_of(1))]


def test_a_panic_or_a_local_black_counts_and_so_does_what_runs_below() -> None:
    wall = wall_with(LOOP)
    wall.until(T0 + S)
    wall.receive("panic", panic_body(50, "black"))
    wall.until(T0 + 3 * S)
    assert wall.shown[-1][1].kind == "black"
    assert [use[0] for use in uses(wall)] == ["panic", "cue"]
    wall = FakeWall()
    wall.start_player()
    wall.give(LocalOrdered(LocalBlack(by="alice", since=wall.t)))
    [use] = wall.conductor.uses(wall.now(), HOUR_S)
    assert (use.what, use.at) == ("local_black", wall.t)
    assert "alice" in use.detail


def test_cues_without_a_clock_may_run() -> None:
    wall = wall_with(LOOP)
    wall.bound_us = None
    assert [use[0] for use in uses(wall)] == ["unknown"]
    empty = FakeWall()
    empty.bound_us = None
    assert uses(empty) == []


def test_a_film_that_is_still_on_the_wall_is_in_use_whatever_is_cued() -> None:
    wall = wall_with(LOOP)
    wall.until(T0 + S)
    wall.deaf = True
    wall.receive("cue", cue_body(2, do={"action": "stop"}, at=wall.t))
    assert uses(wall, 0) == [("cue", T0, uuid_of(1))]
