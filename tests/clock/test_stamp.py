import pytest

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


@pytest.mark.parametrize("step_s", [-3600.0, -5.0, -2.0, -0.002, 0.002, 2.0, 5.0, 3600.0])
@pytest.mark.parametrize("stepped", ["before the packet came", "after it came"])
def test_a_wall_clock_stepped_in_mid_exchange_voids_the_stamp(step_s: float, stepped: str) -> None:
    step_ns = round(step_s * S)
    stamp = REAL0 + 12 * MS + (step_ns if stepped.startswith("before") else 0)
    assert raw_of_stamp(stamp, at(0), at(15, step_ns)) is None


def test_a_wall_clock_that_chrony_slews_is_followed() -> None:
    # 500 ppm over 15 ms is 7.5 µs; the age is measured over the last 3 ms of it.
    found = raw_of_stamp(REAL0 + round(12 * MS * 1.0005), at(0), at(15, 7_500))
    assert found is not None and abs(found - (7 * S + 12 * MS)) < 2000


@pytest.mark.parametrize("offset_s", [1.3, -2.7, 37.0, -11.0, 5.1])
def test_a_process_that_lives_in_another_time_than_the_kernel_does_not_use_its_stamps(offset_s: float) -> None:
    # As under libfaketime: our wall clock is elsewhere, the kernel's stamps are true.
    asked, now = (Instant(i.raw, i.real_ns + round(offset_s * S)) for i in (at(0), at(15)))
    assert raw_of_stamp(REAL0 + 12 * MS, asked, now) is None


@pytest.mark.parametrize("stamp_ms", [-1.0, 16.0, -2000.0])
def test_a_stamp_from_before_the_request_or_from_the_future_is_not_used(stamp_ms: float) -> None:
    assert raw_of_stamp(REAL0 + round(stamp_ms * MS), at(0), at(15)) is None
