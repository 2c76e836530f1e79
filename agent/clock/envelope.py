"""The geometry of samples: from stamps to a rate and to one interval per source. Pure.

Every exchange bounds the offset θ = UTC − raw from two sides, because no packet travels backwards in time:
``T3 − T4 ≤ θ ≤ T2 − T1``. Carried to one instant with the rate, the lowest upper and the highest lower bound of a
source are its *envelope*. Queues only ever add delay, so each side is a line with noise above it and never below:
the estimates here look for that line (as Moon, Skelly and Towsley's linear program does) instead of averaging
the noise. With jitter J and n samples its error falls as J/n, that of a mean or a median as J/√n.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.clock.sample import Sample
from agent.units import RawNs

PRIOR_FREQ = 50e-6
"""Standard deviation of the rate before any sample: cheap crystals lie within ± 100 ppm, most within ± 50."""

SKEW_SIGMAS = 3.0
WANDER = 3e-6
"""How far a crystal may wander while nobody looks; 1e-6 would do on a PC, a Pi in a hot box needs this."""

_FREQ_LIMIT = 1000e-6
_FREQ_STEP = 1e-8
_LEAST_JITTER_S = 20e-6
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class Rate:
    """The oscillator against UTC: ``freq`` as in Mapping, and its standard deviation ``sigma`` (fractions)."""

    freq: float = 0.0
    sigma: float = PRIOR_FREQ

    @property
    def rho(self) -> float:
        """By how much the rate may be wrong, as a fraction: what the bound grows by."""
        return min(100e-6, SKEW_SIGMAS * self.sigma) + WANDER


@dataclass(frozen=True, slots=True)
class Side:
    """One direction of one source: (age in s, bound on θ in s), signed so that noise is positive."""

    points: tuple[tuple[float, float], ...]

    def best(self, freq: float, rho: float) -> float:
        """The tightest bound at age 0 when the rate is ``freq`` and each second of age costs ``rho``."""
        return min([value + (freq + rho) * age for age, value in self.points])

    def excess(self, freq: float) -> float:
        """How far the points lie above the tightest, summed, in seconds."""
        carried = [value + freq * age for age, value in self.points]
        return sum(carried) - len(carried) * min(carried)


@dataclass(frozen=True, slots=True)
class Envelope:
    """All samples of one source, seen from one instant. θ is in seconds from an offset of the caller's choice."""

    upper: Side
    lower: Side
    distance_s: float

    def interval(self, rate: Rate) -> tuple[float, float]:
        """The hard bounds [lo, hi] of θ: true as long as the server's and the rate's own bounds are."""
        hi = self.upper.best(rate.freq, rate.rho) + self.distance_s
        # The lower side is mirrored (−θ), and with it the sign of the rate.
        lo = -self.lower.best(-rate.freq, rate.rho) - self.distance_s
        return lo, hi

    def offset(self, rate: Rate) -> float:
        """The best single value of θ: the middle between both lines, older samples counting for less."""
        hi = self.upper.best(rate.freq, rate.sigma)
        lo = -self.lower.best(-rate.freq, rate.sigma)
        return (hi + lo) / 2


def envelope(samples: Sequence[Sample], now: RawNs, base_ns: int) -> Envelope:
    """See a source's samples (at least one) from ``now``; θ is counted from ``base_ns``."""
    return Envelope(
        Side(tuple(((now - s.t1_raw) / 1e9, (s.t2_utc_ns - s.t1_raw - base_ns) / 1e9) for s in samples)),
        Side(tuple(((now - s.t4_raw) / 1e9, -(s.t3_utc_ns - s.t4_raw - base_ns) / 1e9) for s in samples)),
        max(s.distance_ns for s in samples) / 1e9,
    )


def fit_rate(envelopes: Sequence[Envelope], guess: float) -> Rate:
    """The rate that all sources share, from both directions of each; ``guess`` is the last one.

    Maximum likelihood for exponential jitter of each direction's own size (from its excess at the guess), times a
    normal prior 0 ± 100 ppm (two deviations), so that few samples do not produce a wild rate. The negative logarithm
    is convex in the rate, so a golden-section search finds its minimum. A packet held up in a queue weighs no more
    than any other. The deviation is that of least squares with the same jitter, more than this estimate's own.
    """
    sides: list[tuple[Side, float, float]] = []
    information = PRIOR_FREQ**-2
    for sign, side in [(1.0, e.upper) for e in envelopes] + [(-1.0, e.lower) for e in envelopes]:
        count = len(side.points)
        if count < 2:
            continue
        jitter = max(side.excess(sign * guess) / (count - 1), _LEAST_JITTER_S)
        sides.append((side, sign, jitter))
        mean = sum(age for age, _ in side.points) / count
        information += sum((age - mean) ** 2 for age, _ in side.points) / jitter**2

    def cost(freq: float) -> float:
        return sum(side.excess(sign * freq) / jitter for side, sign, jitter in sides) + (freq / PRIOR_FREQ) ** 2 / 2

    return Rate(_minimum(cost, -_FREQ_LIMIT, _FREQ_LIMIT) if sides else 0.0, information**-0.5)


def _minimum(cost: Callable[[float], float], low: float, high: float) -> float:
    """Where a convex function is least, to 0.01 ppm."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = cost(left), cost(right)
    while high - low > _FREQ_STEP:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = cost(right)
    return (low + high) / 2
