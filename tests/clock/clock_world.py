"""A player's clock in a world of its own: seeded, in no time, in true time.

The real Keeper runs here. What is made up is what surrounds it: a crystal that wanders, a wall clock that is stepped,
a kernel that stamps packets on that wall clock, servers that may lie, and the ways to them. The figures are those of
the design's harness: +50 ppm, a random walk of 1e-9/√s, a sine of 0.3 ppm over 8 h; five servers 4–25 ms away, each way
± 15 %, jitter 2 ms, spikes of 50 ms in 5 % of the packets, 2 % lost.
"""

import bisect
import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from agent.clock.keeper import Keeper
from agent.clock.leap import LeapTable
from agent.clock.mapping import ClockState, Mapping
from agent.clock.orders import Ask, AskChrony, LookUp, Past, Peer, Reading, Settings, Task
from agent.clock.report import ClockReport
from agent.clock.sample import Address, Sample
from agent.clock.stamp import Instant, raw_of_stamp
from agent.effects import Note
from agent.messages import Refusal
from agent.units import RawNs

UTC0_NS = 1_780_000_000_000_000_000
RAW0_NS = 5_000_000_000
GRID_S = 16.0
LOOK_S = 64.0
TIMEOUT_S = 1.5
HOLD_S = 50e-6
NEARNESS_MS = (4.0, 9.0, 14.0, 20.0, 25.0)


@dataclass(frozen=True)
class Crystal:
    """How an oscillator runs: constant part, random walk per √s, and a sine (the temperature of a day)."""

    ppm: float = 50.0
    walk: float = 1e-9
    sine_ppm: float = 0.3
    sine_s: float = 8 * 3600.0


PC = Crystal()
PI = Crystal(ppm=-30.0, walk=3e-9, sine_ppm=1.0)
"""Pi-like is not said in figures: three times the wander of a PC."""


@dataclass
class Way:
    """The way to one server, and what that server says."""

    up_ms: float
    down_ms: float
    jitter_ms: float = 2.0
    spike: float = 0.05
    spike_ms: float = 50.0
    loss: float = 0.02
    wrong_ms: Callable[[float], float] = lambda at_s: 0.0
    cut: Callable[[float], bool] = lambda at_s: False
    leap: Callable[[float], int] = lambda at_s: 0


@dataclass
class Scenario:
    """Everything about one run. Times are true seconds since the start of the agent."""

    until_s: float
    crystal: Crystal = PC
    nearness_ms: tuple[float, ...] = NEARNESS_MS
    ours: bool = False
    wander: float = 1e-6
    correction_ms: float = 0.0
    wall_s: Callable[[float], float] = lambda at_s: 1.3
    """By how much the host's wall clock is ahead of true time."""
    asleep: tuple[float, float] | None = None
    """Suspended from … for … seconds."""
    true_utc0_ns: int = UTC0_NS
    leaps: LeapTable | None = None
    leap_at_s: float | None = None
    """When a leap second ends that all servers insert."""
    smear: bool = False
    past: Past = field(default_factory=Past)
    pool: bool = False
    """Every look-up of a name leads to another address."""
    began_s: float = 0.0
    """When the agent starts; the crystal runs from 0 s on."""
    ticks: Callable[[float], bool] = lambda at_s: at_s < 30
    """When the shell wakes the keeper each second; at other times only when a server is due, which is quicker."""


@dataclass
class Seen:
    """One look: what the agent would have published at that moment, and how wrong it was."""

    at_s: float
    report: ClockReport
    mapping: Mapping | None
    error_us: float = math.nan
    bound_us: float = math.nan

    @property
    def state(self) -> ClockState:
        return self.report.state


def ways(rng: random.Random, nearness_ms: tuple[float, ...]) -> list[Way]:
    """Five servers; neither way is as long as the other."""
    return [Way(ms * rng.uniform(0.85, 1.15), ms * rng.uniform(0.85, 1.15)) for ms in nearness_ms]


class Truth:
    """True seconds → the raw counter, the wall clock, and UTC."""

    def __init__(self, scenario: Scenario, rng: random.Random) -> None:
        self._scenario = scenario
        crystal = scenario.crystal
        phase = rng.uniform(0, 2 * math.pi)
        count = int(scenario.until_s / GRID_S) + 10
        walk = 0.0
        raw_s = [0.0]
        self.freqs = []
        for k in range(count):
            walk += rng.gauss(0, crystal.walk * GRID_S**0.5)
            sine = crystal.sine_ppm * 1e-6 * math.sin(phase + 2 * math.pi * k * GRID_S / crystal.sine_s)
            self.freqs.append(crystal.ppm * 1e-6 + walk + sine)
            raw_s.append(raw_s[-1] + GRID_S * (1 + self.freqs[-1]))
        self._raw_s = raw_s

    def asleep_s(self, at_s: float) -> float:
        if self._scenario.asleep is None:
            return 0.0
        begin, length = self._scenario.asleep
        return min(max(at_s - begin, 0.0), length)

    def raw(self, at_s: float) -> RawNs:
        awake_s = at_s - self.asleep_s(at_s)
        k = int(awake_s / GRID_S)
        return RawNs(RAW0_NS + round((self._raw_s[k] + (awake_s - k * GRID_S) * (1 + self.freqs[k])) * 1e9))

    def when(self, raw: RawNs) -> float:
        """The true second at which the counter reads this; one in the past is as good as now."""
        seconds = (raw - RAW0_NS) / 1e9
        k = min(max(bisect.bisect_right(self._raw_s, seconds) - 1, 0), len(self.freqs) - 1)
        awake_s = k * GRID_S + (seconds - self._raw_s[k]) / (1 + self.freqs[k])
        asleep = self._scenario.asleep
        return awake_s + asleep[1] if asleep and awake_s > asleep[0] else awake_s

    def freq_ppm(self, at_s: float) -> float:
        """By how much UTC runs faster than the counter: what the estimator looks for."""
        return -self.freqs[int((at_s - self.asleep_s(at_s)) / GRID_S)] * 1e6

    def utc_ns(self, at_s: float) -> int:
        """True UTC, as POSIX counts it."""
        utc_ns = self._scenario.true_utc0_ns + round(at_s * 1e9)
        end_s = self._scenario.leap_at_s
        return utc_ns - 1_000_000_000 if end_s is not None and at_s >= end_s else utc_ns

    def instant(self, at_s: float) -> Instant:
        wall_s = self._scenario.wall_s(at_s)
        return Instant(self.raw(at_s), self._scenario.true_utc0_ns + round((at_s + wall_s) * 1e9))

    def reading(self, at_s: float) -> Reading:
        return Reading(self.instant(at_s), round(self.asleep_s(at_s) * 1e9))


@dataclass
class World:
    """Runs a scenario; iterate over it for what is seen at each news and each tick."""

    scenario: Scenario
    seed: int
    overhear: Callable[[Sample], object] = lambda sample: None
    notes: list[Note] = field(default_factory=list)
    asked: dict[str, list[float]] = field(default_factory=dict)
    looked_up: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(f"clock {self.seed}")
        self.truth = Truth(self.scenario, self.rng)
        self.ways = ways(self.rng, self.scenario.nearness_ms)
        peers = tuple(Peer(f"s{i}", f"s{i}", 123, self.scenario.ours) for i in range(len(self.ways)))
        settings = Settings(
            peers,
            self.scenario.correction_ms,
            self.scenario.wander,
            smear=self.scenario.smear,
            leaps=self.scenario.leaps,
            salt=f"{self.seed}",
        )
        self.keeper = Keeper(settings, self.scenario.past, self.truth.reading(self.scenario.began_s))
        self._events: list[tuple[float, int, Callable[[float], list[Task]]]] = []
        self._serial = itertools.count()

    def __iter__(self) -> Iterator[Seen]:
        at_s = next_tick = self.scenario.began_s
        mapping: Mapping | None = None
        while at_s < self.scenario.until_s:
            self._do(self.keeper.wake(self.truth.reading(at_s)), at_s)
            next_tick = at_s + (1.0 if self.scenario.ticks(at_s) or not self.keeper.settled else LOOK_S)
            deadline = self.keeper.deadline()
            due_s = self.truth.when(deadline) if deadline is not None else next_tick
            next_s = max(at_s, min(next_tick, due_s, self._events[0][0] if self._events else next_tick))
            at_s = self._skip_sleep(at_s, next_s)
            if mapping is not None:
                yield self._seen(at_s, None, mapping)
            while self._events and self._events[0][0] <= at_s:
                when, _, act = heapq.heappop(self._events)
                self._do(act(max(when, at_s)), at_s)
            report, mapping, tasks = self.keeper.look(self.truth.reading(at_s))
            self._do(tasks, at_s)
            self._report = report
            yield self._seen(at_s, report, mapping)

    def _skip_sleep(self, at_s: float, next_s: float) -> float:
        """Nothing happens in a suspend, and the shell wakes the keeper as soon as it is over."""
        asleep = self.scenario.asleep
        return asleep[0] + asleep[1] if asleep and at_s < asleep[0] + asleep[1] and next_s > asleep[0] else next_s

    def _seen(self, at_s: float, report: ClockReport | None, mapping: Mapping | None) -> Seen:
        seen = Seen(at_s, report or self._report, mapping)
        if mapping is not None:
            raw = self.truth.raw(at_s)
            seen.error_us = mapping.utc_at(raw) - self.truth.utc_ns(at_s) / 1e3
            seen.bound_us = mapping.bound_at_us(raw)
        return seen

    # --- what the shell would do --------------------------------------------------------------

    def _later(self, at_s: float, act: Callable[[float], list[Task]]) -> None:
        heapq.heappush(self._events, (at_s, next(self._serial), act))

    def _do(self, tasks: list[Task], at_s: float) -> None:
        for task in tasks:
            match task:
                case Ask():
                    self.asked.setdefault(task.name, []).append(at_s)
                    self._exchange(task, at_s)
                case LookUp(name):
                    self._later(at_s + 1e-3, partial(self._found, name))
                case Note():
                    self.notes.append(task)
                case AskChrony():
                    raise AssertionError("no chronyd here")

    def _found(self, name: str, at_s: float) -> list[Task]:
        self.looked_up += 1
        network = self.looked_up if self.scenario.pool else 2
        return self.keeper.found(name, [Address(2, (f"192.0.{network}.{name[1:]}", 123))], self.truth.raw(at_s))

    def _exchange(self, ask: Ask, at_s: float) -> None:
        way = self.ways[int(ask.name[1:])]
        there_s, back_s = self._delay_s(way, way.up_ms), self._delay_s(way, way.down_ms)
        received_s = at_s + there_s
        back_at_s = received_s + HOLD_S + back_s
        lost = self.rng.random() < way.loss or way.cut(at_s) or there_s + back_s > TIMEOUT_S
        if lost:
            silent = Refusal(code="silent", detail="no answer within 1.5 s")
            self._later(
                at_s + TIMEOUT_S, lambda now: self.keeper.heard(ask.name, ask.epoch, silent, self.truth.raw(now))
            )
            return
        asked = self.truth.instant(at_s)
        stamp = self.truth.instant(back_at_s).real_ns
        # A busy interpreter looks at the packet a little later; the kernel's stamp makes up for that.
        looked_s = back_at_s + self.rng.expovariate(1 / 1e-3)
        stamp_ns = self.truth.utc_ns(received_s) + round(way.wrong_ms(received_s) * 1e6)

        def act(now: float) -> list[Task]:
            looked = self.truth.instant(now)
            t4_raw = raw_of_stamp(stamp, asked, looked) or looked.raw
            hold_ns = round(HOLD_S * 1e9)
            sample = Sample(
                ask.name, asked.raw, t4_raw, stamp_ns, stamp_ns + hold_ns, 0, 15_000, 60, way.leap(received_s), 1
            )
            self.overhear(sample)
            return self.keeper.heard(ask.name, ask.epoch, sample, looked.raw)

        self._later(looked_s, act)

    def _delay_s(self, way: Way, base_ms: float) -> float:
        ms = base_ms + self.rng.expovariate(1 / way.jitter_ms)
        if self.rng.random() < way.spike:
            ms += self.rng.expovariate(1 / way.spike_ms)
        return ms / 1e3
