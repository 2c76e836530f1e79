"""A cue and its program → which film at which frame is due when.

A cue's time is cut into pieces: each film of the program, each loop of it, the slate behind its end. Every piece
is a start of its own at its own instant, computed from the cue's instant with exact rationals, so that
nothing accumulates over a week of loops.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from agent.messages import Black, Cue, Play
from agent.programs import Item, Program
from agent.units import US_PER_S, MediaUs, UtcUs, parse_rate

Kind = Literal["film", "slate", "black"]
NO_MEDIA = MediaUs(0)


@dataclass(frozen=True, slots=True)
class Piece:
    """One uninterrupted stretch of picture.

    `at` is when its first frame is due, `until` when the piece behind it is due (None: it lasts). `ordinal` counts
    the program's items since the start of its first loop. `frame` and `position_us` say where in the item it begins.
    """

    kind: Kind
    at: UtcUs
    until: UtcUs | None
    ordinal: int = 0
    item: int | None = None
    frame: int = 0
    position_us: MediaUs = NO_MEDIA
    held: bool = False
    joined: bool = False


def _length(item: Item) -> Fraction:
    """Exact length in microseconds."""
    if item.fps is not None and item.frames is not None:
        return Fraction(item.frames * US_PER_S) / parse_rate(item.fps)
    return Fraction(item.duration_us or 0)


def _frame_us(item: Item) -> Fraction:
    """Exact length of a frame in microseconds; 1 where the item has no constant rate."""
    return Fraction(US_PER_S) / parse_rate(item.fps) if item.fps is not None else Fraction(1)


def _snap(item: Item, offset: Fraction, *, up: bool) -> tuple[int, Fraction]:
    """The frame at or around an offset into an item, and that frame's own offset."""
    step = _frame_us(item)
    count = -(-offset // step) if up else offset // step
    return (int(count) if item.fps is not None else 0), count * step


class Timeline:
    """The pieces of one play cue. `from_us` is taken at the frame that it falls into."""

    def __init__(self, cue: Cue, play: Play, program: Program) -> None:
        self._at = cue.at
        self._play = play
        self._items = program.items
        self._begins = [Fraction(0)]
        for item in program.items:
            self._begins.append(self._begins[-1] + _length(item))
        self._total = self._begins.pop()
        start = Fraction(play.from_us)
        if play.loop:
            start %= self._total
        if start < self._total:
            index = self._index(start)
            offset = _snap(self._items[index], start - self._begins[index], up=False)[1]
            start = self._begins[index] + offset
        self._from = start

    @property
    def length_us(self) -> Fraction:
        """How long the program lasts, exactly."""
        return self._total

    def _index(self, offset: Fraction) -> int:
        return max(i for i, begin in enumerate(self._begins) if begin <= offset)

    def _due(self, offset: Fraction) -> UtcUs:
        return UtcUs(self._at + round(offset - self._from))

    def piece_at(self, t: UtcUs) -> Piece:
        """The piece that is due at an instant at or after the cue's own, as it began."""
        offset = self._offset_at(t)
        loops, inside = divmod(offset, self._total) if self._play.loop else (Fraction(0), offset)
        if inside >= self._total:
            return self._end()
        return self._piece(int(loops) * len(self._items) + self._index(inside))

    def position_at(self, t: UtcUs) -> MediaUs | None:
        """Where in the program the frame begins that is shown at an instant; None behind the end.

        As `from_us` it brings back this very frame: it is rounded up, so that it falls into the frame, not before it.
        """
        offset = self._offset_at(t)
        inside = offset % self._total if self._play.loop else offset
        if inside >= self._total:
            return None
        index = self._index(inside)
        begin = self._begins[index]
        return MediaUs(math.ceil(begin + _snap(self._items[index], inside - begin, up=False)[1]))

    def _offset_at(self, t: UtcUs) -> Fraction:
        # The due instants are rounded to microseconds; half of one keeps a boundary in the piece that it begins.
        return self._from if self._play.held else self._from + (t - self._at) + Fraction(1, 2)

    def _piece(self, ordinal: int) -> Piece:
        loops, index = divmod(ordinal, len(self._items))
        if loops and not self._play.loop:
            return self._end()
        begin = loops * self._total + self._begins[index]
        item = self._items[index]
        inside = max(Fraction(0), self._from - begin)
        frame, inside = _snap(item, inside, up=False)
        until = None if self._play.held else self._due(begin + _length(item))
        return Piece(
            kind="film",
            at=self._due(begin + inside),
            until=until,
            ordinal=ordinal,
            item=index,
            frame=frame,
            position_us=MediaUs(round(inside)),
            held=self._play.held,
        )

    def _end(self) -> Piece:
        at = max(self._at, self._due(self._total))
        return Piece(kind="slate", at=at, until=None, ordinal=len(self._items))

    def after(self, piece: Piece) -> Piece | None:
        """The piece behind another one, None where nothing follows."""
        return None if piece.until is None else self._piece(piece.ordinal + 1)

    def join(self, piece: Piece, t: UtcUs) -> Piece | None:
        """The rest of a piece, entered at the first frame that is due at or after `t`; None where none is left."""
        if piece.item is None or piece.held:
            return Piece(
                kind=piece.kind,
                at=t,
                until=piece.until,
                ordinal=piece.ordinal,
                item=piece.item,
                frame=piece.frame,
                position_us=piece.position_us,
                held=piece.held,
                joined=True,
            )
        item = self._items[piece.item]
        loops = piece.ordinal // len(self._items)
        begin = loops * self._total + self._begins[piece.item]
        frame, inside = _snap(item, max(Fraction(0), self._from + (t - self._at) - begin), up=True)
        if inside >= _length(item):
            return None
        return Piece(
            kind="film",
            at=self._due(begin + inside),
            until=piece.until,
            ordinal=piece.ordinal,
            item=piece.item,
            frame=frame,
            position_us=MediaUs(round(inside)),
            joined=True,
        )


def still(cue: Cue | None) -> Piece:
    """The piece of a cue without films: black, or the slate where no cue holds."""
    if cue is None:
        return Piece(kind="slate", at=UtcUs(0), until=None)
    return Piece(kind="black" if isinstance(cue.do, Black) else "slate", at=cue.at, until=None)
