import io
from typing import Any

from fake_venue import status
from rich.console import Console

from agent.control.clocks import page_of_clocks
from agent.control.status import Wall
from agent.told import ClockSource, ClockStatus
from agent.units import UtcUs

AGREES = ClockSource(
    name="ntp1:123", ours=False, agrees=True, why="agrees", offset_us=-120, error_us=4000, delay_us=8000, samples=64
)
LIES = ClockSource(
    name="ntp2:123", ours=False, agrees=False, why="contradicts the majority by +80.0 ms", offset_us=80_000, samples=8
)


def wall(venue: str, *, silent: bool = False, **clock: Any) -> Wall:
    plain: dict[str, Any] = {
        "state": "SYNC",
        "bound_us": 8200,
        "frames": 0.25,
        "sources": 2,
        "agreeing": 1,
        "offset_host_us": -1200,
        "reason": "3 of 5 time servers agree",
        "freq_ppm": -50.12,
        "skew_ppm": 1.4,
        "per_source": [AGREES, LIES],
    }
    return Wall(venue, None, status(venue, clock=ClockStatus(**{**plain, **clock})), silent, 0)


def shown(*walls: Wall, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(page_of_clocks(list(walls), UtcUs(0), width))
    return console.export_text()


def test_each_wall_tells_of_its_clock_and_of_each_source() -> None:
    text = shown(wall("paris"))
    assert max(map(len, text.splitlines())) <= 80
    for word in ("paris", "SYNC", "at most 8.2 ms wrong", "rate -50.12 ± 1.40 ppm", "host -1.2 ms", "3 of 5 time"):
        assert word in " ".join(text.split())
    assert "✓  ntp1:123" in text and "-0.120 ± 4.0" in text
    assert "✗  ntp2:123" in text and "+80.000" in text and "contradicts" in text


def test_older_silent_and_lost_walls_are_told_as_such() -> None:
    text = shown(wall("tokyo", per_source=[]), wall("toronto", silent=True), wall("lyon", state="HOST", bound_us=None))
    assert "does not tell of its sources" in text
    assert "toronto  SILENT" in text
    assert "HOST" in text and "nobody vouches" in text
