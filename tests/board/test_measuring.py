"""The short form of tests/long/board: the same board, browser and walls, and no limit of time."""

from pathlib import Path

import pytest
from fleet import STAMPS
from measuring import CHROMIUM, behind_s, measure


@pytest.mark.needs("mosquitto")
@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed: apt install chromium")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("venues", [5, 70], ids=["cards", "table"])
def test_what_walls_say_comes_to_the_page_which_asks_nobody_else(venues: int) -> None:
    figures = measure(venues, 2.0, settle_s=2.0)
    assert figures.updates >= 5, "walls that play stand still on the page"
    assert figures.elsewhere == () and figures.errors == ()


def test_a_stamp_tells_how_long_ago_it_was_said() -> None:
    assert behind_s("frame", "00100", 2_000.0) == 0.0
    assert behind_s("frame", "00100", 2_300.0) == pytest.approx(0.3)
    assert behind_s("p99", "6", 2_300.0) == pytest.approx(0.3)
    assert behind_s("frame", f"{STAMPS - 1:05}", 20_060.0) == pytest.approx(0.08)
    assert behind_s("frame", "00100", 1_999.0) == 0.0
