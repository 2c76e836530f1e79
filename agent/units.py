"""Units of time as types, so that a bare ``time`` never travels.

Three time lines exist in framezero and must not be mixed: UTC (what cues name), the host's raw
monotonic counter (what a player can wait on) and the position inside a film.
"""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NewType

UtcUs = NewType("UtcUs", int)
"""Microseconds since 1970-01-01T00:00:00Z, leap seconds not counted (as POSIX has it)."""

RawNs = NewType("RawNs", int)
"""Nanoseconds of CLOCK_MONOTONIC_RAW: an arbitrary origin, the crystal's own rate, never slewed."""

MediaUs = NewType("MediaUs", int)
"""Position inside a film or a program, in microseconds from its first frame."""

EPOCH = UtcUs(0)
"""Where UtcUs begins: before any time that matters here."""

US_PER_S = 1_000_000
NS_PER_US = 1_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIRE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_RATE = re.compile(r"(\d{1,7})(?:/(\d{1,7}))?", re.ASCII)


def parse_utc(text: str) -> UtcUs:
    """Read a time as it stands on the wire: UTC, ISO 8601 with ``Z``, at most microseconds.

    Raises ValueError with the remedy when the text is anything else.
    """
    if not _WIRE_TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not a UTC time such as 2025-06-02T12:00:00.000000Z")
    delta = datetime.fromisoformat(text) - _EPOCH
    return UtcUs((delta.days * 86_400 + delta.seconds) * US_PER_S + delta.microseconds)


def format_utc(utc: UtcUs) -> str:
    """Write a time as it stands on the wire, always with six decimals."""
    # Not strftime: its %Y drops the zeros of years before 1000.
    return (_EPOCH + timedelta(microseconds=utc)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_rate(text: str) -> Fraction:
    """Read a frame rate such as ``30``, ``25/1`` or ``30000/1001``, in frames per second.

    Raises ValueError when it is not a positive rational up to 240.
    """
    match = _RATE.fullmatch(text)
    if not match or not int(match[2] or 1):
        raise ValueError(f"{text!r} is not a frame rate such as 30 or 30000/1001")
    rate = Fraction(int(match[1]), int(match[2] or 1))
    if not 0 < rate <= 240:
        raise ValueError(f"a frame rate of {rate} is not between 0 and 240")
    return rate


def frames_to_us(frames: int, rate: Fraction) -> MediaUs:
    """How long so many frames last, rounded to the nearest microsecond."""
    return MediaUs(round(Fraction(frames * US_PER_S) / rate))
