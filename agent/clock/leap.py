"""Leap seconds: which one is near, from the table of the IERS or from the time servers. Pure.

A table is exact and says until when it is complete (`#@` in leap-seconds.list, which Debian's tzdata brings and keeps
up to date). Where it has expired or is not there, the leap indicators of the servers that agree count (RFC 5905,
figure 9), by majority, and on the last day of June or December only, as chrony has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from agent.units import US_PER_S, UtcUs

COAST_S = 7200
"""So long before and after a leap second no samples are taken: servers do not all make it at the same moment."""

SMEAR_RATE = 12e-6
"""A second smeared over a day, as a fraction: so fast do smearing servers run, and nothing in their packets says so."""

_NTP_TO_UNIX_S = 2_208_988_800
_DAY_S = 86_400
_INSERT, _DELETE = 1, 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Leap:
    """One leap second: `at` is the instant at which the line before it stops counting, `seconds` 1 (more) or −1."""

    at: UtcUs
    seconds: int


@dataclass(frozen=True, slots=True)
class LeapTable:
    """All leap seconds that are known, and until when there are no others."""

    leaps: tuple[Leap, ...]
    expires: UtcUs


def read_table(text: str) -> LeapTable | None:
    """Read a leap-seconds.list; None where it is not one."""
    expires: UtcUs | None = None
    offsets: list[tuple[int, int]] = []
    try:
        for line in text.splitlines():
            if line.startswith("#@"):
                expires = UtcUs((int(line[2:]) - _NTP_TO_UNIX_S) * US_PER_S)
            elif line.strip() and not line.startswith("#"):
                begins, offset = line.split()[:2]
                offsets.append((int(begins) - _NTP_TO_UNIX_S, int(offset)))
    except ValueError:
        return None
    if expires is None or not offsets:
        return None
    leaps = [
        _leap(begins, after - before) for (_, before), (begins, after) in pairwise(offsets) if abs(after - before) == 1
    ]
    return LeapTable(tuple(leaps), expires)


def next_leap(table: LeapTable | None, announced: Sequence[int], utc: UtcUs) -> Leap | None:
    """The leap second of the coming 24 hours, if there is one; `announced` are the servers' leap indicators."""
    if table is not None and utc < table.expires:
        near = [leap for leap in table.leaps if utc < leap.at <= utc + _DAY_S * US_PER_S]
        return near[0] if near else None
    for indicator, seconds in ((_INSERT, 1), (_DELETE, -1)):
        if announced.count(indicator) * 2 > len(announced) and _leap_day(utc):
            midnight = utc // US_PER_S // _DAY_S * _DAY_S + _DAY_S
            leap = _leap(midnight, seconds)
            return leap if utc < leap.at else None
    return None


def may_smear(table: LeapTable | None, utc: UtcUs) -> bool:
    """Whether servers that smear may be about it now: within a day of a leap second, or where one could be."""
    if table is not None and utc < table.expires:
        return any(abs(utc - leap.at) <= _DAY_S * US_PER_S for leap in table.leaps)
    return _leap_day(utc) or _leap_day(UtcUs(utc - _DAY_S * US_PER_S))


def _leap(midnight_s: int, seconds: int) -> Leap:
    # A second left out is 23:59:59: there the line jumps. One more, 23:59:60, has the POSIX time of the midnight after.
    return Leap(UtcUs((midnight_s + min(0, seconds)) * US_PER_S), seconds)


def _leap_day(utc: UtcUs) -> bool:
    day = (_EPOCH + timedelta(microseconds=utc)).date()
    return (day.month, day.day) in ((6, 30), (12, 31))
