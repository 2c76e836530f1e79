"""The code in the picture of a test film: which frame of which clip this is, as two rows of 16 blocks.

The upper row carries the frame number, the lower one the clip number and its complement, so that a black, white or
grey screen never reads as a valid frame. White is 1; the highest bit stands at the left. The rows lie at the
foot of the picture. A block is read at its centre, far from what scaling and compression do to its edges.
"""

BLOCKS = 16
MAX_CLIP = 0xFF
MAX_FRAME = 0xFFFF
MIN_WIDTH, MIN_HEIGHT = 160, 90
"""Below this size a block is too small to be read at evenly spaced pixels."""

_ROW_TOPS = (0.84, 0.92)
_ROW_SHARE = 0.08
_DARK, _LIGHT = 80, 176


def words(clip: int, frame: int) -> tuple[int, int]:
    """The 16 bits of the upper and of the lower row. Raises ValueError for numbers that do not fit."""
    if not (0 <= clip <= MAX_CLIP and 0 <= frame <= MAX_FRAME):
        raise ValueError(f"clip {clip} or frame {frame} does not fit: at most {MAX_CLIP} and {MAX_FRAME}")
    return frame, clip << 8 | (clip ^ 0xFF)


def row_span(row: int, height: int) -> tuple[int, int]:
    """First line of a row of blocks, and the line behind its last one, in a picture of so many lines."""
    return round(_ROW_TOPS[row] * height), round((_ROW_TOPS[row] + _ROW_SHARE) * height)


def block_span(block: int, width: int) -> tuple[int, int]:
    """First column of a block, and the column behind its last one.

    All blocks are equally wide, so that one slice with a stride reads a row; what is left stays at both sides.
    """
    step = width // BLOCKS
    first = (width - step * BLOCKS) // 2 + block * step
    return first, first + step


def centre_columns(width: int) -> tuple[int, int]:
    """Column at which the first block is read, and the step to each next one, in a film of the screen's own width.

    Of a film that was scaled the blocks are met off their centres, by less than half a block from some 300 pixels on.
    """
    first, behind = block_span(0, width)
    return (first + behind) // 2, behind - first


def decode(upper: bytes, lower: bytes) -> tuple[int, int] | None:
    """Clip and frame from the brightness of the blocks of both rows; None when they are not a code."""
    frame, code = _bits(upper), _bits(lower)
    if frame is None or code is None or code >> 8 != (code & 0xFF) ^ 0xFF:
        return None
    return code >> 8, frame


def _bits(samples: bytes) -> int | None:
    word = 0
    for sample in samples:
        if _DARK < sample < _LIGHT:  # a mixture of two frames, or no code at all
            return None
        word = word << 1 | (sample >= _LIGHT)
    return word
