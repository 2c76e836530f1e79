import pytest

from agent.player.raster import Rect
from agent.player.stage import StageError, region_of


def test_without_a_region_the_whole_screen_is_wall() -> None:
    assert region_of("", 1920, 1080) == Rect(0, 0, 1920, 1080)


def test_a_region_is_a_part_of_the_screen() -> None:
    assert region_of("100,50,640,480", 1920, 1080) == Rect(100, 50, 640, 480)


@pytest.mark.parametrize("text", ["0,0,1921,1080", "1,0,1920,1080", "0,0,0,1080", "0,1,1920,1080"])
def test_a_region_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(StageError, match=r"display\.region"):
        region_of(text, 1920, 1080)
