"""A venue's oscillator and its time servers without a network: seeded, in no time, in true time."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent.clock.estimate import Estimator
from agent.clock.mapping import Mapping
from agent.clock.pace import Pace
from agent.clock.sample import Sample
from agent.units import RawNs

UTC0_NS = 1_780_000_000_000_000_000
RAW0_NS = 5_000_000_000


@dataclass(frozen=True)
class Venue:
    """As in the table of lab.md: clock in ppm, servers one-way in ms, jitter in ms."""

    name: str
    ppm: float
    servers_ms: tuple[float, ...]
    jitter_ms: float


LAB = (
    Venue("shanghai", +50, (4, 12, 25, 40, 60), 2),
    Venue("hongkong", -50, (3, 9, 20, 30, 45), 1),
    Venue("tokyo", +20, (1, 3, 8, 15, 25), 0.5),
    Venue("paris", -30, (2, 5, 11, 18, 30), 1),
    Venue("toronto", +40, (3, 8, 16, 28, 50), 3),
)


def exponential(rng: random.Random, size_ms: float) -> float:
    return rng.expovariate(1 / size_ms) if size_ms else 0.0


def half_normal(rng: random.Random, size_ms: float) -> float:
    return abs(rng.gauss(0, size_ms))


Jitter = Callable[[random.Random, float], float]


class Oscillator:
    """raw(true seconds), and what the mapping gets wrong there."""

    def __init__(self, ppm: float) -> None:
        self.scale = 1 + ppm * 1e-6

    def raw(self, true_s: float) -> RawNs:
        return RawNs(RAW0_NS + round(true_s * self.scale * 1e9))

    def error_us(self, mapping: Mapping, true_s: float) -> float:
        raw = self.raw(true_s)
        elapsed = raw - mapping.raw0
        return (mapping.utc0_ns + elapsed + round(elapsed * mapping.freq) - UTC0_NS - round(true_s * 1e9)) / 1e3


def exchange(
    oscillator: Oscillator, source: str, true_s: float, there_ms: float, back_ms: float, wrong_ms: float = 0.0
) -> Sample:
    """One exchange that starts at `true_s`; `wrong_ms` is by how much the server's clock is ahead."""
    at_server = true_s + there_ms / 1e3
    stamp = UTC0_NS + round((at_server + wrong_ms / 1e3) * 1e9)
    return Sample(
        source,
        oscillator.raw(true_s),
        oscillator.raw(at_server + 50e-6 + back_ms / 1e3),
        stamp,
        stamp + 50_000,
        0,
        15_000,
        60,
        0,
        1,
    )


def polls(until_s: float, ours: bool) -> Iterator[float]:
    """The instants of polling one server that always answers."""
    at, pace = 0.0, Pace(ours)
    while at < until_s:
        yield at
        at += pace.after(None)


def run(
    venue: Venue,
    seed: int,
    until_s: float,
    jitter: Jitter = exponential,
    wrong_ms: tuple[float, ...] = (0.0,) * 5,
    ours: bool = True,
    correction_ms: float = 0.0,
) -> Iterator[tuple[float, Mapping, float, Estimator]]:
    """Play a venue; after each sample and each second yield (true s, mapping, error in µs, estimator)."""
    rng = random.Random(f"{venue.name}{seed}{jitter.__name__}")
    oscillator = Oscillator(venue.ppm)
    events: list[tuple[float, Sample | None]] = [(float(second), None) for second in range(1, int(until_s) + 1)]
    for index, base_ms in enumerate(venue.servers_ms):
        phase = rng.uniform(0, 0.05)
        for at in polls(until_s, ours):
            there, back = (base_ms + jitter(rng, venue.jitter_ms) for _ in range(2))
            sample = exchange(oscillator, f"s{index}", at + phase, there, back, wrong_ms[index])
            events.append((at + phase + (there + back) / 1e3 + 1e-4, sample))
    estimator = Estimator({f"s{i}": ours for i in range(len(venue.servers_ms))}, correction_ms)
    for true_s, sample_or_none in sorted(events, key=lambda event: event[0]):
        if sample_or_none:
            estimator.add(sample_or_none)
        _, mapping = estimator.estimate(oscillator.raw(true_s))
        if mapping:
            yield true_s, mapping, oscillator.error_us(mapping, true_s), estimator
