"""How a picture of the wall is read in bands, and made to fit a message: pure."""

from collections.abc import Iterator


def fitted(width: int, height: int, most: int) -> tuple[int, int]:
    """The size of a picture of `width` × `height` that is at most so many pixels wide and high; never larger."""
    scale = min(1.0, most / width, most / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def bands(height: int, row_bytes: int, most_bytes: int) -> Iterator[tuple[int, int]]:
    """First row and number of rows of each band from top to bottom; a band has at most so many bytes, or one row."""
    rows = max(1, most_bytes // row_bytes)
    for top in range(0, height, rows):
        yield top, min(rows, height - top)
