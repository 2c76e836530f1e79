import time

import pytest

from agent.clock import kernel


def test_the_raw_counter_counts_nanoseconds() -> None:
    before = kernel.raw_now_ns()
    time.sleep(0.05)
    assert 0.045e9 < kernel.raw_now_ns() - before < 5e9


def test_both_clocks_are_read_at_one_instant() -> None:
    raw, real = kernel.both_now_ns()
    assert kernel.raw_now_ns() - raw == pytest.approx(kernel.real_now_ns() - real, abs=2e6)


def test_a_fresh_stamp_is_carried_to_the_raw_counter() -> None:
    asked = kernel.both_now_ns()
    time.sleep(0.01)
    raw, real = kernel.both_now_ns()
    stamped = kernel.raw_of_stamp(real, *asked)
    assert stamped is not None and abs(stamped - raw) < 1e6


@pytest.mark.parametrize("ahead_s", [-1.2, 0.5, 3600.0])
def test_a_stamp_of_another_wall_clock_is_not_used(ahead_s: float) -> None:
    asked = kernel.both_now_ns()
    assert kernel.raw_of_stamp(kernel.real_now_ns() + round(ahead_s * 1e9), *asked) is None


def test_a_stamp_older_than_the_request_is_not_used() -> None:
    asked = kernel.both_now_ns()
    assert kernel.raw_of_stamp(asked[1] - 100_000_000, *asked) is None


@pytest.mark.parametrize("step_s", [-5.0, 0.2, 5.0])
def test_a_wall_clock_that_stepped_since_the_request_voids_the_stamp(step_s: float) -> None:
    asked_raw, asked_real = kernel.both_now_ns()
    asked_before_the_step = asked_real - round(step_s * 1e9)
    assert kernel.raw_of_stamp(kernel.real_now_ns(), asked_raw, asked_before_the_step) is None
