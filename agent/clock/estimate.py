"""Samples in, the mapping from the raw counter to UTC out. Pure: `now` is an argument, nothing is read or drawn."""

from collections.abc import Collection
from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace

from agent.clock.envelope import WANDER, Origin, Rate, fit_rate
from agent.clock.history import History
from agent.clock.mapping import ClockState, Mapping
from agent.clock.report import ClockReport, SourceReport
from agent.clock.sample import Sample
from agent.clock.vote import Vote, confirmed, hold_vote
from agent.messages import Refusal
from agent.units import RawNs

QUORUM = 3
"""So many sources must agree, unless one of those that do is our own."""

GRACE_S = 8.0
"""So long a clock that never was in sync waits for a quorum before it goes by fewer sources, and says so."""

SETTLE_S = 10.0
"""So long after the first sample the published line is the estimate itself: a first exchange may be ms wrong."""

INHERITED_S = 120.0
"""So long a line from before an outage or a restart may stand above newer votes that know less than it does."""

MARGIN_US = 20.0
"""Added to the bound for what stamping itself costs."""

STEP_US = 50_000.0
RESYNC_STEP_US = 5_000.0
SLEW_LIMIT = 200e-6
SLEW_TIME_S = 4.0
SETTLED_US = 5.0
"""So little is not worth a slew: what is published holds until there is news, and a slew would run on and overshoot."""

EXPECTED_SIGMA = 5e-6
"""A rate that was known before is expected again within this (a deviation): the temperature may be another one."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the last good vote says, without the site's correction: UTC at raw0, the rate, and the bound at raw0.

    `rho` is by how much of the elapsed time the bound grows. `vouched`: a quorum has agreed to it, or to the line that
    it continues; without that it may be one liar's.
    """

    raw0: RawNs
    utc0_ns: int
    rate: Rate
    bound_us: float
    rho: float
    vouched: bool = True

    def utc_ns(self, raw: RawNs) -> int:
        """UTC in nanoseconds at a reading of the raw counter."""
        elapsed = raw - self.raw0
        return self.utc0_ns + elapsed + round(elapsed * self.rate.freq)

    def bound_at_us(self, raw: RawNs) -> float:
        """How wrong `utc_ns(raw)` may be at most, in microseconds."""
        return self.bound_us + abs(raw - self.raw0) / 1e3 * self.rho

    def moved(self, seconds: int, now: RawNs) -> "Line":
        """The same line from `now` on, in a UTC that has been moved by so much."""
        utc_ns = self.utc_ns(now) + seconds * 1_000_000_000
        return replace(self, raw0=now, utc0_ns=utc_ns, bound_us=self.bound_at_us(now))


class Estimator:
    """Keeps the samples of each source and turns them into a mapping with a bound.

    What is published is smooth. The estimate moves with every sample, by its noise; the published line does not
    follow it in jumps. Each publication continues the last line where that is, with the estimated rate plus a
    slew that would remove the difference within 4 s, at most 200 ppm; the bound contains the difference that is
    left. Only a difference of 50 ms or more is stepped, one of 5 ms or more after an outage, and any in the first
    10 s. When the sources cannot be followed (DEGRADED, HOLDOVER) the last good vote goes on as it was, and its bound
    grows; after that it is still the line until the sources know more than it does.
    """

    def __init__(
        self,
        sources: Dict[str, bool],
        correction_ms: float = 0.0,
        wander: float = WANDER,
        prior: Rate | None = None,
        companions: Collection[str] = (),
    ) -> None:
        """`sources`: name → whether it is our own. `correction_ms` is added to UTC, and widens the bound.

        `wander` is what the crystal may do unobserved, `prior` what was known of its rate before. `companions` are
        those sources that have a vote beside others, and alone are no reason to leave a line that was vouched for.
        """
        self._companions = frozenset(companions)
        self._sources = {name: History(ours) for name, ours in sources.items()}
        self._correction_us = correction_ms * 1e3
        self.wander = wander
        self._prior = prior or Rate()
        self._origin: Origin | None = None
        self._held: str | None = None
        self._target: Line | None = None
        self.reset("no time server has answered yet")

    def reset(self, reason: str) -> None:
        """Forget all samples and the line: the counter has lost its meaning. The rate is expected to be the same."""
        for source in self._sources.values():
            source.clear()
        self._expect_rate()
        self._began: RawNs | None = None
        self._state, self._reason = ClockState.UNSYNC, reason
        self._vote: Vote | None = None
        self._fresh = False
        self._target = None
        self._inherited: Line | None = None
        self._inherited_until: RawNs | None = None
        self._settle_until: RawNs | None = None
        self._published: Mapping | None = None

    # --- what comes in ------------------------------------------------------------------------

    def add(self, sample: Sample) -> None:
        """Take one accepted exchange of a source that was named at the start."""
        if self._held is not None:
            return
        if self._origin is None:
            self._origin = Origin(sample.t1_raw, sample.t2_utc_ns - sample.t1_raw)
        self._sources[sample.source].add(sample, self._rate)
        if self._began is None:
            self._began = sample.t4_raw
            if self._target is None:
                self._settle_until = RawNs(sample.t4_raw + round(SETTLE_S * 1e9))
        self._fresh = True

    def trouble(self, name: str, why: Refusal) -> None:
        """Remember why a source gave no sample, for the report; the next sample clears it."""
        self._sources[name].trouble = why

    def forget(self, name: str) -> None:
        """Drop a source's samples: its name stands for another server now. What they said of the rate stays."""
        self._sources[name].clear()
        self._expect_rate()
        self._fresh = True

    def bar(self, name: str, why: Refusal | None) -> None:
        """Keep a source out of the vote, with the reason; None lets it in again."""
        if self._sources[name].barred != why:
            self._sources[name].barred = why
            self._fresh = True

    def absent(self, name: str, absent: bool) -> None:
        """A source that does not exist on this host is no source, and not told of."""
        self._sources[name].absent = absent

    @property
    def _known(self) -> list[str]:
        return [name for name, source in self._sources.items() if not source.absent]

    def stale_after(self, name: str, seconds: float) -> None:
        """A source that may be asked only seldom keeps its vote for at least so long after a sample."""
        self._sources[name].stale_s = max(self._sources[name].stale_s, seconds)

    def hold(self, reason: str | None) -> None:
        """Take no samples and coast on the last line, with the reason; None ends it."""
        self._held = reason

    def shift(self, seconds: int, now: RawNs) -> None:
        """A leap second lies behind: everything that was learnt before it counts from the new UTC."""
        by_ns = seconds * 1_000_000_000
        for source in self._sources.values():
            source.shift(by_ns)
        self._target = self._target and self._target.moved(seconds, now)
        self._inherited = self._inherited and self._inherited.moved(seconds, now)
        if self._published is not None:
            self._published = replace(self._published, utc0_ns=self._published.utc0_ns + by_ns)
        if self._origin is not None:
            self._origin = replace(self._origin, theta_ns=self._origin.theta_ns + by_ns)

    def inherit(self, line: Line) -> None:
        """Go on with a line of an earlier run on the same counter, in holdover until the sources agree."""
        self._target = line
        self._state = self._without_sources
        self._reason = "going on from before the restart; no time server has answered yet"

    # --- what is known ------------------------------------------------------------------------

    @property
    def line(self) -> Line | None:
        """The line that is followed; None before there is one."""
        return self._target

    @property
    def leaps(self) -> list[int]:
        """The leap indicators of those that agree: 1 announces a second more at the end of the day, 2 one less."""
        return [self._sources[name].last.leap for name in self._vote.agreeing] if self._vote else []

    @property
    def settled(self) -> bool:
        """Whether the published line runs along the estimate, so that nothing needs saying until there is news."""
        if self._target is None or self._published is None:
            return True
        return self._published.freq == self._target.rate.freq

    def estimate(self, now: RawNs) -> tuple[ClockReport, Mapping | None]:
        """What is known at `now`: the report, and the mapping unless there has never been one."""
        voters = [name for name, source in self._sources.items() if source.live(now)]
        if self._vouched and all(name in self._companions for name in voters):
            # The host's own daemon still says something: that it hears nobody either, and knows less than the line.
            voters = []
        if self._held is not None and self._target is not None:
            self._vote, self._state, self._reason = None, self._without_sources, self._held
        elif voters and self._fresh:
            # A source that falls silent is no news: the vote that it took part in still knows more than one without it.
            self._hold_vote(voters, now)
        elif not voters and self._vote:
            self._vote = None
            self._state = self._without_sources
            self._reason = "no time server answers any more; check the network and UDP port 123"
        self._fresh = False
        mapping = self._publish(now)
        return self._report(now, mapping), mapping

    @property
    def _vouched(self) -> bool:
        return self._target is not None and self._target.vouched

    @property
    def _without_sources(self) -> ClockState:
        """What a line is worth while nobody is heard: silence makes none better than it was."""
        if self._target is None:
            return ClockState.UNSYNC
        return ClockState.HOLDOVER if self._target.vouched else ClockState.DEGRADED

    @property
    def _rate(self) -> Rate:
        return self._target.rate if self._target else self._prior

    def _hold_vote(self, voters: list[str], now: RawNs) -> None:
        """Ask the sources, and draw the conclusions: target, state, reason."""
        assert self._origin is not None, "a voter has a sample"
        origin, at = self._origin, self._origin.seconds(now)
        if self._state is ClockState.HOLDOVER:
            self._inherited, self._inherited_until = self._target, None
            self._expect_rate()
        before = self._vote.rate if self._vote else self._rate
        for name in voters:
            lo, hi = self._sources[name].view(origin).interval(at, before, self.wander)
            if lo > hi:
                self._sources[name].keep(1)
        # The rate is fitted to those that agreed before: who has been caught lying has no say in it.
        views = {name: self._sources[name].view(origin) for name in voters}
        trusted = [view for name, view in views.items() if self._vote and name in self._vote.agreeing]
        rate = fit_rate(trusted or list(views.values()), before, self._prior, alone=len(views) == 1)
        self._vote = vote = hold_vote(views, at, rate, self.wander)
        count = len(vote.agreeing)
        quorum = count >= QUORUM or any(self._sources[name].ours for name in vote.agreeing)
        follow = vote if quorum or self._may_follow_few(now) else self._confirmed(vote, origin, now)
        if follow is not None and follow.bound_s is not None:
            utc_ns = now + origin.theta_ns + round(follow.centre * 1e9)
            vouched = quorum or self._vouched
            self._follow(Line(now, utc_ns, rate, follow.bound_s * 1e6, rate.rho(self.wander), vouched), now)
        if vote.bound_s is not None and quorum:
            self._state = ClockState.SYNC
            self._reason = f"{count} of {len(self._known)} time servers agree"
            return
        self._state = ClockState.DEGRADED if self._target else ClockState.UNSYNC
        if vote.bound_s is None:
            self._reason = (
                f"the {len(voters)} time servers that answer contradict each other; see which are out and why"
            )
        else:
            self._reason = (
                f"only {count} of at least {QUORUM} time servers agree; name more, or see why the others are out"
            )

    def _confirmed(self, vote: Vote, origin: Origin, now: RawNs) -> Vote | None:
        """Too few to be in sync; but two of them and the line that is followed may agree."""
        if self._target is None:
            return None
        theta_s = (self._target.utc_ns(now) - now - origin.theta_ns) / 1e9
        bound_s = self._target.bound_at_us(now) / 1e6
        return confirmed(vote, (theta_s - bound_s, theta_s + bound_s))

    def _follow(self, line: Line, now: RawNs) -> None:
        """Take a vote's line for the target, unless an inherited one still knows more."""
        old = self._inherited
        if old is not None:
            if self._inherited_until is None:
                self._inherited_until = RawNs(now + round(INHERITED_S * 1e9))
            apart_us = abs(line.utc_ns(now) - old.utc_ns(now)) / 1e3
            contradict = apart_us > line.bound_us + old.bound_at_us(now)
            if now < self._inherited_until and not contradict and line.bound_us > old.bound_at_us(now):
                return
            self._inherited = None
            if apart_us >= RESYNC_STEP_US:
                self._settle_until = RawNs(now + round(SETTLE_S * 1e9))
        self._target = line

    def _expect_rate(self) -> None:
        """Samples are gone, or too old to say much: the crystal is expected to run about as it did."""
        if self._target is not None:
            self._prior = self._target.rate.expected(EXPECTED_SIGMA)

    def _may_follow_few(self, now: RawNs) -> bool:
        """Rather a clock by few sources than a dark wall: never called ready, but it plays, until there is a quorum."""
        return not self._vouched and self._began is not None and (now - self._began) / 1e9 >= GRACE_S

    def _publish(self, now: RawNs) -> Mapping | None:
        """Continue the published line towards the target (see the class)."""
        target, last = self._target, self._published
        if target is None:
            return None
        utc_ns, slew, rest_us = target.utc_ns(now) + round(self._correction_us * 1e3), 0.0, 0.0
        settling = self._settle_until is not None and now <= self._settle_until
        if last is not None and not settling:
            elapsed = now - last.raw0
            there_ns = last.utc0_ns + elapsed + round(elapsed * last.freq)
            rest_us = (utc_ns - there_ns) / 1e3
            if abs(rest_us) < STEP_US:
                utc_ns = there_ns
                if abs(rest_us) > SETTLED_US:
                    slew = min(max(rest_us / 1e6 / SLEW_TIME_S, -SLEW_LIMIT), SLEW_LIMIT)
            else:
                rest_us = 0.0
        self._published = Mapping(
            raw0=now,
            utc0_ns=utc_ns,
            freq=target.rate.freq + slew,
            rho=target.rho + abs(slew),
            bound_us=target.bound_at_us(now) + abs(self._correction_us) + MARGIN_US + abs(rest_us),
            state=self._state,
            reason=self._reason,
        )
        return self._published

    def _report(self, now: RawNs, mapping: Mapping | None) -> ClockReport:
        per_source = tuple(self._source(name, now) for name in self._known)
        line = self._target
        return ClockReport(
            state=self._state,
            reason=self._reason,
            bound_us=mapping.bound_us if mapping else None,
            freq_ppm=line.rate.freq * 1e6 if line else None,
            skew_ppm=line.rho * 1e6 if line else None,
            sources=len(per_source),
            agreeing=len(self._vote.agreeing) if self._vote else 0,
            per_source=per_source,
        )

    def _source(self, name: str, now: RawNs) -> SourceReport:
        source = self._sources[name]
        report = source.report(name, now)
        if not source.samples or source.barred:
            return report
        if self._held is not None:
            return replace(report, why=self._held, code="coasting")
        trouble = source.trouble
        if self._vote is None or name not in self._vote.views:
            what, code = (trouble.detail, trouble.code) if trouble else ("no answer", "silent")
            return replace(report, why=f"silent for {source.age_s(now):.0f} s; {what}", code=code)
        view = self._vote.views[name]
        offset_us = (view.offset - self._vote.centre) * 1e6
        report = replace(report, offset_us=offset_us, error_us=(view.hi - view.lo) / 2 * 1e6)
        if name in self._vote.agreeing:
            why, code = (trouble.detail, trouble.code) if trouble else ("agrees", "")
            return replace(report, agrees=True, why=why, code=code)
        if self._vote.bound_s is None:
            return replace(report, why="no majority to agree with", code="no_majority")
        return replace(report, why=f"contradicts the majority by {offset_us / 1e3:+.1f} ms", code="falseticker")
