"""Whatever the network, the crystal, the host and one liar do: the truth lies within the bound."""

import os
import random
from dataclasses import dataclass, replace
from functools import partial

import pytest
from clock_world import PC, Scenario, World
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock.mapping import ClockState


@dataclass(frozen=True)
class Trouble:
    """What the ways and one of the servers do; times in true seconds since the start."""

    jitter_ms: float
    spike: float
    spike_ms: float
    loss: float
    asymmetry_ms: float
    lie_ms: float
    drift_ppm: float
    near_liar: bool
    lie_from_s: float
    outage_s: float
    away: int
    away_s: float

    def befall(self, world: World) -> None:
        for number, way in enumerate(world.ways):
            way.jitter_ms, way.loss = self.jitter_ms, self.loss
            way.spike, way.spike_ms = self.spike, self.spike_ms
            way.cut = partial(self.cut, number)
        unequal = random.Random(world.seed).choice(world.ways)
        unequal.up_ms += max(0.0, self.asymmetry_ms)
        unequal.down_ms += max(0.0, -self.asymmetry_ms)
        # One of three or more may lie, which is what the hull grants; a single server of our own is believed alone.
        if not world.scenario.ours:
            liar = random.Random(world.seed + 1).choice(world.ways)
            liar.wrong_ms = self.lie
            if self.near_liar:
                liar.jitter_ms, liar.spike = self.jitter_ms / 30, 0.0
                liar.up_ms, liar.down_ms = 0.1, 0.1

    def cut(self, number: int, at_s: float) -> bool:
        """All ways for a while, and later those whose bits are set."""
        return 100 < at_s < 100 + self.outage_s or (self.away >> number & 1 == 1 and 0 < at_s - 500 < self.away_s)

    def lie(self, at_s: float) -> float:
        lying_s = at_s - self.lie_from_s
        return self.lie_ms + self.drift_ppm * 1e-3 * lying_s if lying_s >= 0 else 0.0


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    crystal = replace(PC, ppm=draw(st.floats(-95, 95)), walk=draw(st.floats(0, 2e-9)))
    step_at_s, step_s = draw(st.floats(5, 900)), draw(st.sampled_from([0.0, 0.03, -2.0, 5.0, -3600.0]))
    asleep = draw(st.sampled_from([None, None, (250.0, 30.0), (700.0, 3600.0)]))
    return Scenario(
        until_s=draw(st.sampled_from([30.0, 300.0, 1200.0, 2400.0])) + (asleep[1] if asleep else 0.0),
        crystal=crystal,
        nearness_ms=tuple(draw(st.lists(st.floats(0.05, 120), min_size=3, max_size=6))),
        ours=draw(st.booleans()),
        correction_ms=draw(st.sampled_from([0.0, 0.0, 3.0])),
        pool=draw(st.booleans()),
        wall_s=lambda at_s: step_s * (at_s > step_at_s),
        asleep=asleep,
        ticks=lambda at_s: at_s < 30 or (asleep is not None and at_s > asleep[0] - 10),
    )


troubles = st.builds(
    Trouble,
    jitter_ms=st.floats(0.01, 30),
    spike=st.floats(0, 0.3),
    spike_ms=st.floats(1, 400),
    loss=st.floats(0, 0.5),
    asymmetry_ms=st.floats(-100, 100),
    lie_ms=st.sampled_from([0.0, 0.5, 8.0, -8.0, 40.0, 1000.0]),
    drift_ppm=st.just(0.0) | st.floats(-30, 30),
    near_liar=st.booleans(),
    lie_from_s=st.sampled_from([0.0, 0.0, 100.0]),
    outage_s=st.sampled_from([0.0, 0.0, 200.0, 900.0]),
    away=st.integers(0, 63),
    away_s=st.sampled_from([0.0, 500.0, 900.0]),
)


EXAMPLES = os.environ.get("FRAMEZERO_EXAMPLES")
"""So many other ones than usual; set by tests/long/bounds."""


@pytest.mark.timeout(900)  # a hundred worlds are a minute's work, and a busy machine has other work as well
@settings(max_examples=int(EXAMPLES or 100), derandomize=EXAMPLES is None)
@given(scenarios(), troubles, st.integers(0, 10_000), st.sampled_from([None, None, 5.0, 600.0]))
def test_the_truth_lies_within_the_bound(
    scenario: Scenario, trouble: Trouble, seed: int, restarted_after_s: float | None
) -> None:
    world = World(scenario, seed)
    trouble.befall(world)
    ever_sync = hold_to_its_word(world, False)
    if restarted_after_s is None:
        return
    began_s = scenario.until_s + restarted_after_s
    again = replace(scenario, past=world.keeper.past(), began_s=began_s, until_s=began_s + 300)
    world = World(again, seed)
    trouble.befall(world)
    hold_to_its_word(world, ever_sync)


def hold_to_its_word(world: World, ever_sync: bool) -> bool:
    """Compare each look with the truth; whether it has been in sync."""
    asleep = world.scenario.asleep
    for look in world:
        # A host that slept has no clock: it begins anew.
        ever_sync = look.state is ClockState.SYNC or (ever_sync and look.state is not ClockState.UNSYNC)
        # Just awake, the agent has not looked at the kernel yet: that takes it a second at most.
        if asleep and 0 <= look.at_s - sum(asleep) <= 1 and look.state is not ClockState.UNSYNC:
            continue
        # Before the first sync it may go by fewer sources than can outvote a liar, and says so (DEGRADED).
        if look.mapping is not None and (ever_sync or look.state in (ClockState.SYNC, ClockState.HOLDOVER)):
            assert abs(look.error_us) <= look.bound_us, f"broken after {look.at_s:.1f} s"
    return ever_sync
