"""What a venue tells: models of everything it publishes under `venue/{venue}/`.

These readers are lenient where `agent.messages` is strict: a venue may be newer than the tool that listens to it.
"""

from typing import Literal

from pydantic import ConfigDict, Field

from agent.messages import Model, Name, Refusal, Sha256, Uuid, WireTime


class Told(Model):
    """What a venue says of itself: an operator's older tool passes over what a newer agent adds."""

    model_config = ConfigDict(extra="ignore")


Stage = Literal["accepted", "armed", "started", "missed", "cancelled", "superseded", "refused"]
WallState = Literal["starting", "slate", "armed", "playing", "held", "black", "panic", "fault"]


class Ack(Told):
    """What became of a cue at one venue, or of a panic: then `cue` is the panic's id (see agent.alarm)."""

    v: Literal[1] = 1
    cue: str
    venue: Name
    boot: Uuid
    stage: Stage
    time: WireTime | None
    ready: bool | None = None
    reason: str | None = None
    detail: str | None = None
    due: WireTime | None = None
    observed: WireTime | None = None
    error_us: int | None = None
    bound_us: int | None = None
    joined: bool | None = None


class Presence(Told):
    """Retained: who is there. Offline is said by the broker, as the session's will."""

    v: Literal[1] = 1
    venue: Name
    online: bool
    boot: Uuid
    agent: str
    messages: list[int]
    groups: list[Name]
    show: Name
    timezone: str
    unsigned: bool


class ErrorWindow(Told):
    """Frame errors of the last `window_s` seconds, by the player's own observation."""

    median: int
    p99: int
    window_s: int


class ClockSource(Told):
    """One of a venue's time sources: whether it is in the vote and why, as agent.clock.report.SourceReport has it."""

    name: str
    ours: bool
    agrees: bool
    why: str
    address: str | None = None
    offset_us: int | None = None
    error_us: int | None = None
    delay_us: int | None = None
    distance_us: int | None = None
    stratum: int | None = None
    samples: int = 0
    age_s: float | None = None
    interval_s: float | None = None


class ClockStatus(Told):
    """The clock as an operator wants it: state, and the bound in microseconds and in frames.

    The bound is None where nobody vouches for the time at all (UNSYNC, HOST).
    """

    state: str
    bound_us: int | None
    frames: float | None
    sources: int
    agreeing: int
    offset_host_us: int | None
    reason: str = ""
    freq_ppm: float | None = None
    skew_ppm: float | None = None
    per_source: list[ClockSource] = Field(default=[])


class ErrorSpread(Told):
    """How far frames were from their instants, in microseconds: the median is signed, the others are of |error|."""

    median: int
    p95: int
    p99: int
    max: int


class AsRun(Told):
    """What was shown, and how exactly: one record for each start, each minute of playing, each end.

    `bound_us` is how wrong the clock may have been by its own word, and `clock` its state: without them an error of
    0.2 ms says nothing. The bound is None where nobody vouched for the time (HOST).
    """

    v: Literal[1] = 1
    venue: Name
    kind: Literal["start", "minute", "end"]
    cue: Uuid
    program: Name | None
    rev: int | None
    item: int | None
    sha256: Sha256 | None
    due: WireTime
    observed: WireTime | None
    error_us: ErrorSpread | None
    frames: int = 0
    dropped: int = 0
    late: int = 0
    trims: int = 0
    reanchors: int = 0
    bound_us: int | None
    clock: str
    joined: bool = False


class NextCue(Told):
    """The next change that is known."""

    cue: Uuid
    at: WireTime
    action: str


class Fetching(Told):
    """A download under way, in bytes."""

    name: str
    done: int
    size: int


class CacheStatus(Told):
    """The local films, in bytes; `missing` counts the films of known programs that are not there."""

    films: int
    bytes: int
    fetching: Fetching | None
    missing: int


class HostStatus(Told):
    """The machine: load as a fraction of its cores, memory of agent and player; None where it cannot be told."""

    cpu: float
    mem_mb: int
    disk_free_gb: float | None
    temp_c: float | None = None
    throttled: bool | None = None


class Status(Told):
    """Retained: what a venue does now, and whether it is ready for what comes."""

    v: Literal[1] = 1
    venue: Name
    boot: Uuid
    time: WireTime | None
    state: WallState
    cue: str | None
    program: str | None
    rev: int | None
    item: int | None
    position_us: int | None
    frame: int | None
    error_us: ErrorWindow | None
    dropped: int
    late: int
    reanchors: int
    clock: ClockStatus
    latency_us: int
    ready: bool
    reasons: list[Refusal]
    next: NextCue | None
    pending: int
    panic: str | None
    cache: CacheStatus
    decoder: str | None
    display: str | None
    host: HostStatus
    brokers: dict[str, bool]
    unsigned: bool = False
