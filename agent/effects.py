"""What goes into the conductor and what comes out of it: closed sets of values.

Events are facts with their bytes, effects are orders to the shell. The shell carries effects out in order: a cue is on
disk before its acknowledgement leaves.
"""

from dataclasses import dataclass
from typing import Literal

from agent.clock.mapping import ClockState
from agent.messages import Refusal
from agent.player.wire import Identify, Report, Start
from agent.told import Ack, AsRun, PolledFilms, Reason
from agent.units import RawNs, UtcUs


@dataclass(frozen=True, slots=True)
class Now:
    """An instant as the agent knows it. `utc` is None as long as there is no mapping, the bound while nobody vouches.

    `leaping`: UTC stands still in a leap second.
    """

    raw: RawNs
    utc: UtcUs | None
    bound_us: int | None
    clock: ClockState
    clock_reason: str
    leaping: bool = False


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Received:
    """A message from a broker; the topic is below the root."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Restored:
    """A cue, program or panic that the journal kept over a restart, with the body that was accepted."""

    topic: str
    body: bytes


@dataclass(frozen=True, slots=True)
class FilmHeard:
    """What the cache says of a film; `path` is set when it is there, whole and verified."""

    sha256: str
    path: str | None
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class PlayerHeard:
    """The player process spoke."""

    report: Report


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed: the deadline was reached, or the clock changed."""


Event = Received | Restored | FilmHeard | PlayerHeard | Ticked

# --- effects ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeepCue:
    """Write the cue to the journal before anything else happens with it."""

    cue: str
    body: bytes
    at: UtcUs
    expires: UtcUs


@dataclass(frozen=True, slots=True)
class KeepProgram:
    """Write the program to the journal."""

    program: str
    rev: int
    body: bytes


@dataclass(frozen=True, slots=True)
class KeepPanic:
    """Write a panic or its lift to the journal; `panic` is the id that both have in common."""

    panic: str
    kind: Literal["panic", "lift"]
    body: bytes


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Publish what became of a cue."""

    ack: Ack


@dataclass(frozen=True, slots=True)
class Record:
    """Publish what was shown."""

    asrun: AsRun


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer an ask by its id: that it is refused, or what is known here of the films, and why the venue is no-go."""

    ask: str
    want: str | None
    refused: Refusal | None = None
    films: PolledFilms | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """One film that should be in the cache, with where it may be had."""

    sha256: str
    size: int
    name: str
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fetch:
    """The films that are wanted, most urgent first; replaces the list before."""

    films: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class Direct:
    """The player's next starts; replaces the plan before."""

    starts: tuple[Start, ...]


@dataclass(frozen=True, slots=True)
class Cover:
    """Have the player hide the wall at once, without a clock; '' has it shown again."""

    what: Literal["", "black", "slate"]


@dataclass(frozen=True, slots=True)
class Overlay:
    """Have the player say which wall this is, over the picture; replaces the order before."""

    order: Identify


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log."""

    level: Literal["info", "warning", "error"]
    text: str
    fields: tuple[tuple[str, str | int], ...] = ()


Effect = KeepCue | KeepProgram | KeepPanic | Acknowledge | Record | Reply | Fetch | Direct | Cover | Overlay | Note
