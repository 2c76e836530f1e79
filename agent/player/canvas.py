"""A window of the stage that is drawn with rectangles, upright whichever way the wall is turned.

Nothing here waits for the X server, and nothing is sent before the stage's flush.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from agent.player.raster import Rect


class Canvas:
    """What is painted stays hidden until it is revealed; light is seen at once."""

    def __init__(self, display: Any, window: Any, rotate: int, width: int, height: int) -> None:
        self.window = window
        self._rotate, self._width, self._height = rotate, width, height
        screen = display.screen()
        turned = Rect(0, 0, width, height).turned(rotate, width, height)
        self._hidden = screen.root.create_pixmap(turned.width, turned.height, screen.root_depth)
        self._copy = window.create_gc(graphics_exposures=False)
        self._pens: dict[int, Any] = {}

    def paint(self, colour: int, rects: Iterable[Rect]) -> None:
        """Fill rectangles of the hidden picture."""
        self._fill(self._hidden, colour, rects)

    def light(self, colour: int, rects: Iterable[Rect]) -> None:
        """Fill rectangles on the wall itself."""
        self._fill(self.window, colour, rects)

    def reveal(self, rects: Iterable[Rect]) -> None:
        """Show these parts of the hidden picture."""
        for rect in map(self._turned, rects):
            size = rect.width, rect.height
            self.window.copy_area(self._copy, self._hidden, rect.x, rect.y, *size, rect.x, rect.y)

    def close(self) -> None:
        """Take the window away; what it hid is seen again."""
        self._hidden.free()
        for pen in (self._copy, *self._pens.values()):
            pen.free()
        self.window.destroy()

    def _fill(self, target: Any, colour: int, rects: Iterable[Rect]) -> None:
        pen = self._pens.get(colour)
        if pen is None:
            pen = self._pens[colour] = self.window.create_gc(foreground=colour)
        turned = (self._turned(rect) for rect in rects)
        target.poly_fill_rectangle(pen, [(rect.x, rect.y, rect.width, rect.height) for rect in turned])

    def _turned(self, rect: Rect) -> Rect:
        return rect.turned(self._rotate, self._width, self._height)


class Easel(Protocol):
    """Whatever makes canvases and shows them: the stage on an X server."""

    raster: tuple[int, int]
    """Width and height of the wall's upright picture."""

    def canvas(self, rect: Rect) -> Canvas:
        """A canvas at this place of the upright picture, hidden until it is lifted."""

    def lift(self, canvas: Canvas) -> None:
        """Show a canvas above all else, from the next flush on."""

    def drop(self, canvas: Canvas) -> None:
        """Take a canvas away for good, at the next flush."""

    def flush(self) -> None:
        """Send what was drawn, without waiting for the display. Raises StageError."""
