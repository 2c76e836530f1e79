import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock.stamp import Instant, raw_of_stamp
from agent.units import RawNs

MS = 1_000_000
S = 1000 * MS
REAL0 = 1_780_000_000 * S


def at(ms: float, ahead_ns: int = 0) -> Instant:
    """An instant so many ms after the request, on a wall clock that is so far ahead of where it was."""
    return Instant(RawNs(7 * S + round(ms * MS)), REAL0 + round(ms * MS) + ahead_ns)


def test_a_stamp_is_as_old_on_the_raw_counter_as_on_the_wall_clock() -> None:
    assert raw_of_stamp(REAL0 + 12 * MS, at(0), at(15)) == 7 * S + 12 * MS


@pytest.mark.parametrize("step_s", [-3600.0, -5.0, -2.0, -0.1, 0.1, 2.0, 5.0, 3600.0])
@pytest.mark.parametrize("stepped", ["before the packet came", "after it came"])
def test_a_wall_clock_stepped_in_mid_exchange_costs_next_to_nothing(step_s: float, stepped: str) -> None:
    step_ns = round(step_s * S)
    stamp = REAL0 + 12 * MS + (step_ns if stepped.startswith("before") else 0)
    found = raw_of_stamp(stamp, at(0), at(15, step_ns))
    # Late by a thousandth of the exchange, by as much as the clock may have been slewed besides.
    assert found is not None and 0 <= found - (7 * S + 12 * MS) <= 15 * MS // 1000


@pytest.mark.parametrize(("before", "step_ms", "late_ms"), [(True, 2, 2), (False, 2, 0), (True, -2, 0), (False, -2, 2)])
def test_where_a_step_may_have_come_before_or_after_the_packet_the_later_is_taken(
    before: bool, step_ms: int, late_ms: int
) -> None:
    found = raw_of_stamp(REAL0 + (12 + before * step_ms) * MS, at(0), at(15, step_ms * MS))
    assert found == pytest.approx(7 * S + (12 + late_ms) * MS, abs=0.015 * MS)


def test_a_wall_clock_that_is_slewed_fast_voids_the_stamp() -> None:
    # 83 333 ppm, as fast as chrony goes, over 60 ms.
    assert raw_of_stamp(REAL0 + 57 * MS, at(0), at(60, 5 * MS)) is None


def test_a_wall_clock_that_chrony_slews_is_followed() -> None:
    # 500 ppm over 15 ms is 7.5 µs; the age is measured over the last 3 ms of it.
    found = raw_of_stamp(REAL0 + round(12 * MS * 1.0005), at(0), at(15, 7_500))
    assert found is not None and 0 <= found - (7 * S + 12 * MS) <= 7_500


def test_a_stamp_of_just_now_before_a_step_is_not_taken_for_an_old_one() -> None:
    # The clock was slewed by 1 ppm, and stepped by 1 ms between the stamp and the look at it: by one reckoning the
    # stamp is 1 ns still to come, by the other 1 ms old.
    assert raw_of_stamp(REAL0 + MS + 1, at(0), at(1, MS + 1)) == at(1).raw


@given(
    came_ms=st.floats(0.0, 1000.0),
    waited_ms=st.floats(0.0, 1000.0),
    slew_ppm=st.floats(-83_333, 83_333),
    step_ms=st.just(0.0) | st.floats(-3.0, 3.0) | st.floats(-2000.0, 2000.0),
    step_before=st.booleans(),
)
def test_whatever_the_wall_clock_does_a_stamp_never_comes_out_early(
    came_ms: float, waited_ms: float, slew_ppm: float, step_ms: float, step_before: bool
) -> None:
    # A T4 that is late widens the interval of its sample; one that is early would claim what is not true.
    def wall(ms: float, stepped: bool) -> int:
        return REAL0 + round(ms * MS * (1 + slew_ppm * 1e-6)) + (round(step_ms * MS) if stepped else 0)

    if step_ms:
        slew_ppm = min(max(slew_ppm, -500.0), 500.0)  # who steps a clock does not slew it fast as well
    now_ms = came_ms + waited_ms
    now = Instant(at(now_ms).raw, wall(now_ms, stepped=True))
    found = raw_of_stamp(wall(came_ms, stepped=step_before), at(0), now)
    # A step against the slew may hide a part of it: then the error is at most the step's.
    hidden_ms = min(abs(step_ms), abs(slew_ppm) * 1e-6 * now_ms) if step_ms * slew_ppm < 0 else 0.0
    if found is not None:
        assert -hidden_ms * MS - 2 <= found - at(came_ms).raw <= (2 + abs(step_ms) + now_ms / 1000) * MS


@pytest.mark.parametrize("offset_s", [1.3, -2.7, 37.0, -11.0, 5.1, -1.78e9, 4.3e8])
def test_a_process_that_lives_in_another_time_than_the_kernel_does_not_use_its_stamps(offset_s: float) -> None:
    # As under libfaketime: our wall clock is elsewhere, the kernel's stamps are true.
    asked, now = (Instant(i.raw, i.real_ns + round(offset_s * S)) for i in (at(0), at(15)))
    assert raw_of_stamp(REAL0 + 12 * MS, asked, now) is None


@pytest.mark.parametrize("stamp_ms", [-1.0, 16.0, -2000.0])
def test_a_stamp_from_before_the_request_or_from_the_future_is_not_used(stamp_ms: float) -> None:
    assert raw_of_stamp(REAL0 + round(stamp_ms * MS), at(0), at(15)) is None
