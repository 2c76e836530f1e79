"""What signatures, keys that come and go, and the lack of a time do to a wall."""

from typing import Any

import pytest
from makers import T0, S, cue_body, key_of, lift_body, panic_body, private, program_body, uuid_of
from walls import FakeWall

from agent.clock.mapping import ClockState
from agent.effects import (
    AskAgain,
    Effect,
    ForgetCue,
    ForgetId,
    ForgetProgram,
    KeepCue,
    KeepId,
    KeepProgram,
    KeysHeard,
    Restored,
    Write,
)
from agent.trust import PublicKey, Trust, seal
from agent.units import UtcUs, format_utc

SHOW, SECOND, CONTENT, PANIC = key_of(1), key_of(2), key_of(3, "content"), key_of(4, "panic")
ALL = Trust((SHOW, SECOND, CONTENT, PANIC))
WITHOUT_SHOW = Trust((SECOND, CONTENT, PANIC))
LOOP = {"action": "play", "program": "reel", "rev": 1, "loop": True}


def cue(number: int = 1, key: int = 1, **changes: Any) -> bytes:
    return seal("cue", cue_body(number, **{"do": LOOP, **changes}), [private(key)])


def program() -> bytes:
    return seal("program", program_body(), [private(3)])


def wall(*, trust: Trust = ALL) -> FakeWall:
    made = FakeWall(trust=trust)
    made.start_player()
    made.receive("program/reel/1", program())
    return made


def hear(wall: FakeWall, trust: Trust, *, settled: bool) -> None:
    wall.give(KeysHeard(trust, settled))


def refusals(wall: FakeWall) -> list[tuple[str, str | None]]:
    return [(ack.cue, ack.reason) for ack in wall.acks if ack.stage == "refused"]


def test_signed_cues_and_programs_play_and_are_kept_with_their_signers() -> None:
    paris = wall()
    paris.receive(f"cue/{uuid_of(1)}", cue())
    paris.until(T0 + S)
    assert paris.shown[-1][1].kind == "film"
    kept = [effect for effect in paris.effects if isinstance(effect, KeepCue | KeepProgram)]
    assert [effect.signers for effect in kept] == [frozenset([CONTENT.id]), frozenset([SHOW.id])]


def test_unsigned_and_wrongly_signed_ones_change_nothing() -> None:
    paris = wall()
    for number, message in enumerate((cue_body(1), cue(2, key=3), cue(3, key=4), cue(4, key=9)), 1):
        paris.receive(f"cue/{uuid_of(number)}", message)
    paris.until(T0 + S)
    assert refusals(paris) == [
        (uuid_of(1), "signature"),
        (uuid_of(2), "role"),
        (uuid_of(3), "role"),
        (uuid_of(4), "signature"),
    ]
    assert all(start.kind == "slate" for _, start in paris.shown)


def test_a_key_that_goes_takes_back_what_has_not_begun_and_strikes_it_once_that_is_sure() -> None:
    paris = wall()
    paris.receive(f"cue/{uuid_of(1)}", cue())
    hear(paris, WITHOUT_SHOW, settled=False)
    assert refusals(paris) == [(uuid_of(1), "signature")]
    assert not any(isinstance(effect, ForgetCue) for effect in paris.effects)
    hear(paris, WITHOUT_SHOW, settled=True)
    assert ForgetCue(uuid_of(1)) in paris.effects
    paris.until(T0 + S)
    assert all(start.kind == "slate" for _, start in paris.shown)


def test_what_a_key_takes_back_comes_back_with_it_as_long_as_nothing_is_struck() -> None:
    paris = wall()
    paris.receive(f"cue/{uuid_of(1)}", cue())
    hear(paris, Trust(), settled=False)
    hear(paris, ALL, settled=False)
    hear(paris, ALL, settled=True)
    assert paris.stages(1) == ["accepted", "refused", "accepted"]
    paris.until(T0 + S)
    assert paris.shown[-1][1].kind == "film"
    assert not any(isinstance(effect, ForgetCue | ForgetProgram) for effect in paris.effects)


def test_the_running_cue_goes_on_without_its_keys_and_nothing_else_does() -> None:
    paris = wall()
    paris.receive(f"cue/{uuid_of(1)}", cue(1, at=T0))
    paris.receive(f"cue/{uuid_of(2)}", cue(2, at=T0 + 20 * S, do={"action": "black"}))
    paris.until(T0 + 5 * S)
    hear(paris, Trust((SECOND,)), settled=False)
    hear(paris, Trust((SECOND,)), settled=True)
    assert ForgetCue(uuid_of(2)) in paris.effects
    assert ForgetCue(uuid_of(1)) not in paris.effects
    assert not any(isinstance(effect, ForgetProgram) for effect in paris.effects), "the running cue needs it"
    paris.until(T0 + 30 * S)
    assert paris.shown[-1][1].kind == "film"
    assert refusals(paris) == [(uuid_of(2), "signature")]


def test_a_covered_cue_of_a_key_that_went_does_not_come_back() -> None:
    paris = wall()
    paris.receive(f"cue/{uuid_of(1)}", cue(1, at=T0))
    spot = cue(2, key=2, at=T0 + 5 * S, do={"action": "black"}, expires="2025-06-02T12:00:20Z")
    paris.receive(f"cue/{uuid_of(2)}", spot)
    paris.until(T0 + 10 * S)
    hear(paris, WITHOUT_SHOW, settled=False)
    hear(paris, WITHOUT_SHOW, settled=True)
    paris.until(T0 + 30 * S)
    assert ForgetCue(uuid_of(1)) in paris.effects
    assert paris.shown[-1][1].kind == "slate"


def test_a_broker_that_repeats_the_running_cue_of_a_key_that_went_gets_no_refusal() -> None:
    paris = wall()
    paris.receive(f"cue/{uuid_of(1)}", cue(1, at=T0))
    paris.until(T0 + 5 * S)
    hear(paris, WITHOUT_SHOW, settled=True)
    paris.receive(f"cue/{uuid_of(1)}", cue(1, at=T0))
    assert refusals(paris) == []
    paris.receive(f"cue/{uuid_of(1)}", cue(1, at=T0, do={"action": "black"}))
    assert refusals(paris) == [], "an enemy's bytes under its id say nothing of the cue itself"


def test_a_new_key_has_everything_sent_again_and_refused_cues_judged_anew() -> None:
    paris = wall(trust=Trust((CONTENT,)))
    paris.receive(f"cue/{uuid_of(1)}", cue())
    hear(paris, ALL, settled=False)
    assert AskAgain() in paris.effects
    paris.receive(f"cue/{uuid_of(1)}", cue())
    paris.until(T0 + S)
    assert paris.shown[-1][1].kind == "film"


def ending(end: int) -> Trust:
    return Trust((PublicKey("old", "show", SHOW.raw, UtcUs(end)), CONTENT))


def test_a_key_that_expires_blanks_nothing_and_signs_nothing_new() -> None:
    paris = wall(trust=ending(T0 - 5 * S))
    paris.receive(f"cue/{uuid_of(1)}", cue())
    paris.until(T0 + S)
    assert paris.shown[-1][1].kind == "film"
    paris.receive(f"cue/{uuid_of(2)}", cue(2, at=T0 + 20 * S))
    assert refusals(paris) == [(uuid_of(2), "signature")]


def test_without_a_time_a_cue_of_a_key_that_may_have_expired_waits_and_is_asked_for_again() -> None:
    paris = FakeWall(trust=ending(T0 + 600 * S))
    paris.clock = ClockState.HOST
    paris.receive("program/reel/1", program())
    paris.receive(f"cue/{uuid_of(1)}", cue())
    assert paris.acks == []
    paris.receive("cue", cue(2))  # no broker keeps what comes by this topic
    assert refusals(paris) == [(uuid_of(2), "key_undated")]
    assert AskAgain() not in paris.effects
    paris.clock = ClockState.SYNC
    paris.until(paris.t + 20_000)
    assert AskAgain() in paris.effects


def test_a_panic_waits_for_no_time_and_its_lift_is_none_of_a_panic_keys() -> None:
    paris = FakeWall(trust=Trust((PublicKey("red-button", "panic", PANIC.raw, UtcUs(T0 + 9 * S)), SHOW)))
    paris.clock = ClockState.HOST
    paris.start_player()
    paris.receive("panic", seal("panic", panic_body(50), [private(4)]))
    assert paris.covers == ["black"]
    paris.receive("panic", seal("lift", lift_body(50), [private(4)]))
    assert refusals(paris) == [(uuid_of(50), "role")]
    paris.receive("panic", seal("lift", lift_body(50), [private(1)]))
    assert "cancelled" in paris.stages(50)


def restart(trust: Trust, *, at: int, known: bool) -> tuple[FakeWall, list[Effect]]:
    """A player that comes back at an instant, with the journal of before; whether it knows the time at once.

    With what it did until its keys were settled.
    """
    black = cue_body(2, at=T0 + 16 * S, do={"action": "black"})
    kept = (
        ("program/reel/1", program_body(), CONTENT),
        (f"cue/{uuid_of(1)}", cue_body(1, do=LOOP), SHOW),
        (f"cue/{uuid_of(2)}", black, SHOW),
    )
    paris = FakeWall(trust=trust)
    paris.t = UtcUs(at)
    paris.bound_us = 1000 if known else None
    for topic, body, key in kept:
        paris.give(Restored(topic, body, frozenset([key.id])))
    hear(paris, trust, settled=False)
    hear(paris, trust, settled=True)
    done = list(paris.effects)
    paris.bound_us = 1000
    paris.start_player()
    return paris, done


def test_a_restart_keeps_what_its_keys_still_answer_for() -> None:
    paris, _ = restart(ALL, at=T0 + 10 * S, known=False)
    paris.until(T0 + 12 * S)
    assert paris.shown[-1][1].kind == "film"


def test_a_restart_without_the_keys_keeps_what_runs_and_strikes_the_rest_once_the_time_is_known() -> None:
    for known in (True, False):
        paris, done = restart(Trust((SECOND,)), at=T0 + 10 * S, known=known)
        struck = [effect for effect in done if isinstance(effect, ForgetCue)]
        assert struck == ([ForgetCue(uuid_of(2))] if known else []), "nothing is struck before it is known what runs"
        paris.until(T0 + 18 * S)
        assert ForgetCue(uuid_of(2)) in paris.effects
        assert ForgetCue(uuid_of(1)) not in paris.effects
        assert paris.shown[-1][1].kind == "film"


def test_a_key_revoked_while_nobody_knows_the_time_takes_back_what_begins_later() -> None:
    paris = wall()
    paris.bound_us = None
    paris.receive(f"cue/{uuid_of(1)}", cue())
    hear(paris, WITHOUT_SHOW, settled=False)
    hear(paris, WITHOUT_SHOW, settled=True)
    paris.t, paris.bound_us = UtcUs(T0 + 10 * S), 1000
    paris.until(T0 + 12 * S)
    assert ForgetCue(uuid_of(1)) in paris.effects
    assert all(start.kind == "slate" for _, start in paris.shown)


def on_wall(wall: FakeWall) -> str:
    return wall.shown[-1][1].kind


def spot(key: int = 2, *, at: int, end: int) -> bytes:
    return cue(7, key=key, at=at, do={"action": "black"}, expires=format_utc(UtcUs(end)))


def test_the_running_cue_of_a_key_that_went_is_over_when_another_one_follows() -> None:
    paris = wall()
    paris.receive(f"cue/{uuid_of(1)}", cue(1, at=T0))
    paris.receive(f"cue/{uuid_of(7)}", spot(at=T0 + 10 * S, end=T0 + 15 * S))
    paris.until(T0 + 5 * S)
    hear(paris, WITHOUT_SHOW, settled=False)
    hear(paris, WITHOUT_SHOW, settled=True)
    paris.until(T0 + 9 * S)
    assert on_wall(paris) == "film"
    paris.until(T0 + 20 * S)
    assert on_wall(paris) == "slate", "it does not come back behind the spot"
    assert ForgetCue(uuid_of(1)) in paris.effects
    assert paris.stages(1)[-1] == "superseded"
    assert refusals(paris) == []


def test_the_running_program_of_a_key_that_went_is_nobodys_afterwards() -> None:
    paris = wall()
    paris.receive(f"cue/{uuid_of(1)}", cue(1, at=T0))
    paris.receive(f"cue/{uuid_of(7)}", spot(at=T0 + 10 * S, end=T0 + 15 * S))
    paris.until(T0 + 5 * S)
    hear(paris, Trust((SHOW, SECOND)), settled=False)
    hear(paris, Trust((SHOW, SECOND)), settled=True)
    paris.until(T0 + 9 * S)
    assert on_wall(paris) == "film"
    paris.until(T0 + 20 * S)
    assert on_wall(paris) == "slate", "the cue comes back, and its program is none any more"
    assert ForgetProgram("reel", 1) in paris.effects
    assert AskAgain() in paris.effects


def test_what_nobody_signed_is_not_let_be_when_signatures_are_asked_for_at_last() -> None:
    for cue_key, program_key in ((None, CONTENT), (SHOW, None)):
        paris = FakeWall(trust=ALL)
        paris.t, paris.bound_us = UtcUs(T0 + 10 * S), None
        paris.give(Restored("program/reel/1", program_body(), signed_by(program_key)))
        paris.give(Restored(f"cue/{uuid_of(1)}", cue_body(1, do=LOOP), signed_by(cue_key)))
        hear(paris, ALL, settled=False)
        hear(paris, ALL, settled=True)
        paris.bound_us = 1000
        paris.start_player()
        paris.until(T0 + 12 * S)
        assert all(start.kind == "slate" for _, start in paris.shown)
        assert (ForgetCue(uuid_of(1)) if cue_key is None else ForgetProgram("reel", 1)) in paris.effects


def signed_by(key: PublicKey | None) -> frozenset[str]:
    return frozenset([key.id]) if key else frozenset()


def test_a_restart_without_the_content_key_goes_on_with_the_program_that_runs() -> None:
    paris, done = restart(Trust((SHOW,)), at=T0 + 10 * S, known=False)
    assert not any(isinstance(effect, ForgetProgram) for effect in done)
    paris.until(T0 + 12 * S)
    assert on_wall(paris) == "film"


def test_by_the_hosts_own_clock_nothing_is_struck_for_good() -> None:
    paris = FakeWall(trust=Trust((SECOND,)))
    paris.t, paris.clock = UtcUs(T0 - 3600 * S), ClockState.HOST
    paris.give(Restored("program/reel/1", program_body(), signed_by(CONTENT)))
    paris.give(Restored(f"cue/{uuid_of(1)}", cue_body(1, do=LOOP), signed_by(SHOW)))
    hear(paris, Trust((SECOND,)), settled=False)
    hear(paris, Trust((SECOND,)), settled=True)
    paris.until(paris.t + S)
    paris.t, paris.clock = UtcUs(T0 + 10 * S), ClockState.SYNC
    paris.start_player()
    paris.until(T0 + 12 * S)
    assert on_wall(paris) == "film", "the host's clock was an hour slow: it runs"


def test_what_a_fast_host_clock_took_for_running_does_not_begin_without_its_key() -> None:
    paris = FakeWall(trust=Trust((SECOND,)))
    paris.t, paris.clock = UtcUs(T0 + 3600 * S), ClockState.HOST
    paris.give(Restored("program/reel/1", program_body(), signed_by(CONTENT)))
    paris.give(Restored(f"cue/{uuid_of(1)}", cue_body(1, do=LOOP), signed_by(SHOW)))
    paris.give(Restored(f"cue/{uuid_of(2)}", cue_body(2, T0 + 30 * S, {"action": "black"}), signed_by(SHOW)))
    hear(paris, Trust((SECOND,)), settled=False)
    hear(paris, Trust((SECOND,)), settled=True)
    paris.start_player()
    paris.until(paris.t + S)
    assert on_wall(paris) == "black"
    paris.clock = ClockState.SYNC
    paris.step_clock(-3591 * S)
    paris.until(T0 + 40 * S)
    assert on_wall(paris) == "film"
    assert ForgetCue(uuid_of(2)) in paris.effects
    assert ForgetCue(uuid_of(1)) not in paris.effects


def test_what_is_signed_again_by_other_keys_survives_the_first_ones() -> None:
    second = key_of(5, "content")
    paris = wall(trust=Trust((*ALL.keys, second)))
    paris.receive(f"cue/{uuid_of(1)}", cue(1, key=1))
    paris.receive(f"cue/{uuid_of(1)}", cue(1, key=2))
    paris.receive("program/reel/1", seal("program", program_body(), [private(5)]))
    kept = [effect.signers for effect in paris.effects if isinstance(effect, KeepCue | KeepProgram)]
    assert kept[-2:] == [frozenset([SHOW.id, SECOND.id]), frozenset([CONTENT.id, second.id])]
    hear(paris, Trust((SECOND, second)), settled=False)
    hear(paris, Trust((SECOND, second)), settled=True)
    paris.until(T0 + S)
    assert on_wall(paris) == "film"
    assert paris.stages(1) == ["accepted", "armed", "started"]


@pytest.mark.parametrize("venues", [["*"], ["tokyo"]])
def test_what_lost_to_a_stolen_key_is_asked_for_when_the_key_is_gone(venues: list[str]) -> None:
    paris = wall()
    paris.receive(f"cue/{uuid_of(1)}", cue(venues=venues))
    hear(paris, WITHOUT_SHOW, settled=False)
    assert AskAgain() not in paris.effects
    hear(paris, WITHOUT_SHOW, settled=True)
    assert AskAgain() in paris.effects


def on_disk(wall: FakeWall) -> dict[str, Write]:
    """What the journal ends up with: of all writes under a key the last one counts."""
    last = {effect.key: effect for effect in wall.effects if isinstance(effect, Write)}
    return {key: write for key, write in last.items() if not isinstance(write, ForgetCue | ForgetId | ForgetProgram)}


def test_what_is_signed_anew_before_the_keys_are_settled_stays_on_the_disk() -> None:
    second = key_of(5, "content")
    paris = wall(trust=Trust((*ALL.keys, second)))
    paris.receive(f"cue/{uuid_of(1)}", cue())
    paris.receive(f"cue/{uuid_of(2)}", cue(2))
    hear(paris, Trust((SECOND, second)), settled=False)
    paris.receive("program/reel/1", seal("program", program_body(), [private(5)]))
    paris.receive(f"cue/{uuid_of(1)}", cue(key=2))
    paris.receive(f"cue/{uuid_of(2)}", cue(2, key=2, venues=["tokyo"]))
    hear(paris, Trust((SECOND, second)), settled=True)
    kept = on_disk(paris)
    assert {f"cue/{uuid_of(1)}", f"id/{uuid_of(2)}", "program/reel/1"} <= kept.keys()
    assert f"cue/{uuid_of(2)}" not in kept, "it is tokyo's by now"
    first = kept[f"id/{uuid_of(1)}"]
    assert isinstance(first, KeepId)
    assert first.signers == {SECOND.id}, "what the journal said of the id is corrected"


def test_a_key_that_comes_back_finds_the_id_of_its_cue_taken_and_the_disk_says_the_same() -> None:
    paris = wall()
    paris.receive(f"cue/{uuid_of(1)}", cue())
    hear(paris, WITHOUT_SHOW, settled=False)
    paris.receive(f"cue/{uuid_of(1)}", cue(key=2, venues=["tokyo"]))
    hear(paris, ALL, settled=False)
    kept = on_disk(paris)
    assert f"cue/{uuid_of(1)}" not in kept, "after a restart it would count again"
    assert f"id/{uuid_of(1)}" in kept
    assert AskAgain() in paris.effects, "when it comes again the smaller hash counts"


def test_a_cancel_that_has_begun_stays_when_its_key_goes() -> None:
    paris = wall()
    paris.receive(f"cue/{uuid_of(1)}", cue(1, key=2, at=T0))
    paris.receive(f"cue/{uuid_of(2)}", cue(2, at=T0 + 2 * S, do={"action": "cancel", "cue": uuid_of(1)}))
    paris.receive(f"cue/{uuid_of(3)}", cue(3, at=T0 + 20 * S, do={"action": "cancel", "cue": uuid_of(9)}))
    paris.until(T0 + 3 * S)
    hear(paris, WITHOUT_SHOW, settled=False)
    hear(paris, WITHOUT_SHOW, settled=True)
    paris.until(T0 + 5 * S)
    assert paris.shown[-1][1].kind == "slate", "what was taken off the wall does not come back"
    assert ForgetCue(uuid_of(3)) in paris.effects
    assert ForgetCue(uuid_of(2)) not in paris.effects
