import random

import pytest
from clock_simulation import Oscillator, exchange, exponential
from hypothesis import given
from hypothesis import strategies as st

from agent.clock.envelope import Envelope, Origin, Rate, envelope, fit_rate, side_of
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


def origin(samples: list[Sample]) -> Origin:
    return Origin(samples[0].t1_raw, samples[0].t2_utc_ns - samples[0].t1_raw)


def seen(samples: list[Sample]) -> Envelope:
    return envelope(samples, origin(samples))


@pytest.mark.parametrize("ppm", [-80.0, 0.0, 30.0, 80.0])
def test_the_rate_is_found_under_jitter(ppm: float) -> None:
    samples, _ = history(ppm, jitter_ms=2.0)
    rate = fit_rate([seen(samples)], Rate(), Rate())
    assert rate.freq * 1e6 == pytest.approx(-ppm, abs=3)
    assert abs(rate.freq + ppm * 1e-6) < rate.rho(1e-6)


def test_two_samples_do_not_make_a_wild_rate() -> None:
    oscillator = Oscillator(0.0)
    samples = [exchange(oscillator, "s", 0.0, 5, 45), exchange(oscillator, "s", 2.0, 45, 5)]
    rate = fit_rate([seen(samples)], Rate(), Rate())
    assert abs(rate.freq) < 100e-6
    assert rate.sigma == pytest.approx(50e-6, rel=0.1)


def test_one_sample_leaves_the_prior() -> None:
    samples, _ = history(50, 0.0, count=1)
    assert fit_rate([seen(samples)], Rate(), Rate()).freq == 0.0
    known = Rate(-49e-6, 5e-6)
    assert fit_rate([seen(samples)], known, known).freq == -49e-6
    assert fit_rate([seen(samples)], known, known).sigma == pytest.approx(5e-6)


def test_a_near_source_that_drifts_bends_the_rate_and_the_doubt_with_it() -> None:
    honest = [history(-30.0, jitter_ms=2.0)[0] for _ in range(3)]
    # Nobody else is as near and as steady; seen from there our crystal runs 10 ppm otherwise.
    liar = history(-40.0, jitter_ms=0.02)[0]
    views = [envelope(samples, origin(honest[0])) for samples in (*honest, liar)]
    rate = Rate()
    for _ in range(5):  # each fit weighs by the one before
        rate = fit_rate(views, rate, Rate())
    wrong = abs(rate.freq - 30e-6)
    assert wrong > 5e-6, "it outweighs the others"
    assert wrong > Rate(rate.freq, rate.sigma).rho(1e-6), "which their own deviation would not tell"
    assert wrong <= rate.rho(1e-6)
    assert rate.expected(0.0).sigma > rate.sigma


@pytest.mark.parametrize("heard", [1, 2])
def test_however_few_are_heard_one_of_them_may_have_bent_the_rate(heard: int) -> None:
    honest, liar = history(-30.0, jitter_ms=2.0)[0], history(-40.0, jitter_ms=0.02)[0]
    views = [envelope(samples, origin(honest)) for samples in (liar, honest)[:heard]]
    rate = Rate()
    for _ in range(5):
        rate = fit_rate(views, rate, Rate())
    assert 5e-6 < abs(rate.freq - 30e-6) <= rate.rho(1e-6)
    assert fit_rate(views, rate, Rate(), alone=True).bend == 0.0


def test_of_a_rate_that_no_crystal_has_only_the_way_back_is_doubted() -> None:
    assert Rate(-343e-6, 1e-3).rho(1e-6) == pytest.approx(444e-6)
    assert Rate(-343e-6, 1e-6).rho(1e-6) == pytest.approx(5e-6), "one that is known well is an odd crystal"


@pytest.mark.parametrize("guess_ppm", [-900.0, 0.0, 900.0])
def test_a_bad_guess_only_takes_longer(guess_ppm: float) -> None:
    samples, _ = history(80.0, jitter_ms=2.0)
    rate = fit_rate([seen(samples)], Rate(guess_ppm * 1e-6, 1e-6), Rate())
    assert rate.freq * 1e6 == pytest.approx(-80, abs=3)


def test_the_interval_holds_the_truth_and_the_offset_lies_inside() -> None:
    samples, now = history(40, jitter_ms=3.0)
    base_ns = samples[0].t2_utc_ns - samples[0].t1_raw
    view, at = seen(samples), origin(samples).seconds(now)
    rate = fit_rate([view], Rate(), Rate())
    lo, hi = view.interval(at, rate, 1e-6)
    oscillator = Oscillator(40)
    true_s = (now - oscillator.raw(0.0)) / oscillator.scale / 1e9
    truth = (samples[0].t2_utc_ns - 5_000_000 - base_ns - samples[0].t1_raw) / 1e9 + true_s * (1 - oscillator.scale)
    assert lo < view.offset(at, rate) < hi
    assert lo - 4e-3 < truth < hi + 4e-3


def test_a_server_of_doubtful_time_has_a_wider_interval() -> None:
    oscillator = Oscillator(0.0)
    good = exchange(oscillator, "s", 0.0, 5, 5)
    widths = []
    for sample in (good, Sample(**{**{n: getattr(good, n) for n in good.__slots__}, "root_delay_ns": 20_000_000})):
        lo, hi = envelope([sample], origin([good])).interval(1.0, Rate(), 1e-6)
        widths.append(hi - lo)
    assert widths[1] - widths[0] == pytest.approx(0.020)


def test_a_late_receive_stamp_only_widens_the_interval() -> None:
    oscillator = Oscillator(0.0)
    first = exchange(oscillator, "s", 0.0, 5, 5)
    prompt = envelope([first], origin([first])).interval(1.0, Rate(), 1e-6)
    late = envelope([exchange(oscillator, "s", 0.0, 5, 12)], origin([first])).interval(1.0, Rate(), 1e-6)
    assert late[1] == prompt[1] and late[0] < prompt[0]


@given(
    # Times as they come, in whole nanoseconds.
    st.lists(st.tuples(st.integers(0, 10**13).map(lambda ns: ns / 1e9), st.floats(-1, 1)), min_size=1, max_size=30),
    st.floats(-1e-3, 1e-3),
    st.floats(0, 1e-4),
)
def test_the_corners_say_the_same_as_all_points(points: list[tuple[float, float]], freq: float, rho: float) -> None:
    side = side_of(points)
    by_hand = min(y + (freq + rho) * (2e4 - x) for x, y in points)
    assert side.best(2e4, freq, rho) == pytest.approx(by_hand, abs=1e-9)
    least = min(y - freq * x for x, y in points)
    assert side.excess(freq) == pytest.approx(sum(y - freq * x - least for x, y in points), abs=1e-7)
    assert len(side.corners) <= len(points)
