"""The clock of the page, by which the countdown runs and every press is dated, in a world of its own."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SCRIPT = HERE.parents[1] / "agent" / "board" / "board.js"


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    ran = subprocess.run(
        ["node", HERE / "clock.js", SCRIPT], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    return {found["name"]: found for found in map(json.loads, ran.splitlines())}


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("case", "most_us"),
    [
        ("the_fastest_counts", 2_700),
        ("a_slow_line_later_spoils_nothing", 6_000),
        ("one_that_fails_does_not_lose_the_others", 2_500),
        ("where_none_came_it_is_tried_again_soon", 2_500),
        ("a_clock_that_is_set_moves_nothing", 3_500),
        ("a_computer_that_has_slept_measures_anew", 50_000),
    ],
)
def test_the_page_knows_the_time_and_how_well(told: dict[str, dict[str, Any]], case: str, most_us: int) -> None:
    found = told[case]
    assert found["error"] is not None and found["error"] <= found["doubt"], "it never promises more than it keeps"
    assert found["error"] <= most_us and found["doubt"] <= most_us + 4_000 + 1, found


@pytest.mark.needs("node")
def test_a_page_that_has_no_time_yet_asks_again_within_a_second(told: dict[str, dict[str, Any]]) -> None:
    assert told["where_none_came_it_is_tried_again_soon"]["soon"] <= 1000
