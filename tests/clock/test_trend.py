import random

from clock_simulation import Oscillator, exchange, exponential

from agent.clock.sample import Sample
from agent.clock.trend import LEAST, coherent


def history(bend_ppm: float, count: int = 64, jitter_ms: float = 0.2, seed: int = 1) -> list[Sample]:
    """So many samples, 64 s apart; in the middle the server (or the crystal) begins to run off by so much."""
    rng, oscillator = random.Random(seed), Oscillator(0.0)
    return [
        exchange(
            oscillator,
            "s",
            64.0 * i,
            5 + exponential(rng, jitter_ms),
            5 + exponential(rng, jitter_ms),
            wrong_ms=max(0, i - count // 2) * 64.0 * bend_ppm / 1e3,
        )
        for i in range(count)
    ]


def test_samples_on_one_line_are_all_kept() -> None:
    kept = [coherent(history(0.0, seed=seed), 0.0) for seed in range(50)]
    assert kept.count(64) >= 49, "three deviations are one false alarm in 700"


def test_what_lies_before_a_bend_is_dropped() -> None:
    assert LEAST <= coherent(history(5.0), 5e-6) <= 48


def test_the_rate_that_is_looked_for_decides_what_is_a_bend() -> None:
    straight = history(0.0)
    assert coherent(straight, 20e-6) < 64


def test_few_samples_are_never_called_bent() -> None:
    assert coherent(history(50.0, count=LEAST), 0.0) == LEAST
    assert coherent([], 0.0) == 0
    assert coherent(history(0.0, count=1), 0.0) == 1


def test_a_wire_without_jitter_is_straight() -> None:
    assert coherent(history(0.0, jitter_ms=0.0), 0.0) == 64
