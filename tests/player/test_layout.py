from itertools import combinations
from typing import Any

import pytest
from makers import T0, S
from test_wording import said

from agent.glyphs import LINES
from agent.player.layout import CELLS, Layout, lay_out, letters, lines_of, shape
from agent.player.raster import Rect
from agent.player.wording import Words

WALLS = [(96, 320), (1920, 192), (320, 180), (1920, 1080), (3840, 2160), (1080, 1920), (192, 1920), (128, 64), (64, 64)]
FULL = [(96, 320), (1920, 192), (320, 180), (1920, 1080), (3840, 2160), (1080, 1920), (192, 1920)]
NEXT: dict[str, Any] = {"next_at": T0 + 40 * S, "next_what": "play winners-reel"}
LONG = "the-very-long-name-of-a-venue-in-the-north-of-new-york-city-1234"[:63]


def overlap(one: Rect, other: Rect) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def inside(rect: Rect, width: int, height: int) -> bool:
    return rect.x >= 0 and rect.y >= 0 and rect.x + rect.width <= width and rect.y + rect.height <= height


def laid_out(width: int, height: int, words: Words) -> Layout:
    found = lay_out(width, height, words)
    assert found is not None
    return found


@pytest.mark.parametrize(("width", "height"), WALLS)
@pytest.mark.parametrize("venue", ["paris", "tokyo-shibuya", LONG])
def test_all_fits_and_nothing_overlaps(width: int, height: int, venue: str) -> None:
    words = said(venue=venue, bound_us=123_000.0, **NEXT)
    layout = laid_out(width, height, words)
    assert inside(layout.panel, width, height)
    boxes = [letter.box for letter in letters(layout, words).values()]
    parts = [*boxes, layout.flash, *layout.cells]
    assert all(inside(part, layout.panel.width, layout.panel.height) for part in parts)
    assert all(part.width > 0 and part.height > 0 for part in parts)
    assert not any(overlap(*pair) for pair in combinations(parts, 2))
    assert len(layout.cells) == CELLS


@pytest.mark.parametrize(("width", "height"), FULL)
def test_a_wall_of_a_usual_shape_says_it_all(width: int, height: int) -> None:
    words = said(**NEXT)
    layout = laid_out(width, height, words)
    for number, line in enumerate(lines_of(words)):
        parts = [line.text[piece.begin : piece.end] for piece in layout.pieces if piece.line == number]
        assert "".join(parts).replace(" ", "") == line.text.replace(" ", "")


@pytest.mark.parametrize(
    ("width", "height", "least"), [(96, 320, 14), (320, 180, 20), (1920, 192, 50), (1920, 1080, 120)]
)
def test_the_times_can_be_read_from_afar(width: int, height: int, least: int) -> None:
    layout = laid_out(width, height, said(**NEXT))
    assert all(LINES * piece.pitch >= least for piece in layout.pieces if piece.line in (1, 3))


def test_a_name_is_broken_at_its_hyphens_and_the_countdown_not_at_all() -> None:
    words = said(venue="tokyo-shibuya-crossing", **NEXT)
    lines = lines_of(words)
    pieces = laid_out(96, 320, words).pieces
    assert [lines[0].text[piece.begin : piece.end] for piece in pieces if piece.line == 0] == [
        "TOKYO-SHIBUYA-",
        "CROSSING",
    ]
    note = [lines[5].text[piece.begin : piece.end] for piece in pieces if piece.line == 5]
    assert note[-1].endswith("IN\u00a000:40")


def test_what_a_tiny_wall_has_no_room_for_is_the_notes() -> None:
    layout = laid_out(64, 64, said(**NEXT))
    assert {piece.line for piece in layout.pieces} == {0, 1, 2}
    assert lay_out(16, 16, said(**NEXT)) is None


def test_one_second_changes_only_what_it_must() -> None:
    one, other = said(T0 + S, **NEXT), said(T0 + 2 * S, **NEXT)
    assert shape(one) == shape(other)
    layout = laid_out(320, 180, one)
    before, after = letters(layout, one), letters(layout, other)
    assert before.keys() == after.keys()
    assert sum(before[place] != after[place] for place in before) == 3
