from pathlib import Path

import pytest

from agent.lab import clockwatch, world
from agent.lab.console import Narrator
from agent.lab.world import Wishes


@pytest.mark.needs("Xvfb", "chronyd", "mosquitto")
def test_with_a_liar_and_unequal_ways_no_clock_is_outside_the_bound_that_it_claims(tmp_path: Path) -> None:
    wishes = Wishes(tmp_path / "lab", world.venues(2), true_clocks=True, asymmetry_ms=10.0, liar_ms=80.0)
    watched = clockwatch.clocks(wishes, 6.0, 5.0, Narrator(json=True))
    assert watched.samples.keys() == watched.sync_s.keys() == {"shanghai", "hongkong"}
    for samples in watched.samples.values():
        assert len(samples) >= 3
        assert not any(sample.outside for sample in samples)
        # The way back is 10 ms longer: a clock cannot see that, and is wrong by half of it, within its bound.
        assert all(3 < abs(sample.error_ms) < 9 for sample in samples)
    assert all(sync_s is not None for sync_s in watched.sync_s.values())
