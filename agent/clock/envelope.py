"""The geometry of samples: from stamps to a rate and to one interval per source. Pure.

Every exchange bounds the offset θ = UTC − raw from two sides, because no packet travels backwards in time:
``T3 − T4 ≤ θ ≤ T2 − T1``. Carried to one instant with the rate, the lowest upper and the highest lower bound of a
source are its *envelope*. Queues only ever add delay, so each side is a line with noise above it and never below:
the estimates here look for that line (as Moon, Skelly and Towsley's linear program does) instead of averaging
the noise. With jitter J and n samples its error falls as J/n, that of a mean or a median as J/√n.

Of many points only the corners of their lower convex hull can ever be the lowest, whatever the rate; the sums that
the fit needs are kept beside them, so that trying a rate costs a handful of operations and not hundreds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agent.clock.sample import Sample
from agent.units import RawNs

PRIOR_FREQ = 50e-6
"""Standard deviation of the rate before any sample: cheap crystals lie within ± 100 ppm, most within ± 50."""

SKEW_SIGMAS = 2.0
"""The 95 % quantile, as chrony's skew: enough where the wander that is added is several deviations more."""

DOUBT_SIGMAS = 5.0
"""Where it is not, since the rate is hardly known yet: jitter has long tails, and one late packet is a long lever."""

MOST_SKEW = 100e-6
WANDER = 3e-6
"""How far a crystal of which nothing is known may wander while nobody looks, as a fraction."""

LEAST_SAMPLES = 4
"""A source with fewer says nothing of the rate: with two points the jitter around their line is none."""

_FREQ_LIMIT = 1000e-6
_FREQ_STEP = 1e-8
_BRACKET_SIGMAS = 4.0
_LEAST_JITTER_S = 20e-6
_GOLDEN = (5**0.5 - 1) / 2

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rate:
    """The oscillator against UTC: ``freq`` as in Mapping, and its standard deviation ``sigma`` (fractions).

    ``bend`` is by how much one of the sources may have bent ``freq`` besides: a bound, where sigma is a deviation.
    """

    freq: float = 0.0
    sigma: float = PRIOR_FREQ
    bend: float = 0.0

    def rho(self, wander: float) -> float:
        """By how much the rate may be wrong, as a fraction: what the bound grows by."""
        doubt = max(SKEW_SIGMAS * self.sigma + wander, DOUBT_SIGMAS * self.sigma)
        # A crystal is within MOST_SKEW whatever was estimated: of an estimate far out only the way back is in doubt.
        return min(MOST_SKEW + abs(self.freq) + wander, self.bend + doubt)

    def expected(self, least_sigma: float) -> "Rate":
        """What to expect of the rate after a while in which nobody looked, within at least such a deviation."""
        return Rate(self.freq, max(self.sigma + self.bend / SKEW_SIGMAS, least_sigma))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where plots of θ have their zero: a reading of the raw counter, and the offset there in nanoseconds."""

    raw: RawNs
    theta_ns: int

    def seconds(self, raw: RawNs) -> float:
        """A reading of the raw counter as seconds from the origin."""
        return (raw - self.raw) / 1e9


@dataclass(frozen=True, slots=True)
class Side:
    """One direction of one source: the points (seconds, θ in seconds), signed so that noise is positive."""

    count: int
    sum_x: float
    sum_y: float
    spread: float
    corners: tuple[Point, ...]

    def least(self, slope: float) -> float:
        """Where the lowest line of this slope that touches the points meets second 0."""
        return min([y - slope * x for x, y in self.corners])

    def best(self, at: float, freq: float, rho: float) -> float:
        """The tightest bound at second `at` when the rate is ``freq`` and each second of age costs ``rho``."""
        return self.least(freq + rho) + (freq + rho) * at

    def excess(self, freq: float) -> float:
        """How far the points lie above the lowest line of this rate, summed, in seconds."""
        return self.sum_y - freq * self.sum_x - self.count * self.least(freq)


def side_of(points: Iterable[Point]) -> Side:
    """One direction's points (seconds, θ in seconds), at least one, in any order."""
    xs, ys = zip(*points, strict=True)
    count, sum_x = len(xs), sum(xs)
    mean = sum_x / count
    spread = sum([(x - mean) ** 2 for x in xs])
    return Side(count, sum_x, sum(ys), spread, _corners(sorted(zip(xs, ys, strict=True))))


def _corners(points: Sequence[Point]) -> tuple[Point, ...]:
    """The lower convex hull of points in the order of x (Andrew's monotone chain)."""
    hull: list[Point] = []
    for x, y in points:
        while len(hull) > 1:
            (ax, ay), (bx, by) = hull[-2:]
            if (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                break
            hull.pop()
        hull.append((x, y))
    return tuple(hull)


@dataclass(frozen=True, slots=True)
class Envelope:
    """All samples of one source; θ is in seconds from the origin's."""

    upper: Side
    lower: Side
    distance_s: float

    def interval(self, at: float, rate: Rate, wander: float) -> tuple[float, float]:
        """The hard bounds [lo, hi] of θ at second `at`: true as long as the server's and the rate's own bounds are."""
        rho = rate.rho(wander)
        hi = self.upper.best(at, rate.freq, rho) + self.distance_s
        # The lower side is mirrored (−θ), and with it the sign of the rate.
        lo = -self.lower.best(at, -rate.freq, rho) - self.distance_s
        return lo, hi

    def offset(self, at: float, rate: Rate) -> float:
        """The best single value of θ: the middle between both lines, older samples counting for less."""
        hi = self.upper.best(at, rate.freq, rate.sigma)
        lo = -self.lower.best(at, -rate.freq, rate.sigma)
        return (hi + lo) / 2


def envelope(samples: Sequence[Sample], origin: Origin) -> Envelope:
    """The envelope of a source's samples (at least one)."""
    theta_ns = origin.theta_ns
    return Envelope(
        side_of([(origin.seconds(s.t1_raw), (s.t2_utc_ns - s.t1_raw - theta_ns) / 1e9) for s in samples]),
        side_of([(origin.seconds(s.t4_raw), -(s.t3_utc_ns - s.t4_raw - theta_ns) / 1e9) for s in samples]),
        max(s.distance_ns for s in samples) / 1e9,
    )


def fit_rate(envelopes: Sequence[Envelope], guess: Rate, prior: Rate, alone: bool = False) -> Rate:
    """The rate that all sources share, doubted as far as any one of them may have bent it.

    A near source with little jitter outweighs all others, and one that drifts would make its drift everybody's: so what
    the others say without it, for each of them in turn, has to lie within what is claimed. Where nobody else says
    anything, that is the prior. Only a source that is `alone` in having a vote is believed as it is.
    """
    telling = [envelope for envelope in envelopes if envelope.upper.count >= LEAST_SAMPLES]
    rate = _fit(telling, guess, prior)
    if alone or not telling:
        return rate
    others = [_fit([*telling[:i], *telling[i + 1 :]], rate, prior) for i in range(len(telling))]
    return Rate(rate.freq, max(o.sigma for o in others), max(abs(o.freq - rate.freq) for o in others))


def _fit(envelopes: Sequence[Envelope], guess: Rate, prior: Rate) -> Rate:
    """The rate that all of these share, from both directions of each; ``guess`` is the last one.

    Maximum likelihood for exponential jitter of each direction's own size (from its excess at the guess), times a
    normal prior, so that few samples do not produce a wild rate. The negative logarithm is convex in the rate, so a
    golden-section search finds its minimum. A packet held up in a queue weighs no more than any other. The deviation
    is that of least squares with the same jitter, more than this estimate's own.
    """
    sides: list[tuple[Side, float, float]] = []
    information = prior.sigma**-2
    for sign, side in [(1.0, e.upper) for e in envelopes] + [(-1.0, e.lower) for e in envelopes]:
        jitter = max(side.excess(sign * guess.freq) / (side.count - 1), _LEAST_JITTER_S)
        sides.append((side, sign, jitter))
        information += side.spread / jitter**2

    def cost(freq: float) -> float:
        doubt = ((freq - prior.freq) / prior.sigma) ** 2 / 2
        return sum([side.excess(sign * freq) / jitter for side, sign, jitter in sides]) + doubt

    sigma = float(information**-0.5)
    return Rate(_minimum(cost, guess.freq, _BRACKET_SIGMAS * sigma) if sides else prior.freq, sigma)


def _minimum(cost: Callable[[float], float], near: float, reach: float) -> float:
    """Where a convex function is least, to 0.01 ppm and within 1000; looked for around `near` first."""
    reach = max(reach, 10 * _FREQ_STEP)
    while True:
        low, high = max(near - reach, -_FREQ_LIMIT), min(near + reach, _FREQ_LIMIT)
        found = _golden(cost, low, high)
        # A minimum at an edge that was our choice may lie beyond it.
        if (found - low > 2 * _FREQ_STEP or low == -_FREQ_LIMIT) and (
            high - found > 2 * _FREQ_STEP or high == _FREQ_LIMIT
        ):
            return found
        near, reach = found, 4 * reach


def _golden(cost: Callable[[float], float], low: float, high: float) -> float:
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
