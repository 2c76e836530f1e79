"""The wall black by somebody's hand there: the conductor with a player that obeys, from order to cover and status."""

import pytest
from makers import T0, S, cue_body, lift_body, panic_body, uuid_of
from walls import FakeWall, playing_wall

from agent.effects import Cover, Direct, KeepLocal, LocalOrdered, PlayerHeard, Record, RestoredBlack
from agent.localblack import black_short
from agent.messages import Refusal
from agent.player.wire import Failed
from agent.told import LocalBlack


def black(wall: FakeWall, by: str = "alice") -> LocalBlack:
    made = LocalBlack(by=by, since=wall.t)
    wall.give(LocalOrdered(made))
    return made


def state(wall: FakeWall) -> tuple[str, str | None, list[str]]:
    scene = wall.conductor.snapshot(wall.now())
    return scene.state, scene.panic, [reason.code for reason in scene.reasons]


def test_black_covers_before_anything_else_and_no_time_ends_it() -> None:
    wall = playing_wall()
    ordered = black(wall)
    assert isinstance(wall.effects[0], Cover)
    assert state(wall)[0] == "black", "though its film goes on below the cover for a moment"
    kinds = [type(effect).__name__ for effect in wall.effects]
    assert kinds.index("Direct") < kinds.index("KeepLocal"), "the plan that goes with it waits for no disk either"
    standing = wall.conductor.standing()
    assert (standing.black, standing.waiting, standing.dark, standing.unkept) == (ordered, False, True, None)
    wall.until(wall.t + S)
    assert (wall.covers, wall.shown[-1][1].kind) == (["black"], "black")
    assert state(wall) == ("black", None, ["local_black"])
    scene = wall.conductor.snapshot(wall.now())
    assert (scene.local_black, scene.cue, scene.film, scene.running) == (ordered, None, None, None)
    wall.until(wall.t + 600 * S)
    assert wall.shown[-1][1].kind == "black"


def test_what_left_the_wall_is_in_the_as_run_and_so_is_what_comes_back() -> None:
    wall = playing_wall()
    black(wall)
    wall.until(wall.t + 2 * S)
    wall.give(LocalOrdered(None))
    wall.until(wall.t + 2 * S)
    records = [effect.asrun for effect in wall.effects if isinstance(effect, Record)]
    assert [(record.kind, record.joined) for record in records] == [("end", False), ("start", True)]
    assert {record.cue for record in records} == {uuid_of(1)}


def test_resume_uncovers_and_the_wall_joins_at_the_right_frame() -> None:
    wall = playing_wall()
    black(wall)
    wall.until(wall.t + 10 * S)
    wall.give(LocalOrdered(None))
    assert wall.covers == ["black", ""]
    wall.until(wall.t + 2 * S)
    at, start = wall.shown[-1]
    assert start.kind == "film"
    assert start.position_us == pytest.approx(at - T0, abs=1)
    assert state(wall) == ("playing", None, [])
    assert [effect.black for effect in wall.effects if isinstance(effect, KeepLocal)][-1] is None


def test_a_running_cue_goes_on_after_it_however_bad_the_clock_is_by_then() -> None:
    wall = playing_wall()
    black(wall)
    wall.until(wall.t + S)
    wall.bound_us = 5_000_000
    wall.give(LocalOrdered(None))
    wall.until(wall.t + 2 * S)
    assert wall.shown[-1][1].kind == "film"


def test_without_a_clock_it_acts_all_the_same() -> None:
    wall = FakeWall()
    wall.bound_us = None
    wall.start_player()
    wall.give(LocalOrdered(LocalBlack(by="alice", since=None)))
    assert wall.covers == ["black"]
    assert wall.conductor.standing().dark
    wall.give(LocalOrdered(None))
    assert wall.covers == ["black", ""]


def test_without_a_player_the_next_one_is_told() -> None:
    wall = FakeWall()
    black(wall)
    assert (wall.cover, wall.conductor.standing().dark) == ("black", False)
    wall.start_player()
    assert wall.conductor.standing().dark


def test_a_player_that_dies_is_told_again() -> None:
    wall = playing_wall()
    black(wall)
    wall.alive = False
    wall.give(PlayerHeard(Failed(reason="player_died", detail="it died")))
    assert not wall.conductor.standing().dark
    wall.start_player()
    assert (wall.covers, wall.conductor.standing().dark) == (["black", "black"], True)


def test_the_second_order_changes_nothing_nor_who_gave_the_first() -> None:
    wall = playing_wall()
    first = black(wall)
    written = len([effect for effect in wall.effects if isinstance(effect, KeepLocal)])
    black(wall, "bob")
    assert wall.conductor.standing().black == first
    assert len([effect for effect in wall.effects if isinstance(effect, KeepLocal)]) == written == 1
    wall.give(LocalOrdered(None))
    before = len(wall.effects)
    wall.give(LocalOrdered(None))
    assert not [effect for effect in wall.effects[before:] if isinstance(effect, KeepLocal | Cover)]


def test_a_lift_does_not_end_it_and_says_so() -> None:
    wall = playing_wall()
    wall.receive("panic", panic_body(50, "black"))
    black(wall)
    assert wall.covers == ["black"], "it is black already"
    assert state(wall) == ("panic", uuid_of(50), ["panic", "local_black"])
    wall.receive("panic", lift_body(50))
    ack = wall.acks[-1]
    assert (ack.stage, ack.ready, ack.reason) == ("cancelled", False, "local_black")
    wall.until(wall.t + 2 * S)
    assert (wall.covers, state(wall)) == (["black"], ("black", None, ["local_black"]))


def test_resume_does_not_end_a_panic() -> None:
    wall = playing_wall(slate="/etc/slate.png")
    black(wall)
    wall.until(wall.t + S)
    wall.receive("panic", panic_body(50, "slate"))
    wall.until(wall.t + S)
    assert wall.covers == ["black"], "somebody works at the wall: a slate would hurt their eyes"
    assert wall.stages(50) == ["accepted"], "started it is when its slate is there"
    wall.give(LocalOrdered(None))
    assert wall.conductor.standing().panic == uuid_of(50)
    wall.until(wall.t + 2 * S)
    assert (wall.covers[:2], wall.covers[-1], wall.shown[-1][1].path) == (["black", "slate"], "", "/etc/slate.png")
    assert (state(wall)[:2], wall.stages(50)) == (("panic", uuid_of(50)), ["accepted", "started"])


def test_a_panic_to_black_under_it_has_started_at_once() -> None:
    wall = playing_wall()
    black(wall)
    wall.receive("panic", panic_body(50, "black"))
    assert wall.stages(50) == ["accepted", "started"]


def test_no_cue_gets_through_and_is_told_why() -> None:
    wall = playing_wall()
    black(wall)
    wall.receive("cue", cue_body(2, at=wall.t + 3 * S, do={"action": "stop"}))
    accepted = wall.acks[-1]
    assert (accepted.stage, accepted.ready, accepted.reason) == ("accepted", False, "local_black")
    assert "alice" in (accepted.detail or "")
    assert "framezero local resume" in (accepted.detail or "")
    wall.until(wall.t + 5 * S)
    assert wall.shown[-1][1].kind == "black"
    missed = next(ack for ack in wall.acks if ack.cue == uuid_of(2) and ack.stage == "missed")
    assert missed.reason == "local_black"


def test_an_overlay_does_not_come_over_it() -> None:
    wall = playing_wall()
    black(wall)
    wall.receive("cue", cue_body(3, at=wall.t, do={"action": "identify", "seconds": 5}))
    wall.until(wall.t + S)
    assert not [order for order in wall.overlays if order.until > wall.t]
    wall.give(LocalOrdered(None))
    assert [order for order in wall.overlays if order.until > wall.t], "it comes once the wall is given back"


def test_it_comes_back_after_a_restart_and_covers_a_player_that_is_not_there_yet() -> None:
    wall = FakeWall()
    kept = LocalBlack(by="alice", since=T0)
    wall.give(RestoredBlack(kept))
    assert wall.effects == [], "what follows is said when all is restored"
    wall.until(wall.t + S)
    assert wall.cover == "black"
    wall.start_player()
    wall.until(wall.t + S)
    assert (wall.covers, wall.conductor.standing().black) == (["black"], kept)
    assert [start.kind for effect in wall.effects if isinstance(effect, Direct) for start in effect.starts][
        -1
    ] == "black"


def test_a_disk_that_does_not_take_it_is_said_and_the_wall_is_black_all_the_same() -> None:
    wall = playing_wall()
    wall.disk_fault = Refusal(code="journal", detail="the disk is full")
    black(wall)
    standing = wall.conductor.standing()
    assert (standing.dark, standing.waiting, standing.unkept) == (True, False, wall.disk_fault)


def test_a_disk_that_hangs_holds_up_nothing() -> None:
    wall = playing_wall()
    wall.disk = False
    black(wall)
    standing = wall.conductor.standing()
    assert (standing.dark, standing.waiting) == (True, True)


def test_the_reason_names_who_since_when_and_the_remedy() -> None:
    assert black_short(None) is None
    short = black_short(LocalBlack(by="alice", since=T0))
    assert short is not None
    assert short.detail.startswith("alice has this wall black, since 20")
    unknown = black_short(LocalBlack(by="uid 7", since=None))
    assert unknown is not None
    assert "since a time that was not known" in unknown.detail
