"""Whatever the network, the crystal and one liar do: the truth lies within the bound."""

import random
from dataclasses import replace

from clock_world import PC, Scenario, World
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock.mapping import ClockState

HOUR = 3600.0


@st.composite
def scenarios(draw: st.DrawFn) -> tuple[Scenario, dict[str, float], int]:
    crystal = replace(PC, ppm=draw(st.floats(-95, 95)), walk=draw(st.floats(0, 2e-9)))
    nearness_ms = tuple(draw(st.lists(st.floats(0.05, 120), min_size=3, max_size=6)))
    step_at_s, step_s = draw(st.floats(5, 900)), draw(st.sampled_from([0.0, 0.03, -2.0, 5.0, -3600.0]))
    scenario = Scenario(
        until_s=draw(st.sampled_from([30.0, 300.0, 1200.0])),
        crystal=crystal,
        nearness_ms=nearness_ms,
        ours=draw(st.booleans()),
        correction_ms=draw(st.sampled_from([0.0, 0.0, 3.0])),
        wall_s=lambda at_s: step_s * (at_s > step_at_s),
    )
    trouble = {
        "jitter_ms": draw(st.floats(0.01, 30)),
        "spike": draw(st.floats(0, 0.3)),
        "spike_ms": draw(st.floats(1, 400)),
        "loss": draw(st.floats(0, 0.5)),
        "asymmetry_ms": draw(st.floats(-100, 100)),
        "lie_ms": draw(st.sampled_from([0.0, 0.5, 8.0, -8.0, 40.0, 1000.0])),
        "lie_from_s": draw(st.sampled_from([0.0, 100.0])),
        "outage_s": draw(st.sampled_from([0.0, 0.0, 200.0])),
    }
    return scenario, trouble, draw(st.integers(0, 10_000))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(scenarios())
def test_the_truth_lies_within_the_bound(drawn: tuple[Scenario, dict[str, float], int]) -> None:
    scenario, trouble, seed = drawn
    world = World(scenario, seed)
    for way in world.ways:
        way.jitter_ms, way.loss = trouble["jitter_ms"], trouble["loss"]
        way.spike, way.spike_ms = trouble["spike"], trouble["spike_ms"]
        way.cut = lambda at_s: 100 < at_s < 100 + trouble["outage_s"]
    unequal = random.Random(seed).choice(world.ways)
    unequal.up_ms += max(0.0, trouble["asymmetry_ms"])
    unequal.down_ms += max(0.0, -trouble["asymmetry_ms"])
    # One of three or more may lie, which is what the hull grants; a single server of our own is believed alone.
    if not scenario.ours:
        random.Random(seed + 1).choice(world.ways).wrong_ms = lambda at_s: (
            trouble["lie_ms"] if at_s >= trouble["lie_from_s"] else 0.0
        )
    ever_sync = False
    for look in world:
        ever_sync = ever_sync or look.state is ClockState.SYNC
        # Before that it may go by fewer sources than can outvote a liar, and says so (DEGRADED).
        if look.mapping is not None and ever_sync:
            assert abs(look.error_us) <= look.bound_us, f"broken after {look.at_s:.1f} s"
