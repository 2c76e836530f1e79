import pytest

from agent.player.trim import MOST, MPV_LATE_US, TRIM_US, trim_of, untrimmed
from agent.units import RawNs

NOW = RawNs(5_000_000_000)


@pytest.mark.parametrize("go_us", [0, 150, 2_500, 4_000, 20_000])
def test_speed_times_length_takes_out_the_lateness_and_mpvs_own(go_us: int) -> None:
    trim = trim_of(go_us, NOW)
    taken_out_us = (trim.speed - 1) * (trim.end - trim.begin) / 1000
    assert taken_out_us == pytest.approx(go_us + MPV_LATE_US, abs=1)
    assert trim.speed - 1 <= MOST + 1e-9
    assert trim.end - trim.begin >= TRIM_US * 1000


def test_what_is_left_falls_evenly_to_nothing() -> None:
    trim = trim_of(700, NOW)
    halfway = RawNs((trim.begin + trim.end) // 2)
    assert [trim.left_us(raw) for raw in (NOW, halfway, trim.end, RawNs(trim.end + 10**9))] == [1000, 500, 0, 0]


def test_untrimmed_leaves_speed_and_expectation_alone() -> None:
    trim = untrimmed(NOW)
    assert (trim.speed, trim.left_us(NOW), trim.left_us(RawNs(NOW + 10**9))) == (1.0, 0, 0)
