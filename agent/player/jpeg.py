"""From a copy of the wall to a JPEG that fits a message: upright, scaled down, and as good as the room allows."""

import io

from PIL import Image

from agent.answered import MAX_JPEG_BYTES
from agent.player.fitting import fitted
from agent.player.lens import Copy

QUALITIES = (88, 78, 66, 52, 38, 26)
SHRINK = 0.75
_UPRIGHT = {
    90: Image.Transpose.ROTATE_90,  # Pillow turns counter-clockwise, the wall is driven turned clockwise
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_270,
}


def picture(copy: Copy, rotate: int) -> Image.Image:
    """The copy as people before the wall see it."""
    whole = Image.frombuffer("RGB", (copy.width, copy.height), copy.pixels, "raw", "BGRX", 0, 1)
    return whole.transpose(_UPRIGHT[rotate]) if rotate in _UPRIGHT else whole


def develop(upright: Image.Image, most: int, most_bytes: int = MAX_JPEG_BYTES) -> tuple[bytes, int, int]:
    """The JPEG, at most so many pixels wide and high, with its size.

    Where even the poorest quality takes too many bytes (noise does), it becomes smaller.
    """
    width, height = fitted(upright.width, upright.height, most)
    while True:
        small = upright.resize((width, height), Image.Resampling.BOX)
        for quality in QUALITIES:
            made = io.BytesIO()
            small.save(made, "JPEG", quality=quality)
            if made.tell() <= most_bytes:
                return made.getvalue(), width, height
        width, height = max(1, int(width * SHRINK)), max(1, int(height * SHRINK))
