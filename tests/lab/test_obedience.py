"""The short form of tests/long/obedience."""

from pathlib import Path

import obedience
import pytest


@pytest.mark.needs("Xvfb", "ffmpeg", "mosquitto", "chronyd")
@pytest.mark.timeout(200)
def test_walls_obey(tmp_path: Path) -> None:
    found = obedience.run(tmp_path, 1, print)
    assert found.faults == []
    assert len(found.moves) == 4
    assert {kind: len(took) for kind, took in found.panics_ms.items()} == {
        "a player that hangs": 2,
        "a player that plays": 2,
    }
    assert len(found.latency_ms) == 2
