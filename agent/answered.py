"""What a venue answers to an ask: a poll, a picture, pages of its as-run book. As lenient as `agent.told`."""

from typing import Literal

from pydantic import Field

from agent.messages import Name, Refusal, Uuid, Version, WireTime
from agent.told import ClockStatus, Fetching, NextCue, Told, WallState

MAX_JPEG_BYTES = 100_000
MAX_JPEG_BASE64 = 133_336
"""So many characters are 100 000 bytes in base64."""


class AsRunPage(Told):
    """Some of the records that a venue keeps, in the order of their numbers."""

    book: Uuid
    """The book in which they stand."""
    page: int
    """Which of the pages of its ask, from 0."""
    count: int
    """How many records it holds."""
    records: str
    """The records as they were told on the topic `asrun`, a line each, packed by zlib (RFC 1950), in base64."""
    next: int | None
    """Where to ask on from (`after`); null where the period has no more."""
    left: int
    """How many records of the period come after this page."""
    kept_from: WireTime | None
    """Since when the book reaches, by the `due` of its first record; null: it is empty."""


Question = Literal["films", "clock", "display", "disk", "broker", "trust", "panic", "agent"]


class Reason(Told):
    """Why a venue is not ready."""

    question: Question
    """What was asked about."""
    code: str
    """Why not, for machines."""
    detail: str
    """Why not and what to do about it, for people."""


class PolledFilms(Told):
    """The films of one revision of a program as this venue has them."""

    program: Name
    """Its id."""
    rev: int
    """Its revision."""
    films: int
    """How many there are; one that is shown twice counts once."""
    present: int
    """How many of them are here, whole and verified."""
    bytes: int
    """What all its films take."""
    bytes_present: int
    """What those that are here take."""
    fetching: Fetching | None
    """The download under way, if it is for one of them."""
    missing: list[str]
    """The names of the first of those that are not here."""


class Poll(Told):
    """Go or no-go for one program at one venue, and the facts that it follows from."""

    go: bool
    """Whether it could be shown as things are."""
    reasons: list[Reason]
    """Why it is no-go; empty where it is go."""
    films: PolledFilms | None
    """Null where the program is not known here, or none was named."""
    clock: ClockStatus
    """As in the status, without its sources."""
    state: WallState
    """As in the status."""
    cue: str | None
    """As in the status."""
    next: NextCue | None
    """As in the status."""
    pending: int
    """As in the status."""
    panic: str | None
    """As in the status."""
    display: str | None
    """As in the status."""
    decoder: str | None
    """As in the status."""
    disk_free_gb: float | None
    """As in the status."""
    brokers: dict[str, bool]
    """As in the status."""
    unsigned: bool
    """As in the status."""


class Shot(Told):
    """A picture of what the display really shows, whatever covers it, and what the venue says was on it.

    It is the part of the display that is wall (`display.region`), turned upright. What stands beside the picture is
    reckoned and not seen: `state`, `cue` and so on are the venue's own word for the instant at which it was taken.
    """

    jpeg: str = Field(max_length=MAX_JPEG_BASE64)
    """The picture, JPEG in base64: at most 100 000 bytes before that."""
    width: int
    """Of the picture, in pixels."""
    height: int
    """Of the picture, in pixels."""
    wall_width: int
    """Of the wall as it is driven, upright, in pixels: the picture may be scaled down from it."""
    wall_height: int
    """Of the wall as it is driven, upright, in pixels."""
    taken: WireTime | None
    """When the display was copied, by the venue's clock; null before it knows the time."""
    age_ms: int
    """How long before the answer that was: asks that come within two seconds of each other share one picture."""
    bound_us: int | None
    """How wrong the venue's clock may have been; null where nobody vouches for it."""
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
    film: str | None
    """Its name in the program."""
    position_us: int | None
    """In the item; null where no film runs, or where it was being changed just then."""
    frame: int | None
    """In the item, from 0: the one that was due on the display at `taken`."""
    panic: str | None
    """The id of the panic that says what is shown."""
    identifying: bool
    """Whether the venue's name was laid over the picture."""


class Answer(Told):
    """The answer to an ask: what was wanted, or why it is refused."""

    v: Version = 1
    ask: Uuid
    """The id of the ask."""
    venue: Name
    """Who answers."""
    boot: Uuid
    """Drawn anew at each start of the agent."""
    time: WireTime | None
    """When this was said, by the venue's clock; null before it knows the time."""
    want: str | None
    """As in the ask; null where that could not be read."""
    refused: Refusal | None = None
    """`old`, `schema` or `version`, and of what an older agent does not know `unserved`; of a shot also `rate`,
    `no_display`, `display_absent` or `shot_failed`; null where the answer is here."""
    poll: Poll | None = None
    """With `want` poll."""
    shot: Shot | None = None
    """With `want` shot."""
    asrun: AsRunPage | None = None
    """With `want` asrun."""
