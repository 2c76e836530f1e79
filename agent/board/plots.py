"""Where the marks of the page's plots stand: pure. A plot is a box of `WIDTH` × `HEIGHT` units that the page stretches.

Paths hold nothing but numbers, so nothing from outside can get into a picture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from agent.board.snapshot import BoundPoint, ErrorPoint, StartPoint
from agent.units import US_PER_S, UtcUs

Point = TypeVar("Point", ErrorPoint, BoundPoint)

WIDTH, HEIGHT = 1000, 100
SPAN_US = 10 * 60 * US_PER_S
_LINEAR_MS = 0.5
_GAP_US = 20 * US_PER_S  # a wall tells every five seconds; after that long it has told nothing, and no line is drawn


@dataclass(frozen=True, slots=True)
class Spark:
    """The sync error of a wall over the last minutes; `limit_ms` is what the upper and the lower edge stand for."""

    limit_ms: float
    band: str
    """The area within which the clock may have been wrong."""
    median: str
    spread: str
    """p99 of |error|, around the median's zero."""


@dataclass(frozen=True, slots=True)
class Starts:
    """The starts of one venue: dots, and the clock's bound at each as a bar through it."""

    venue: str
    dots: str
    bars: str


@dataclass(frozen=True, slots=True)
class StartsDrawn:
    """All starts; `ticks` are values in ms with where they stand from above, `since_us` is the left edge."""

    venues: tuple[Starts, ...]
    ticks: tuple[tuple[float, float], ...]
    since_us: UtcUs


def spark(errors: Sequence[ErrorPoint], bounds: Sequence[BoundPoint], now: UtcUs) -> Spark:
    """Draw the last ten minutes; zero is in the middle, late is above."""
    since = now - SPAN_US
    errors = [point for point in errors if point.utc_us >= since]
    bounds = [point for point in bounds if point.utc_us >= since]
    # One bad second is cut off at the edges, and so is the band: an error of 0.2 ms within a bound of 20 ms, or an
    # hour after a hiccup of 800 ms, is still to be seen.
    p99s = sorted(point.p99_ms for point in errors)
    usual = p99s[len(p99s) * 3 // 4] if p99s else 0.0
    limit = _round_up(max(1.3 * usual, max([1.3 * abs(point.median_ms) for point in errors], default=0.0), 0.5))

    def x(at: UtcUs) -> float:
        return (at - since) * WIDTH / SPAN_US

    def y(ms: float) -> float:
        return HEIGHT / 2 * (1 - max(-1.0, min(1.0, ms / limit)))

    return Spark(
        limit,
        "".join(_area([(x(p.utc_us), y(p.bound_ms), y(-p.bound_ms)) for p in run]) for run in _runs(bounds)),
        "".join(_line([(x(p.utc_us), y(p.median_ms)) for p in run]) for run in _runs(errors)),
        "".join(_area([(x(p.utc_us), y(p.p99_ms), y(-p.p99_ms)) for p in run]) for run in _runs(errors)),
    )


def starts(found: Sequence[StartPoint], now: UtcUs) -> StartsDrawn:
    """Draw the starts that were seen, by venue.

    An error of 0.2 ms and a bound of 10 ms are both to be seen, so the scale is linear near zero and logarithmic far
    from it (asinh).
    """
    seen = [point for point in found if point.error_ms is not None]
    since = UtcUs(min([point.due_us for point in seen], default=now) - 5 * US_PER_S)
    span = max(1, now - since)
    reach = [abs(point.error_ms or 0.0) + (point.bound_ms or 0.0) for point in seen]
    limit = _round_up(max(reach, default=0.5) * 1.05)
    by_venue: dict[str, list[StartPoint]] = {}
    for point in seen:
        by_venue.setdefault(point.venue, []).append(point)

    def y(ms: float) -> float:
        return HEIGHT / 2 * (1 - math.asinh(max(-limit, min(limit, ms)) / _LINEAR_MS) / math.asinh(limit / _LINEAR_MS))

    drawn = []
    for index, (venue, points) in enumerate(sorted(by_venue.items())):
        # Walls that start together would hide each other: each venue stands a little beside the last one.
        aside = (index - (len(by_venue) - 1) / 2) * min(9.0, 60 / len(by_venue))
        dots, bars = [], []
        for point in points:
            x = (point.due_us - since) * (WIDTH - 110) / span + 65 + aside
            error = point.error_ms or 0.0
            dots.append(f"M{x:.1f} {y(error):.2f}h0")
            if point.bound_ms is not None:
                bars.append(f"M{x:.1f} {y(error - point.bound_ms):.2f}V{y(error + point.bound_ms):.2f}")
        drawn.append(Starts(venue, "".join(dots), "".join(bars)))
    ticks = tuple((ms, y(ms)) for ms in (limit, 1.0, 0.0, -1.0, -limit) if abs(ms) in (limit, 0.0) or limit >= 5)
    return StartsDrawn(tuple(drawn), ticks, since)


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """The points without the gaps between them."""
    runs: list[list[Point]] = []
    for point in points:
        if not runs or point.utc_us - runs[-1][-1].utc_us > _GAP_US:
            runs.append([])
        runs[-1].append(point)
    return runs


def _line(points: Sequence[tuple[float, float]]) -> str:
    first, *rest = points
    return f"M{first[0]:.1f} {first[1]:.2f}" + ("".join(f"L{x:.1f} {y:.2f}" for x, y in rest) or "h0.1")


def _area(points: Sequence[tuple[float, float, float]]) -> str:
    there = _line([(x, upper) for x, upper, _ in points])
    back = "".join(f"L{x:.1f} {lower:.2f}" for x, _, lower in reversed(points))
    return f"{there}{back}Z"


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    step = 1e-3
    while True:
        for digit in (1, 2, 5):
            if step * digit >= value:
                return round(step * digit, 6)
        step *= 10
