"""The short form of tests/long/outages, and its judge."""

from pathlib import Path

import outages
import pytest
from brokers import MosquittoFactory
from outages import Outcome

GOOD = Outcome("killed", "steady", (0.4,), (False,), 0.3, 0, 0)


@pytest.mark.needs("mosquitto", "ffmpeg", "chronyd")
@pytest.mark.timeout(180)
async def test_walls_start_and_join_whatever_happens_to_brokers_lines_and_agents(
    tmp_path: Path, mosquittos: MosquittoFactory
) -> None:
    brokers = mosquittos(), mosquittos()
    outcomes = await outages.play(tmp_path, brokers, outages.ROUNDS, outages.SHORT, print)
    assert [fault for outcome in outcomes for fault in outcome.faults()] == []
