import itertools

import pytest
from makers import T0, S, cue_body, item_body, lift_body, panic_body, program_body, uuid_of
from walls import HELLO, FakeWall

from agent.clock.mapping import ClockState
from agent.effects import (
    Direct,
    Fetch,
    FilmHeard,
    KeepCue,
    KeepProgram,
    Note,
    Now,
    PlayerHeard,
    Received,
    Record,
    Restored,
)
from agent.messages import Refusal, decode, encode
from agent.player.wire import Adrift, Failed, Running
from agent.told import AsRun, ErrorSpread
from agent.units import MediaUs, RawNs, UtcUs

LOOP = {"action": "play", "program": "reel", "rev": 1, "loop": True}


def ready_wall(**options: bool) -> FakeWall:
    wall = FakeWall(**options)  # type: ignore[arg-type]
    wall.start_player()
    wall.receive("program/reel/1", program_body())
    wall.until(wall.t + S)
    return wall


def test_a_cue_ahead_is_journaled_acknowledged_armed_and_started() -> None:
    wall = ready_wall()
    wall.effects.clear()
    wall.receive(f"cue/{uuid_of(1)}", cue_body(do=LOOP))
    kinds = [type(effect).__name__ for effect in wall.effects]
    assert kinds.index("KeepCue") < kinds.index("Acknowledge")
    assert wall.stages() == ["accepted"]
    assert wall.acks[0].ready is True
    wall.until(T0 - 9 * S)
    assert wall.stages() == ["accepted", "armed"]
    wall.until(T0 + S)
    assert wall.stages() == ["accepted", "armed", "started"]
    assert (wall.acks[-1].due, wall.acks[-1].joined) == (T0, False)


def test_the_log_says_which_film_has_started() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + 4 * S)
    notes = [effect for effect in wall.effects if isinstance(effect, Note) and effect.text == "started"]
    assert [dict(note.fields).get("film") for note in notes] == [None, "a.mp4", "b.mp4"]


def test_films_and_loops_are_starts_at_their_instants() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + 12 * S)
    assert wall.films_shown() == [
        (-29.9, "slate", 0),
        (0.0, "a", 0),
        (3.0, "b", 0),
        (7.0, "a", 0),
        (10.0, "b", 0),
    ]


def test_the_player_always_knows_its_next_two_starts() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + 5 * S)
    plan = next(effect for effect in reversed(wall.effects) if isinstance(effect, Direct))
    assert [start.at - T0 for start in plan.starts if start.at > wall.t] == [7 * S, 10 * S]


def test_a_program_that_ends_gives_way_to_the_slate() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body())
    wall.until(T0 + 9 * S)
    assert wall.films_shown()[-1] == (7.0, "slate", 0)
    assert wall.conductor.snapshot(wall.now()).state == "slate"


def test_a_late_cue_is_missed_then_joined_at_the_right_frame() -> None:
    wall = ready_wall()
    wall.until(T0 + 4 * S)
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + 6 * S)
    assert wall.stages() == ["accepted", "missed", "armed", "started"]
    missed, started = wall.acks[1], wall.acks[-1]
    assert (missed.reason, started.joined) == ("late", True)
    seconds, film, position_ms = wall.films_shown()[-1]
    assert film == "b"
    assert seconds == pytest.approx(4.7, abs=0.02)
    assert seconds - 3.0 == pytest.approx(position_ms / 1000, abs=0.001)


def test_a_join_does_not_fight_a_boundary_that_is_near() -> None:
    wall = ready_wall()
    wall.until(T0 + 6_500_000)
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + 8 * S)
    assert [row[:2] for row in wall.films_shown()[1:]] == [(7.0, "a")]


def test_stop_and_black_come_at_their_instants_and_supersede() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(1, do=LOOP))
    wall.receive("cue", cue_body(2, T0 + 2 * S, {"action": "black"}))
    wall.receive("cue", cue_body(3, T0 + 4 * S, {"action": "stop"}))
    wall.until(T0 + 5 * S)
    assert [row[:2] for row in wall.films_shown()[1:]] == [(0.0, "a"), (2.0, "black"), (4.0, "slate")]
    assert wall.stages(1)[-1] == "superseded"
    assert wall.stages(2) == ["accepted", "armed", "started", "superseded"]


def test_a_cancelled_cue_is_never_shown() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(1, do=LOOP))
    wall.receive("cue", cue_body(2, T0 - 5 * S, {"action": "cancel", "cue": uuid_of(1)}))
    wall.until(T0 + 2 * S)
    assert wall.films_shown() == [(-29.9, "slate", 0)]
    assert wall.stages(1)[-1] == "cancelled"


def test_unknown_program_and_missing_film_are_said_and_heal() -> None:
    wall = FakeWall(films=False)
    wall.start_player()
    wall.receive("cue", cue_body(do=LOOP))
    assert [(ack.ready, ack.reason) for ack in wall.acks] == [(False, "program_unknown")]
    wall.receive("program/reel/1", program_body())
    assert wall.acks[-1].reason == "film_missing"
    wall.until(T0 + S)
    assert wall.stages()[-1] == "missed"
    assert wall.films_shown() == [(-29.9, "slate", 0), (0.0, "slate", 0)]
    for letter in "ab":
        wall.give(FilmHeard(letter * 64, f"/films/{letter}", None))
    wall.until(T0 + 2 * S)
    assert wall.films_shown()[-1][1] == "a"
    assert wall.acks[-1].joined is True


def test_a_film_that_fails_its_hash_is_the_reason_of_the_no_go() -> None:
    wall = FakeWall(films=False)
    wall.start_player()
    wall.receive("program/reel/1", program_body([item_body("a")]))
    wall.give(FilmHeard("a" * 64, None, Refusal(code="film_hash", detail="a.mp4 is another film; publish it again")))
    wall.receive("cue", cue_body(do=LOOP))
    assert [(ack.stage, ack.reason) for ack in wall.acks] == [("accepted", "film_hash")]
    scene = wall.conductor.snapshot(wall.now())
    assert (scene.ready, [reason.code for reason in scene.reasons]) == (False, ["film_hash"])


def reanchors(wall: FakeWall) -> int | None:
    tally = wall.conductor.snapshot(wall.now()).tally
    return tally.reanchors if tally else None


def test_a_dead_player_is_joined_again_at_the_right_frame() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + S)
    wall.alive = False
    wall.give(PlayerHeard(Failed(reason="player_died", detail="it was ended by SIGKILL")))
    assert wall.conductor.snapshot(wall.now()).state == "fault"
    wall.until(T0 + 1_500_000)
    wall.start_player()
    wall.until(T0 + 3 * S)
    seconds, film, position_ms = wall.films_shown()[-2] if wall.films_shown()[-1][0] == 3.0 else wall.films_shown()[-1]
    assert (film, round(position_ms / 1000, 2)) == ("a", round(seconds, 2))
    assert reanchors(wall) == 1


def test_a_slow_disk_gets_more_time_for_each_join() -> None:
    wall = FakeWall(prepare_us=1_500_000)
    wall.start_player()
    wall.receive("program/reel/1", program_body([item_body("a", 3000)]))
    wall.until(T0 + S)
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + 8 * S)
    assert wall.stages()[-1] == "started"
    seconds, _, position_ms = wall.films_shown()[-1]
    assert position_ms / 1000 == pytest.approx(seconds, abs=0.001)


def test_without_a_clock_cues_wait_and_join_when_it_comes() -> None:
    wall = FakeWall()
    wall.bound_us = None
    wall.start_player()
    wall.receive("program/reel/1", program_body())
    wall.receive("cue", cue_body(do=LOOP))
    assert [(ack.stage, ack.reason) for ack in wall.acks] == [("accepted", "clock_unsync")]
    wall.until(T0 + S)
    assert wall.shown == []
    wall.bound_us = 1000
    wall.until(T0 + 2 * S)
    assert wall.films_shown()[-1][1] == "a"


def test_a_bad_clock_is_a_no_go_and_a_very_bad_one_holds_new_films_back() -> None:
    wall = ready_wall()
    wall.bound_us = 40_000
    wall.receive("cue", cue_body(do=LOOP))
    assert (wall.acks[-1].ready, wall.acks[-1].reason) == (False, "clock_bound")
    wall.bound_us = 600_000
    wall.until(T0 + 6 * S)
    assert {row[1] for row in wall.films_shown()} == {"slate"}
    wall.bound_us = 40_000
    wall.until(T0 + 7_500_000)
    assert wall.films_shown()[-1][1] == "a"


def test_too_few_time_servers_are_a_no_go_and_holdover_is_not() -> None:
    wall = ready_wall()
    wall.clock = ClockState.DEGRADED
    wall.receive("cue", cue_body(do=LOOP))
    assert (wall.acks[-1].ready, wall.acks[-1].reason) == (False, "clock_sources")
    wall.clock = ClockState.HOLDOVER
    wall.until(wall.t + S)
    assert (wall.acks[-1].ready, wall.acks[-1].reason) == (True, None)


def test_time_servers_that_turn_the_time_back_are_a_no_go() -> None:
    wall = ready_wall()
    wall.floor = UtcUs(wall.t + 1)
    wall.receive("cue", cue_body(do=LOOP))
    assert (wall.acks[-1].ready, wall.acks[-1].reason) == (False, "clock_back")
    wall.until(T0 + S)
    assert (wall.acks[-1].ready, wall.stages()) == (None, ["accepted", "accepted", "armed", "started"])


def test_by_the_hosts_own_clock_a_running_cue_is_joined_and_none_starts() -> None:
    wall = ready_wall()
    wall.clock = ClockState.HOST
    wall.receive("cue", cue_body(do=LOOP))
    assert (wall.acks[-1].ready, wall.acks[-1].reason) == (False, "clock_host")
    assert "UDP port 123" in (wall.acks[-1].detail or "")
    wall.until(T0 + 4 * S)
    films = [(at, start) for at, start in wall.shown if start.kind == "film"]
    assert films[0][0] > T0, "nothing begins at its instant by a clock for which nobody vouches"
    assert films[0][1].position_us == films[0][0] - T0
    record = next(e.asrun for e in wall.effects if isinstance(e, Record) and e.asrun.sha256)
    assert (record.clock, record.bound_us, record.joined) == ("HOST", None, True)
    started = next(ack for ack in wall.acks if ack.stage == "started")
    assert started.bound_us is None, "and so nobody claims a bound"
    # In sync at last, it turns out that the host was 1 s behind: the wall joins anew.
    before, wall.clock = len(wall.shown), ClockState.SYNC
    wall.step_clock(S)
    wall.until(wall.t + 3 * S)
    at, start = wall.shown[before]
    assert start.kind == "film" and start.position_us == at - T0 - 3 * S > 2 * S


def test_in_a_leap_second_the_wall_goes_on_and_joins_once_behind_it() -> None:
    wall = ready_wall()
    wall.receive("program/long/1", program_body([item_body("c", 3000)], program="long"))
    wall.receive("cue", cue_body(do={**LOOP, "program": "long"}))
    wall.until(T0 + 2 * S)
    before = len(wall.shown)
    wall.leaping = True
    for _ in range(100):  # UTC stands still while the raw counter runs on
        wall.t = UtcUs(wall.t - 10_000)
        wall._stepped_us -= 10_000
        wall.until(wall.t + 10_000)
    assert len(wall.shown) == before
    wall.leaping = False
    wall.until(wall.t + 3 * S)
    assert len(wall.shown) == before + 1 and reanchors(wall) == 1


def test_each_start_leaves_a_record_with_the_bound_and_the_state_of_the_clock() -> None:
    wall = ready_wall()
    wall.clock = ClockState.HOLDOVER
    wall.receive("cue", cue_body(do=LOOP))
    wall.receive("cue", cue_body(2, T0 + 4 * S, {"action": "black"}))
    wall.until(T0 + 5 * S)
    records = [effect.asrun for effect in wall.effects if isinstance(effect, Record)]
    records = [record for record in records if record.kind == "start"]
    assert [(r.due, r.item, r.sha256, r.program) for r in records] == [
        (T0, 0, "a" * 64, "reel"),
        (T0 + 3 * S, 1, "b" * 64, "reel"),
        (T0 + 4 * S, None, None, None),
    ]
    assert {(r.kind, r.clock, r.bound_us, r.joined) for r in records} == {("start", "HOLDOVER", 1000, False)}
    assert decode(AsRun, encode(records[0])) == records[0], "what is published can be read again"


def second_of(wall: FakeWall, errors_us: list[int], **counts: int) -> Running:
    counts = {"frames": len(errors_us), "dropped": 0, "late": 0, "trims": 2, **counts}
    return Running(id=wall.shown[-1][1].id, position_us=MediaUs(0), frame=0, errors_us=errors_us, **counts)


def test_each_minute_of_a_cue_leaves_a_record_over_all_its_films_and_its_end_another() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(do=LOOP))
    wall.receive("cue", cue_body(2, T0 + 90 * S + S // 2, {"action": "stop"}))
    for number in range(1, 91):
        wall.until(T0 + number * S)
        wall.give(PlayerHeard(second_of(wall, [100, -300, 100], dropped=number == 7, late=number == 80)))
    wall.until(T0 + 92 * S)
    records = [e.asrun for e in wall.effects if isinstance(e, Record) and e.asrun.kind != "start"]
    minute, end = records
    assert (minute.kind, minute.due, minute.cue, minute.program) == ("minute", T0, uuid_of(1), "reel")
    assert (minute.frames, minute.dropped, minute.late, minute.trims) == (180, 1, 0, 120)
    assert minute.error_us == ErrorSpread(median=100, p95=300, p99=300, max=300)
    assert (minute.bound_us, minute.clock) == (1000, "SYNC")
    assert (end.kind, end.due, end.observed) == ("end", T0 + 60 * S, T0 + 90 * S + S // 2)
    assert (end.cue, end.frames, end.dropped, end.late) == (uuid_of(1), 90, 0, 1)


def test_a_film_that_is_off_its_timeline_is_joined_anew_once() -> None:
    wall = ready_wall()
    wall.receive("program/long/1", program_body([item_body("c", 3000)], program="long"))
    wall.receive("cue", cue_body(do={**LOOP, "program": "long"}))
    wall.until(T0 + 2 * S)
    before = len(wall.shown)
    adrift = Adrift(id=wall.shown[-1][1].id, error_us=900_000)
    for _ in range(3):
        wall.give(PlayerHeard(adrift))
        wall.until(wall.t + 100_000)
    wall.until(T0 + 6 * S)
    assert len(wall.shown) == before + 1
    assert reanchors(wall) == 1
    wall.give(PlayerHeard(adrift))
    wall.until(T0 + 8 * S)
    assert len(wall.shown) == before + 1, "an old film's word counted for the new one"


def test_a_running_film_is_never_stopped_for_the_clock() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + S)
    wall.bound_us = 5_000_000
    wall.until(T0 + 8 * S)
    assert [row[:2] for row in wall.films_shown()[1:]] == [(0.0, "a"), (3.0, "b"), (7.0, "a")]


@pytest.mark.parametrize("blow", ["step", "death"])
def test_a_running_cue_goes_on_after_a_blow_however_bad_the_clock_is(blow: str) -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + S)
    wall.bound_us = 5_000_000
    if blow == "step":
        wall.step_clock(300_000)
        assert wall.conductor.snapshot(wall.now()).state == "playing"
    else:
        wall.give(PlayerHeard(Failed(reason="player_died", detail="SIGKILL")))
        wall.start_player()
    before = len(wall.shown)
    wall.until(T0 + 8 * S)
    after = [row[1] for row in wall.films_shown()[before:]]
    assert after[0] == "a"
    assert "slate" not in after


def test_the_same_cue_again_is_silent_and_another_body_is_an_alarm() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(1, do=LOOP))
    wall.effects.clear()
    wall.receive(f"cue/{uuid_of(1)}", cue_body(1, do=LOOP))
    assert not [effect for effect in wall.effects if isinstance(effect, KeepCue | Note)]
    assert wall.acks == []


def test_two_bodies_under_one_id_end_the_same_in_either_order() -> None:
    bodies = [cue_body(1, do=LOOP), cue_body(1, T0 + S, {"action": "black"})]
    ends = []
    for order in itertools.permutations(bodies):
        wall = ready_wall()
        for body in order:
            wall.receive("cue", body)
        assert [effect for effect in wall.effects if isinstance(effect, Note) and effect.level == "error"]
        wall.until(T0 + 2 * S)
        ends.append(wall.films_shown()[-1])
    assert ends[0] == ends[1]


def test_a_revision_never_changes() -> None:
    wall = ready_wall()
    wall.effects.clear()
    wall.receive("program/reel/1", program_body([item_body("c")]))
    assert not [effect for effect in wall.effects if isinstance(effect, KeepProgram | Fetch)]
    assert [effect.level for effect in wall.effects if isinstance(effect, Note)] == ["error"]


@pytest.mark.parametrize("topic", ["ask", "program/reel", "elsewhere"])
def test_topics_without_a_server_are_said(topic: str) -> None:
    wall = FakeWall()
    wall.receive(topic, b"{}")
    assert [effect.level for effect in wall.effects if isinstance(effect, Note)] == ["warning"]


def test_a_retained_refusal_is_told_once_however_often_it_comes() -> None:
    wall = FakeWall()
    for _ in range(3):
        wall.receive("cue", b"{")
    assert [(ack.stage, ack.reason) for ack in wall.acks] == [("refused", "schema")]


def test_what_the_journal_kept_is_played_without_any_broker() -> None:
    wall = FakeWall()
    wall.give(Restored("program/reel/1", program_body()))
    wall.give(Restored(f"cue/{uuid_of(1)}", cue_body(do=LOOP)))
    wall.start_player()
    wall.until(T0 + S)
    assert wall.films_shown()[-1] == (0.0, "a", 0)
    told = [(ack.stage, ack.ready) for ack in wall.acks]
    assert told[-3:] == [("accepted", True), ("armed", None), ("started", None)], "whoever waits sees that it is known"


def test_a_restart_in_the_middle_of_the_show_joins_and_tells_no_old_news() -> None:
    wall = FakeWall()
    wall.until(T0 + S)
    wall.bound_us = None  # as at every start: the journal is read before any time server has answered
    wall.give(Restored("program/reel/1", program_body()))
    wall.give(Restored(f"cue/{uuid_of(1)}", cue_body(1, do={"action": "black"})))
    wall.give(Restored(f"cue/{uuid_of(2)}", cue_body(2, T0 + 1000, do=LOOP)))
    wall.bound_us = 1000
    wall.start_player()
    wall.until(T0 + 3 * S)
    assert wall.stages(1) == []
    assert [stage for stage in wall.stages(2) if stage != "accepted"] == ["armed", "started"]
    assert wall.acks[-1].joined is True


def test_a_film_that_mpv_cannot_play_is_tried_once_and_named() -> None:
    wall = ready_wall()
    wall.broken.add("/films/" + "b" * 64)
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + 20 * S)
    assert [row[:2] for row in wall.films_shown()[1:6]] == [
        (0.0, "a"),
        (3.0, "slate"),
        (7.0, "a"),
        (10.0, "slate"),
        (14.0, "a"),
    ]
    scene = wall.conductor.snapshot(wall.now())
    assert (scene.ready, [reason.code for reason in scene.reasons]) == (False, ["film_broken"])
    missed = [effect for effect in wall.effects if isinstance(effect, Note) and effect.text == "start missed"]
    assert len(missed) == 1
    wall.receive("cue", cue_body(2, T0 + 15 * S, {"action": "black"}))
    wall.until(T0 + 21 * S)
    assert wall.films_shown()[-1][1] == "black"


def test_a_slate_that_mpv_cannot_play_gives_way_to_the_built_in_one() -> None:
    wall = FakeWall(slate="/films/slate.png")
    wall.broken.add("/films/slate.png")
    wall.start_player()
    wall.until(wall.t + 2 * S)
    assert [start.path for _, start in wall.shown] == [""]
    assert [reason.code for reason in wall.conductor.snapshot(wall.now()).reasons] == ["slate_broken"]


def test_a_start_that_is_never_answered_holds_nothing_up() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(do={**LOOP, "loop": False}))
    wall.deaf = True
    wall.receive("cue", cue_body(2, T0 - 20 * S, {"action": "black"}))
    wall.until(T0 - 18 * S)
    wall.deaf = False
    wall.until(T0 - 15 * S)
    assert wall.films_shown()[-1][1] == "black"


def test_a_stepped_clock_has_the_running_film_joined_anew() -> None:
    wall = ready_wall()
    wall.receive("program/long/1", program_body([item_body("c", 3000)], program="long"))
    wall.receive("cue", cue_body(do={**LOOP, "program": "long"}))
    wall.until(T0 + 2 * S)
    before = len(wall.shown)
    wall.step_clock(300_000)
    wall.until(wall.t + 2 * S)
    assert len(wall.shown) == before + 1
    at, start = wall.shown[-1]
    assert start.position_us == pytest.approx(at - T0, abs=1)


def test_armed_is_no_state_of_a_cue_that_was_taken_back() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(1, do=LOOP))
    wall.until(T0 - 5 * S)
    assert wall.conductor.snapshot(wall.now()).state == "armed"
    wall.receive("cue", cue_body(2, T0 - 4 * S, {"action": "cancel", "cue": uuid_of(1)}))
    wall.until(T0 - 3 * S)
    assert wall.conductor.snapshot(wall.now()).state == "slate"


def test_only_what_counts_is_waited_for() -> None:
    wall = FakeWall(films=False)
    wall.start_player()
    wall.receive("program/reel/1", program_body([item_body("c")]))
    wall.receive("program/reel/2", program_body([item_body("d")], rev=2))
    fetch = [effect for effect in wall.effects if isinstance(effect, Fetch)][-1]
    assert [wish.sha256[0] for wish in fetch.films] == ["d"]


def test_an_id_that_no_text_can_carry_is_refused_like_any_other() -> None:
    wall = FakeWall()
    wall.receive("cue", b'{"cue": "\\ud800"}')
    assert [(ack.cue, ack.stage) for ack in wall.acks] == [("?", "refused")]
    assert encode(wall.acks[0])


def test_films_of_the_next_cue_are_fetched_first() -> None:
    wall = FakeWall(films=False)
    wall.receive("program/other/1", program_body([item_body("c")], program="other"))
    wall.receive("program/reel/1", program_body())
    wall.receive("cue", cue_body(do=LOOP))
    fetch = [effect for effect in wall.effects if isinstance(effect, Fetch)][-1]
    assert [wish.sha256[0] for wish in fetch.films] == ["a", "b", "c"]


def test_deadline_is_the_next_start_and_nothing_without_a_clock() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(do=LOOP))
    assert wall.conductor.deadline(wall.now()) == T0
    assert wall.conductor.deadline(Now(RawNs(0), None, None, ClockState.UNSYNC, "")) is None


def test_five_walls_show_the_same_starts_whatever_arrives_in_which_order() -> None:
    messages = [
        ("program/reel/1", program_body()),
        ("cue", cue_body(1, do=LOOP)),
        ("cue", cue_body(2, T0 + 8 * S, {"action": "black"}, expires="2025-06-02T12:00:12Z")),
    ]
    shown: list[list[tuple[float, str, int]]] = []
    for order in list(itertools.permutations(messages))[:5]:
        wall = FakeWall(f"wall-{len(shown)}")
        wall.start_player()
        for topic, body in order:
            wall.receive(topic, body)
            wall.give(Received(topic, body))
        wall.until(T0 + 16 * S)
        shown.append([row for row in wall.films_shown() if row[0] >= 0])
    assert all(rows == shown[0] for rows in shown)
    assert [row[1] for row in shown[0]] == ["a", "b", "a", "black", "b", "a"]


def test_the_log_names_the_decode_profile_and_what_is_wrong_with_it() -> None:
    wall = FakeWall()
    said = HELLO.model_copy(update={"profile": "software", "note": "this libmpv does not take x=y"})
    wall.give(PlayerHeard(said))
    notes = [effect for effect in wall.effects if isinstance(effect, Note)]
    assert [note.level for note in notes] == ["info", "warning"]
    assert dict(notes[0].fields)["profile"] == "software" and "x=y" in str(dict(notes[1].fields)["detail"])


def rests(wall: FakeWall) -> bool:
    return wall.conductor.rests(wall.now())


def test_a_wall_rests_where_nothing_runs_and_nothing_is_due_within_half_a_minute() -> None:
    wall = FakeWall()
    assert not rests(wall), "no player yet"
    wall.start_player()
    wall.until(wall.t + S)
    assert rests(wall)
    wall.receive("program/reel/1", program_body())
    wall.receive("cue", cue_body(do=LOOP, at=T0 + 60 * S))
    wall.until(T0 + 29 * S)
    assert rests(wall)
    wall.until(T0 + 31 * S)
    assert not rests(wall), "a cue is near"
    wall.until(T0 + 70 * S)
    assert not rests(wall), "a film runs"
    wall.receive("cue", cue_body(2, do={"action": "black"}, at=T0 + 80 * S))
    wall.until(T0 + 82 * S)
    assert rests(wall)
    wall.receive("cue", cue_body(3, do={"action": "identify", "seconds": 5}, at=T0 + 130 * S))
    wall.until(T0 + 99 * S)
    assert rests(wall)
    wall.until(T0 + 101 * S)
    assert not rests(wall), "an overlay is near"


def test_a_wall_that_somebody_has_hidden_or_that_is_to_be_joined_does_not_rest() -> None:
    wall = FakeWall()
    wall.start_player()
    wall.until(wall.t + S)
    assert rests(wall)
    wall.receive("panic", panic_body(50, "slate"))
    wall.until(wall.t + S)
    assert not rests(wall), "a panic"
    wall.receive("panic", lift_body(50))
    wall.until(wall.t + S)
    assert rests(wall)
    wall.receive("cue", cue_body(2, do={"action": "black"}, at=wall.t))
    assert not rests(wall), "black is to be joined"
