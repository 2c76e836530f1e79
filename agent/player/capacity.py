"""What a machine showed that it can decode: the values of the benchmark, and what they mean. Pure.

`python -m agent.player.bench` prints one `Answer` as a line of JSON.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

DECKS_AT_A_CUT = 2
"""Around a cut the next film is decoded up to its frame while the one before it still plays."""

WARM_FRAMES = 10
"""These come from what was decoded while the film was still held, or pay for the decoder's start."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Library(_Answer):
    """What libmpv there is and which profile it takes; `realtime`: whether this user may use SCHED_FIFO."""

    kind: Literal["library"] = "library"
    mpv: str
    profile: str
    note: str = ""
    remedy: str = ""
    hwdec: str
    hardware: list[str]
    uses_hardware: bool
    realtime: bool


class Measured(_Answer):
    """A film was decoded as fast as it goes: so many pictures in so many seconds at the slowest of some places.

    `decoder` is the one that mpv really used: `software`, or the hardware's. `elsewhere` is the share of the
    machine's processors that others took meanwhile, 0 to 1: without them the film would have gone faster.
    """

    kind: Literal["measured"] = "measured"
    codec: str
    width: int
    height: int
    frames: int
    seconds: float
    at_s: float
    decoder: str
    elsewhere: float

    @property
    def fps(self) -> float:
        """Pictures a second."""
        return self.frames / self.seconds


class Unmeasured(_Answer):
    """It could not be measured, and why: `broken` (mpv cannot play it), `deadline`, `libmpv_absent`, `failed`."""

    kind: Literal["unmeasured"] = "unmeasured"
    code: Literal["broken", "deadline", "libmpv_absent", "failed"]
    detail: str


Answer = Annotated[Library | Measured | Unmeasured, Field(discriminator="kind")]
ANSWERS: TypeAdapter[Answer] = TypeAdapter(Answer)

Sighting = tuple[float, float]
"""Seconds of a steady clock at which mpv handed a picture to its output, and the picture's time in the film."""


def pace(seen: Sequence[Sighting], rate: float) -> tuple[int, float] | None:
    """How many pictures came in how many seconds, the first ones left out; None where too few came.

    They are counted by their own times in a film of `rate` frames a second, so that it does not matter whether each
    of them was seen. Of a film of variable rate they are as many as its mean rate says.
    """
    warm_s = seen[0][1] + (WARM_FRAMES - 0.5) / rate if seen else 0.0
    steady = [sighting for sighting in seen if sighting[1] >= warm_s]
    if len(steady) < 2:
        return None
    (began, first), (ended, last) = steady[0], steady[-1]
    frames = round((last - first) * rate)
    return (frames, ended - began) if frames > 0 and ended > began else None
