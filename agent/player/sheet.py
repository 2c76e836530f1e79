"""One layout of the identify overlay on a canvas: its text is drawn ahead, in portions, and shown at its instant."""

from collections import deque
from collections.abc import Iterable

from agent.player.canvas import Canvas, Easel
from agent.player.layout import Layout, Letter, letters
from agent.player.raster import Rect
from agent.player.wording import Words
from agent.units import UtcUs

GROUND = 0x0B0F14
LIT, DARK = 0xFFFFFF, 0x1F2933

PORTION = 150
"""So many rectangles are sent at once (measured: 2.6 µs each)."""


class Sheet:
    """What stands on the canvas's hidden picture, and what is still to be drawn there."""

    def __init__(self, easel: Easel, layout: Layout, shape: tuple[str, ...]) -> None:
        self.shape = shape
        self.second: UtcUs | None = None
        """The second whose words the hidden picture shows as soon as it is `drawn`."""
        self._easel, self._layout = easel, layout
        self._letters: dict[tuple[int, int], Letter] = {}
        self._todo: deque[tuple[int, list[Rect]]] = deque()
        self._stale: dict[int, Rect] = {}
        self._cell: int | None = None
        self.canvas: Canvas = easel.canvas(layout.panel)
        self._all = Rect(0, 0, layout.panel.width, layout.panel.height)
        self._todo += [(GROUND, [self._all]), (DARK, [layout.flash, *layout.cells])]

    @property
    def drawn(self) -> bool:
        """Whether nothing is left to be drawn."""
        return not self._todo

    def write(self, second: UtcUs, words: Words) -> None:
        """Have the words of a second drawn over those of the one before: only letters that differ."""
        new = letters(self._layout, words)
        gone = [letter for place, letter in self._letters.items() if new.get(place) != letter]
        come = [letter for place, letter in new.items() if self._letters.get(place) != letter]
        self.second, self._letters = second, new
        self._add(GROUND, [letter.box for letter in gone])
        for colour in sorted({letter.colour for letter in come}):
            self._add(colour, [rect for letter in come if letter.colour == colour for rect in letter.lit()])
        for letter in (*gone, *come):
            self._stale[letter.y] = _around(self._stale.get(letter.y, letter.box), letter.box)

    def _add(self, colour: int, rects: list[Rect]) -> None:
        self._todo += [(colour, rects[begin : begin + PORTION]) for begin in range(0, len(rects), PORTION)]

    def draw(self) -> None:
        """Draw one portion."""
        self.canvas.paint(*self._todo.popleft())
        self._easel.flush()

    def lift(self) -> None:
        """Show all of it, above everything else."""
        self._easel.lift(self.canvas)
        self.canvas.reveal([self._all])
        self._stale.clear()
        self._cell = None

    def turn(self) -> None:
        """Show the words that were drawn."""
        self.canvas.reveal(self._stale.values())
        self._stale.clear()

    def flash(self, cell: int) -> bool:
        """Light the cell of this tenth of a second, and the flash in the first of them; whether that is news."""
        if cell == self._cell:
            return False
        before, self._cell = self._cell, cell
        if before is not None:
            self.canvas.light(DARK, self._pattern(before))
        self.canvas.light(LIT, self._pattern(cell))
        return True

    def _pattern(self, cell: int) -> Iterable[Rect]:
        return (self._layout.cells[cell], *([self._layout.flash] if cell == 0 else []))


def _around(one: Rect, other: Rect) -> Rect:
    """The smallest rectangle that holds both."""
    x, y = min(one.x, other.x), min(one.y, other.y)
    right = max(one.x + one.width, other.x + other.width)
    foot = max(one.y + one.height, other.y + other.height)
    return Rect(x, y, right - x, foot - y)
