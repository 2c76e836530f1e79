"""What goes into the conductor and what comes out of it: closed sets of values.

Events are facts with their bytes, effects are orders to the shell, which carries them out in order. Writes to the
journal are gathered for a moment and answered together by Kept, so that a burst of cues costs one turn of the disk.
"""

from dataclasses import dataclass
from typing import Literal

from agent.answered import PolledFilms, Reason
from agent.clock.mapping import ClockState
from agent.contents import Contents
from agent.messages import Ask, Refusal
from agent.player.wire import Identify, Report, Start
from agent.told import Ack, AsRun, LocalBlack
from agent.trust import KeyId, Trust
from agent.units import EPOCH, RawNs, UtcUs


@dataclass(frozen=True, slots=True)
class Now:
    """An instant as the agent knows it. `utc` is None as long as there is no mapping, the bound while nobody vouches.

    `leaping`: UTC stands still in a leap second. `floor` is a time that has surely passed, whatever a clock says.
    """

    raw: RawNs
    utc: UtcUs | None
    bound_us: int | None
    clock: ClockState
    clock_reason: str
    leaping: bool = False
    floor: UtcUs = EPOCH

    @property
    def vouched(self) -> UtcUs | None:
        """UTC as far as time servers answer for it: what cannot be undone, such as an expiry, hangs on no other."""
        return self.utc if self.bound_us is not None else None

    @property
    def at_least(self) -> UtcUs:
        """What the time surely is by now, however little is known."""
        return self.floor if self.vouched is None else max(self.vouched, self.floor)


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Received:
    """A message from a broker; the topic is below the root."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Restored:
    """A cue, program or panic that the journal kept over a restart: the body that was accepted, and who signed it."""

    topic: str
    body: bytes
    signers: frozenset[KeyId] = frozenset()


@dataclass(frozen=True, slots=True)
class RestoredId:
    """An id that the journal kept over a restart: see KeepId."""

    cue: str
    digest: str
    until: UtcUs
    signers: frozenset[KeyId] = frozenset()


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of writes to the journal, by their keys: they are on the disk, or why not (then tried again)."""

    keys: tuple[str, ...]
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class KeysHeard:
    """The keys that this venue trusts from now on.

    What no key answers for any more counts no longer at once. It is struck from the disk when the keys are `settled`:
    seen to be so a second time, since a folder may be read in the midst of being changed.
    """

    trust: Trust
    settled: bool


@dataclass(frozen=True, slots=True)
class FilmHeard:
    """What the cache says of a film; `path` is set when it is there, whole and verified.

    `contents`: what is in it, where the cache could look.
    """

    sha256: str
    path: str | None
    refusal: Refusal | None
    contents: Contents | None = None


@dataclass(frozen=True, slots=True)
class PlayerHeard:
    """The player process spoke."""

    report: Report


@dataclass(frozen=True, slots=True)
class LocalOrdered:
    """Somebody at the wall wants it black, or (None) gives it back."""

    black: LocalBlack | None


@dataclass(frozen=True, slots=True)
class RestoredBlack:
    """A local black that the journal kept over a restart."""

    black: LocalBlack


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed: the deadline was reached, or the clock changed."""


Event = (
    Received
    | Restored
    | RestoredId
    | RestoredBlack
    | Kept
    | KeysHeard
    | FilmHeard
    | PlayerHeard
    | LocalOrdered
    | Ticked
)

# --- effects ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeepCue:
    """Write the cue to the journal, which answers with Kept: before that it is not acknowledged."""

    cue: str
    body: bytes
    at: UtcUs
    expires: UtcUs
    signers: frozenset[KeyId] = frozenset()

    @property
    def key(self) -> str:
        """What the write is about: of several about the same only the last one counts."""
        return f"cue/{self.cue}"


@dataclass(frozen=True, slots=True)
class ForgetCue:
    """Strike a cue from the journal."""

    cue: str

    @property
    def key(self) -> str:
        """See KeepCue."""
        return f"cue/{self.cue}"


@dataclass(frozen=True, slots=True)
class KeepId:
    """Write down which body counts under a cue's id, and until when that has to be known.

    For bodies that are no cue of this venue (they name others, or have expired) and keep out another one all the same.
    """

    cue: str
    digest: str
    until: UtcUs
    signers: frozenset[KeyId] = frozenset()

    @property
    def key(self) -> str:
        """See KeepCue."""
        return f"id/{self.cue}"


@dataclass(frozen=True, slots=True)
class ForgetId:
    """Strike an id from the journal."""

    cue: str

    @property
    def key(self) -> str:
        """See KeepCue."""
        return f"id/{self.cue}"


@dataclass(frozen=True, slots=True)
class KeepProgram:
    """Write the program to the journal."""

    program: str
    rev: int
    body: bytes
    signers: frozenset[KeyId] = frozenset()

    @property
    def key(self) -> str:
        """See KeepCue."""
        return f"program/{self.program}/{self.rev}"


@dataclass(frozen=True, slots=True)
class ForgetProgram:
    """Strike a program from the journal."""

    program: str
    rev: int

    @property
    def key(self) -> str:
        """See KeepCue."""
        return f"program/{self.program}/{self.rev}"


@dataclass(frozen=True, slots=True)
class KeepPanic:
    """Write a panic or its lift to the journal; `panic` is the id that both have in common."""

    panic: str
    kind: Literal["panic", "lift"]
    body: bytes

    @property
    def key(self) -> str:
        """See KeepCue."""
        return f"{self.kind}/{self.panic}"


@dataclass(frozen=True, slots=True)
class KeepLocal:
    """Write a local black to the journal, or (None) strike it."""

    black: LocalBlack | None

    @property
    def key(self) -> str:
        """See KeepCue."""
        return "local_black"


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
class Recall:
    """Answer an ask from the as-run book."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class Shoot:
    """Take a picture of the wall, at most so many pixels wide and high, and answer an ask with it."""

    ask: str
    width: int


@dataclass(frozen=True, slots=True)
class Wish:
    """One film that should be in the cache, with where it may be had; `cued`: a cue shows its program now or later."""

    sha256: str
    size: int
    name: str
    urls: tuple[str, ...]
    cued: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    """The films that are wanted, most urgent first; replaces the list before."""

    films: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class Rest:
    """When downloads and other work on films have to rest, for a start's sake; replaces the stretch before.

    `but`: the film (by its sha256) that is shown first then: if it is still to come, it comes.
    """

    since: UtcUs
    until: UtcUs
    but: str = ""


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
class AskAgain:
    """Have the brokers send all that they keep once more: what was refused before may count now."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log."""

    level: Literal["info", "warning", "error"]
    text: str
    fields: tuple[tuple[str, str | int], ...] = ()


Write = KeepCue | ForgetCue | KeepId | ForgetId | KeepProgram | ForgetProgram | KeepPanic | KeepLocal
Effect = (
    Write | Acknowledge | Record | Reply | Recall | Shoot | Fetch | Rest | Direct | Cover | Overlay | AskAgain | Note
)
