"""Rectangles of pixels, and what becomes of them on a wall that is driven sideways: pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int

    def turned(self, rotate: int, width: int, height: int) -> "Rect":
        """Where this rectangle of an upright picture of `width` × `height` lies after its turn by `rotate` degrees.

        Clockwise, as mpv turns films (mpv(1), --video-rotate).
        """
        match rotate:
            case 90:
                return Rect(height - self.y - self.height, self.x, self.height, self.width)
            case 180:
                return Rect(width - self.x - self.width, height - self.y - self.height, self.width, self.height)
            case 270:
                return Rect(self.y, width - self.x - self.width, self.height, self.width)
        return self


def upright(rotate: int, width: int, height: int) -> tuple[int, int]:
    """Width and height of the upright picture on a wall that is driven as `width` × `height`."""
    return (height, width) if rotate in (90, 270) else (width, height)
