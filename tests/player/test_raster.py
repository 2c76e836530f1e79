import pytest

from agent.player.raster import Rect, upright

CORNER = Rect(1, 2, 3, 4)


@pytest.mark.parametrize(
    ("rotate", "turned"),
    [
        (0, Rect(1, 2, 3, 4)),
        # Clockwise: the upright picture's upper left corner comes to the upper right of the screen.
        (90, Rect(20 - 2 - 4, 1, 4, 3)),
        (180, Rect(10 - 1 - 3, 20 - 2 - 4, 3, 4)),
        (270, Rect(2, 10 - 1 - 3, 4, 3)),
    ],
)
def test_a_rectangle_turns_with_the_picture(rotate: int, turned: Rect) -> None:
    assert CORNER.turned(rotate, 10, 20) == turned


def test_four_quarters_are_a_whole_turn() -> None:
    rect, width, height = CORNER, 10, 20
    for _ in range(4):
        rect = rect.turned(90, width, height)
        width, height = height, width
    assert rect == CORNER


def test_a_wall_on_its_side_has_an_upright_picture() -> None:
    assert upright(0, 320, 96) == upright(180, 320, 96) == (320, 96)
    assert upright(90, 320, 96) == upright(270, 320, 96) == (96, 320)
