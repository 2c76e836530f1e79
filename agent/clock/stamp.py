"""A kernel's stamp on the wall clock's line, carried to the raw counter. Pure."""

from dataclasses import dataclass

from agent.units import RawNs

_OLDEST_STAMP_NS = 1_000_000_000
_MOST_MOVED_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Instant:
    """The raw counter and the wall clock at one instant."""

    raw: RawNs
    real_ns: int


def raw_of_stamp(stamp_real_ns: int, asked: Instant, now: Instant) -> RawNs | None:
    """When a kernel stamp on the wall clock's line was taken, on the raw counter; None where that cannot be told.

    The stamp's age is measured on the wall clock and subtracted from the raw counter's now. An age outside 0…1 s
    means that this process sees another wall clock than the kernel; a wall clock that has moved against the raw counter
    since the request was stepped or is being slewed fast. What it gained less than that may all lie within the age: the
    answer is the latest that it can have been, since a late T4 widens an interval and an early one breaks it.
    """
    age = now.real_ns - stamp_real_ns
    moved = (now.real_ns - now.raw) - (asked.real_ns - asked.raw)
    if not 0 <= age <= _OLDEST_STAMP_NS or abs(moved) > _MOST_MOVED_NS:
        return None
    stamped = RawNs(now.raw - age + max(0, moved))
    return stamped if stamped >= asked.raw else None
