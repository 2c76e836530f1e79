"""Waiting for an instant of the raw counter: the very code that fires, and that tests/long/firing measures."""

import select

from agent.clock.kernel import raw_now_ns
from agent.units import RawNs

# So long before its instant a start is taken in hand, by the mapping that is the newest then.
FIRE_AHEAD_US = 5_000
# How long before an instant sleeping ends and spinning begins: more than a wake-up is late (measured, p99: 0.18 ms
# under SCHED_FIFO, 0.3 ms without).
SPIN_REALTIME_NS = 300_000
SPIN_NS = 1_500_000


def spin_for(realtime: bool) -> int:
    """How many nanoseconds to spin before an instant; `realtime`: whether this thread runs under SCHED_FIFO."""
    return SPIN_REALTIME_NS if realtime else SPIN_NS


def wait_until(due: RawNs, spin_ns: int) -> None:
    """Sleep, then spin: absolute to some microseconds where the scheduler lets us (measured, clock.md)."""
    while (left := due - raw_now_ns()) > spin_ns:
        # Relative sleeps, since an absolute one would be on a clock that may be stepped or faked.
        select.select([], [], [], (left - spin_ns) / 1e9)
    while raw_now_ns() < due:
        pass
