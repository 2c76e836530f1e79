import string

import pytest

from agent import glyphs
from agent.glyphs import COLUMNS, LINES, columns, dots, glyph

KNOWN = string.ascii_uppercase + string.digits + "-:.+±_/ "


@pytest.mark.parametrize("letter", KNOWN)
def test_every_letter_is_of_seven_lines_of_five_dots(letter: str) -> None:
    assert [len(line) for line in dots(letter)] == [COLUMNS] * LINES
    assert set("".join(dots(letter))) <= {"0", "1"}


def test_all_letters_look_different_and_none_is_the_box() -> None:
    looks = {tuple(dots(letter)) for letter in KNOWN}
    assert len(looks) == len(KNOWN)
    assert tuple(dots("é")) not in looks


@pytest.mark.parametrize("letter", [*KNOWN, "é"])
def test_the_blocks_are_the_lit_dots_and_no_other(letter: str) -> None:
    found = glyph(letter)
    lit = [
        (column + x, line + y) for column, line, wide, high in found.blocks for x in range(wide) for y in range(high)
    ]
    assert len(lit) == len(set(lit)), "a dot is lit twice"
    rows = ["".join("01"[(x, y) in lit] for x in range(found.columns)) for y in range(LINES)]
    assert all(row in line for row, line in zip(rows, dots(letter), strict=True))
    assert len(lit) == "".join(dots(letter)).count("1")


def test_a_clock_does_not_jump_as_its_digits_change() -> None:
    assert {columns(f"{digit}{digit}:{digit}{digit}") for digit in string.digits} == {columns("00:00")}


def test_letters_stand_one_dot_apart() -> None:
    assert columns("") == 0
    assert columns("A") == COLUMNS
    assert columns("A:") == COLUMNS + 1 + 1
    assert columns("A B") == COLUMNS + 1 + glyphs.glyph(" ").columns + 1 + COLUMNS
