"""A venue's status and what its wall has shown, as figures for a monitoring system (Prometheus). Pure.

Names, units and kinds follow Prometheus' conventions: base units (seconds, bytes), `_total` for what only rises. What
is not known is left out, and never told as 0. Whoever writes them adds the label `venue` to each.
"""

import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from agent.clock.mapping import ClockState
from agent.told import Ack, AsRun, Stage, Status, WallState
from agent.units import US_PER_S, UtcUs

STATES: tuple[str, ...] = typing.get_args(WallState)
STAGES: tuple[str, ...] = typing.get_args(Stage)
ERROR_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.1, 0.5)
"""Half a frame at 120 fps lies in the third, a frame at 25 fps in the sixth."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One family of figures, each with the values of its `labels`. A counter's name has no `_total` here."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    values: Sequence[tuple[tuple[str, ...], float]]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often a figure was at most so large: `buckets` are cumulative, the last one is of all."""

    name: str
    help: str
    buckets: tuple[tuple[str, float], ...]
    total: float


Family = Figure | Histogram


@dataclass(slots=True)
class Showings:
    """What this agent's wall has shown since it started: it only rises, whatever cue runs."""

    starts: int = 0
    joined: int = 0
    frames: int = 0
    dropped: int = 0
    late: int = 0
    reanchors: int = 0
    trims: int = 0
    error_us: int | None = None
    started: UtcUs | None = None
    acks: Counter[str] = field(default_factory=Counter)
    _errors: list[int] = field(default_factory=lambda: [0] * (len(ERROR_BUCKETS_S) + 1))
    _errors_sum_us: int = 0

    def record(self, record: AsRun) -> None:
        """Count an as-run record. The frame of a start is counted again by its minute."""
        if record.kind != "start":
            self.frames += record.frames
            self.dropped += record.dropped
            self.late += record.late
            self.reanchors += record.reanchors
            self.trims += record.trims
            return
        self.starts += not record.joined
        self.joined += record.joined
        self.started = record.observed
        # Of one that joined the error is that of the frame, as of any other start.
        self.error_us = record.error_us.median if record.error_us else None
        if self.error_us is not None:
            off_us = abs(self.error_us)
            self._errors_sum_us += off_us
            self._errors[sum(off_us > limit * US_PER_S for limit in ERROR_BUCKETS_S)] += 1

    def acknowledge(self, ack: Ack) -> None:
        """Count what became of a cue."""
        self.acks[ack.stage] += 1

    def families(self) -> Iterator[Family]:
        """All of it."""
        starts = (("false", self.starts), ("true", self.joined))
        yield _by(
            "starts", "Films and stills that came on the wall; joined: after their instant.", "joined", starts, True
        )
        cumulative, so_far = [], 0
        for limit, count in zip((*map(str, ERROR_BUCKETS_S), "+Inf"), self._errors, strict=True):
            so_far += count
            cumulative.append((limit, float(so_far)))
        said = "How far starts were from their instants, without the sign."
        yield Histogram("start_error_seconds", said, tuple(cumulative), self._errors_sum_us / US_PER_S)
        if self.error_us is not None:
            said = "The last start: seen minus due; positive is late."
            yield _one("last_start_error_seconds", said, self.error_us / US_PER_S)
        if self.started is not None:
            yield _one("last_start_timestamp_seconds", "When the last start was seen, in UTC.", self.started / US_PER_S)
        each_minute = "rises with each minute of a film."
        for name, said, value in (
            ("frames_shown", "Frames that were shown", self.frames),
            ("frames_dropped", "Frames that were dropped", self.dropped),
            ("frames_late", "Frames that were seen over half a frame late", self.late),
            ("reanchors", "How often a running film was joined anew", self.reanchors),
            ("trims", "Corrections of the speed", self.trims),
        ):
            yield Figure(name, "counter", f"{said}; {each_minute}", [((), float(value))])
        acks = [(stage, self.acks[stage]) for stage in STAGES]
        yield _by("acks", "What became of cues and panics, by the stage that was acknowledged.", "stage", acks, True)


def families(status: Status, showings: Showings, version: str) -> Iterator[Family]:
    """Everything that a scrape gets."""
    yield _by("build_info", "The agent's version.", "version", [(version, 1)])
    if status.time is not None:
        said = "When these figures were taken, by the venue's clock, in UTC."
        yield _one("status_timestamp_seconds", said, status.time / US_PER_S)
    yield from _show(status)
    yield from _coming(status)
    yield from _clock(status)
    yield from _machine(status)
    yield from showings.families()


def _show(status: Status) -> Iterator[Family]:
    states = [(state, state == status.state) for state in STATES]
    yield _by("state", "What the wall does: 1 for the state that it is in.", "state", states)
    if status.program is not None:
        item = "" if status.item is None else str(status.item)
        shown = (status.cue or "", status.program, str(status.rev), item)
        said, labels = "What is on the wall; item counts from 0.", ("cue", "program", "rev", "item")
        yield Figure("showing_info", "gauge", said, [(shown, 1.0)], labels)
    if status.position_us is not None:
        yield _one("position_seconds", "The position in the film on the wall.", status.position_us / US_PER_S)
    if status.frame is not None:
        yield _one("frame", "The frame of the film on the wall, from 0.", status.frame)
    if status.error_us is not None:
        median, p99 = status.error_us.median / US_PER_S, status.error_us.p99 / US_PER_S
        yield _one("sync_error_median_seconds", "Frames of the last minute: seen minus due; positive is late.", median)
        yield _one("sync_error_p99_seconds", "Frames of the last minute: 99 % were at most so far off.", p99)
    yield _one("cue_frames_dropped", "Dropped frames of the cue on the wall.", status.dropped)
    yield _one("cue_frames_late", "Frames of the cue on the wall that were seen over half a frame late.", status.late)
    yield _one("cue_reanchors", "How often the films of the cue on the wall were joined anew.", status.reanchors)
    yield _one("latency_seconds", "The wall's own latency as configured.", status.latency_us / US_PER_S)
    yield _one("panic", "1 while a panic says what is shown.", status.panic is not None)
    yield _one("local_black", "1 while somebody at the wall has it black.", status.local_black is not None)
    yield _one("unsigned", "1 where cues are taken without signatures: a lab.", status.unsigned)


def _coming(status: Status) -> Iterator[Family]:
    yield _one("ready", "1: what comes next could be shown as things are; 0: NO-GO.", status.ready)
    reasons = dict.fromkeys((reason.code for reason in status.reasons), 1)
    yield _by("no_go", "1 for each reason why the venue is NO-GO; none while it is ready.", "reason", reasons.items())
    warnings = dict.fromkeys((warning.code for warning in status.warnings), 1)
    said = "1 for each thing that is amiss and keeps nothing from being shown."
    yield _by("warning", said, "reason", warnings.items())
    yield _one("pending_cues", "Known cues that are still to come.", status.pending)
    if status.next is not None:
        instant = [(status.next.action, status.next.at / US_PER_S)]
        yield _by("next_cue_timestamp_seconds", "The instant of the next change, in UTC.", "action", instant)
        if status.time is not None:
            said = "How long until the next change, when these figures were taken."
            yield _one("next_cue_seconds", said, (status.next.at - status.time) / US_PER_S)


def _clock(status: Status) -> Iterator[Family]:
    clock = status.clock
    states = [(str(state), state == clock.state) for state in ClockState]
    yield _by("clock_state", "How good the clock is: 1 for the state that it is in.", "state", states)
    if clock.bound_us is not None:
        yield _one("clock_bound_seconds", "The clock is at most so wrong.", clock.bound_us / US_PER_S)
    if clock.offset_host_us is not None:
        ahead = clock.offset_host_us / US_PER_S
        yield _one("clock_host_ahead_seconds", "How far the host's own clock is ahead of the agent's.", ahead)
    yield _one("clock_sources", "Time sources that are asked.", clock.sources)
    yield _one("clock_sources_agreeing", "Time sources that are in the vote.", clock.agreeing)
    named = {source.name: source for source in clock.per_source}
    agrees = [(name, source.agrees) for name, source in named.items()]
    yield _by("clock_source_agrees", "1 where this time source is in the vote.", "source", agrees)
    ahead_of = [(name, source.offset_us) for name, source in named.items()]
    yield _known("clock_source_offset_seconds", "How far this time source is ahead of the agent's clock.", ahead_of)
    trips = [(name, source.delay_us) for name, source in named.items()]
    yield _known("clock_source_delay_seconds", "The round trip to this time source.", trips)


def _machine(status: Status) -> Iterator[Family]:
    cache, host = status.cache, status.host
    yield _one("cache_films", "Films on the player's disk.", cache.films)
    yield _one("cache_bytes", "What they take.", cache.bytes)
    yield _one("cache_missing_films", "Films of known programs that are not there.", cache.missing)
    if cache.fetching is not None:
        yield _one("fetching_bytes", "The download under way: so much of it is here.", cache.fetching.done)
        yield _one("fetching_size_bytes", "The download under way: its whole size.", cache.fetching.size)
    yield _one("cpu_ratio", "Load of the machine as a part of all its cores.", host.cpu)
    yield _one("memory_bytes", "Memory of agent, player and camera.", host.mem_mb * 2**20)
    if host.disk_free_gb is not None:
        yield _one("disk_free_bytes", "Room beside the films.", host.disk_free_gb * 1e9)
    if host.temp_c is not None:
        yield _one("temperature_celsius", "Temperature of the processor.", host.temp_c)
    if host.throttled is not None:
        yield _one("throttled", "1 while the processor is held back, by heat or too little voltage.", host.throttled)
    yield _by("broker_up", "1 where the broker is connected.", "broker", status.brokers.items())


def _one(name: str, said: str, value: float) -> Figure:
    return Figure(name, "gauge", said, [((), float(value))])


def _by(name: str, said: str, label: str, values: Iterable[tuple[str, float]], rises: bool = False) -> Figure:
    found = [((key,), float(value)) for key, value in values]
    return Figure(name, "counter" if rises else "gauge", said, found, (label,))


def _known(name: str, said: str, values_us: Iterable[tuple[str, int | None]]) -> Figure:
    """Of each time source, in seconds, what is known."""
    return _by(name, said, "source", [(key, us / US_PER_S) for key, us in values_us if us is not None])
