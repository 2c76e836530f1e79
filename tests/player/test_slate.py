from math import hypot

import pytest

from agent.player.slate import GROUND, RING, ring

WALLS = [(96, 320), (1920, 192), (320, 180), (1920, 1080), (97, 33), (8, 8)]


def pixels(width: int, height: int) -> dict[tuple[int, int], int]:
    found = {}
    for colour, rect in ring(width, height):
        for x in range(rect.x, rect.x + rect.width):
            assert rect.height == 1
            assert (x, rect.y) not in found, "a pixel is drawn twice"
            found[x, rect.y] = colour
    return found


@pytest.mark.parametrize(("width", "height"), WALLS)
def test_it_lies_in_the_middle_and_is_the_same_from_all_sides(width: int, height: int) -> None:
    found = pixels(width, height)
    assert found
    assert all(
        found.get((width - 1 - x, y)) == found.get((x, height - 1 - y)) == shade for (x, y), shade in found.items()
    )
    assert all(0 <= x < width and 0 <= y < height for x, y in found)


@pytest.mark.parametrize(("width", "height"), WALLS[:4])
def test_it_is_a_ring_with_soft_edges_and_a_dark_middle(width: int, height: int) -> None:
    found = pixels(width, height)
    radius = min(width, height) / 5
    away = {place: abs(hypot(place[0] + 0.5 - width / 2, place[1] + 0.5 - height / 2) - radius) for place in found}
    assert all(distance <= max(1.2, radius / 16) + 1 for distance in away.values())
    assert all(found[place] == RING for place, distance in away.items() if distance < 0.6)
    assert RING in found.values() and GROUND not in found.values()
    assert len(set(found.values())) > 3
    on_it = [
        (x, y)
        for x in range(width)
        for y in range(height)
        if abs(hypot(x + 0.5 - width / 2, y + 0.5 - height / 2) - radius) < 1
    ]
    assert all(place in found for place in on_it)
