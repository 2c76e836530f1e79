import random

import pytest
from clock_simulation import Oscillator, exchange, exponential

from agent.clock.envelope import Rate, envelope, fit_rate
from agent.clock.sample import Sample
from agent.units import RawNs


def history(ppm: float, jitter_ms: float, count: int = 60, base_ms: float = 5.0) -> tuple[list[Sample], RawNs]:
    rng = random.Random(f"{ppm}{jitter_ms}")
    oscillator = Oscillator(ppm)
    samples = [
        exchange(oscillator, "s", 4.0 * i, base_ms + exponential(rng, jitter_ms), base_ms + exponential(rng, jitter_ms))
        for i in range(count)
    ]
    return samples, oscillator.raw(4.0 * count)


@pytest.mark.parametrize("ppm", [-80.0, 0.0, 30.0, 80.0])
def test_the_rate_is_found_under_jitter(ppm: float) -> None:
    samples, now = history(ppm, jitter_ms=2.0)
    rate = fit_rate([envelope(samples, now, samples[0].t2_utc_ns - samples[0].t1_raw)], 0.0)
    assert rate.freq * 1e6 == pytest.approx(-ppm, abs=3)
    assert abs(rate.freq + ppm * 1e-6) < rate.rho


def test_two_samples_do_not_make_a_wild_rate() -> None:
    oscillator = Oscillator(0.0)
    samples = [exchange(oscillator, "s", 0.0, 5, 45), exchange(oscillator, "s", 2.0, 45, 5)]
    rate = fit_rate([envelope(samples, oscillator.raw(3.0), samples[0].t2_utc_ns - samples[0].t1_raw)], 0.0)
    assert abs(rate.freq) < 100e-6
    assert rate.sigma == pytest.approx(50e-6, rel=0.1)


def test_one_sample_leaves_the_prior() -> None:
    samples, now = history(50, 0.0, count=1)
    assert fit_rate([envelope(samples, now, samples[0].t2_utc_ns - samples[0].t1_raw)], 0.0) == Rate(0.0, 50e-6)


def test_the_interval_holds_the_truth_and_the_offset_lies_inside() -> None:
    samples, now = history(40, jitter_ms=3.0)
    base_ns = samples[0].t2_utc_ns - samples[0].t1_raw
    view = envelope(samples, now, base_ns)
    rate = fit_rate([view], 0.0)
    lo, hi = view.interval(rate)
    oscillator = Oscillator(40)
    true_s = (now - oscillator.raw(0.0)) / oscillator.scale / 1e9
    truth = (samples[0].t2_utc_ns - 5_000_000 - base_ns - samples[0].t1_raw) / 1e9 + true_s * (1 - oscillator.scale)
    assert lo < view.offset(rate) < hi
    assert lo - 4e-3 < truth < hi + 4e-3


def test_a_server_of_doubtful_time_has_a_wider_interval() -> None:
    oscillator = Oscillator(0.0)
    good = exchange(oscillator, "s", 0.0, 5, 5)
    widths = []
    for sample in (good, Sample(**{**{n: getattr(good, n) for n in good.__slots__}, "root_delay_ns": 20_000_000})):
        lo, hi = envelope([sample], oscillator.raw(1.0), good.t2_utc_ns - good.t1_raw).interval(Rate())
        widths.append(hi - lo)
    assert widths[1] - widths[0] == pytest.approx(0.020)


def test_a_late_receive_stamp_only_widens_the_interval() -> None:
    oscillator = Oscillator(0.0)
    base_ns = (first := exchange(oscillator, "s", 0.0, 5, 5)).t2_utc_ns - first.t1_raw
    prompt = envelope([first], oscillator.raw(1.0), base_ns).interval(Rate())
    late = envelope([exchange(oscillator, "s", 0.0, 5, 12)], oscillator.raw(1.0), base_ns).interval(Rate())
    assert late[1] == prompt[1] and late[0] < prompt[0]
