"""Samples in, the mapping from the raw counter to UTC out. Pure: `now` is an argument, nothing is read or drawn."""

from collections import deque
from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace

from agent.clock.envelope import Rate
from agent.clock.mapping import ClockState, Mapping
from agent.clock.sample import Sample
from agent.clock.vote import Vote, hold_vote
from agent.units import RawNs

HISTORY = 64
"""Samples kept of each source."""

STALE_S = 300.0
STALE_OURS_S = 60.0
"""A source whose last sample is older has no vote: it has left several polls unanswered. Our own are asked faster."""

QUORUM = 3
"""So many sources must agree, unless one of those that do is our own."""

GRACE_S = 8.0
"""So long a clock that never was in sync waits for a quorum before it goes by fewer sources, and says so."""

SETTLE_S = 10.0
"""So long after the first sample the published line is the estimate itself: a first exchange may be ms wrong."""

MARGIN_US = 20.0
"""Added to the bound for what stamping itself costs."""

STEP_US = 50_000.0
SLEW_LIMIT = 200e-6
SLEW_TIME_S = 4.0
SETTLED_US = 10.0


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source for `status`: whether it is in the vote and why; its offset from the estimate, its least delay."""

    name: str
    agrees: bool
    why: str
    offset_us: float | None
    delay_us: float | None


@dataclass(frozen=True, slots=True)
class ClockReport:
    """The clock for people: the state with a sentence, the bound now, how many sources there are and agree."""

    state: ClockState
    reason: str
    bound_us: float | None
    sources: int
    agreeing: int
    per_source: tuple[SourceReport, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """What the last good vote says: UTC at raw0, the rate, and the bound at raw0."""

    raw0: RawNs
    utc0_ns: int
    rate: Rate
    bound_us: float

    def utc_ns(self, raw: RawNs) -> int:
        elapsed = raw - self.raw0
        return self.utc0_ns + elapsed + round(elapsed * self.rate.freq)

    def bound_at_us(self, raw: RawNs) -> float:
        return self.bound_us + abs(raw - self.raw0) / 1e3 * self.rate.rho


class Estimator:
    """Keeps 64 samples of each source and turns them into a mapping with a bound.

    What is published is smooth. The estimate moves with every sample, by its noise; the published line does not
    follow it in jumps. Each publication continues the last line where that is, with the estimated rate plus a
    slew that would remove the difference within 4 s, at most 200 ppm; the bound contains the difference that is
    left. Only a difference of 50 ms or more is stepped, and any in the first 10 s. When the sources cannot be followed
    (DEGRADED, HOLDOVER) the last good vote goes on as it was, and its bound grows.
    """

    def __init__(self, sources: Dict[str, bool], correction_ms: float = 0.0) -> None:
        """`sources`: name → whether it is our own. `correction_ms` is added to UTC, and widens the bound."""
        self._ours = frozenset(name for name, ours in sources.items() if ours)
        self._samples: dict[str, deque[Sample]] = {name: deque(maxlen=HISTORY) for name in sources}
        self._troubles: dict[str, str] = {}
        self._correction_us = correction_ms * 1e3
        self._began: RawNs | None = None
        self._state = ClockState.UNSYNC
        self._reason = "no time server has answered yet"
        self._ever_sync = False
        self._voters: list[str] = []
        self._vote: Vote | None = None
        self._fresh = False
        self._target: _Line | None = None
        self._published: Mapping | None = None

    def add(self, sample: Sample) -> None:
        """Take one accepted exchange of a source that was named at the start."""
        self._samples[sample.source].append(sample)
        self._troubles.pop(sample.source, None)
        if self._began is None:
            self._began = sample.t4_raw
        self._fresh = True

    def trouble(self, name: str, why: str) -> None:
        """Remember why a source gave no sample, for the report; the next sample clears it."""
        self._troubles[name] = why

    @property
    def settled(self) -> bool:
        """Whether the published line runs along the estimate, so that nothing needs saying until there is news."""
        if self._target is None or self._published is None:
            return True
        return abs(self._published.freq - self._target.rate.freq) * SLEW_TIME_S * 1e6 < SETTLED_US

    def estimate(self, now: RawNs) -> tuple[ClockReport, Mapping | None]:
        """What is known at `now`: the report, and the mapping unless there has never been one."""
        voters = [name for name in self._samples if self._is_live(name, now)]
        if voters and (self._fresh or voters != self._voters):
            self._hold_vote(voters, now)
        elif not voters and self._vote:
            self._vote = None
            self._state = ClockState.HOLDOVER if self._target else ClockState.UNSYNC
            self._reason = "no time server answers any more; check the network and UDP port 123"
        self._voters, self._fresh = voters, False
        mapping = self._publish(now)
        return self._report(now, mapping), mapping

    def _hold_vote(self, voters: list[str], now: RawNs) -> None:
        """Ask the sources, and draw the conclusions: target, state, reason."""
        before = self._vote
        rate, trusted = (before.rate, before.agreeing) if before else (Rate(), frozenset[str]())
        self._vote = vote = hold_vote({name: list(self._samples[name]) for name in voters}, now, rate, trusted)
        for name in vote.stepped:
            last = self._samples[name].pop()
            self._samples[name] = deque([last], HISTORY)

        count = len(vote.agreeing)
        quorum = count >= QUORUM or bool(vote.agreeing & self._ours)
        if vote.bound_us is not None and (quorum or self._may_follow_few(now)):
            bound_us = vote.bound_us + abs(self._correction_us) + MARGIN_US
            self._target = _Line(now, vote.utc_ns + round(self._correction_us * 1e3), vote.rate, bound_us)
        if vote.bound_us is not None and quorum:
            self._state, self._ever_sync = ClockState.SYNC, True
            self._reason = f"{count} of {len(self._samples)} time servers agree"
            return
        self._state = ClockState.DEGRADED if self._target else ClockState.UNSYNC
        if vote.bound_us is None:
            self._reason = (
                f"the {len(voters)} time servers that answer contradict each other; see which are out and why"
            )
        else:
            self._reason = (
                f"only {count} of at least {QUORUM} time servers agree; name more, or see why the others are out"
            )

    def _is_live(self, name: str, now: RawNs) -> bool:
        samples = self._samples[name]
        return bool(samples) and _age_s(samples, now) <= (STALE_OURS_S if name in self._ours else STALE_S)

    def _may_follow_few(self, now: RawNs) -> bool:
        """Rather a clock by few sources than a dark wall: never called ready, but it plays, until there is a quorum."""
        return not self._ever_sync and self._age_of_clock_s(now) >= GRACE_S

    def _age_of_clock_s(self, now: RawNs) -> float:
        return (now - self._began) / 1e9 if self._began is not None else 0.0

    def _publish(self, now: RawNs) -> Mapping | None:
        """Continue the published line towards the target (see the class)."""
        target, last = self._target, self._published
        if target is None:
            return None
        utc_ns, slew, rest_us = target.utc_ns(now), 0.0, 0.0
        if last is not None:
            elapsed = now - last.raw0
            there_ns = last.utc0_ns + elapsed + round(elapsed * last.freq)
            rest_us = (utc_ns - there_ns) / 1e3
            if abs(rest_us) < STEP_US and self._age_of_clock_s(now) > SETTLE_S:
                utc_ns = there_ns
                slew = min(max(rest_us / 1e6 / SLEW_TIME_S, -SLEW_LIMIT), SLEW_LIMIT)
            else:
                rest_us = 0.0
        self._published = Mapping(
            raw0=now,
            utc0_ns=utc_ns,
            freq=target.rate.freq + slew,
            rho=target.rate.rho + abs(slew),
            bound_us=target.bound_at_us(now) + abs(rest_us),
            state=self._state,
            reason=self._reason,
        )
        return self._published

    def _report(self, now: RawNs, mapping: Mapping | None) -> ClockReport:
        per_source = tuple(self._source(name, now) for name in self._samples)
        agreeing = len(self._vote.agreeing) if self._vote else 0
        bound_us = mapping.bound_us if mapping else None
        return ClockReport(self._state, self._reason, bound_us, len(per_source), agreeing, per_source)

    def _source(self, name: str, now: RawNs) -> SourceReport:
        samples, trouble = self._samples[name], self._troubles.get(name)
        report = SourceReport(name, False, trouble or "has not answered yet", None, None)
        if not samples:
            return report
        report = replace(report, delay_us=min(sample.delay_ns for sample in samples) / 1e3)
        if self._vote is None or name not in self._vote.offsets_us:
            return replace(report, why=f"silent for {_age_s(samples, now):.0f} s; {trouble or 'no answer'}")
        offset_us = self._vote.offsets_us[name]
        if name in self._vote.agreeing:
            return replace(report, agrees=True, why=trouble or "agrees", offset_us=offset_us)
        if self._vote.bound_us is None:
            return replace(report, why="no majority to agree with", offset_us=offset_us)
        return replace(report, why=f"contradicts the majority by {offset_us / 1e3:+.1f} ms", offset_us=offset_us)


def _age_s(samples: deque[Sample], now: RawNs) -> float:
    return (now - samples[-1].t4_raw) / 1e9
