"""Letters of seven lines of dots, in the manner of an LED wall: no font file is needed, and no raster is too odd."""

from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby

LINES, COLUMNS = 7, 5

_DOTS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00010 00100 01000 11111",
    "3": "11111 00010 00100 00010 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "B": "11110 10001 10001 11110 10001 10001 11110",
    "C": "01110 10001 10000 10000 10000 10001 01110",
    "D": "11110 10001 10001 10001 10001 10001 11110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "F": "11111 10000 10000 11110 10000 10000 10000",
    "G": "01110 10001 10000 10111 10001 10001 01110",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "J": "00111 00010 00010 00010 00010 10010 01100",
    "K": "10001 10010 10100 11000 10100 10010 10001",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "N": "10001 11001 10101 10011 10001 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "Q": "01110 10001 10001 10001 10101 10010 01101",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "S": "01111 10000 10000 01110 00001 00001 11110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "U": "10001 10001 10001 10001 10001 10001 01110",
    "V": "10001 10001 10001 10001 10001 01010 00100",
    "W": "10001 10001 10001 10101 10101 11011 10001",
    "X": "10001 10001 01010 00100 01010 10001 10001",
    "Y": "10001 10001 01010 00100 00100 00100 00100",
    "Z": "11111 00001 00010 00100 01000 10000 11111",
    ".": "00000 00000 00000 00000 00000 01100 01100",
    ":": "00000 00100 00100 00000 00100 00100 00000",
    "-": "00000 00000 00000 01110 00000 00000 00000",
    "+": "00000 00100 00100 11111 00100 00100 00000",
    "±": "00100 00100 11111 00100 00100 00000 11111",
    "_": "00000 00000 00000 00000 00000 00000 11111",
    "/": "00001 00001 00010 00100 01000 10000 10000",
    " ": "00000 00000 00000 00000 00000 00000 00000",
    "\u00a0": "00000 00000 00000 00000 00000 00000 00000",
}
_BOX = "11111 10001 10001 10001 10001 10001 11111"
_SPACE_COLUMNS = 3


def dots(letter: str) -> list[str]:
    """The lines of a letter's dots, `0` dark and `1` lit; a box for a letter that is not known."""
    return _DOTS.get(letter, _BOX).split()


@dataclass(frozen=True, slots=True)
class Glyph:
    """A letter as few rectangles of dots: column, line, columns, lines. `columns` is how wide it is."""

    columns: int
    blocks: tuple[tuple[int, int, int, int], ...]


@cache
def glyph(letter: str) -> Glyph:
    """A letter without the dark columns beside it; digits are all of one width, so that a clock does not jump."""
    lines = dots(letter)
    lit = [column for column in range(COLUMNS) if any(line[column] == "1" for line in lines)]
    if not lit:
        return Glyph(_SPACE_COLUMNS, ())
    first, last = (0, COLUMNS - 1) if letter.isdigit() else (lit[0], lit[-1])
    blocks: list[tuple[int, int, int, int]] = []
    for number, line in enumerate(lines):
        for column, columns in _runs(line[first : last + 1]):
            above = next((block for block in blocks if _continues(block, column, number, columns)), None)
            if above is not None:
                blocks.remove(above)
                blocks.append((column, above[1], columns, above[3] + 1))
            else:
                blocks.append((column, number, columns, 1))
    return Glyph(last - first + 1, tuple(blocks))


def _runs(line: str) -> list[tuple[int, int]]:
    """Where lit dots begin in a line, and how many they are."""
    found, column = [], 0
    for dot, group in groupby(line):
        length = len(list(group))
        if dot == "1":
            found.append((column, length))
        column += length
    return found


def _continues(block: tuple[int, int, int, int], column: int, line: int, columns: int) -> bool:
    return (block[0], block[2]) == (column, columns) and block[1] + block[3] == line


@lru_cache(maxsize=64)
def columns(text: str) -> int:
    """How many dots wide a text is, with one dark column between letters."""
    return sum(glyph(letter).columns + 1 for letter in text) - 1 if text else 0
