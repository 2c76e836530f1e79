"""Lengths of time and instants for people. Pure."""

from agent.units import US_PER_S, UtcUs, format_utc


def show_span(us: int) -> str:
    """A length of time for people: `4.2 s`, `3 m 05 s`, `2 h 10 m`, `3 d 04 h`; negative when it has passed."""
    sign, seconds = ("−" if us < 0 else ""), abs(us) / US_PER_S
    if seconds < 60:
        return f"{sign}{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{sign}{minutes} m {rest:02d} s"
    if minutes < 48 * 60:
        return f"{sign}{minutes // 60} h {minutes % 60:02d} m"
    return f"{sign}{minutes // 1440} d {minutes % 1440 // 60:02d} h"


def show_clock(utc: UtcUs) -> str:
    """An instant of about today for people: `12:00:03Z`."""
    return f"{format_utc(utc)[11:19]}Z"
