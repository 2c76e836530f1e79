"""A display's refresh against instants and film rates: pure.

Not verified on hardware: the build machine has no display, so all that is tested is the arithmetic.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from agent.units import RawNs

_MODE = re.compile(r"(\d{2,5})x(\d{2,5})(?:@(\d{1,3}(?:\.\d{1,3})?))?", re.ASCII)
LEAST_HZ, MOST_HZ = 20.0, 360.0

SLIP_RARE_S = 60.0
"""A single frame that lasts a refresh longer or shorter goes unnoticed when it comes at most once in so long."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode as `display.mode` names it; `hz` is None where it says no rate."""

    width: int
    height: int
    hz: float | None


def parse_mode(text: str) -> Mode | None:
    """Read `1920x1080@60`, `1920x1080@59.94` or `1920x1080`; None for ''. Raises ValueError with the remedy."""
    if not text:
        return None
    match = _MODE.fullmatch(text)
    hz = float(match[3]) if match and match[3] else None
    if match is None or (hz is not None and not LEAST_HZ <= hz <= MOST_HZ):
        raise ValueError(f"{text!r} is not a mode such as 1920x1080@60")
    return Mode(int(match[1]), int(match[2]), hz)


def period_ns(refresh_hz: float) -> float:
    """How long one refresh lasts."""
    return 1e9 / refresh_hz


def half_ns(refresh_hz: float | None) -> int:
    """Half a refresh; 0 where none is known."""
    return round(period_ns(refresh_hz) / 2) if refresh_hz else 0


def let_go_at(due: RawNs, refresh_hz: float | None, vblank: RawNs | None = None) -> RawNs:
    """When to let a frame go that is due on the wall at `due`.

    What is let go is seen from the next vertical blank on, 0 to 1 refresh later. Where the phase is not known, half
    a refresh earlier makes the mean error zero. Where the instant of any one `vblank` is known, the blank nearest to
    `due` is aimed at from the middle of the refresh before it, as far as can be from both neighbours: the error
    is then at most half a refresh, and the same for all starts of one phase.
    """
    if not refresh_hz:
        return due
    if vblank is None:
        return RawNs(due - half_ns(refresh_hz))
    period = period_ns(refresh_hz)
    wanted = math.floor((due - vblank) / period + 0.5)
    return RawNs(round(vblank + (wanted - 0.5) * period))


@dataclass(frozen=True, slots=True)
class Cadence:
    """How a film's frames fall on a display's refreshes.

    `refreshes` is how many a frame lasts, the nearest whole number of them. `slip_s`: after so long one frame lasts a
    refresh more or less (infinity: never). `even` where that is seldom enough not to be seen.
    """

    refreshes: int
    slip_s: float
    even: bool


def cadence(film: Fraction, refresh_hz: float) -> Cadence:
    """How a film of this rate looks on a display of this refresh: even for 25 on 50 Hz, not for 24 on 60."""
    refreshes = max(1, round(refresh_hz / float(film)))
    off_hz = abs(refresh_hz - refreshes * float(film))
    slip_s = 1 / off_hz if off_hz > 1e-9 else math.inf
    return Cadence(refreshes, slip_s, slip_s > SLIP_RARE_S)


def uneven(film: Fraction, refresh_hz: float) -> str | None:
    """Why a film of this rate does not run smoothly on this refresh; None where it does."""
    found = cadence(film, refresh_hz)
    if found.even:
        return None
    rate, hertz = f"{float(film):.6g} fps", f"{refresh_hz:.6g} Hz"
    if found.slip_s > 1:
        return f"at {rate} on {hertz} a frame jerks every {found.slip_s:.0f} s"
    if float(film) > refresh_hz:
        return f"at {rate} on {hertz} frames are left out"
    return f"at {rate} on {hertz} frames last by turns a refresh more and less, which is seen in slow pans"
