"""A venue's status message, put together from what the conductor says and what surrounds it: pure."""

from dataclasses import dataclass

from agent.clock.mapping import ClockState
from agent.clock.report import ClockReport, SourceReport
from agent.effects import Now
from agent.messages import Refusal
from agent.scene import Scene
from agent.told import CacheStatus, ClockSource, ClockStatus, HostStatus, SelfTest, Status

SENTENCE_CHARS = 300
"""A source's fault is told in so many characters: a status has to fit into 64 KiB whatever a resolver says."""

FRAME_US = 1_000_000 / 30
"""Clock bounds are told in frames of this length where no film says another."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the shell knows and the conductor does not."""

    venue: str
    boot: str
    unsigned: bool
    latency_us: int
    clock: ClockReport | None
    offset_host_us: int | None
    cache: CacheStatus
    host: HostStatus
    brokers: dict[str, bool]
    broker_faults: dict[str, str]
    faults: tuple[Refusal, ...]
    warnings: tuple[Refusal, ...] = ()
    self_test: SelfTest | None = None


def build_status(scene: Scene, now: Now, around: Surroundings) -> Status:
    """The status of a venue at this moment."""
    running, tally = scene.running, scene.tally
    held = scene.held or (None, None)
    reasons = [*scene.reasons, *around.faults]
    return Status(
        venue=around.venue,
        boot=around.boot,
        time=now.utc,
        state=scene.state,
        cue=scene.cue,
        program=scene.program,
        rev=scene.rev,
        item=scene.item,
        position_us=running.position_us if running else held[0],
        frame=running.frame if running else held[1],
        error_us=tally.window() if tally else None,
        dropped=tally.dropped if tally else 0,
        late=tally.late if tally else 0,
        reanchors=tally.reanchors if tally else 0,
        clock=_clock(now, around, scene.frame_us),
        latency_us=around.latency_us,
        ready=not reasons,
        reasons=reasons,
        next=scene.next,
        pending=scene.pending,
        panic=scene.panic,
        panic_issued=scene.panic_issued,
        local_black=scene.local_black,
        cache=around.cache.model_copy(update={"missing": scene.missing}),
        decoder=scene.decoder,
        display=scene.display,
        host=around.host,
        brokers=around.brokers,
        broker_faults=around.broker_faults,
        unsigned=around.unsigned,
        frame_us=round(scene.frame_us) or None,
        warnings=list(around.warnings),
        self_test=around.self_test,
    )


def _clock(now: Now, around: Surroundings, frame_us: float) -> ClockStatus:
    clock = around.clock
    frame = frame_us or FRAME_US
    return ClockStatus(
        state=now.clock if clock else ClockState.UNSYNC,
        bound_us=now.bound_us,
        frames=round(now.bound_us / frame, 2) if now.bound_us is not None else None,
        sources=clock.sources if clock else 0,
        agreeing=clock.agreeing if clock else 0,
        offset_host_us=around.offset_host_us,
        reason=now.clock_reason,
        freq_ppm=_rounded(clock.freq_ppm) if clock else None,
        skew_ppm=_rounded(clock.skew_ppm) if clock else None,
        per_source=[_source(source) for source in clock.per_source] if clock else [],
    )


def _source(source: SourceReport) -> ClockSource:
    return ClockSource(
        name=source.name,
        ours=source.ours,
        agrees=source.agrees,
        why=source.why[:SENTENCE_CHARS],
        address=source.address,
        offset_us=_whole(source.offset_us),
        error_us=_whole(source.error_us),
        delay_us=_whole(source.delay_us),
        distance_us=_whole(source.distance_us),
        stratum=source.stratum,
        samples=source.samples,
        age_s=_rounded(source.age_s),
        interval_s=_rounded(source.interval_s),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
