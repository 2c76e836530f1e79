"""The short form of tests/long/fuzz; and that its oracle can see what it looks for."""

from pathlib import Path

import pytest
from brokers import MosquittoFactory
from flood import flood
from oracle import Oracle

from agent import reception, trust
from agent.lab.processes import Processes

MESSAGES, LIVE = 2_500, 500


@pytest.mark.parametrize("threshold", [1, 2])
def test_nothing_raises_and_nothing_is_taken_that_was_not_signed(threshold: int) -> None:
    oracle = Oracle(seed=threshold, threshold=threshold)
    oracle.run(range(1, MESSAGES // 2 + 1))
    figures = oracle.figures
    assert figures.faults == []
    assert len(figures.ways) == 13, "every way of making one comes up"
    assert figures.verdicts["opened"] > 100 and figures.verdicts["kept"] > 50, "good ones are taken"
    assert min(figures.verdicts[code] for code in ("signature", "schema", "role", "size")) > 0


@pytest.mark.parametrize(
    ("module", "name", "broken", "seen"),
    [
        (trust, "_short", lambda *_: None, "with 0 of 1 signatures"),
        (trust, "MAX_VERIFICATIONS", 0, "refused though whole"),
        (
            trust,
            "MAY_SIGN",
            dict.fromkeys(trust.KINDS, frozenset({"show", "content", "panic"})),
            "with 0 of 1 signatures",
        ),
        (reception, "take_cue", None, "raised TypeError"),
    ],
)
def test_the_oracle_sees_a_venue_that_is_broken(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, broken: object, seen: str
) -> None:
    monkeypatch.setattr(module, name, broken)
    oracle = Oracle(seed=1, threshold=1)
    oracle.run(range(1, 400))
    assert any(seen in fault for fault in oracle.figures.faults)


@pytest.mark.needs("mosquitto", "chronyd")
async def test_a_live_agent_takes_only_what_was_signed(
    tmp_path: Path, mosquittos: MosquittoFactory, processes: Processes
) -> None:
    found = await flood(tmp_path, mosquittos, processes, seed=7, count=LIVE, threshold=2)
    assert found.faults == []
    assert found.acks["accepted"] > 10 and found.acks["refused"] > 50 and found.kept > 10
