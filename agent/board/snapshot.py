"""Everything that the page draws, as values: who draws it needs no broker, and who gathers it no page. Pure.

Instants are UTC in microseconds by the best time that the board knows (`Board.now_us`, see `House`), never ages: what
has not changed is then the same object as in the `Board` before, and the page need not look at it again. Texts from
outside are printable already, and still only texts: they are never shown as HTML.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from agent.units import UtcUs

Presence = Literal["online", "silent", "offline"]
"""`silent`: no status for 12 s, and nobody knows why. `offline`: it said goodbye, or a broker did for it."""
Severity = Literal["", "warning", "critical"]
LineState = Literal["", "standby", "sent", "running", "over", "refused"]


class ErrorPoint(NamedTuple):
    """The frame errors of a wall as it told them at an instant: the median is signed, p99 is of |error|."""

    utc_us: UtcUs
    median_ms: float
    p99_ms: float


class BoundPoint(NamedTuple):
    """How wrong a wall's clock may have been at an instant."""

    utc_us: UtcUs
    bound_ms: float


class StartPoint(NamedTuple):
    """A start as it was seen: `error_ms` positive is late, None where nobody saw it."""

    due_us: UtcUs
    venue: str
    error_ms: float | None
    bound_ms: float | None
    """How wrong the wall's clock may have been; None where nobody vouched for it."""
    joined: bool
    """It began after its instant, on the frame that was due by then."""
    program: str
    cue: str


@dataclass(frozen=True, slots=True)
class Why:
    """Something that is not as it should be: a code for the eye that knows it, a sentence with the remedy."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Clock:
    """A wall's clock: SYNC, HOLDOVER, DEGRADED, HOST or UNSYNC; None where nobody vouches for it."""

    state: str
    bound_ms: float | None
    frames: float | None
    """The bound in frames of the film on the wall, or of 1/30 s."""
    sources: int
    agreeing: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """A download under way; `fraction` is 0 to 1."""

    name: str
    fraction: float


@dataclass(frozen=True, slots=True)
class Cache:
    """The local films; `missing` counts those of known programs that are not there."""

    films: int
    bytes: int
    missing: int
    fetching: Fetch | None


@dataclass(frozen=True, slots=True)
class Host:
    """The player's machine; None where it cannot be told. `throttled`: a Pi that lacks voltage, or is too hot."""

    cpu: float
    mem_mb: int
    disk_free_gb: float | None
    temp_c: float | None
    throttled: bool | None


@dataclass(frozen=True, slots=True)
class Broker:
    """A connection to a broker; `fault` says what is wrong there and what to do."""

    url: str
    up: bool
    fault: str
    since_us: UtcUs | None = None
    """Since when it is so, where that is known (the board's own connections)."""


@dataclass(frozen=True, slots=True)
class Next:
    """The next change that a wall knows of."""

    at_us: UtcUs
    action: str
    cue: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The newest picture of a wall, at `/picture/{venue}?{tag}`; `refused` says why there is none, or no newer one."""

    taken_us: UtcUs | None
    tag: str
    """Changes with the picture; empty while there is none."""
    refused: str
    asked: bool
    """One has been asked for, and has not come yet."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that stands; `venue` None: of the show as a whole."""

    code: str
    venue: str | None
    severity: Severity
    since_us: UtcUs
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Row:
    """One venue in the table of all: flat, and small enough for a thousand of them each second."""

    venue: str
    presence: Presence
    heard_us: UtcUs | None
    """When its newest status came (of a kept one: when it was said); None: never."""
    zone: str
    groups: tuple[str, ...]
    state: str
    """starting, slate, armed, playing, held, black, panic, fault; empty where nothing is known."""
    ready: bool | None
    """Go or no-go; None where nobody knows, because it is silent or offline."""
    reason: str
    """The code of the first reason, with `+2` for two more; empty where it is ready."""
    program: str
    rev: int | None
    item: int | None
    frame: int | None
    position_us: int | None
    clock: str
    bound_ms: float | None
    median_ms: float | None
    p99_ms: float | None
    missing: int
    fetching: float | None
    """How far the download under way is, 0 to 1."""
    dropped: int
    late: int
    temp_c: float | None
    throttled: bool | None
    next: Next | None
    alarm: Severity
    """The worst of its alarms; empty: none."""
    unsigned: bool
    """It takes cues from anybody: a lab."""
    panic: bool


@dataclass(frozen=True, slots=True)
class Card:
    """Everything about one venue; `row` is its line in the table."""

    row: Row
    since_us: UtcUs | None
    """Since when it is in this presence, as far as the board has seen."""
    silence: str
    """What is wrong and what to do, where it is silent or offline; empty where it is not."""
    agent: str
    """The version of its software."""
    display: str
    decoder: str
    reasons: tuple[Why, ...]
    """Every reason for a no-go; also what is wrong with its version or name (a rival)."""
    clock: Clock | None
    cache: Cache | None
    host: Host | None
    brokers: tuple[Broker, ...]
    reanchors: int
    latency_ms: float
    pending: int
    """How many known cues are still to come."""
    last_start: StartPoint | None
    errors: tuple[ErrorPoint, ...]
    """Over the last ten minutes, oldest first."""
    bounds: tuple[BoundPoint, ...]
    alarms: tuple[Alarm, ...]
    picture: Picture


@dataclass(frozen=True, slots=True)
class Told:
    """How far a venue is with a cue, in its newest ack."""

    venue: str
    stage: str
    """accepted, armed, started, missed, cancelled, superseded, refused; empty: no answer yet."""
    ready: bool | None
    reason: str
    detail: str
    error_ms: float | None
    joined: bool


@dataclass(frozen=True, slots=True)
class Coming:
    """A cue that brokers keep and that is not over: `at_us` may have passed a moment ago (then it is what runs)."""

    cue: str
    at_us: UtcUs
    action: str
    """play, stop, black, identify."""
    what: str
    """For people: `reel r3, loop, from 1:30`."""
    label: str
    by: str
    """Who sent it, by their own word; empty where it does not say."""
    venues: tuple[str, ...]
    """The patterns as they were sent."""
    told: tuple[Told, ...]
    """Each venue that it is for, those first with which something is wrong."""
    ready: int
    """How many of them have it and are ready."""
    wrong: int
    """How many refuse it, miss it, are not ready, or have not answered although they should have."""


@dataclass(frozen=True, slots=True)
class CueLine:
    """A line of the cue list of the show file."""

    number: str
    name: str
    what: str
    note: str
    venues: tuple[str, ...]
    state: LineState
    cue: str
    """The id under which it was sent last; empty: not yet."""
    gone_us: UtcUs | None
    """When it was sent last."""
    at_us: UtcUs | None
    """The instant of what was sent last."""
    by: str


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was sent to the walls: by whom, what, when."""

    utc_us: UtcUs
    by: str
    what: str
    venues: tuple[str, ...]
    cue: str
    here: bool
    """From this board."""


@dataclass(frozen=True, slots=True)
class PanicNow:
    """A panic that holds; `venues` are those that show it, `patterns` whom it was sent to."""

    panic: str
    to: str
    patterns: tuple[str, ...]
    venues: tuple[str, ...]
    since_us: UtcUs | None
    by: str


@dataclass(frozen=True, slots=True)
class House:
    """What the board knows of the true time: its own computer's clock need not be right.

    True UTC = this computer's clock + `offset_us`, within `error_us`. Where `known` is false no wall has said yet, and
    this computer's clock is taken as it is.
    """

    offset_us: int
    error_us: int | None
    known: bool
    venue: str
    """The wall that vouches for it."""


@dataclass(frozen=True, slots=True)
class Deck:
    """The cue list and what GO would do."""

    lines: tuple[CueLine, ...] = ()
    standby: int | None = None
    """Index of the line in standby; None: the list is over, or there is none."""
    gap_until_us: UtcUs | None = None
    """Before this a GO is refused: it follows too closely on the last one."""
    refusal: str = ""
    """Why GO would be refused now, in words; empty where it would not (the gap aside)."""
    file: str = ""
    """The show file's name; empty: no show file, and no cue list."""


@dataclass(frozen=True, slots=True)
class Totals:
    """How many venues there are, and how they are."""

    venues: int
    online: int
    silent: int
    offline: int
    ready: int
    not_ready: int


NOBODY = Totals(0, 0, 0, 0, 0, 0)
NO_TIME = House(0, None, known=False, venue="")


@dataclass(frozen=True, slots=True)
class Board:
    """The whole page at one instant."""

    now_us: UtcUs
    show: str
    title: str = ""
    """What the show file calls the show; empty without one."""
    house: House = NO_TIME
    brokers: tuple[Broker, ...] = ()
    """The board's own connections."""
    stale_since_us: UtcUs | None = None
    """Since when no broker is connected, so that everything here is the last that was heard; None: one is."""
    totals: Totals = NOBODY
    rows: tuple[Row, ...] = ()
    """Every venue that left a trace: those of the show file in its order, then the others by name."""
    places: Mapping[str, str] = field(default_factory=dict)
    """What people call a venue, by its id, where the show file says so: `Shibuya crossing, Tokyo`."""
    cards: Mapping[str, Card] = field(default_factory=dict)
    """By venue; empty where there are too many to draw (more than `MOST_CARDS`): then `Engine.card` makes one."""
    coming: tuple[Coming, ...] = ()
    """What is to come and what runs, by instant."""
    deck: Deck = Deck()
    starts: tuple[StartPoint, ...] = ()
    """The starts of the last hours, oldest first."""
    alarms: tuple[Alarm, ...] = ()
    """The worst first, then the newest."""
    said: tuple[Said, ...] = ()
    """Who sent what, the newest first."""
    panics: tuple[PanicNow, ...] = ()
    warnings: tuple[str, ...] = ()
    """What an operator should know of the board itself: what could not be read, a broker that holds things back."""
    rehearsing: bool = False
    """The show is the rehearsal of the file: the real walls hear nothing of it."""


MOST_CARDS = 60
"""More cards than that are nothing that a person looks at: the table stands for them."""
