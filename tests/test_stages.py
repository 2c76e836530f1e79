"""What is told of cues, when: through the whole conductor."""

import itertools
from hashlib import sha256
from typing import Any

import pytest
from makers import T0, S, cue_body, lift_body, panic_body, program_body, uuid_of
from walls import FakeWall

from agent import ledger as ledgers
from agent import library as libraries
from agent.clock.mapping import ClockState
from agent.effects import Acknowledge, Cover, Effect, KeepCue, KeepId, Kept, Note, Received, Restored, RestoredId, Write
from agent.messages import Refusal
from agent.units import UtcUs, format_utc

LOOP = {"action": "play", "program": "reel", "rev": 1, "loop": True}
BLACK = {"action": "black"}
FULL = Refusal(code="journal", detail="the journal could not be written: disk full; check space and disk of state_dir")


def ready_wall() -> FakeWall:
    wall = FakeWall()
    wall.start_player()
    wall.receive("program/reel/1", program_body())
    wall.until(wall.t + S)
    wall.effects.clear()
    return wall


def told(wall: FakeWall, number: int = 1) -> list[tuple[str, bool | None, str | None]]:
    return [(ack.stage, ack.ready, ack.reason) for ack in wall.acks if ack.cue == uuid_of(number)]


def alarms(effects: list[Effect]) -> list[str]:
    return [effect.text for effect in effects if isinstance(effect, Note) and effect.level == "error"]


# --- promises -----------------------------------------------------------------------------------


def test_accepted_waits_for_the_disk_and_what_comes_after_it_waits_behind_it() -> None:
    wall = ready_wall()
    wall.disk = False
    wall.until(T0 + S)
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + 2 * S)
    assert wall.films_shown()[-1][1] == "a", "the wall waits for no disk"
    assert wall.acks == []
    wall.give(Kept((f"cue/{uuid_of(1)}",), None))
    assert wall.stages() == ["accepted", "missed", "armed", "started"]
    assert wall.acks[0].ready is True


def test_a_cue_on_no_disk_is_not_ready_until_it_is_there() -> None:
    wall = ready_wall()
    wall.disk_fault = FULL
    wall.receive("cue", cue_body(do=LOOP))
    for _ in range(3):
        wall.give(Kept((f"cue/{uuid_of(1)}",), FULL))
    assert told(wall) == [("accepted", False, "journal")]
    assert "state_dir" in (wall.acks[0].detail or "")
    wall.give(Kept((f"cue/{uuid_of(1)}",), None))
    assert told(wall)[1:] == [("accepted", True, None)]


@pytest.mark.parametrize("do", [{"action": "cancel", "cue": uuid_of(5)}, {"action": "identify", "seconds": 5}, BLACK])
def test_so_is_every_kind_of_cue(do: dict[str, Any]) -> None:
    wall = ready_wall()
    wall.disk_fault = FULL
    wall.receive("cue", cue_body(do=do))
    assert told(wall) == [("accepted", False, "journal")]
    wall.give(Kept((f"cue/{uuid_of(1)}",), None))
    assert told(wall)[1:] == [("accepted", True, None)]


def test_a_program_on_no_disk_keeps_its_cues_from_being_ready() -> None:
    wall = FakeWall()
    wall.start_player()
    wall.receive("cue", cue_body(do=LOOP))
    wall.disk_fault = FULL
    wall.receive("program/reel/1", program_body())
    codes = ["program_unknown", "film_missing", "journal"]  # its films come in the same moment
    assert told(wall) == [("accepted", False, code) for code in codes]
    assert "journal" in {reason.code for reason in wall.conductor.snapshot(wall.now()).reasons}
    wall.give(Kept(("program/reel/1",), None))
    assert told(wall)[3:] == [("accepted", True, None)]


def test_nothing_is_said_of_a_programs_arrival_before_it_is_on_the_disk() -> None:
    wall = FakeWall()
    wall.start_player()
    wall.receive("cue", cue_body(do=LOOP))
    wall.disk = False
    wall.receive("program/reel/1", program_body())
    wall.until(wall.t + S)
    assert told(wall) == [("accepted", False, "program_unknown")]
    wall.give(Kept(("program/reel/1",), None))
    assert told(wall)[1:] == [("accepted", True, None)]


def test_a_panic_is_obeyed_at_once_and_accepted_when_it_is_on_the_disk() -> None:
    wall = ready_wall()
    wall.disk = False
    wall.receive("panic", panic_body(7))
    assert [effect.what for effect in wall.effects if isinstance(effect, Cover)] == ["black"]
    assert wall.acks == []
    wall.give(Kept((f"panic/{uuid_of(7)}",), FULL))
    wall.give(Kept((f"panic/{uuid_of(7)}",), FULL))
    assert told(wall, 7) == [("accepted", False, "journal"), ("started", None, None)]
    wall.give(Kept((f"panic/{uuid_of(7)}",), None))
    assert told(wall, 7)[2:] == [("accepted", True, None)]


def test_a_lift_that_a_restart_would_lose_is_not_ready() -> None:
    wall = ready_wall()
    wall.receive("panic", panic_body(7))
    wall.effects.clear()
    wall.disk_fault = FULL
    wall.receive("panic", lift_body(7))
    assert wall.cover == "", "lifted it is at once"
    wall.give(Kept((f"lift/{uuid_of(7)}",), None))
    assert told(wall, 7) == [("cancelled", False, "journal"), ("cancelled", True, None)]


# --- one id, two bodies -------------------------------------------------------------------------

HERE = [cue_body(1, do=LOOP), cue_body(1, T0 + S, BLACK), cue_body(1, venues=["paris"], do={"action": "stop"})]
ELSEWHERE = [cue_body(1, do=BLACK, venues=["tokyo"]), cue_body(1, do=LOOP, venues=["tokyo", "@asia"])]
# Over before the test begins: a venue that gets it late knows that it once counted.
OVER = cue_body(1, T0 - 400 * S, BLACK, expires=format_utc(UtcUs(T0 - 300 * S)))


def digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def counts(wall: FakeWall) -> str | None:
    """The hash of the body that counts under id 1, and is a cue of this wall."""
    entry = wall.conductor._ledger.get(uuid_of(1))
    return entry.digest if entry else None


@pytest.mark.parametrize("bodies", list(itertools.combinations([*HERE, *ELSEWHERE], 2)))
def test_of_two_bodies_the_smaller_hash_counts_whichever_came_first_and_whomever_they_name(bodies: Any) -> None:
    winner = min(bodies, key=digest)
    for order in (bodies, bodies[::-1], (*bodies, *bodies)):
        wall = ready_wall()
        for body in order:
            wall.receive("cue", body)
        assert counts(wall) == (digest(winner) if winner in HERE else None)
        assert len(alarms(wall.effects)) == 1
        writes = [effect for effect in wall.effects if isinstance(effect, KeepCue | KeepId)]
        again = restarted(wall, writes)
        assert counts(again) == counts(wall)
        for body in order:
            again.receive("cue", body)
        assert counts(again) == counts(wall), "and a restart forgets nothing of it"


def restarted(wall: FakeWall, writes: list[Any]) -> FakeWall:
    """Another life of a wall, with what the journal holds of its writes."""
    kept: dict[str, Write] = {}
    for effect in wall.effects:
        if isinstance(effect, Write):
            kept[effect.key] = effect
    again = FakeWall()
    again.t = wall.t
    for write in kept.values():
        if isinstance(write, KeepCue):
            again.give(Restored(f"cue/{write.cue}", write.body, write.signers))
    for write in kept.values():
        if isinstance(write, KeepId):
            again.give(RestoredId(write.cue, write.digest, write.until, write.signers))
    again.start_player()
    return again


@pytest.mark.parametrize("here", HERE)
def test_a_body_that_has_expired_counts_in_the_comparison(here: bytes) -> None:
    wall = ready_wall()
    wall.receive("cue", here)
    wall.receive("cue", OVER)
    assert counts(wall) == (digest(here) if digest(here) < digest(OVER) else None)


def test_a_body_that_lost_does_not_come_back_when_the_winner_has_expired() -> None:
    for short_do, long_do in itertools.permutations([BLACK, {"action": "stop"}]):
        short = cue_body(1, T0 - 20 * S, short_do, expires=format_utc(UtcUs(T0 - 10 * S)))
        long = cue_body(1, T0 - 20 * S, long_do)
        if digest(long) < digest(short):
            continue
        wall = ready_wall()
        for body in (long, short):
            wall.receive("cue", body)
        again = restarted(wall, [])
        for life in (wall, again):
            life.until(T0)
            life.receive("cue", long)
            assert counts(life) is None
            assert life.films_shown()[-1][1] == "slate"
        return
    raise AssertionError("in one of the two orders the short one has the smaller hash")


def test_whoever_was_accepted_and_is_put_out_by_a_cue_for_others_is_told() -> None:
    pair = next((a, b) for a in HERE for b in ELSEWHERE if digest(b) < digest(a))
    wall = ready_wall()
    wall.receive("cue", pair[0])
    wall.receive("cue", pair[1])
    assert told(wall)[-1] == ("cancelled", None, "same_id")


def test_a_cue_for_others_costs_no_ack() -> None:
    wall = ready_wall()
    wall.receive("cue", ELSEWHERE[0])
    wall.until(T0 + S)
    assert wall.acks == []


# --- programs -----------------------------------------------------------------------------------


def test_a_revision_never_changes_and_a_second_body_is_an_alarm_and_a_no_go() -> None:
    bodies = [program_body(), program_body(issued="2025-06-01T00:00:00Z")]
    for order in itertools.permutations(bodies):
        wall = ready_wall()
        wall.receive("program/reel/7", order[0].replace(b'"rev": 1', b'"rev": 7'))
        wall.receive("cue", cue_body(do={**LOOP, "rev": 7}))
        for body in (*order, *order):
            wall.receive("program/reel/7", body.replace(b'"rev": 1', b'"rev": 7'))
        assert wall.conductor._library.digest(("reel", 7)) == digest(order[0].replace(b'"rev": 1', b'"rev": 7'))
        assert len(alarms(wall.effects)) == 1
        assert told(wall) == [("accepted", True, None), ("accepted", False, "program_conflict")]
        wall.until(T0 + S)
        assert wall.films_shown()[-1][1] == "a", "a NO-GO is no reason for a dark wall"


def test_a_program_too_many_pushes_out_the_oldest_that_nobody_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "MOST_PROGRAMS", 2)
    wall = FakeWall()
    wall.receive("cue", cue_body(do=LOOP))
    for rev in (1, 2, 3):
        wall.receive(f"program/reel/{rev}", program_body(rev=rev))
    assert set(wall.conductor._library) == {("reel", 1), ("reel", 3)}
    wall.receive("program/ads/1", program_body(program="ads"))
    assert set(wall.conductor._library) == {("reel", 1), ("reel", 3)}
    assert len(alarms(wall.effects)) == 1


# --- limits, restarts ---------------------------------------------------------------------------


def test_a_cue_too_many_is_refused_and_a_cancel_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "MOST_CUES", 1)
    wall = ready_wall()
    for number, do in ((1, LOOP), (2, BLACK), (3, {"action": "cancel", "cue": uuid_of(1)})):
        wall.receive("cue", cue_body(number, T0 - 5 * S, do=do))
    assert told(wall, 2) == [("refused", None, "full")]
    assert told(wall, 3)[0] == ("accepted", True, None)


def test_rubbish_fills_neither_log_nor_outbox() -> None:
    wall = ready_wall()
    for number in range(5000):
        wall.receive("cue", b"{%d" % number)
        wall.receive("program/reel/1", b"{%d" % number)
        wall.receive("panic", b"{%d" % number)
        wall.receive(f"elsewhere/{number}", b"{}")
    assert len([effect for effect in wall.effects if isinstance(effect, Acknowledge)]) < 100
    assert len([effect for effect in wall.effects if isinstance(effect, Note)]) < 200
    wall.effects.clear()
    wall.until(wall.t + 61 * S)
    counts = [dict(effect.fields)["count"] for effect in wall.effects if isinstance(effect, Note)]
    assert len(counts) == 4 and all(int(count) > 4000 for count in counts)


def test_after_a_restart_cues_to_come_are_acknowledged_once_the_time_is_known_and_old_ones_are_not() -> None:
    wall = FakeWall()
    wall.bound_us = None
    wall.start_player()
    wall.give(Restored("program/reel/1", program_body()))
    for number, seconds in ((1, -300), (2, -200), (3, 60), (4, 120)):
        wall.give(Restored(f"cue/{uuid_of(number)}", cue_body(number, T0 + seconds * S, LOOP)))
    wall.until(wall.t + S)
    assert wall.acks == []
    wall.bound_us = 1000
    wall.until(wall.t + 3 * S)
    assert told(wall, 1) == []
    assert [stage for stage, _, _ in told(wall, 2)] == ["accepted", "armed", "started"]
    assert wall.acks[-1].joined is True
    assert told(wall, 3) == told(wall, 4) == [("accepted", True, None)]


@pytest.mark.parametrize("kept", [True, False])
def test_what_a_host_took_for_over_whose_clock_was_fast_is_told_of_anew(kept: bool) -> None:
    wall = FakeWall(films=False)
    wall.t, wall.clock = UtcUs(T0 + 3600 * S), ClockState.HOST
    wall.start_player()
    bodies = (
        cue_body(1, T0 + 10 * S, LOOP),
        cue_body(2, T0 + 20 * S, BLACK),
        cue_body(3, T0 + 30 * S, {"action": "identify", "seconds": 5}),
        cue_body(4, T0 + 60 * S, {"action": "stop"}),
    )
    for number, body in enumerate(bodies, 1):
        wall.give(Restored(f"cue/{uuid_of(number)}", body) if kept else Received(f"cue/{uuid_of(number)}", body))
    wall.until(wall.t + S)
    wall.effects.clear()
    wall.clock = ClockState.SYNC
    wall.step_clock(-3600 * S)
    wall.until(T0 + 70 * S)
    assert told(wall, 1) == [
        ("accepted", False, "program_unknown"),
        ("missed", None, "program_unknown"),
        ("superseded", None, None),
    ]
    assert wall.stages(2) == ["accepted", "armed", "started", "superseded"]
    assert wall.stages(3) == ["accepted", "started"]
    assert wall.stages(4) == ["accepted", "armed", "started"]


def test_what_a_cancel_names_is_told_whichever_comes_first_and_when_the_cancel_begins() -> None:
    cancel = cue_body(2, T0 - 10 * S, {"action": "cancel", "cue": uuid_of(1)})
    for bodies in itertools.permutations([cue_body(1, do=LOOP), cancel]):
        for wait_s in (0, 25):
            wall = ready_wall()
            wall.receive("cue", bodies[0])
            wall.until(wall.t + wait_s * S)
            wall.receive("cue", bodies[1])
            wall.until(T0 + S)
            assert [stage for stage, _, _ in told(wall)][-1] == "cancelled"
            assert [stage for stage, _, _ in told(wall, 2)] == ["accepted"]


def test_a_cancel_cannot_be_taken_back() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(1, do=LOOP))
    wall.receive("cue", cue_body(2, T0 - 10 * S, {"action": "cancel", "cue": uuid_of(1)}))
    wall.receive("cue", cue_body(3, T0 - 9 * S, {"action": "cancel", "cue": uuid_of(2)}))
    wall.until(T0 + S)
    assert [stage for stage, _, _ in told(wall, 2)] == ["accepted"]
    assert wall.films_shown()[-1][1] == "slate"


def test_a_cue_that_comes_back_when_a_spot_is_over_is_told_of_as_started() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(2, T0 + S, BLACK, expires=format_utc(UtcUs(T0 + 3 * S))))
    wall.until(T0 + 2 * S)
    wall.receive("cue", cue_body(1, do=LOOP))
    assert [stage for stage, _, _ in told(wall)] == ["accepted", "superseded"]
    wall.until(T0 + 5 * S)
    assert [stage for stage, _, _ in told(wall)][2:] in (["armed", "started"], ["armed", "missed", "started"])
