"""What the kernel knows: the raw counter, the host's wall clock, and which boot this is."""

import time

from agent.units import RawNs

_OLDEST_STAMP_NS = 1_000_000_000
_MOST_MOVED_NS = 1_000_000


def raw_now_ns() -> RawNs:
    """The raw counter now: the crystal's own rate, which no time daemon slews or steps."""
    return RawNs(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))


def real_now_ns() -> int:
    """The host's wall clock in nanoseconds since 1970: for log stamps and comparison, never for a decision."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def both_now_ns() -> tuple[RawNs, int]:
    """The raw counter and the wall clock at one instant: (raw, real).

    The tightest of three tries, so that a task switch between the two readings does not pass for time. The raw reading
    is the later one: what is derived from it comes out late by some 0.1 µs, never early.
    """
    tries = []
    for _ in range(3):
        before, real, after = raw_now_ns(), real_now_ns(), raw_now_ns()
        tries.append((after - before, after, real))
    _, raw, real = min(tries)
    return raw, real


def raw_of_stamp(stamp_real_ns: int, asked_raw: RawNs, asked_real_ns: int) -> RawNs | None:
    """When a kernel stamp on the wall clock's line was taken, on the raw counter; None where that cannot be told.

    The stamp's age is measured on the wall clock and subtracted from the raw counter's now. An age outside 0…1 s
    means that this process sees another wall clock than the kernel; a wall clock that has moved against the raw counter
    since the request (`asked_…`, read together) was stepped or is being slewed fast.
    """
    raw, real = both_now_ns()
    age = real - stamp_real_ns
    moved = (real - raw) - (asked_real_ns - asked_raw)
    if not 0 <= age <= _OLDEST_STAMP_NS or abs(moved) > _MOST_MOVED_NS:
        return None
    stamped = RawNs(raw - age)
    return stamped if stamped >= asked_raw else None
