"""What the identify overlay says at each full second: pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from agent.clock.mapping import ClockState
from agent.player.wire import Identify
from agent.units import US_PER_S, UtcUs

BRIGHT, PLAIN, QUIET = 0xFFFFFF, 0xC9D3DE, 0x8496A8
"""Colours: what is read from afar, what is read from near, what only explains."""
AMBER, RED = 0xF2B84B, 0xFF6B57
"""The next change or a clock that gets worse; a clock for which nobody vouches."""

JOINED = "\u00a0"
"""A space at which no line is broken."""


@dataclass(frozen=True, slots=True)
class Line:
    """A text and its colour.

    `reserve` is the widest text that may take its place without a new layout; the two differ at their ends only.
    """

    text: str
    reserve: str
    colour: int


@dataclass(frozen=True, slots=True)
class Words:
    """All that is said. `times` are pairs of a time of day and whose it is."""

    venue: Line
    times: tuple[tuple[Line, Line], ...]
    notes: tuple[Line, ...]


def words(order: Identify, second: UtcUs, zone: tzinfo, state: ClockState, bound_us: float) -> Words:
    """What stands on the wall in the second that begins at `second`; `bound_us` is how wrong the clock may be."""
    utc = datetime.fromtimestamp(second // US_PER_S, UTC)
    local = utc.astimezone(zone)
    name = local.tzname() or ""
    # Zones without a name of their own call themselves "+08".
    label = name.upper() if name[:1].isalpha() else f"UTC{name}"
    return Words(
        _line(order.venue, BRIGHT),
        (
            (_line(f"{utc:%H:%M:%S}", BRIGHT), _line("UTC", QUIET)),
            (_line(f"{local:%H:%M:%S}", BRIGHT), _line(label, QUIET)),
        ),
        (_next(order, second), _clock(state, bound_us)),
    )


def _line(text: str, colour: int) -> Line:
    return Line(text.upper(), re.sub(r"\d", "0", text.upper()), colour)


def _next(order: Identify, second: UtcUs) -> Line:
    if order.next_at is None or order.next_at <= second:
        until = datetime.fromtimestamp(order.until // US_PER_S, UTC)
        return _line(f"until {until:%H:%M:%S} UTC", PLAIN)
    # Rounded up: it reads 00:01 until the change comes.
    left_s = -((second - order.next_at) // US_PER_S)
    hours, rest = divmod(left_s, 3600)
    clock = f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60:02}:{rest % 60:02}"
    return _line(f"{order.next_what or 'next'} in{JOINED}{clock}", AMBER)


def _clock(state: ClockState, bound_us: float) -> Line:
    if state in (ClockState.HOST, ClockState.UNSYNC):
        return _line("clock not synced", RED)
    ms = -(-round(bound_us) // 1000)
    amount = f"{ms}{JOINED}MS" if ms < 1000 else f"{-(-ms // 1000)}{JOINED}S"
    head = f"CLOCK ±{JOINED}" if state is ClockState.SYNC else f"CLOCK {state} ±{JOINED}"
    return Line(head + amount, f"{head}000{JOINED}MS", QUIET if state is ClockState.SYNC else AMBER)
