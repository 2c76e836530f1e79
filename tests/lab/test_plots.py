from datetime import UTC, datetime
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from agent.lab import plots
from agent.lab.analysis import Analysis, DisplayFacts, Skew
from agent.lab.rundir import FilmFacts, RunFacts
from agent.units import UtcUs

FACTS = RunFacts(
    venues=["tokyo"],
    films=[FilmFacts(name="a", clip=1, fps="30", frames=90)],
    loop=True,
    due_utc=UtcUs(int(datetime(2025, 6, 2, tzinfo=UTC).timestamp()) * 1_000_000),
    end_utc=None,
    size="320x180",
    max_p99_ms=5.0,
)


def display(venue: str, count: int) -> DisplayFacts:
    errors = [(index / 30, 1.0) for index in range(count)]
    return DisplayFacts(venue, 1.0, errors, 0, 0, 0, 0, 0.0, [], [1.0])


def has_colour(picture: np.ndarray, colour: str) -> bool:
    wanted = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return bool((np.abs(picture[:, :, :3] - wanted).max(axis=2) < 0.02).any())


def test_every_venue_is_drawn_in_its_colour(tmp_path: Path) -> None:
    displays = [display(f"v{n}", 300) for n in range(5)]
    skew = Skew([(at, 0.0) for at, _ in displays[0].errors], 0.0, 0)
    plots.sync(tmp_path / "p.png", Analysis("barcode", displays, skew, None, [0.0, 3.0, 6.0], 10.0, None), FACTS)
    picture = matplotlib.image.imread(tmp_path / "p.png")
    assert picture.shape[1] == 1650
    assert all(has_colour(picture, colour) for colour in plots.COLOURS)
    assert np.median(picture[:, :, :3]) < 0.2


@pytest.mark.parametrize("count", [0, 1, 3])
def test_little_or_nothing_to_draw_is_drawn(tmp_path: Path, count: int) -> None:
    skew = Skew([(0.0, 1.0)] * count, None, 0)
    found = Analysis("barcode", [display("tokyo", count)], skew, None, [], 0.0, None)
    plots.sync(tmp_path / "p.png", found, FACTS)
    assert (tmp_path / "p.png").stat().st_size > 1000


@pytest.mark.parametrize(("walls", "rows"), [(1, 1), (3, 1), (5, 2)])
def test_the_montage_shows_every_wall(tmp_path: Path, walls: int, rows: int) -> None:
    colours = np.random.default_rng(3).integers(60, 250, (walls, 3), np.uint8)
    pictures = {f"v{n}": np.broadcast_to(colour, (180, 320, 3)).copy() for n, colour in enumerate(colours)}
    plots.walls(tmp_path / "w.png", pictures, "Five walls")
    picture = matplotlib.image.imread(tmp_path / "w.png")
    for red, green, blue in colours:
        assert has_colour(picture, f"#{red:02x}{green:02x}{blue:02x}")
    assert picture.shape[0] > rows * 240
