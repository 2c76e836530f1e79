"""The short form of tests/long/comeback: no limit but that it comes back, for other tests run beside it."""

from collections.abc import Callable
from pathlib import Path

import comeback
import pytest


@pytest.mark.needs("Xvfb", "ffmpeg", "mosquitto", "chronyd")
@pytest.mark.timeout(300)
def test_whoever_is_killed_the_right_frame_comes_back(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with comeback.wall(tmp_path) as wall:
        for victim in comeback.VICTIMS:
            wall.kill(victim)
    for line in wall.times.told():
        record_property("figure", line)
    assert all(0 < seconds < comeback.BACK_S for found in wall.times.frame_s.values() for seconds in found)
    assert wall.times.ready_s[0] > 0
