"""A kernel's stamp on the wall clock's line, carried to the raw counter. Pure."""

from dataclasses import dataclass

from agent.units import RawNs

_OLDEST_STAMP_NS = 1_000_000_000
_MOST_MOVED_NS = 1_000_000
_FASTEST_SLEW = 0.1
"""No kernel slews its wall clock faster (the range of adjtimex's tick); chrony stops at 83 333 ppm."""

_STEADY_SLEW = 0.001
"""Twice what a wall clock may run wrong beside a step (the kernel's range of frequencies is ± 500 ppm)."""


@dataclass(frozen=True, slots=True)
class Instant:
    """The raw counter and the wall clock at one instant."""

    raw: RawNs
    real_ns: int


def raw_of_stamp(stamp_real_ns: int, asked: Instant, now: Instant) -> RawNs | None:
    """When a kernel stamp on the wall clock's line was taken, on the raw counter; None where that cannot be told.

    The stamp's age is measured on the wall clock and subtracted from the raw counter's now. What the wall clock gained
    on the raw counter since the request may all lie within that age, or none of it: the answer is the latest that the
    stamp can have been taken, since a late T4 widens an interval and an early one breaks it.

    A wall clock that was stepped meanwhile was so before the stamp or after it, and mostly only one of both is possible
    between the request and now. One that is slewed fast gives no answer. Neither does an age outside 0…1 s: this
    process then sees another wall clock than the kernel.
    """
    age = now.real_ns - stamp_real_ns
    moved = (now.real_ns - now.raw) - (asked.real_ns - asked.raw)
    waited = now.raw - asked.raw
    if abs(moved) <= _MOST_MOVED_NS:
        ages = [age - max(0, moved)] if 0 <= age <= _OLDEST_STAMP_NS else []
    elif abs(moved) <= _FASTEST_SLEW * waited:
        return None
    else:
        # What the clock was slewed besides may make a stamp seem older by so much, or one of just now still to come.
        slewed = round(_STEADY_SLEW * waited)
        ages = [max(0, a - slewed) for a in (age, age - moved) if -slewed <= a <= _OLDEST_STAMP_NS]
    return RawNs(now.raw - min(ages)) if ages and min(ages) <= waited else None
