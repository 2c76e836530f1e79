"""What is remembered of one source: its newest samples, and what keeps it out of the vote. Pure."""

from dataclasses import replace

from agent.clock.envelope import Envelope, Origin, Rate, envelope
from agent.clock.report import SourceReport
from agent.clock.sample import Sample
from agent.clock.trend import coherent
from agent.messages import Refusal
from agent.units import RawNs

HISTORY = 64
"""Samples kept of each source."""

LONGEST_S = 7200.0
"""Samples older than this say less about the oscillator of now than its wander takes away."""

STALE_S = 600.0
STALE_OURS_S = 60.0
"""A source whose last sample is older has no vote: it has left four polls unanswered. Our own are asked faster."""


WAITING = Refusal(code="waiting", detail="has not answered yet")


class History:
    """The samples of one source, oldest first, and their envelope, which is made anew only when there is news."""

    def __init__(self, ours: bool) -> None:
        self.ours = ours
        self.stale_s = STALE_OURS_S if ours else STALE_S
        self.samples: list[Sample] = []
        self.trouble: Refusal | None = None
        self.barred: Refusal | None = None
        self.absent = False
        self._least_delay_ns = 0
        self._view: Envelope | None = None

    def add(self, sample: Sample, rate: Rate) -> None:
        """Take a sample; what lies too far back, or off the line of this rate that the newer ones follow, goes."""
        oldest = sample.t4_raw - round(LONGEST_S * 1e9)
        self.samples = [kept for kept in self.samples[1 - HISTORY :] if kept.t4_raw >= oldest] + [sample]
        self.trouble = None
        self.keep(coherent(self.samples, rate.freq))

    def keep(self, newest: int) -> None:
        """Drop all but so many of the newest samples; there has to be one."""
        self.samples = self.samples[-newest:]
        self._least_delay_ns = min(sample.delay_ns for sample in self.samples)
        self._view = None

    def clear(self) -> None:
        """Drop all samples."""
        self.samples = []
        self._view = None

    def shift(self, by_ns: int) -> None:
        """Count the server's stamps from another UTC."""
        self.samples = [
            replace(sample, t2_utc_ns=sample.t2_utc_ns + by_ns, t3_utc_ns=sample.t3_utc_ns + by_ns)
            for sample in self.samples
        ]
        self._view = None

    @property
    def last(self) -> Sample:
        """The newest sample; there has to be one."""
        return self.samples[-1]

    def view(self, origin: Origin) -> Envelope:
        """The envelope of all samples, of which there has to be one."""
        if self._view is None:
            self._view = envelope(self.samples, origin)
        return self._view

    def age_s(self, now: RawNs) -> float:
        """How long ago the newest sample came."""
        return (now - self.last.t4_raw) / 1e9

    def live(self, now: RawNs) -> bool:
        """Whether it may vote."""
        return not self.absent and not self.barred and bool(self.samples) and self.age_s(now) <= self.stale_s

    def report(self, name: str, now: RawNs) -> SourceReport:
        """What can be said without a vote."""
        out = self.barred or self.trouble or WAITING
        report = SourceReport(name, self.ours, False, out.detail, code=out.code)
        if not self.samples:
            return report
        return replace(
            report,
            delay_us=self._least_delay_ns / 1e3,
            distance_us=self.last.distance_ns / 1e3,
            stratum=self.last.stratum,
            samples=len(self.samples),
            age_s=self.age_s(now),
        )
