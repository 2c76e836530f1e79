"""Panic as a venue lives it: the conductor with a player that obeys, from the message to cover, plan, acks, status."""

import base64
import json
from typing import Any

import pytest
from makers import T0, S, cue_body, lift_body, panic_body, program_body, uuid_of
from walls import LOOP, FakeWall, playing_wall

from agent.effects import Cover, Direct, KeepPanic, Note, PlayerHeard, Restored
from agent.player.wire import Failed, Start

PANIC, LIFT = uuid_of(50), uuid_of(50)


def begin(wall: FakeWall, to: str = "black", number: int = 50, **changes: Any) -> None:
    wall.receive("panic", panic_body(number, to, **changes))


def plan(wall: FakeWall) -> tuple[Start, ...]:
    return next(effect for effect in reversed(wall.effects) if isinstance(effect, Direct)).starts


def test_black_covers_before_anything_else_and_then_comes_below() -> None:
    wall = playing_wall()
    begin(wall)
    assert isinstance(wall.effects[0], Cover)
    kinds = [type(effect).__name__ for effect in wall.effects]
    assert kinds.index("KeepPanic") < kinds.index("Acknowledge")
    assert wall.stages(50) == ["accepted", "started"]
    assert (wall.acks[0].ready, wall.acks[-1].observed) == (True, wall.t)
    wall.until(wall.t + S)
    assert (wall.covers, wall.shown[-1][1].kind) == (["black"], "black")
    scene = wall.conductor.snapshot(wall.now())
    assert (scene.state, scene.panic, scene.cue, scene.running) == ("panic", PANIC, None, None)
    assert (scene.ready, scene.reasons[0].code) == (False, "panic")
    wall.until(wall.t + 600 * S)
    assert wall.shown[-1][1].kind == "black", "no time ends it"


def test_the_lift_uncovers_and_the_wall_joins_at_the_right_frame() -> None:
    wall = playing_wall()
    begin(wall)
    wall.until(wall.t + 10 * S)
    wall.receive("panic", lift_body(50))
    assert (wall.covers, wall.stages(50)[-1], wall.acks[-1].ready) == (["black", ""], "cancelled", True)
    wall.until(wall.t + 2 * S)
    at, start = wall.shown[-1]
    assert start.kind == "film"
    assert start.position_us == pytest.approx(at - T0, abs=1)
    scene = wall.conductor.snapshot(wall.now())
    assert (scene.state, scene.panic, scene.ready) == ("playing", None, True)


def test_a_running_cue_goes_on_after_the_lift_however_bad_the_clock_is_by_then() -> None:
    wall = playing_wall()
    begin(wall)
    wall.until(wall.t + S)
    wall.bound_us = 5_000_000
    wall.receive("panic", lift_body(50))
    wall.until(wall.t + 2 * S)
    assert wall.shown[-1][1].kind == "film"


def test_the_own_slate_is_seen_as_soon_as_it_is_there() -> None:
    wall = playing_wall(slate="/etc/slate.png")
    begin(wall, "slate")
    assert (wall.covers, wall.stages(50)) == (["slate"], ["accepted", "started"])
    wall.until(wall.t + 2 * S)
    assert (wall.shown[-1][1].kind, wall.shown[-1][1].path) == ("slate", "/etc/slate.png")
    assert wall.covers == ["slate", ""]
    assert wall.conductor.snapshot(wall.now()).state == "panic"
    assert all(start.kind != "film" for start in plan(wall))


def test_a_slate_that_stands_there_already_is_covered_until_the_player_has_given_up_its_plan() -> None:
    wall = FakeWall(slate="/etc/slate.png")
    wall.start_player()
    wall.receive("program/reel/1", program_body())
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 - S)
    assert wall.shown[-1][1].kind == "slate"
    begin(wall, "slate")
    assert (wall.covers, wall.stages(50)) == (["slate", ""], ["accepted", "started"])
    wall.until(T0 + S)
    assert wall.shown[-1][1].kind == "slate"


def test_a_slate_that_mpv_cannot_play_leaves_the_built_in_one() -> None:
    wall = playing_wall(slate="/etc/slate.png")
    wall.broken.add("/etc/slate.png")
    begin(wall, "slate")
    wall.until(wall.t + 3 * S)
    assert (wall.shown[-1][1].kind, wall.shown[-1][1].path) == ("slate", "")
    assert wall.covers == ["slate", ""]


def test_without_a_clock_it_acts_all_the_same() -> None:
    wall = FakeWall()
    wall.bound_us = None
    wall.start_player()
    begin(wall, "slate")
    assert wall.covers == ["slate"]
    assert [(ack.stage, ack.observed) for ack in wall.acks] == [("accepted", None), ("started", None)]
    wall.receive("panic", lift_body(50))
    assert wall.covers == ["slate", ""]


def test_a_new_player_is_covered_before_its_plan_and_uncovered_by_the_lift() -> None:
    wall = playing_wall()
    begin(wall)
    wall.until(wall.t + S)
    wall.alive = False
    wall.give(PlayerHeard(Failed(reason="player_died", detail="SIGKILL")))
    assert wall.conductor.snapshot(wall.now()).state == "fault"
    wall.effects.clear()
    wall.start_player()
    kinds = [type(effect).__name__ for effect in wall.effects]
    assert kinds.index("Cover") < kinds.index("Direct")
    assert (wall.covers, wall.stages(50)) == (["black", "black"], []), "started is told once"
    wall.until(wall.t + S)
    assert wall.shown[-1][1].kind == "black"
    wall.receive("panic", lift_body(50))
    assert wall.covers[-1] == ""


def test_a_lift_while_the_player_is_away_frees_the_next_one() -> None:
    wall = playing_wall()
    begin(wall)
    wall.alive = False
    wall.give(PlayerHeard(Failed(reason="player_hung", detail="it was killed")))
    wall.receive("panic", lift_body(50))
    assert wall.cover == "", "the proxy would cover the next player, and every one after it"


def test_a_second_panic_for_the_same_is_started_at_once() -> None:
    for to in ("black", "slate"):
        wall = playing_wall(slate="/etc/slate.png")
        begin(wall, to, 50, issued=T0 + S)
        begin(wall, to, 51, issued=T0 + 2 * S)
        assert wall.stages(51) == ["accepted", "started"]
        wall.until(wall.t + 3 * S)
        assert wall.covers[-1] == ("" if to == "slate" else "black"), "the own slate is seen"


def test_without_a_player_it_is_not_ready_and_starts_when_one_comes() -> None:
    wall = FakeWall()
    begin(wall)
    assert [(ack.stage, ack.ready, ack.reason) for ack in wall.acks] == [("accepted", False, "player_starting")]
    wall.start_player()
    assert (wall.covers, wall.stages(50)) == (["black"], ["accepted", "started"])


def test_it_survives_a_restart_and_so_does_its_lift() -> None:
    wall = playing_wall()
    begin(wall)
    kept = [effect.body for effect in wall.effects if isinstance(effect, KeepPanic)]
    again = FakeWall()
    for body in kept:
        again.give(Restored("panic", body))
    again.start_player()
    assert (again.covers, again.stages(50), again.acks[-1].joined) == (["black"], ["started"], True)
    wall.receive("panic", lift_body(50))
    kept = [effect.body for effect in wall.effects if isinstance(effect, KeepPanic)]
    later = FakeWall()
    for body in kept:
        later.give(Restored("panic", body))
    later.start_player()
    later.effects.clear()
    for body in reversed(kept):
        later.receive("panic", body)
    assert (later.covers, later.effects) == ([], []), "both are known: nothing comes back, and nobody is told again"


def test_a_lift_before_its_panic_and_a_panic_sent_again_after_it_change_nothing() -> None:
    wall = playing_wall()
    wall.receive("panic", lift_body(50))
    assert [(ack.stage, ack.ready) for ack in wall.acks] == [("cancelled", True)]
    begin(wall)
    assert wall.stages(50) == ["cancelled", "cancelled"]
    wall.effects.clear()
    begin(wall)
    wall.receive("panic", lift_body(50))
    assert [effect for effect in wall.effects if not isinstance(effect, Direct)] == []
    wall.receive("panic", lift_body(50, issued=T0 + S))
    assert wall.stages(50) == ["cancelled"], "somebody asks again, and is answered"
    assert wall.covers == []


def test_two_panics_need_two_lifts_and_the_later_one_says_what_is_shown() -> None:
    wall = playing_wall()
    begin(wall, "black", 50, issued=T0 + S)
    begin(wall, "slate", 51, issued=T0 + 2 * S)
    begin(wall, "black", 49, issued=T0)
    assert (wall.covers, wall.stages(51)) == (["black", "slate"], ["accepted", "started"])
    assert wall.stages(49) == ["accepted", "superseded"]
    wall.receive("panic", lift_body(51))
    left = wall.acks[-1]
    assert (left.cue, left.stage, left.ready, left.reason) == (uuid_of(51), "cancelled", False, "panic")
    assert uuid_of(50) in (left.detail or "")
    assert wall.covers[-1] == "black"
    wall.receive("panic", lift_body(50))
    assert wall.covers[-1] == "black"
    wall.receive("panic", lift_body(49))
    assert wall.covers[-1] == ""


def test_the_same_again_is_silent_and_another_body_under_its_id_an_alarm() -> None:
    ends = []
    for order in (("black", "slate"), ("slate", "black")):
        wall = playing_wall()
        for to in order:
            begin(wall, to)
        assert [effect for effect in wall.effects if isinstance(effect, Note) and effect.level == "error"]
        wall.until(wall.t + S)
        ends.append(wall.shown[-1][1].kind)
        wall.effects.clear()
        for to in order:
            begin(wall, to)
        assert wall.acks == []
    assert ends[0] == ends[1]


def test_cues_that_come_due_in_a_panic_are_missed_for_it_and_joined_after_it() -> None:
    wall = playing_wall()
    begin(wall)
    wall.receive("cue", cue_body(2, wall.t + 2 * S, LOOP))
    accepted = wall.acks[-1]
    assert (accepted.stage, accepted.ready, accepted.reason) == ("accepted", False, "panic")
    wall.until(wall.t + 4 * S)
    assert (wall.acks[-1].stage, wall.acks[-1].reason) == ("missed", "panic")
    wall.receive("panic", lift_body(50))
    wall.until(wall.t + 2 * S)
    assert (wall.stages(2)[-1], wall.acks[-1].joined) == ("started", True)


@pytest.mark.parametrize(
    ("payload", "named", "code"),
    [
        (panic_body(50, show="other"), PANIC, "show"),
        (panic_body(50, "pink"), PANIC, "schema"),
        (panic_body(50, colour="red"), PANIC, "schema"),
        (lift_body(50, to="black"), LIFT, "schema"),
        (b"{", "?", "schema"),
        (b"x" * 70_000, "?", "size"),
        (json.dumps({"lift": 5}).encode(), "?", "schema"),
    ],
)
def test_what_can_never_count_is_refused_once(payload: bytes, named: str, code: str) -> None:
    wall = playing_wall()
    for _ in range(2):
        wall.receive("panic", payload)
    assert [(ack.cue, ack.stage, ack.reason) for ack in wall.acks] == [(named, "refused", code)]
    assert wall.covers == []


def test_others_panics_are_passed_over_and_a_lift_may_free_some_venues_only() -> None:
    wall = playing_wall()
    begin(wall, venues=["tokyo", "@asia"])
    assert (wall.covers, wall.acks) == ([], [])
    begin(wall, number=51)
    wall.receive("panic", lift_body(51, venues=["tokyo"]))
    assert wall.covers == ["black"]
    wall.receive("panic", lift_body(51, venues=["@west"]))
    assert wall.covers == ["black", ""]


def envelope(kind: str, body: bytes) -> bytes:
    named = f"application/vnd.framezero.{kind}.v1+json"
    return json.dumps({"payloadType": named, "payload": base64.b64encode(body).decode(), "signatures": []}).encode()


def test_an_envelope_says_which_of_the_two_it_holds_and_is_held_to_it() -> None:
    wall = playing_wall()
    wall.receive("panic", envelope("panic", panic_body(50)))
    assert wall.covers == ["black"]
    wall.receive("panic", envelope("panic", lift_body(50)))
    wall.receive("panic", envelope("cue", lift_body(50)))
    assert [ack.stage for ack in wall.acks[-2:]] == ["refused", "refused"]
    assert wall.covers == ["black"], "who may only panic cannot lift"
    wall.receive("panic", envelope("lift", lift_body(50)))
    assert wall.covers == ["black", ""]
