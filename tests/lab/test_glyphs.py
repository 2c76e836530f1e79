import pytest

from agent.lab import glyphs


def test_letters_stand_apart_by_one_dot() -> None:
    assert glyphs.text("12", 3).shape == (21, 33)
    assert not glyphs.text("MM", 2)[:, 10:12].any()


def test_every_digit_looks_different() -> None:
    assert len({glyphs.text(digit, 6).tobytes() for digit in "0123456789"}) == 10


def test_a_letter_without_dots_is_a_broken_promise() -> None:
    with pytest.raises(KeyError):
        glyphs.text("?", 2)
