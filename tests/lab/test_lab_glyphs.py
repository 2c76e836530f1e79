from agent.lab import glyphs


def test_letters_stand_apart_by_one_dot() -> None:
    assert glyphs.text("12", 3).shape == (21, 33)
    assert not glyphs.text("MM", 2)[:, 10:12].any()


def test_every_digit_looks_different() -> None:
    assert len({glyphs.text(digit, 6).tobytes() for digit in "0123456789"}) == 10


def test_a_letter_that_is_not_known_is_a_box() -> None:
    assert glyphs.text("?", 1).sum() == 2 * 7 + 2 * 3
