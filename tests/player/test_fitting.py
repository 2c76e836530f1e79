from hypothesis import given
from hypothesis import strategies as st

from agent.player.fitting import bands, fitted

SIDES = st.integers(1, 8000)


@given(SIDES, SIDES, st.integers(64, 1920))
def test_a_picture_fits_keeps_its_shape_and_is_never_made_larger(width: int, height: int, most: int) -> None:
    wide, high = fitted(width, height, most)
    assert 1 <= wide <= min(most, width) and 1 <= high <= min(most, height)
    scale = min(1, most / width, most / height)
    assert abs(wide - width * scale) <= 1 and abs(high - height * scale) <= 1


def test_usual_walls() -> None:
    assert fitted(1920, 1080, 1280) == (1280, 720)
    assert fitted(1080, 1920, 1280) == (720, 1280)
    assert fitted(320, 180, 1280) == (320, 180)
    assert fitted(8000, 100, 1280) == (1280, 16)


@given(st.integers(1, 5000), st.integers(4, 50_000), st.integers(1, 300_000))
def test_bands_cover_every_row_once_and_keep_to_their_size(height: int, row_bytes: int, most: int) -> None:
    found = list(bands(height, row_bytes, most))
    assert [row for top, rows in found for row in range(top, top + rows)] == list(range(height))
    assert all(rows * row_bytes <= most or rows == 1 for _, rows in found)
