import pytest

from agent.player.trim import (
    MOST,
    MOST_LATE_US,
    RUN_LATE_US,
    SHOW_LATE_US,
    STILL_LATE_US,
    TRIM_US,
    Lateness,
    trim_of,
    untrimmed,
)
from agent.units import RawNs

NOW = RawNs(5_000_000_000)


@pytest.mark.parametrize("late_us", [-900, 0, 150, 2_500, 4_000, 20_000])
def test_extra_speed_times_length_takes_out_the_lateness(late_us: int) -> None:
    trim = trim_of(late_us, NOW)
    taken_out_us = trim.extra * (trim.end - trim.begin) / 1000
    assert taken_out_us == pytest.approx(late_us, abs=1)
    assert abs(trim.extra) <= MOST + 1e-9
    assert trim.end - trim.begin >= TRIM_US * 1000


def test_what_is_left_falls_evenly_to_nothing() -> None:
    trim = trim_of(1000, NOW)
    halfway = RawNs((trim.begin + trim.end) // 2)
    assert [trim.left_us(raw) for raw in (NOW, halfway, trim.end, RawNs(trim.end + 10**9))] == [1000, 500, 0, 0]


def test_untrimmed_stays_as_late_as_it_is() -> None:
    trim = untrimmed(700, NOW)
    assert trim.extra == 0.0
    assert round(trim.left_us(RawNs(NOW + 10**9))) == 700


def test_what_a_machine_needs_is_learnt_from_its_starts() -> None:
    truth_us, lateness = 1_400.0, Lateness()
    for _ in range(20):
        lateness.ran(False, truth_us - lateness.run_us(False))
        lateness.shown(True, truth_us - lateness.show_us(True))
    assert lateness.run_us(False) == pytest.approx(truth_us, abs=10)
    assert lateness.show_us(True) == pytest.approx(truth_us, abs=10)
    assert lateness.show_us(False) == STILL_LATE_US, "decks taught the others"
    assert lateness.run_us(True) == RUN_LATE_US, "silence taught sound"
    lateness.ran(True, 800.0)
    assert lateness.run_us(True) > RUN_LATE_US


def test_one_wild_start_is_not_believed_and_nothing_is_ordered_absurdly_early() -> None:
    lateness = Lateness()
    lateness.shown(True, 400_000)
    assert lateness.show_us(True) <= SHOW_LATE_US + 500
    for _ in range(100):
        lateness.shown(True, 400_000)
        lateness.ran(False, -400_000)
    assert lateness.show_us(True) == MOST_LATE_US
    assert lateness.run_us(False) == 0
