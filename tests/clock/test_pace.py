from itertools import pairwise

import pytest

from agent.clock.pace import Pace


def test_a_strangers_server_is_asked_8_times_and_then_every_64_s() -> None:
    pace = Pace(ours=False)
    waits = [pace.after(None) for _ in range(30)]
    assert waits[:7] == [2.0] * 7
    assert all(wait == pytest.approx(64, rel=0.1) for wait in waits[7:])
    assert len(set(waits[7:])) == 23, "no two pauses are the same"


def test_players_that_were_switched_on_together_spread_out() -> None:
    def pauses(salt: str) -> list[float]:
        pace = Pace(ours=False, salt=salt)
        return [pace.after(None) for _ in range(12)][7:]

    assert pauses("paris") != pauses("tokyo")
    assert pauses("paris") == pauses("paris")


def test_our_own_is_asked_faster() -> None:
    pace = Pace(ours=True)
    assert [pace.after(None) for _ in range(18)] == [1.0] * 15 + [4.0] * 3


def test_silence_doubles_the_interval_up_to_a_limit() -> None:
    waits = list(map(Pace(ours=False).after, ["silent"] * 11))
    assert waits[:2] == pytest.approx([4, 8], rel=0.1)
    assert all(after > before for before, after in pairwise(waits[:9]))
    assert waits[-3:] == pytest.approx([1024] * 3, rel=0.1)
    waits = list(map(Pace(ours=True).after, ["silent"] * 6))
    assert waits == pytest.approx([2, 4, 8, 16, 16, 16], rel=0.1)
    pace = Pace(ours=False)
    assert pace.after("silent") == 4 and pace.after("silent") == pytest.approx(8, rel=0.1) and pace.after(None) == 2


def test_a_network_that_is_away_is_tried_often() -> None:
    assert max(map(Pace(ours=False).after, ["dns", "network"] * 10)) <= 8.8


def test_rate_at_least_doubles_the_interval_for_good_and_every_time() -> None:
    pace = Pace(ours=True)
    pace.after(None)
    intervals = []
    for _ in range(6):
        pace.after("kiss_rate")
        intervals.append(pace.interval_s)
    assert intervals == [2, 4, 8, 16, 32, 64]
    pace.after(None)
    assert pace.interval_s == 64 == pace.floor_s
    pace.after("silent")
    assert pace.interval_s >= 64


def test_a_new_burst_does_not_forget_what_the_server_asked_for() -> None:
    pace = Pace(ours=False)
    for _ in range(9):
        pace.after(None)
    pace.again()
    assert [pace.after(None) for _ in range(7)] == [2.0] * 7
    pace.after("kiss_rate")
    pace.again()
    assert pace.after(None) >= 64 * 0.9
