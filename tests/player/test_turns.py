from makers import T0, S

from agent.player.turns import GRACE_US, LATE_US, PREPARE_AHEAD_US, Arm, Fire, Miss, Prepare, Release, Turns
from agent.player.wire import Start
from agent.units import UtcUs

AHEAD_US = 20_000


def start(name: str, seconds: float) -> Start:
    return Start(id=name, kind="film", at=UtcUs(round(T0 + seconds * S)), path=f"/films/{name}")


def at(seconds: float) -> UtcUs:
    return UtcUs(round(T0 + seconds * S))


def test_a_start_is_prepared_ten_seconds_before_armed_when_decoded_and_fired_at_its_instant() -> None:
    turns, a = Turns(AHEAD_US), start("a", 60)
    turns.plan([a])
    assert turns.step(at(49.9)) == []
    assert turns.wake_at() == a.at - PREPARE_AHEAD_US
    assert turns.step(at(50)) == [Prepare(a)]
    assert turns.step(at(59)) == []
    assert turns.ready() == [Arm(a)]
    assert turns.wake_at() == a.at - AHEAD_US
    assert turns.step(at(59.97)) == []
    assert turns.step(UtcUs(a.at - AHEAD_US)) == [Fire(a)]


def test_a_second_ready_of_the_same_film_says_nothing_new() -> None:
    turns, a = Turns(AHEAD_US), start("a", 5)
    turns.plan([a])
    turns.step(at(0))
    assert turns.ready() == [Arm(a)]
    assert turns.ready() == []


def test_the_next_start_waits_until_the_first_frames_of_the_one_before_are_through() -> None:
    turns, a, b = Turns(AHEAD_US), start("a", 5), start("b", 8)
    turns.plan([a, b])
    turns.step(at(0))
    turns.ready()
    turns.fired(a, at(5.3))
    assert turns.step(at(5.2)) == []
    assert turns.wake_at() == at(5.3)
    assert turns.step(at(5.3)) == [Prepare(b)]


def test_a_very_near_start_is_prepared_at_once_however_quiet_it_should_be() -> None:
    turns, a, b = Turns(AHEAD_US), start("a", 5), start("b", 6.1)
    turns.plan([a, b])
    turns.step(at(0))
    turns.ready()
    turns.fired(a, at(6))
    assert turns.step(at(5.1)) == [Prepare(b)]


def test_what_is_not_decoded_in_time_is_missed_once_and_stays_missed() -> None:
    turns, a = Turns(AHEAD_US), start("a", 5)
    turns.plan([a])
    turns.step(at(0))
    assert turns.step(UtcUs(a.at + GRACE_US)) == []
    [miss] = turns.step(UtcUs(a.at + GRACE_US + 1))
    assert isinstance(miss, Miss)
    assert (miss.start, miss.reason) == (a, "not_prepared")
    turns.plan([a])
    assert turns.step(at(6)) == []
    assert turns.ready() == []


def test_a_decoded_film_that_is_late_is_shown_late_up_to_a_limit() -> None:
    turns, a = Turns(AHEAD_US), start("a", 5)
    turns.plan([a])
    turns.step(at(0))
    turns.ready()
    assert turns.step(UtcUs(a.at + 200_000)) == [Fire(a)]
    [miss] = turns.step(UtcUs(a.at + LATE_US + 1))
    assert isinstance(miss, Miss)
    assert miss.reason == "too_late"


def test_a_broken_film_is_missed_at_once_with_mpvs_reason() -> None:
    turns, a = Turns(AHEAD_US), start("a", 5)
    turns.plan([a])
    turns.step(at(0))
    [miss] = turns.broken("unrecognized file format")
    assert isinstance(miss, Miss)
    assert (miss.reason, "unrecognized" in miss.detail) == ("film_broken", True)
    assert turns.broken("again") == []


def test_a_new_plan_releases_what_is_no_longer_wanted_and_prepares_the_rest() -> None:
    turns, a, b = Turns(AHEAD_US), start("a", 5), start("b", 4)
    turns.plan([a])
    turns.step(at(0))
    turns.plan([b])
    assert turns.step(at(0.1)) == [Release(), Prepare(b)]
    turns.plan([])
    assert turns.step(at(0.2)) == [Release()]
    assert turns.wake_at() is None


def test_the_same_plan_again_changes_nothing() -> None:
    turns, a, b = Turns(AHEAD_US), start("a", 5), start("b", 9)
    turns.plan([a, b])
    assert turns.step(at(0)) == [Prepare(a)]
    turns.plan([a, b])
    assert turns.step(at(0.1)) == []


def test_the_next_start_is_known_until_it_is_made_or_missed() -> None:
    turns, a, b = Turns(AHEAD_US), start("a", 5), start("b", 8)
    assert turns.next_at() is None
    turns.plan([a, b])
    turns.step(at(0))
    turns.ready()
    assert turns.next_at() == a.at
    turns.fired(a, at(5.5))
    assert turns.next_at() == b.at
    turns.step(at(9))
    assert turns.next_at() is None
