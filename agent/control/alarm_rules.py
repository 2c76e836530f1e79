"""What is an alarm, as an operator may set it: the table `[alarms]` of a profile or a show file. Pure."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agent.control.addresses import parse_address
from agent.messages import Name

Code = Literal[
    "silent",
    "never_seen",
    "all_silent",
    "broker",
    "fault",
    "clock",
    "sync",
    "frames",
    "reanchors",
    "disk",
    "temperature",
    "throttled",
    "films",
    "no_go",
    "missed",
    "not_started",
    "refused",
    "panic",
    "local_black",
    "unsigned",
    "rival",
    "version",
    "warned",
    "self_test",
    "odd",
]
CODES: tuple[str, ...] = get_args(Code)

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Minutes = Annotated[float, Field(ge=0, le=10_080)]
Limit = Annotated[float, Field(gt=0)]


def _webhook(url: str) -> str:
    parse_address(url)
    return url


Webhook = Annotated[str, AfterValidator(_webhook)]


class Rules(BaseModel):
    """The limits of what is well, and for how long they may be passed; the defaults suit a show of five walls.

    The text below a field is its meaning. Unknown keys are errors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    venues: list[Name] = []
    """Venues that have to be there; one that was never seen is an alarm."""
    off: list[Code] = []
    """Alarms that are not wanted."""
    clock_bound_ms: Limit = 30.0
    """A clock that may be more than this wrong; a venue's own `ready_error_ms` counts besides."""
    clock_for_s: Seconds = 15.0
    """For so long a clock may be bad, a wall out of step or a venue NO-GO before it is an alarm."""
    sync_median_ms: Limit = 8.0
    """A wall whose frames of the last minute are, in the median, farther than this from their instants."""
    sync_p99_ms: Limit = 25.0
    """The same for the worst hundredth of its frames."""
    sync_frames: Limit | None = None
    """In the place of `sync_median_ms`: so many frames of the film on the wall, such as 0.5."""
    late_per_min: Limit = 60.0
    """So many late frames in a minute."""
    dropped_per_min: Limit = 30.0
    """So many dropped frames in a minute."""
    reanchors_per_min: Limit = 3.0
    """So often a running film may be joined anew in a minute."""
    disk_free_gb: Limit = 8.0
    """Less room than this on a player's disk."""
    temp_c: Limit = 80.0
    """A processor that is hotter, in °C: a Raspberry Pi slows down from 80 on."""
    films_before_min: Minutes = 60.0
    """So long before its next cue a venue should have its films, or be fetching them fast enough."""
    ready_before_min: Minutes = 10.0
    """So long before its next cue a venue that is NO-GO is critical."""
    start_within_s: Annotated[float, Field(gt=0, le=60)] = 2.0
    """A wall that does not show a cue so long after its instant is named."""
    clear_after_s: Seconds = 10.0
    """An alarm is over when its cause has been away for so long."""
    event_stands_s: Seconds = 300.0
    """What happens once (a cue refused, or missed and joined since) stands for so long."""
    remind_min: Minutes = 0.0
    """A critical alarm that stands is sent again after so long, and again; 0: it is sent once."""
    command: list[Annotated[str, Field(min_length=1)]] = []
    """A program with its arguments that gets each alarm (no shell): JSON on standard input, FRAMEZERO_ALARM_…"""
    webhooks: list[Webhook] = []
    """Web addresses to which each alarm is posted as JSON with a `text`."""
