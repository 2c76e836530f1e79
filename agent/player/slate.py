"""The built-in slate, the zero of framezero: a soft ring on a dark ground, calm enough for a public wall; pure.

Plain arcs of X are ragged on a coarse LED raster; here each pixel of the edge is as bright as the ring covers it.
"""

from collections.abc import Iterator
from itertools import groupby
from math import hypot, isqrt

from agent.player.raster import Rect

GROUND = 0x0B0F14
RING = 0x2F3C49
SHADES = 8


def ring(width: int, height: int) -> Iterator[tuple[int, Rect]]:
    """The ring on a wall of this size: colours and the pixels, a line high, that have them."""
    radius = min(width, height) / 5
    half = max(1.2, radius / 16)
    outer, inner = radius + half + 1, max(0.0, radius - half - 1)
    for y in range(max(0, int(height / 2 - outer)), min(height, int(height / 2 + outer) + 1)):
        away = abs(y + 0.5 - height / 2)
        if away >= outer:
            continue
        reach, hole = isqrt(int(outer**2 - away**2)) + 1, isqrt(max(0, int(inner**2 - away**2)))
        left = range(max(0, int(width / 2 - reach)), int(width / 2 - hole) + 1)
        right = range(max(left.stop, int(width / 2 + hole)), min(width, int(width / 2 + reach) + 1))
        for columns in (left, right):
            x = columns.start
            for shade, group in groupby(_shade(hypot(x + 0.5 - width / 2, away), radius, half) for x in columns):
                length = len(list(group))
                if shade:
                    yield _mixed(shade / SHADES), Rect(x, y, length, 1)
                x += length


def _shade(distance: float, radius: float, half: float) -> int:
    return round(SHADES * min(1.0, max(0.0, half + 0.5 - abs(distance - radius))))


def _mixed(share: float) -> int:
    parts = ((GROUND >> shift & 255, RING >> shift & 255, shift) for shift in (16, 8, 0))
    return sum(round(dark + (light - dark) * share) << shift for dark, light, shift in parts)
