"""Harness item 12 of clock.md on this machine, in short; tests/long/firing prints the whole table."""

import firing
import pytest
from firing import FIFO, FIFO_PARENT, PLAIN, PLAIN_PARENT, Cell, Lateness

COUNT = 100
ATTEMPTS = 6
"""What else runs on a machine only ever makes an instant late: the most punctual attempt of a cell is the code's."""


def test_a_start_is_punctual_without_any_privilege() -> None:
    measured = firing.measure_all([PLAIN, PLAIN_PARENT], COUNT, ATTEMPTS)
    assert firing.faults(measured) == []


def test_a_start_is_punctual_to_a_tenth_of_a_millisecond_under_sched_fifo() -> None:
    if not firing.realtime_permitted():
        pytest.skip("SCHED_FIFO is not permitted to this user: run as root, or raise RLIMIT_RTPRIO")
    measured = firing.measure_all([FIFO, FIFO_PARENT], COUNT, ATTEMPTS)
    assert firing.faults(measured) == []


def late(p99_us: float) -> Lateness:
    return Lateness(COUNT, p99_us / 2, p99_us, p99_us * 2, 0.0)


@pytest.mark.parametrize(
    ("alone", "busy", "alone_us", "busy_us", "named"),
    [
        (FIFO, FIFO_PARENT, 99, 298, None),
        (FIFO, FIFO_PARENT, 101, 101, "under SCHED_FIFO: p99 is 101 µs late, allowed 100"),
        (FIFO, FIFO_PARENT, 10, 211, "under SCHED_FIFO: a busy parent process adds 201 µs"),
        (PLAIN, PLAIN_PARENT, 999, 1198, None),
        (PLAIN, PLAIN_PARENT, 1001, 1001, "plain: p99 is 1001 µs late, allowed 1000"),
        (PLAIN, PLAIN_PARENT, 20, 221, "plain: a busy parent process adds 201 µs"),
    ],
)
def test_a_limit_that_is_missed_is_named(
    alone: Cell, busy: Cell, alone_us: float, busy_us: float, named: str | None
) -> None:
    found = firing.faults({alone: late(alone_us), busy: late(busy_us)})
    assert len(found) == (named is not None)
    assert named is None or found[0].startswith(named)
