"""What the agent and its camera process say to each other: one JSON object a line over a socket pair.

As in `wire`, both ends are of the same version and trusted.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from agent.units import RawNs

LINE_BYTES = 256 * 1024
"""No line is longer: a picture of 100 kB in base64 and what goes with it."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)


class Take(_Line):
    """Copy the display and develop the picture, at most so many pixels wide and high.

    `again`: develop the copy before once more, where there is one.
    """

    width: int
    again: bool = False


class Ready(_Line):
    """The process is up."""

    say: Literal["ready"] = "ready"


class Copied(_Line):
    """The display was copied just now; `raw` is when, by the raw counter."""

    say: Literal["copied"] = "copied"
    raw: RawNs


class Developed(_Line):
    """The picture: JPEG in base64, its size, and the wall's own, upright."""

    say: Literal["developed"] = "developed"
    jpeg: str
    width: int
    height: int
    wall_width: int
    wall_height: int


class Spoilt(_Line):
    """There is no picture; the reason is a code, the detail names the remedy."""

    say: Literal["spoilt"] = "spoilt"
    reason: str
    detail: str


Said = Annotated[Ready | Copied | Developed | Spoilt, Field(discriminator="say")]
SAID: TypeAdapter[Said] = TypeAdapter(Said)
