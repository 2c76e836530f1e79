"""Two simpler clocks on the very samples that ours gets, as rivals for the benchmark.

Both live on the raw counter, and are given what ours has to learn: the constant part of the crystal's rate. Each claims
the bound that its kind of client can claim: half the round trip and the server's own distance, for the minimum-delay
filter grown by 15 ppm a second of age (RFC 5905, PHI).
"""

from dataclasses import dataclass, field

from agent.clock.sample import Sample
from agent.units import RawNs

PHI = 15e-6
NEWEST = 8


@dataclass
class Rival:
    """A clock that hears samples and says (UTC in ns, bound in µs) at a reading of the raw counter."""

    name: str
    freq: float
    heard: dict[str, list[Sample]] = field(default_factory=dict)

    def hear(self, sample: Sample) -> None:
        self.heard[sample.source] = [*self.heard.get(sample.source, [])[1 - NEWEST :], sample]

    def says(self, raw: RawNs) -> tuple[float, float]:
        raise NotImplementedError

    def offset_ns(self, sample: Sample, raw: RawNs) -> float:
        """What ntplib calls `offset`, by how much UTC is ahead of the counter, carried to a reading of it."""
        middle = (sample.t1_raw + sample.t4_raw) / 2
        offset = ((sample.t2_utc_ns - sample.t1_raw) + (sample.t3_utc_ns - sample.t4_raw)) / 2
        return offset + self.freq * (raw - middle)


class NtplibMean(Rival):
    """What a script does with ntplib: ask everybody, take the mean of `offset`."""

    def says(self, raw: RawNs) -> tuple[float, float]:
        newest = [samples[-1] for samples in self.heard.values()]
        mean = sum(self.offset_ns(sample, raw) for sample in newest) / len(newest)
        return raw + mean, sum(s.delay_ns / 2 + s.distance_ns for s in newest) / len(newest) / 1e3


class LeastDelay(Rival):
    """The clock filter of RFC 5905 without selection: of each server's last 8 the quickest, of these the quickest."""

    def says(self, raw: RawNs) -> tuple[float, float]:
        best = min((s for samples in self.heard.values() for s in samples), key=lambda s: s.delay_ns)
        return raw + self.offset_ns(best, raw), (best.delay_ns / 2 + best.distance_ns + PHI * (raw - best.t4_raw)) / 1e3
