"""Times as operators write them: instants with a zone, waiting times, positions in a program. Pure."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.control.spans import show_span as show_span  # what reads and writes times is imported from one place
from agent.units import US_PER_S, MediaUs, UtcUs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNIT_US = {"ms": 1_000, "s": US_PER_S, "m": 60 * US_PER_S, "h": 3600 * US_PER_S, "d": 86_400 * US_PER_S}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_SPAN_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_CLOCK = re.compile(r"(?:(\d+):)?([0-5]?\d):([0-5]?\d(?:\.\d{1,6})?)")
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?[Zz]?")
MOST_CHARS = 40
"""More digits than that name no time."""
_FULL_MINUTE = ("minute", "next minute", "next-minute", "next full minute", "next-full-minute")


class TimeError(ValueError):
    """A time that cannot be read; the text is the remedy."""


SHORT_NOTICE_US = 2 * US_PER_S
LONG_PAST_US = 60 * US_PER_S  # since then another cue may well have been given


def parse_instant(text: str, now: UtcUs) -> UtcUs:
    """Read `--at`: ISO 8601 with `Z` or an offset, or `minute` for the next full minute after `now`.

    Raises TimeError with the remedy; a time without a zone is refused, because five cities would read it differently.
    """
    if text.strip().lower() in _FULL_MINUTE:
        minute = 60 * US_PER_S
        return UtcUs((now // minute + 1) * minute)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        wrong = "is not a time"
        if _TIME_OF_DAY.fullmatch(text.strip()):
            wrong = "names no date" + ("" if text.strip()[-1:] in "Zz" else " and no zone")
        raise TimeError(
            f"{text[:MOST_CHARS]!r} {wrong}; write 2025-06-02T12:00:00Z, 2025-06-02T20:00:00+08:00, 'minute' for the "
            "next full minute, or --in 90s"
        ) from None
    if moment.tzinfo is None:
        raise TimeError(f"{text!r} names no zone; add Z for UTC, or an offset such as +08:00")
    if not 1 < moment.year < 9999:  # at the rims an offset leads out of the calendar
        raise TimeError(f"{text!r} is no time for a show; look at its year")
    return UtcUs((moment - _EPOCH) // timedelta(microseconds=1))


def parse_span(text: str) -> int:
    """Read a length of time such as `90s`, `2m`, `1h30m` or `500ms`, in microseconds.

    Raises TimeError with the remedy.
    """
    compact = text.strip().lower().replace(" ", "")
    if not _SPAN.fullmatch(compact) or len(compact) > MOST_CHARS:
        raise TimeError(f"{text[:MOST_CHARS]!r} is not a length of time; write 90s, 2m, 1h30m or 500ms")
    return sum(round(float(number) * _UNIT_US[unit]) for number, unit in _SPAN_PART.findall(compact))


def parse_position(text: str) -> MediaUs:
    """Read `--from`, a position in a program: `90s`, `1m30s`, `01:30` or `1:02:03.5`.

    Raises TimeError with the remedy.
    """
    match = _CLOCK.fullmatch(text.strip())
    if match and len(text) <= MOST_CHARS:
        hours, minutes, seconds = int(match[1] or 0), int(match[2]), float(match[3])
        return MediaUs((hours * 3600 + minutes * 60) * US_PER_S + round(seconds * US_PER_S))
    try:
        return MediaUs(parse_span(text))
    except TimeError:
        raise TimeError(f"{text[:MOST_CHARS]!r} is not a position; write 90s, 1m30s, 01:30 or 1:02:03.5") from None


def warn_of(at: UtcUs, now: UtcUs) -> str:
    """What is wrong with giving this instant now, by this host's clock; empty when nothing is."""
    ahead_s = (at - now) / US_PER_S
    if at < now:
        newer = (
            "; where a newer cue's instant has passed too, that one outranks this" if now - at >= LONG_PAST_US else ""
        )
        return (
            f"the instant lies {show_span(now - at)} in the past; the venues will join late, at the right frame{newer}"
        )
    if at - now < SHORT_NOTICE_US:
        return f"the instant is only {ahead_s:.1f} s ahead; venues may join late, at the right frame"
    return ""


def local_time(at: UtcUs, zone: str) -> str:
    """The instant as the clock on the venue's wall shows it, with the date where that is not the one of UTC.

    Empty when this host does not know the zone.
    """
    try:
        utc = _EPOCH + timedelta(microseconds=at)
        moment = utc.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OverflowError, OSError):  # what is no zone is looked for as a file
        return ""
    day = f"{moment:%a %Y-%m-%d}" if moment.date() != utc.date() else f"{moment:%a}"
    return f"{day} {moment:%H:%M:%S}{f'.{moment.microsecond // 1000:03d}' if moment.microsecond else ''} {moment:%Z}"
