"""Where the identify overlay stands on a wall of any shape, and each of its letters: pure.

Everything is counted in whole pixels, and letters in whole pixels a dot (`pitch`). Of the arrangements below the one
with the largest letters is taken; a wall on which not even the smallest fits loses the notes first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from agent.glyphs import LINES, columns, glyph
from agent.player.raster import Rect
from agent.player.wording import Line, Words

CELLS = 10
"""The bright cell moves on every tenth of a second."""

RATIOS = (2.0, 1.5, 3.0, 1.0, 4.0)
"""How much larger than the notes the venue and the times may be, the most beautiful first."""

_MOST_ROWS = 3
_BREAK_COLUMNS = columns(" ") + 2


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one of the lines on the panel: the letters `begin` to `end` of it."""

    line: int
    begin: int
    end: int
    x: int
    y: int
    pitch: int


@dataclass(frozen=True, slots=True)
class Layout:
    """`panel` lies on the wall, all else on the panel. `flash` is lit as each second begins."""

    panel: Rect
    pieces: tuple[Piece, ...]
    flash: Rect
    cells: tuple[Rect, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter on the panel."""

    letter: str
    x: int
    y: int
    pitch: int
    colour: int

    @property
    def box(self) -> Rect:
        """All the pixels that it may touch."""
        return Rect(self.x, self.y, glyph(self.letter).columns * self.pitch, LINES * self.pitch)

    def lit(self) -> Iterator[Rect]:
        """Its lit pixels."""
        pitch = self.pitch
        for column, line, wide, high in glyph(self.letter).blocks:
            yield Rect(self.x + column * pitch, self.y + line * pitch, wide * pitch, high * pitch)


def lines_of(words: Words) -> tuple[Line, ...]:
    """The lines by the numbers that pieces carry."""
    return (words.venue, *(line for pair in words.times for line in pair), *words.notes)


def letters(layout: Layout, words: Words) -> dict[tuple[int, int], Letter]:
    """Every letter of the words by its place."""
    lines = lines_of(words)
    found = {}
    for piece in layout.pieces:
        x, line = piece.x, lines[piece.line]
        for letter in line.text[piece.begin : piece.end]:
            if glyph(letter).blocks:
                found[x, piece.y] = Letter(letter, x, piece.y, piece.pitch, line.colour)
            x += (glyph(letter).columns + 1) * piece.pitch
    return found


def shape(words: Words) -> tuple[str, ...]:
    """What a layout hangs on: words of one shape share it."""
    return tuple(line.reserve for line in lines_of(words))


def search(width: int, height: int, words: Words) -> Iterator[Layout | None]:
    """Find the layout for an upright wall of this size: the last one that comes.

    Each step takes some tenths of a millisecond, so that who has to be punctual can do other things in between.
    It is None where there is no room for anything.
    """
    times, texts = len(words.times), shape(words)
    pairs = [(1 + 2 * number, 2 + 2 * number) for number in range(times)]
    notes = range(1 + 2 * times, len(texts))
    found = None
    for venue, shown, said in ((True, pairs, notes), (True, pairs, ()), (True, pairs[:1], ()), (False, pairs[:1], ())):
        for found in _largest(_Content(texts, venue, shown, said), width, height):
            yield found
        if found is not None:
            return


def lay_out(width: int, height: int, words: Words) -> Layout | None:
    """The layout at once."""
    *_, found = search(width, height, words)
    return found


# --- rows of letters ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Content:
    texts: tuple[str, ...]
    venue: bool
    times: Sequence[tuple[int, int]]
    notes: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Pitches: of venue and times, and of notes, on which all distances hang too."""

    big: int
    small: int

    @property
    def worth(self) -> float:
        """How well all can be read: neither may be large at the cost of the other."""
        return min(self.big, 2.5 * self.small) + min(2 * self.small, self.big)


_Row = tuple[Piece, ...]
"""Pieces side by side, placed from x = 0 and with their feet at y = 0."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows one below the other."""

    rows: tuple[_Row, ...]
    widths: tuple[int, ...]
    gap: int

    @property
    def width(self) -> int:
        return max(self.widths)

    @property
    def height(self) -> int:
        return sum(_height(row) for row in self.rows) + self.gap * (len(self.rows) - 1)

    def at(self, x: int, y: int) -> Iterator[Piece]:
        for row in self.rows:
            foot = y + _height(row)
            for piece in row:
                yield replace(piece, x=x + piece.x, y=foot - LINES * piece.pitch)
            y = foot + self.gap


def _height(row: _Row) -> int:
    return LINES * max(piece.pitch for piece in row)


def _text(texts: tuple[str, ...], line: int, room: int, most: int, least: int) -> _Block | None:
    """A text in as few rows as there can be, then as large as there is room."""
    text = texts[line]
    for rows in range(1, _MOST_ROWS + 1):
        # Rows full to the last dot, without the spaces between them, are the best case: no larger pitch is tried.
        dots = columns(text) - (rows - 1) * _BREAK_COLUMNS
        for pitch in range(min(most, room * rows // dots) if dots > 0 else most, least - 1, -1):
            parts = _wrap(text, room // pitch, rows, split=pitch == 1)
            if parts:
                widths = tuple(columns(text[begin:end]) * pitch for begin, end in parts)
                return _Block(tuple((Piece(line, *part, 0, 0, pitch),) for part in parts), widths, 2 * pitch)
    return None


def _time(texts: tuple[str, ...], time: int, label: int, room: int, sizes: _Sizes) -> _Block | None:
    """A time with its label beside it, or above where there is no room."""
    wide, label_wide = columns(texts[time]) * sizes.big, columns(texts[label]) * sizes.small
    beside = wide + 3 * sizes.small
    mark = Piece(label, 0, len(texts[label]), 0, 0, sizes.small)
    hands = Piece(time, 0, len(texts[time]), 0, 0, sizes.big)
    if beside + label_wide <= room:
        return _Block(((hands, replace(mark, x=beside)),), (beside + label_wide,), 0)
    if max(wide, label_wide) <= room:
        return _Block(((mark,), (hands,)), (label_wide, wide), 2 * sizes.small)
    return None


def _wrap(text: str, room: int, most: int, split: bool) -> list[tuple[int, int]] | None:
    """The parts of a text that stand in a row each: broken at spaces and hyphens, anywhere only where `split`."""
    parts: list[tuple[int, int]] = []
    begin = 0
    while begin < len(text):
        fits = begin
        broken: tuple[int, int] | None = None
        wide = -1
        for end in range(begin + 1, len(text) + 1):
            last = text[end - 1]
            if last == " " and wide <= room:
                broken = (end - 1, end)
            wide += glyph(last).columns + 1
            if wide > room:
                break
            fits = end
            if end == len(text) or last == "-":
                broken = (end, end)
        if broken is None and split and fits > begin:
            broken = (fits, fits)
        if broken is None or len(parts) == most:
            return None
        parts.append((begin, broken[0]))
        begin = broken[1]
    return parts


# --- arrangements ---------------------------------------------------------------------------------


_Arrange = Callable[[_Content, _Sizes, int, int], Layout | None]


def _largest(content: _Content, width: int, height: int) -> Iterator[Layout | None]:
    """The best layout so far, after each one that was tried."""
    edge = 0 if min(width, height) < 160 else min(width, height) // 16
    best, best_worth = None, 0.0
    for ratio in RATIOS:
        for arrange in (_stacked, _side_by_side):
            least, most = 1, height // LINES
            while least <= most:
                small = (least + most) // 2
                sizes = _Sizes(round(small * ratio), small)
                found = arrange(content, sizes, width - 2 * edge, height - 2 * edge)
                if found is None:
                    most = small - 1
                else:
                    least = small + 1
                    if sizes.worth > best_worth:
                        best, best_worth = _centred(found, width, height), sizes.worth
                yield best


def _centred(layout: Layout, width: int, height: int) -> Layout:
    panel = layout.panel
    return replace(layout, panel=replace(panel, x=(width - panel.width) // 2, y=(height - panel.height) // 2))


def _blocks(content: _Content, sizes: _Sizes, room: int, parts: str) -> list[_Block] | None:
    """The blocks of venue, times and notes (v, t, n) that stand in one column; None where one does not fit."""
    texts, found = content.texts, []
    if "v" in parts and content.venue:
        found.append(_text(texts, 0, room, sizes.big, sizes.small))
    if "t" in parts:
        found += [_time(texts, *pair, room, sizes) for pair in content.times]
    if "n" in parts:
        found += [_text(texts, line, room, sizes.small, sizes.small) for line in content.notes]
    blocks = [block for block in found if block is not None]
    return blocks if len(blocks) == len(found) else None


def _stack(blocks: list[_Block], x: int, y: int, gap: int) -> tuple[list[Piece], int]:
    """The pieces of blocks one below the other, and where the last one ends."""
    pieces: list[Piece] = []
    for block in blocks:
        pieces += block.at(x, y)
        y += block.height + gap
    return pieces, y - gap


def _stacked(content: _Content, sizes: _Sizes, width: int, height: int) -> Layout | None:
    """All in one column, the sync pattern below."""
    margin, gap = 4 * sizes.small, 4 * sizes.small
    blocks = _blocks(content, sizes, width - 2 * margin, "vtn")
    if not blocks:
        return None
    pieces, foot = _stack(blocks, margin, margin, gap)
    wide = max(block.width for block in blocks)
    strip = Rect(margin, foot + gap, wide, 8 * sizes.small + 2 * sizes.big)
    flash, cells = _pattern(strip, sizes)
    panel = Rect(0, 0, wide + 2 * margin, strip.y + strip.height + margin)
    if panel.height > height:
        return None
    return Layout(panel, tuple(pieces), flash, cells)


def _side_by_side(content: _Content, sizes: _Sizes, width: int, height: int) -> Layout | None:
    """Venue and notes, the times, and the sync pattern beside each other."""
    margin, gap = 4 * sizes.small, 4 * sizes.small
    aside, pattern = max(8 * sizes.small, 4 * sizes.big), max(40 * sizes.small, 20 * sizes.big)
    times = _blocks(content, sizes, width, "t")
    if not times:
        return None
    times_wide = max(block.width for block in times)
    room = width - 2 * margin - times_wide - pattern - 2 * aside
    rest = _blocks(content, sizes, room, "vn")
    if not rest:
        return None
    pieces, foot = _stack(rest, margin, margin, gap)
    x = margin + max(block.width for block in rest) + aside
    more, times_foot = _stack(times, x, margin, gap)
    foot = max(foot, times_foot)
    x += times_wide + aside
    flash, cells = _pattern(Rect(x, margin, pattern, foot - margin), sizes)
    panel = Rect(0, 0, x + pattern + margin, foot + margin)
    if panel.height > height:
        return None
    return Layout(panel, (*pieces, *more), flash, cells)


def _pattern(strip: Rect, sizes: _Sizes) -> tuple[Rect, tuple[Rect, ...]]:
    """The flash above, the moving cell below; the cells fill the strip to the last pixel."""
    high = max(2, strip.height // 3)
    gap = sizes.small
    flash = replace(strip, height=strip.height - high - gap)
    edges = [strip.x + (strip.width + gap) * number // CELLS for number in range(CELLS + 1)]
    cells = (Rect(left, strip.y + strip.height - high, right - gap - left, high) for left, right in pairwise(edges))
    return flash, tuple(cells)
