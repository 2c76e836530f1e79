"""What a venue tells: models of what it publishes under `venue/{venue}/`; its answers are in `agent.answered`.

These readers are lenient where `agent.messages` is strict: a venue may be newer than the tool that listens to it.
"""

from typing import Literal

from pydantic import ConfigDict, Field

from agent.messages import Model, Name, Refusal, Sha256, Uuid, Version, WireTime


class Told(Model):
    """What a venue says of itself: an operator's older tool passes over what a newer agent adds."""

    model_config = ConfigDict(extra="ignore")


Stage = Literal["accepted", "armed", "started", "missed", "cancelled", "superseded", "refused"]
WallState = Literal["starting", "slate", "armed", "playing", "held", "black", "panic", "fault"]


class Ack(Told):
    """What became of a cue at one venue, or of a panic."""

    v: Version = 1
    cue: str
    """The cue's or the panic's id; `?` where what is refused has none that can be read."""
    venue: Name
    """Who says so."""
    boot: Uuid
    """Drawn anew at each start of the agent."""
    stage: Stage
    """How far it got: see deploy/interface."""
    time: WireTime | None
    """When this was said, by the venue's clock; null before it knows the time."""
    ready: bool | None = None
    """With `accepted`: whether it could be shown as things are; else `reason` and `detail` say what is missing."""
    reason: str | None = None
    """Why not, for machines: `film_missing`, `clock_bound`, `signature`, `expired` …"""
    detail: str | None = None
    """Why not and what to do about it, for people."""
    due: WireTime | None = None
    """With `started`: the instant at which it was to be seen."""
    observed: WireTime | None = None
    """With `started`: when it was seen, by the player's own observation."""
    error_us: int | None = None
    """`observed` − `due`: positive is late."""
    bound_us: int | None = None
    """How wrong the venue's clock may have been; null where nobody vouches for it."""
    joined: bool | None = None
    """It began after its instant, on the frame that was due by then."""


class Presence(Told):
    """Retained: who is there. Offline is said by the broker, as the session's will."""

    v: Version = 1
    venue: Name
    """Who is there, or was."""
    online: bool
    """Whether its agent is connected to this broker."""
    boot: Uuid
    """Drawn anew at each start of the agent."""
    agent: str
    """The version of the software."""
    messages: list[int]
    """The versions of the messages that it reads."""
    groups: list[Name]
    """The groups that a cue may name with `@`."""
    show: Name
    """Cues of others are refused."""
    timezone: str
    """Of the people at the wall, as in `Asia/Tokyo`."""
    unsigned: bool
    """It takes cues without signatures: a lab."""
    rival: str | None = None
    """The boot id of a second agent that was seen under this venue's name within the last two minutes; `?` where only
    its deeds were seen."""
    remarks: bool = False
    """It takes cues and panics that say who sent them (`by`) and what they are called (`label`); one that does not say
    so refuses those, and the tools send it none."""
    goodbye: bool = False
    """With `online` false: the agent was ended in good order. Else the broker says so for it, because their connection
    broke off."""


class ErrorWindow(Told):
    """Frame errors of the last `window_s` seconds, by the player's own observation."""

    median: int
    """Signed, in microseconds: positive is late."""
    p99: int
    """In microseconds, without the sign."""
    window_s: int
    """Of how many seconds."""


class ClockSource(Told):
    """One of a venue's time sources: whether it is in the vote and why."""

    name: str
    """As it is configured."""
    ours: bool
    """It is vouched for: one of these is enough."""
    agrees: bool
    """Whether it is in the vote."""
    why: str
    """Why it is in or out, for people."""
    address: str | None = None
    """Where its name led to."""
    offset_us: int | None = None
    """How far it is ahead of the estimate, in microseconds."""
    error_us: int | None = None
    """How far off it may be by its own samples, in microseconds."""
    delay_us: int | None = None
    """Its least round trip, in microseconds."""
    distance_us: int | None = None
    """How wrong the server itself may be by its own word, in microseconds."""
    stratum: int | None = None
    """How many servers stand between it and a clock."""
    samples: int = 0
    """How many of its answers count now."""
    age_s: float | None = None
    """How old the last of them is, in seconds."""
    interval_s: float | None = None
    """Between two questions now, in seconds."""


class ClockStatus(Told):
    """The clock as an operator wants it: state, and the bound in microseconds and in frames.

    The bound is null where nobody vouches for the time at all (UNSYNC, HOST).
    """

    state: str
    """SYNC, HOLDOVER, DEGRADED, HOST or UNSYNC."""
    bound_us: int | None
    """How wrong the clock may be, in microseconds."""
    frames: float | None
    """The bound in frames of the film on the wall, or of 1/30 s."""
    sources: int
    """How many time sources there are."""
    agreeing: int
    """How many of the sources are in the vote."""
    offset_host_us: int | None
    """How far the host's own clock is ahead of ours."""
    reason: str = ""
    """Why it is in this state, for people."""
    freq_ppm: float | None = None
    """How much faster UTC runs than the player's crystal, in parts per million."""
    skew_ppm: float | None = None
    """How wrong that may be: so fast the bound grows while nobody is heard."""
    per_source: list[ClockSource] = Field(default=[])
    """Each time source."""


class ErrorSpread(Told):
    """How far frames were from their instants, in microseconds: the median is signed, the others are of |error|."""

    median: int
    """Positive is late."""
    p95: int
    """95 % of the frames were at most so far off."""
    p99: int
    """99 % of the frames were at most so far off."""
    max: int
    """The farthest off."""


class AsRun(Told):
    """What was shown, and how exactly: one record for each start, each minute of playing, each end.

    `bound_us` is how wrong the clock may have been by its own word, and `clock` its state: without them an error of
    0.2 ms says nothing. The bound is null where nobody vouched for the time (HOST).
    """

    v: Version = 1
    venue: Name
    """Whose wall."""
    kind: Literal["start", "minute", "end"]
    """`start`: a film or still came on the wall. `minute`: a minute of the cue's films. `end`: its films have left
    the wall."""
    cue: Uuid
    """The cue that asked for it."""
    program: Name | None
    """Null where the cue shows no program."""
    rev: int | None
    """Its revision."""
    item: int | None
    """Which item of the program, from 0."""
    sha256: Sha256 | None
    """Of the file that was shown."""
    due: WireTime
    """With `start` its instant; else when this minute began."""
    observed: WireTime | None
    """With `start` when it was seen, with `end` when the films of the cue had left the wall."""
    error_us: ErrorSpread | None
    """How far frames were from their instants; null where none was seen."""
    frames: int = 0
    """Frames that were shown."""
    dropped: int = 0
    """Frames that were left out."""
    late: int = 0
    """Frames that were seen more than half a frame late."""
    trims: int = 0
    """Corrections of the speed."""
    reanchors: int = 0
    """How often a film was joined anew."""
    bound_us: int | None
    """How wrong the clock may have been, in microseconds."""
    clock: str
    """The clock's state: SYNC, HOLDOVER, DEGRADED or HOST."""
    joined: bool = False
    """It began after its instant, on the frame that was due by then."""
    book: Uuid | None = None
    """The venue's book in which this stands; a venue begins a new one with an empty disk."""
    seq: int | None = None
    """The number of the record in its book, from 1: the same number is the same record, a missing one a gap."""


class NextCue(Told):
    """The next change that is known."""

    cue: Uuid
    """Its id."""
    at: WireTime
    """Its instant."""
    action: str
    """What it does: `play`, `stop`, `black` …"""


class Fetching(Told):
    """A download under way, in bytes."""

    name: str
    """Of the film."""
    done: int
    """So much is here."""
    size: int
    """The whole."""


class CacheStatus(Told):
    """The local films, in bytes; `missing` counts the films of known programs that are not there."""

    films: int
    """How many are here."""
    bytes: int
    """What they take."""
    fetching: Fetching | None
    """The download under way; null: none."""
    missing: int
    """Films of known programs that are not here."""


class HostStatus(Told):
    """The machine: load as a fraction of its cores, memory of agent and player; null where it cannot be told."""

    cpu: float
    """Load, from 0 to 1."""
    mem_mb: int
    """Memory of agent, player and camera, in MiB."""
    disk_free_gb: float | None
    """Room beside the films, in units of 10⁹ bytes."""
    temp_c: float | None = None
    """Of the processor, in °C."""
    throttled: bool | None = None
    """Whether a Raspberry Pi holds its processor back just now, by heat or too little voltage."""


class SelfTestFinding(Told):
    """Something that `framezero check --short` found amiss on the player."""

    area: str
    """What it is about: `trust`, `cache`, `display`, `host` …"""
    verdict: Literal["warning", "fault"]
    """`fault`: a show would suffer by it."""
    code: str
    """For machines, as in `framezero check --json`."""
    what: str
    """What was found, for people."""
    mend: str = ""
    """The command or the line that mends it."""


class SelfTest(Told):
    """What the player found of itself some seconds after its start, and again every ten minutes while there is a fault.

    Only what is not good is listed, the worst first; where there is more than a status holds, the counts tell.
    """

    time: WireTime | None
    """When it was done, by the venue's clock; null before it knew the time."""
    good: int
    """How many things were as they should be."""
    warnings: int
    """How many could be better."""
    faults: int
    """How many would harm a show."""
    findings: list[SelfTestFinding]
    """What is not good, the worst first."""


class LocalBlack(Told):
    """Somebody at the wall has it black, by the player's own socket."""

    by: str
    """Who gave the order, by the player's own accounts."""
    since: WireTime | None
    """Since when; null where the player did not know the time."""


class Status(Told):
    """Retained: what a venue does now, and whether it is ready for what comes."""

    v: Version = 1
    venue: Name
    """Whose wall."""
    boot: Uuid
    """Drawn anew at each start of the agent."""
    time: WireTime | None
    """When this was said, by the venue's clock; null before it knows the time."""
    state: WallState
    """What the wall does."""
    cue: str | None
    """The cue that says what is shown; null: none, and the slate is."""
    program: str | None
    """The program on the wall; null: none."""
    rev: int | None
    """Its revision."""
    item: int | None
    """Which item of the program, from 0."""
    position_us: int | None
    """In the item."""
    frame: int | None
    """In the item, from 0."""
    error_us: ErrorWindow | None
    """The errors of the last frames; null while no film plays."""
    dropped: int
    """Frames of the running cue that were left out."""
    late: int
    """Frames of the running cue that were seen more than half a frame late."""
    reanchors: int
    """How often a film of the running cue was joined anew."""
    clock: ClockStatus
    """How good the clock is."""
    latency_us: int
    """The wall's own latency as configured: starts are that much early."""
    ready: bool
    """Whether what comes next could be shown as things are; else `reasons` says what is missing."""
    reasons: list[Refusal]
    """Why it is not ready; empty where it is."""
    next: NextCue | None
    """The next change that is known; null: none."""
    pending: int
    """How many known cues are still to come."""
    panic: str | None
    """The id of the panic that says what is shown."""
    cache: CacheStatus
    """The films on disk."""
    decoder: str | None
    """What decodes the film, in mpv's words."""
    display: str | None
    """As in `1920x1080@60`."""
    host: HostStatus
    """The machine."""
    brokers: dict[str, bool]
    """By url: connected or not."""
    broker_faults: dict[str, str] = Field(default={})
    """By url, what is wrong there and what to do about it: of a broker that is away, or that serves the venue badly."""
    unsigned: bool = False
    """It takes cues without signatures: a lab."""
    panic_issued: WireTime | None = None
    """When the panic was raised, by the clock of whoever did."""
    local_black: LocalBlack | None = None
    """Somebody at the wall has it black; only they give it back."""
    frame_us: int | None = None
    """How long a frame of the film on the wall lasts, in microseconds; null where no film of a fixed rate is there."""
    warnings: list[Refusal] = Field(default=[])
    """What is amiss and keeps nothing from being shown, with the remedy."""
    self_test: SelfTest | None = None
    """What the player found of itself; null before that was done, and from agents that do none."""
