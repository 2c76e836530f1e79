import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.lab import barcode


def samples(word: int, dark: int = 0, light: int = 255) -> bytes:
    return bytes(light if word >> (15 - block) & 1 else dark for block in range(16))


@given(st.integers(0, 255), st.integers(0, 65535), st.integers(0, 60), st.integers(200, 255))
def test_what_is_written_is_read_at_any_contrast(clip: int, frame: int, dark: int, light: int) -> None:
    upper, lower = barcode.words(clip, frame)
    assert barcode.decode(samples(upper, dark, light), samples(lower, dark, light)) == (clip, frame)


@given(st.integers(0, 255))
def test_a_screen_of_one_brightness_is_no_frame(level: int) -> None:
    assert barcode.decode(bytes([level]) * 16, bytes([level]) * 16) is None


@given(st.integers(0, 255), st.integers(0, 15))
def test_one_wrong_block_in_the_clip_row_is_noticed(clip: int, block: int) -> None:
    upper, lower = barcode.words(clip, 7)
    assert barcode.decode(samples(upper), samples(lower ^ 1 << block)) is None


def test_a_mixture_of_two_frames_is_no_frame() -> None:
    upper, lower = barcode.words(3, 9)
    assert barcode.decode(samples(upper)[:15] + b"\x80", samples(lower)) is None


@pytest.mark.parametrize(("clip", "frame"), [(256, 0), (-1, 0), (0, 65536), (0, -1)])
def test_numbers_that_do_not_fit_are_refused(clip: int, frame: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        barcode.words(clip, frame)


@given(st.integers(barcode.MIN_WIDTH, 4096))
def test_every_sampled_column_lies_well_inside_its_block(width: int) -> None:
    column, step = barcode.centre_columns(width)
    for block in range(barcode.BLOCKS):
        first, behind = barcode.block_span(block, width)
        # Four pixels: what chroma subsampling and the deblocking filter may touch.
        assert first + 4 <= column + block * step < behind - 4


@given(st.integers(barcode.MIN_HEIGHT, 4096))
def test_rows_lie_one_above_the_other_at_the_foot(height: int) -> None:
    (upper, between), (lower, foot) = (barcode.row_span(row, height) for row in (0, 1))
    assert upper < between <= lower < foot <= height
    assert between - upper >= 6 and foot - lower >= 6
