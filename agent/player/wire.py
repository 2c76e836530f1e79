"""What the agent and its player process say to each other: one JSON object a line over a socket pair.

Both ends are of the same version and trusted, so this is a private language and may change with any version.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from agent.clock.mapping import ClockState, Mapping
from agent.units import MediaUs, RawNs, UtcUs


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)


class Screen(_Line):
    """How the player drives the wall; given once, when the process starts.

    `mode_hz` is the refresh that `display.mode` names: it counts where the display itself tells none.
    """

    output: Literal["x11", "null"]
    name: str
    region: str
    fit: Literal["contain", "cover", "stretch"]
    rotate: int
    latency_us: int
    decoder: str
    volume: int
    slate: str
    mode_hz: float | None = None


class Start(_Line):
    """At `at`, show this. The id is the agent's; the player only hands it back.

    `frame_us` is the length of a frame, 0 where the film has no constant rate; `codec` is the program's word
    for it, '' where nobody knows. `begins_us` is the file's own time stamp of its first frame, from which `position_us`
    counts; None where nobody has looked.
    """

    id: str
    kind: Literal["film", "slate", "black"]
    at: UtcUs
    path: str = ""
    position_us: MediaUs = MediaUs(0)
    begins_us: int | None = None
    frame_us: float = 0.0
    held: bool = False
    sound: bool = False
    codec: str = ""


class Clock(_Line):
    """The newest mapping."""

    say: Literal["clock"] = "clock"
    raw0: RawNs
    utc0_ns: int
    freq: float
    rho: float
    bound_us: float
    state: ClockState
    reason: str
    leap_at: UtcUs | None = None
    leap_s: int = 0

    def mapping(self) -> Mapping:
        """The value that travelled."""
        return Mapping(
            self.raw0,
            self.utc0_ns,
            self.freq,
            self.rho,
            self.bound_us,
            self.state,
            self.reason,
            self.leap_at,
            self.leap_s,
        )


class Plan(_Line):
    """The next starts, soonest first; replaces every earlier plan."""

    say: Literal["plan"] = "plan"
    starts: list[Start]


class Quit(_Line):
    """End the process."""

    say: Literal["quit"] = "quit"


class Cover(_Line):
    """Panic: hide whatever is shown, at once and without a clock, and silence it; '' shows it again.

    Starts are made underneath as planned. The player answers with Covered when the pixels have changed.
    """

    say: Literal["cover"] = "cover"
    what: Literal["", "black", "slate"]


class Identify(_Line):
    """From `at` to `until` lay over the picture which wall this is, what time it is, and a flash on each full second.

    `next_at` is the next change that is known, `next_what` its action: the overlay counts down to it. A newer order
    replaces this one; one whose `until` has passed takes the overlay away.
    """

    say: Literal["identify"] = "identify"
    venue: str
    zone: str
    at: UtcUs
    until: UtcUs
    next_at: UtcUs | None = None
    next_what: str = ""


Order = Annotated[Clock | Plan | Cover | Identify | Quit, Field(discriminator="say")]


class Hello(_Line):
    """The player can show pictures now.

    `profile` names the decode profile, `note` says what of it is not as it could be.
    """

    say: Literal["hello"] = "hello"
    mpv: str
    display: str
    realtime: bool
    profile: str = ""
    note: str = ""


class Armed(_Line):
    """The idle deck holds the start's first frame, decoded and invisible."""

    say: Literal["armed"] = "armed"
    id: str


class Fired(_Line):
    """The start is on the wall. `observed_us` is UTC by the player's mapping.

    `seen`: it is when the display said that its pixels had changed; else when it had taken the order to. `go_us` is how
    long after the instant that was aimed at mpv had taken the order to run: the phase of the whole film.
    """

    say: Literal["fired"] = "fired"
    id: str
    observed_us: UtcUs
    error_us: int
    go_us: int
    bound_us: int
    decoder: str
    seen: bool = False


class Missed(_Line):
    """The start could not be made; what was on the wall before stays."""

    say: Literal["missed"] = "missed"
    id: str
    reason: str
    detail: str


class Running(_Line):
    """Once a second: what the visible film does. Counts and `errors_us` are since the report before.

    There is an error for each frame that was looked at, `late` of them by more than half a frame. `trims` counts
    corrections of the speed.
    """

    say: Literal["running"] = "running"
    id: str
    position_us: MediaUs
    frame: int
    errors_us: list[int]
    frames: int
    dropped: int
    late: int
    trims: int
    decoder: str = ""


class Adrift(_Line):
    """The film on the wall is further from its timeline than its speed can mend: it should be joined anew."""

    say: Literal["adrift"] = "adrift"
    id: str
    error_us: int


class Beat(_Line):
    """Several times a second: the player's loop is alive."""

    say: Literal["beat"] = "beat"


class Failed(_Line):
    """The player cannot go on and ends; the reason is a code, the detail names the remedy."""

    say: Literal["failed"] = "failed"
    reason: str
    detail: str


class Covered(_Line):
    """What covers the wall now, after the display has done it."""

    say: Literal["covered"] = "covered"
    what: Literal["", "black", "slate"]


Report = Annotated[
    Hello | Armed | Fired | Missed | Running | Adrift | Beat | Covered | Failed, Field(discriminator="say")
]

ORDERS: TypeAdapter[Order] = TypeAdapter(Order)
REPORTS: TypeAdapter[Report] = TypeAdapter(Report)


def line(message: BaseModel) -> bytes:
    """A message as it goes over the socket."""
    return message.model_dump_json().encode() + b"\n"


def clock_of(mapping: Mapping) -> Clock:
    """A mapping as it goes over the socket."""
    return Clock(
        raw0=mapping.raw0,
        utc0_ns=mapping.utc0_ns,
        freq=mapping.freq,
        rho=mapping.rho,
        bound_us=mapping.bound_us,
        state=mapping.state,
        reason=mapping.reason,
        leap_at=mapping.leap_at,
        leap_s=mapping.leap_s,
    )
