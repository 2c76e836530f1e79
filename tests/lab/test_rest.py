"""The short form of tests/long/rest, and its judge."""

from collections.abc import Callable
from pathlib import Path

import pytest
from resting import Share, faults, measure
from solo import resting

SECONDS = 5.0
MOST_WAKES_S = 80
"""Far above what it is; a loop that does not rest has thousands."""


def share(core: float, mb: float) -> Share:
    return Share("daemon", core, mb, mb, 10.0, 4)


def test_what_is_more_than_an_agent_may_use_is_named() -> None:
    assert faults([share(0.004, 100), share(0.006, 100)]) == []
    assert faults([share(0.004, 100), share(0.0065, 101)]) == [
        "1.05% of a core at rest; at most 1%",
        "201 MB; at most 200",
    ]


@pytest.mark.needs("Xvfb", "mosquitto", "chronyd")
@pytest.mark.timeout(120)
def test_an_agent_at_rest_rests(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Its processor time is told and not judged: other tests run beside it, and its clock is in its first burst."""
    with resting(tmp_path, (1280, 720)) as agent:
        shares = [share for share in measure(agent, SECONDS) if share.name != "self-test"]
    core, mb = sum(share.core for share in shares), sum(share.pss_mb for share in shares)
    wakes_s = sum(share.wakes_s for share in shares)
    record_property("figure", f"an agent at rest: {core:.1%} of a core, {mb:.0f} MB, {wakes_s:.0f} wake-ups/s")
    assert [share.name for share in shares] == ["daemon", "player"]
    assert [fault for fault in faults(shares) if "MB" in fault] == []
    assert wakes_s < MOST_WAKES_S
