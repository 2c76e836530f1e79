"""An easel without a display: what is painted and what is seen are pictures."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from agent.player.canvas import Canvas
from agent.player.raster import Rect

Picture = npt.NDArray[np.int32]


class FakeCanvas(Canvas):
    """A canvas of two pictures."""

    def __init__(self, rect: Rect, log: list[str]) -> None:
        self.rect, self.log = rect, log
        self.hidden: Picture = np.full((rect.height, rect.width), -1, np.int32)
        self.seen: Picture = np.zeros((rect.height, rect.width), np.int32)

    def paint(self, colour: int, rects: Iterable[Rect]) -> None:
        self.log.append("paint")
        for rect in rects:
            self.hidden[_of(rect)] = colour

    def light(self, colour: int, rects: Iterable[Rect]) -> None:
        self.log.append("light")
        for rect in rects:
            self.seen[_of(rect)] = colour

    def reveal(self, rects: Iterable[Rect]) -> None:
        self.log.append("reveal")
        for rect in rects:
            self.seen[_of(rect)] = self.hidden[_of(rect)]

    def close(self) -> None:
        self.log.append("close")


class FakeEasel:
    """Keeps what was done in `log`; `top` is what is seen above everything."""

    def __init__(self, width: int = 320, height: int = 180) -> None:
        self.raster = (width, height)
        self.log: list[str] = []
        self.top: FakeCanvas | None = None
        self.open = 0

    def canvas(self, rect: Rect) -> Canvas:
        self.log.append("canvas")
        self.open += 1
        return FakeCanvas(rect, self.log)

    def lift(self, canvas: Canvas) -> None:
        assert isinstance(canvas, FakeCanvas)
        self.log.append("lift")
        self.top = canvas

    def drop(self, canvas: Canvas) -> None:
        canvas.close()
        self.open -= 1
        if self.top is canvas:
            self.top = None

    def flush(self) -> None:
        self.log.append("flush")


def _of(rect: Rect) -> tuple[slice, slice]:
    return slice(rect.y, rect.y + rect.height), slice(rect.x, rect.x + rect.width)
