"""What passes through a player's local socket: one line of JSON in, one line out. Pure.

The socket is for whoever stands at the wall, without network: `framezero local`.
"""

from typing import Annotated, Literal

from pydantic import Field

from agent.messages import Model, Name, Refusal, Remark, Version, WireTime
from agent.told import LocalBlack, Status, Told

SOCKET = "local.sock"
"""Its name, in the unit's runtime directory, else in `state_dir`; there a link by this name leads to it anyway."""

MOST_ORDER_BYTES = 4096
MOST_REPLY_BYTES = 256 * 1024
MOST_WITHIN_S = 31 * 86_400
"""No cue is longer than that ahead (see the contracts: `expires`)."""


class Order(Model):
    """What is wanted: to know how things are, whether the wall is in use, to have it black, to have it back."""

    v: Version = 1
    want: Literal["status", "quiet", "black", "resume"]
    within_s: Annotated[int, Field(ge=0, le=MOST_WITHIN_S)] = 3600
    """With `quiet`: how far to look ahead, in seconds."""
    by: Remark | None = None
    """Who asks, where the socket cannot tell: the name that was there before sudo."""


class Use(Told):
    """One thing for which the wall is in use, or soon will be."""

    what: Literal["cue", "start", "panic", "local_black", "unknown"]
    """`cue`: its film runs. `start`: it begins within the time. `unknown`: cues are here, and the time is not."""
    detail: str
    """For people, without the time."""
    at: WireTime | None = None
    """Since when, or from when on."""
    cue: str | None = None
    """The cue's id, or the panic's."""


class Reply(Told):
    """The agent's answer; `refused` says why an order was not, or not wholly, carried out."""

    v: Version = 1
    venue: Name
    timezone: str
    """Of the people at the wall."""
    agent: str | None = None
    """The version of the software that runs; null: one that does not say."""
    time: WireTime | None
    """The venue's own time; null before it knows any."""
    refused: Refusal | None = None
    said: str = ""
    """What was done, for people."""
    black: LocalBlack | None = None
    """With `black`: by whom and since when it holds."""
    status: Status | None = None
    """With `status`: what the venue also tells its operators."""
    film: str | None = None
    """With `status`: the name of the film on the wall."""
    next_program: str | None = None
    """With `status`: what the next cue plays."""
    offline: bool = False
    """No broker is connected, so that new cues do not arrive."""
    uses: list[Use] = Field(default=[])
    """With `quiet`: empty where it is."""
