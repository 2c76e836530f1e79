from typing import Any

import pytest
from fake_venue import status

from agent.liveness import Signs, fed, status_line

NOW = 1000.0


@pytest.mark.parametrize(
    ("signs", "well"),
    [
        (Signs(NOW), True),
        (Signs(NOW - 15), True),
        (Signs(NOW - 15.1), False),
        (Signs(NOW - 20, granted_s=NOW + 10), True),
        (Signs(NOW - 31, granted_s=NOW - 1), False),
    ],
    ids=["it speaks", "15 s ago", "longer ago", "it was started and may take its time", "it took longer"],
)
def test_fed_while_the_player_answers_or_is_being_replaced(signs: Signs, well: bool) -> None:
    assert fed(signs, NOW) is well


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({}, "slate · GO"),
        (
            {"state": "playing", "cue": "0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11", "program": "reel", "rev": 3, "item": 0},
            "playing · reel rev 3 item 1 · cue 0198f3a0 · GO",
        ),
        (
            {"state": "fault", "ready": False, "reasons": [{"code": "a", "detail": "do\nthis"}]},
            "fault · NO-GO a: do this",
        ),
        (
            {"ready": False, "reasons": [{"code": "a", "detail": "x\x1b[2J" + "y" * 500}, {"code": "b", "detail": ""}]},
            "slate · NO-GO a and 1 more: x" + "y" * 170 + "…",
        ),
    ],
)
def test_a_line_says_state_cue_and_the_first_reason(told: dict[str, Any], line: str) -> None:
    assert status_line(status("paris", **told)) == line
