"""What is told about the clock: values for status, `framezero clock` and the log. Pure."""

from dataclasses import dataclass, replace

from agent.clock.mapping import ClockState
from agent.units import EPOCH, UtcUs


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source: whether it is in the vote and why.

    `offset_us` is what it says beside the estimate, `error_us` how far off it may be by its own samples; `delay_us`
    is its least round trip, `age_s` that of its last sample, `interval_s` the time between two questions now. None
    is what is not known yet. `distance_us` is how wrong the server itself may be by its own word.

    `code` is for machines what `why` is for people: empty where all is well; the code of its last Refusal (dns,
    dns_away, network, unreachable, silent, kiss_deny, kiss_rate, kiss_other, reply, chrony, internal), also of one that
    still agrees by earlier samples; or waiting, falseticker, no_majority, same_server, coasting.
    """

    name: str
    ours: bool
    agrees: bool
    why: str
    address: str | None = None
    offset_us: float | None = None
    error_us: float | None = None
    delay_us: float | None = None
    distance_us: float | None = None
    stratum: int | None = None
    samples: int = 0
    age_s: float | None = None
    interval_s: float | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class ClockReport:
    """The clock for people: the state with a sentence, the bound now, how many sources there are and agree.

    `freq_ppm` is by how much UTC runs faster than the raw counter, `skew_ppm` how wrong that may be and so how fast the
    bound grows while nothing is heard. `floor` is a time that has surely passed, whatever any clock says.
    """

    state: ClockState
    reason: str
    bound_us: float | None
    freq_ppm: float | None
    skew_ppm: float | None
    sources: int
    agreeing: int
    per_source: tuple[SourceReport, ...]
    floor: UtcUs = EPOCH

    def aged(self, seconds: float) -> "ClockReport":
        """The same so much later, when nothing has been heard since."""
        grown_us = seconds * (self.skew_ppm or 0.0)
        return replace(
            self,
            bound_us=None if self.bound_us is None else self.bound_us + grown_us,
            per_source=tuple(
                source if source.age_s is None else replace(source, age_s=source.age_s + seconds)
                for source in self.per_source
            ),
        )
