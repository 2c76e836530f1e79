"""The five venues of the lab as data: how far away, and how wrong their clocks are.

The figures are those of a plausible world: one-way delays to the broker and to five NTP servers, and a
clock that is seconds off and tens of parts per million fast or slow.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Venue:
    """One venue of the lab.

    `broker_ms` is the one-way delay to the broker and to the content server; `ntp_ms` that to each of its
    time servers, `ntp_jitter_ms` the mean of the exponential jitter on top, each way. The clock of the
    player is `offset_s` ahead of true time and runs `ppm` parts per million fast.
    """

    venue: str
    groups: tuple[str, ...]
    timezone: str
    broker_ms: float
    offset_s: float
    ppm: float
    ntp_ms: tuple[float, ...]
    ntp_jitter_ms: float

    @property
    def skew(self) -> str:
        """The clock's fault in the language of libfaketime, such as `+1.3 x1.00005`."""
        return f"{self.offset_s:+g} x{1 + self.ppm * 1e-6:.6f}"


VENUES = (
    Venue("shanghai", ("asia",), "Asia/Shanghai", 45, 1.3, 50, (4, 12, 25, 40, 60), 2),
    Venue("hongkong", ("asia",), "Asia/Hong_Kong", 35, -2.7, -50, (3, 9, 20, 30, 45), 1),
    Venue("tokyo", ("asia",), "Asia/Tokyo", 5, 37, 20, (1, 3, 8, 15, 25), 0.5),
    Venue("paris", ("west",), "Europe/Paris", 110, -11, -30, (2, 5, 11, 18, 30), 1),
    Venue("toronto", ("west",), "America/Toronto", 80, 5.1, 40, (3, 8, 16, 28, 50), 3),
)
