"""Pictures of the wall: how many are given, and what is said of one. Pure.

Taking one costs the display and the line something, so a venue takes at most one each `FRESH_US`; asks that come
within that time share it, and each is told how old it is. Whoever asks for more than the line is meant for is refused
with `rate`: a picture is a hundred times the size of a status, and acks travel on the same line.
"""

from dataclasses import dataclass

from agent.answered import Answer, Shot
from agent.effects import Now
from agent.messages import Refusal
from agent.scene import Scene
from agent.units import NS_PER_US, US_PER_S, RawNs, UtcUs

FRESH_US = 2 * US_PER_S
EVERY_US = 2 * US_PER_S
BURST = 4
"""So many operators may look at once; in the long run one answer each `EVERY_US`."""

DEFAULT_WIDTH = 1280
NO_DISPLAY = Refusal(
    code="no_display",
    detail='this venue drives no display, so nothing can be seen of it; set display.output = "x11" in its agent.toml',
)


class Pace:
    """Whether one more answer with a picture is given."""

    def __init__(self) -> None:
        self._allowance = float(BURST)
        self._counted_ns: RawNs | None = None

    def admit(self, raw: RawNs) -> Refusal | None:
        """Count one that is asked for now; the refusal says when to ask again."""
        if self._counted_ns is not None:
            gained = (raw - self._counted_ns) / (EVERY_US * NS_PER_US)
            self._allowance = min(float(BURST), self._allowance + gained)
        self._counted_ns = raw
        if self._allowance < 1.0:
            wait_s = (1.0 - self._allowance) * EVERY_US / US_PER_S
            detail = f"more pictures are asked for than one in {EVERY_US / US_PER_S:g} s; ask again in {wait_s:.1f} s"
            return Refusal(code="rate", detail=detail)
        self._allowance -= 1.0
        return None


@dataclass(frozen=True, slots=True)
class Print:
    """A picture as it came from the camera: JPEG in base64, its size, and the wall's own, upright."""

    jpeg: str
    width: int
    height: int
    wall_width: int
    wall_height: int


@dataclass(frozen=True, slots=True)
class Moment:
    """When the display was copied, and what the venue knew just then."""

    taken: Now
    scene: Scene


def due(scene: Scene, t: UtcUs) -> tuple[int, int] | None:
    """Position and frame in the item that are due on the display at an instant.

    None where no film runs, and where the one that the agent knows of has not begun by then or has ended already.
    """
    billed = scene.billed
    if billed is None or billed.start.kind != "film":
        return None
    piece = billed.piece
    if piece.held:
        return piece.position_us, piece.frame
    since_us = t - piece.at
    if since_us < 0 or (piece.until is not None and t >= piece.until):
        return None
    frame_us = billed.start.frame_us
    # The instants of frames are rounded to microseconds: half of one keeps each in the frame that it begins.
    return piece.position_us + since_us, piece.frame + int((since_us + 0.5) // frame_us) if frame_us else 0


def shot(made: Print, moment: Moment, now: Now, latency_us: int) -> Shot:
    """A picture with what was on the wall when it was taken.

    The wall shows everything `latency_us` after the display has it, so that the display is that much ahead.
    """
    taken, scene = moment.taken, moment.scene
    place = due(scene, UtcUs(taken.utc + latency_us)) if taken.utc is not None else None
    return Shot(
        jpeg=made.jpeg,
        width=made.width,
        height=made.height,
        wall_width=made.wall_width,
        wall_height=made.wall_height,
        taken=taken.utc,
        age_ms=max(0, (now.raw - taken.raw) // (NS_PER_US * 1000)),
        bound_us=taken.bound_us,
        state=scene.state,
        cue=scene.cue,
        program=scene.program,
        rev=scene.rev,
        item=scene.item,
        film=scene.film,
        position_us=place[0] if place else None,
        frame=place[1] if place else None,
        panic=scene.panic,
        identifying=scene.identifying,
    )


def answer(head: Answer, outcome: Shot | Refusal) -> Answer:
    """The message that answers an ask for a picture; `head` says whose and when."""
    return head.model_copy(update={"refused" if isinstance(outcome, Refusal) else "shot": outcome})
