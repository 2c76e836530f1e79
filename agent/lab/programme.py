"""What should stand on the walls when: the films of a run and their frames, with exact due instants.

Instants are nanoseconds of UTC as an integer; they are rounded from exact rationals, so nothing accumulates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

NS_PER_S = 1_000_000_000


class Spot(NamedTuple):
    """One frame of one showing: loop and item counted from 0, frame of the item."""

    loop: int
    item: int
    frame: int


@dataclass(frozen=True, slots=True)
class Item:
    """One film as measuring needs it. `clip` is None where the film carries no barcode."""

    name: str
    clip: int | None
    fps: Fraction
    frames: int


class Programme:
    """Items in order from an instant on, looped or not.

    `due_ns` is when frame 0 of the first item is due; `end_ns`, where known, when the wall is told to show something
    else.
    """

    def __init__(self, items: Sequence[Item], *, due_ns: int, loop: bool, end_ns: int | None = None) -> None:
        if not items:
            raise ValueError("a programme has at least one film")
        self.items = tuple(items)
        self.due_ns = due_ns
        self.loop = loop
        self._begins = [Fraction(0)]
        for item in items:
            self._begins.append(self._begins[-1] + Fraction(item.frames) / item.fps)
        self.cycle_s = self._begins.pop()
        own_end = None if loop else due_ns + round(self.cycle_s * NS_PER_S)
        self.end_ns = min((end for end in (own_end, end_ns) if end is not None), default=None)

    def due(self, spot: Spot) -> int:
        """When a frame is due."""
        return self._due(spot.loop * self.cycle_s + self._begins[spot.item] + spot.frame / self.items[spot.item].fps)

    def _due(self, offset_s: Fraction) -> int:
        return self.due_ns + round(offset_s * NS_PER_S)

    def nearest(self, clip: int, frame: int, ns: int) -> Spot | None:
        """The showing of a clip's frame that is due nearest to an instant; None for what is not in the programme."""
        found: Spot | None = None
        for index, item in enumerate(self.items):
            if item.clip != clip or frame >= item.frames:
                continue
            loops = Fraction(ns - self.due(Spot(0, index, frame)), NS_PER_S) / self.cycle_s
            spot = Spot(max(0, round(loops)) if self.loop else 0, index, frame)
            if found is None or abs(ns - self.due(spot)) < abs(ns - self.due(found)):
                found = spot
        return found

    def error_ms(self, clip: int, frame: int, ns: int) -> float | None:
        """How late a clip's frame came that was first seen at an instant; None for what is not in the programme."""
        spot = self.nearest(clip, frame, ns)
        return None if spot is None else (ns - self.due(spot)) / 1e6

    def grid_error_ns(self, ns: int) -> int | None:
        """How far an instant lies behind the nearest due instant of any frame: within ± half a frame.

        None outside the programme (half a frame before its start counts as inside).
        """
        offset = Fraction(ns - self.due_ns, NS_PER_S)
        if self.end_ns is not None and ns >= self.end_ns:
            return None
        if offset < 0:
            return ns - self.due_ns if offset >= -1 / self.items[0].fps / 2 else None
        loops, inside = divmod(offset, self.cycle_s)
        index = max(i for i, begin in enumerate(self._begins) if begin <= inside)
        frames = (inside - self._begins[index]) * self.items[index].fps
        # The frame behind an item's last one is the next item's first: the grid has no seam there.
        near = self._begins[index] + round(frames) / self.items[index].fps
        return ns - self._due(loops * self.cycle_s + near)

    def pieces(self, until_ns: int) -> Iterator[tuple[int, int]]:
        """Loop and item of every film that begins before an instant, in order."""
        loop = 0
        while loop == 0 or self.loop:
            for index in range(len(self.items)):
                if self.due(Spot(loop, index, 0)) >= until_ns:
                    return
                yield loop, index
            loop += 1

    def spots(self, until_ns: int) -> Iterator[Spot]:
        """Every frame that is due before an instant, in order."""
        for loop, index in self.pieces(until_ns):
            for frame in range(self.items[index].frames):
                spot = Spot(loop, index, frame)
                if self.due(spot) >= until_ns:
                    return
                yield spot
