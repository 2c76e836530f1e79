from makers import T0, VENUE, S, cue, cue_body, panic_body, uuid_of
from walls import FakeWall

from agent import identify
from agent.effects import PlayerHeard, Restored
from agent.messages import Cue
from agent.player.wire import Failed, Identify
from agent.schedule import Agenda
from agent.units import UtcUs, format_utc

TEN = {"action": "identify", "seconds": 10}
BLACK = {"action": "black"}


def at(seconds: float) -> UtcUs:
    return UtcUs(round(T0 + seconds * S))


def span(order: Identify | None) -> tuple[float, float] | None:
    return ((order.at - T0) / S, (order.until - T0) / S) if order else None


def wanted(*cues: Cue, t: float) -> tuple[float, float] | None:
    return span(identify.wanted(Agenda(cues), VENUE, at(t)))


def cancel(number: int, of: int, seconds: float) -> Cue:
    return cue(number, at(seconds), {"action": "cancel", "cue": uuid_of(of)})


def test_it_is_known_ahead_and_over_when_its_time_is() -> None:
    one = cue(1, at(5), TEN)
    assert wanted(one, t=-20) == wanted(one, t=14.9) == (5, 15)
    assert wanted(one, t=15) is None


def test_what_is_due_goes_before_what_comes_and_the_later_of_two_that_are_due() -> None:
    early, late = cue(1, at(0), TEN), cue(2, at(6), TEN)
    assert [wanted(early, late, t=t) for t in (-1, 3, 6, 12)] == [(0, 10), (0, 10), (6, 16), (6, 16)]


def test_it_ends_where_it_expires_or_is_taken_back() -> None:
    assert wanted(cue(1, at(0), TEN, expires=format_utc(at(4))), t=1) == (0, 4)
    one = cue(1, at(0), TEN)
    assert wanted(one, cancel(2, 1, 3), t=1) == (0, 3)
    assert wanted(one, cancel(2, 1, 3), t=3) is None
    assert wanted(one, cancel(2, 1, -3), t=-1) is None


def test_it_counts_down_to_the_next_change_in_words() -> None:
    play = cue(2, at(30), {"action": "play", "program": "reel", "rev": 1, "held": True})
    order = identify.wanted(
        Agenda([cue(1, at(0), TEN), cue(3, at(20), TEN), cue(4, at(40), BLACK), play]), VENUE, at(1)
    )
    assert order is not None
    assert (order.venue, order.zone, order.next_at, order.next_what) == ("paris", "UTC", at(30), "hold reel")
    alone = identify.wanted(Agenda([cue(1, at(0), TEN)]), VENUE, at(1))
    assert alone is not None
    assert (alone.next_at, alone.next_what) == (None, "")


def ready_wall() -> FakeWall:
    wall = FakeWall()
    wall.start_player()
    wall.until(at(-20))
    return wall


def test_the_player_is_told_once_ahead_again_when_the_next_change_is_another_and_never_after() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(1, at(0), TEN))
    wall.until(at(2))
    assert [span(order) for order in wall.overlays] == [(0, 10)]
    wall.receive("cue", cue_body(2, at(60), BLACK))
    assert [(span(order), order.next_what) for order in wall.overlays[1:]] == [((0, 10), "black")]
    wall.until(at(20))
    assert len(wall.overlays) == 2


def test_it_changes_no_state_and_its_acks_are_accepted_and_started() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(2, at(1), BLACK))
    wall.receive("cue", cue_body(1, at(0), TEN))
    before = wall.conductor.snapshot(wall.now())
    assert (before.pending, before.next and before.next.action) == (1, "black")
    wall.until(at(20))
    assert [row[1] for row in wall.films_shown()] == ["slate", "black"]
    assert wall.stages(1) == ["accepted", "started"]
    started = next(ack for ack in wall.acks if ack.cue == uuid_of(1) and ack.stage == "started")
    assert (started.due, started.joined) == (at(0), False)
    assert wall.conductor.snapshot(wall.now()).cue == uuid_of(2)


def test_taken_back_it_goes_at_once() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(1, at(0), TEN))
    wall.until(at(2))
    wall.receive("cue", cue_body(2, at(1), {"action": "cancel", "cue": uuid_of(1)}))
    assert [span(order) for order in wall.overlays] == [(0, 10), (0, 0)]
    assert wall.stages(1) == ["accepted", "started", "cancelled"]


def test_a_new_player_is_told_again() -> None:
    wall = ready_wall()
    wall.receive("cue", cue_body(1, at(0), TEN))
    wall.until(at(2))
    wall.alive = False
    wall.give(PlayerHeard(Failed(reason="player_died", detail="SIGKILL")))
    wall.start_player()
    assert [span(order) for order in wall.overlays] == [(0, 10), (0, 10)]
    assert wall.stages(1) == ["accepted", "started"]


def test_late_it_is_joined_or_missed_and_without_a_player_missed_with_the_reason() -> None:
    wall = ready_wall()
    wall.until(at(3))
    wall.receive("cue", cue_body(1, at(0), TEN))
    assert (wall.stages(1), wall.acks[-1].joined) == (["accepted", "started"], True)
    wall.until(at(20))
    wall.receive("cue", cue_body(2, at(0), TEN))
    assert (wall.stages(2), wall.acks[-1].reason) == (["accepted", "missed"], "late")
    alone = FakeWall()
    alone.receive("cue", cue_body(1, at(0), TEN))
    alone.until(at(11))
    assert (alone.stages(1), alone.acks[-1].reason) == (["accepted", "missed"], "player_starting")


def test_in_a_panic_nobody_sees_it() -> None:
    wall = ready_wall()
    wall.receive("panic", panic_body(9))
    wall.receive("cue", cue_body(1, at(0), TEN))
    wall.until(at(11))
    assert (wall.stages(1), wall.acks[-1].reason) == (["accepted", "missed"], "panic")


def test_after_a_restart_it_goes_on_without_old_news() -> None:
    wall = FakeWall()
    wall.until(at(3))
    wall.give(Restored(f"cue/{uuid_of(1)}", cue_body(1, at(0), TEN)))
    wall.start_player()
    wall.until(at(20))
    assert [span(order) for order in wall.overlays] == [(0, 10)]
    assert wall.stages(1) == []
