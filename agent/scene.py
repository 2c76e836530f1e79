"""What a venue does now, and whether it is ready for what comes: pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.effects import Wish
from agent.messages import Play, Refusal
from agent.planner import Billed, Film, World
from agent.player.wire import Running
from agent.tally import Tally
from agent.told import LocalBlack, NextCue, WallState
from agent.units import UtcUs
from agent.wall import Wall


@dataclass(frozen=True, slots=True)
class Scene:
    """The conductor's part of a status. `held` is the position and the frame of a film that stands still.

    `billed` is the start that is on the wall, `film` the name of its item; `identifying`: an overlay lies over it.
    `next_program` is what the next cue plays.
    """

    state: WallState
    cue: str | None
    program: str | None
    rev: int | None
    item: int | None
    frame_us: float
    running: Running | None
    held: tuple[int, int] | None
    ready: bool
    reasons: tuple[Refusal, ...]
    next: NextCue | None
    pending: int
    missing: int
    tally: Tally | None
    panic: str | None
    panic_issued: UtcUs | None
    display: str | None
    decoder: str | None
    billed: Billed | None
    film: str | None
    identifying: bool
    next_program: str | None = None
    local_black: LocalBlack | None = None


def build_scene(
    world: World,
    wall: Wall,
    tally: Tally | None,
    utc: UtcUs | None,
    wishes: Sequence[Wish],
    shorts: Sequence[Refusal | None],
    identifying: bool = False,
) -> Scene:
    """Put the scene together; `shorts` say why what is to come could not be shown as things are."""
    # In a panic nothing of a cue is seen, whatever runs below the cover; nor in a local black.
    billed = wall.on_wall if world.instead is None else None
    cue = billed.cue if billed else None
    play = cue.do if cue and isinstance(cue.do, Play) else None
    films = [world.films.get(wish.sha256, Film(None, None)) for wish in wishes]
    reasons = _distinct(
        [
            wall.fault,
            *shorts,
            *(film.refusal for film in films if film.path is None),
        ]
    )
    program = world.program_of(cue) if cue else None
    item = billed.piece.item if billed and billed.start.kind == "film" else None
    following = next(world.agenda.pending(utc), None) if utc is not None else None
    return Scene(
        state=_state(world, wall),
        cue=cue.cue if cue else None,
        program=play.program if play else None,
        rev=play.rev if play else None,
        item=item,
        frame_us=billed.start.frame_us if billed else 0.0,
        running=wall.running if billed else None,
        held=(billed.start.position_us, billed.piece.frame) if billed and billed.start.held else None,
        ready=not reasons,
        reasons=reasons,
        next=NextCue(cue=following.cue, at=following.at, action=following.do.action) if following else None,
        pending=world.agenda.count_pending(utc) if utc is not None else 0,
        missing=sum(film.path is None for film in films),
        tally=tally,
        panic=world.panic.panic if world.panic else None,
        panic_issued=world.panic.issued if world.panic else None,
        display=wall.player.display if wall.player else None,
        decoder=wall.decoder,
        billed=billed,
        film=program.items[item].name if program and item is not None else None,
        identifying=identifying,
        local_black=world.local_black,
        next_program=following.do.program if following and isinstance(following.do, Play) else None,
    )


def _distinct(reasons: Sequence[Refusal | None]) -> tuple[Refusal, ...]:
    """The first of each code."""
    found: dict[str, Refusal] = {}
    for refusal in reasons:
        if refusal is not None:
            found.setdefault(refusal.code, refusal)
    return tuple(found.values())


def _state(world: World, wall: Wall) -> WallState:
    if wall.player is None:
        return "starting" if wall.fault is not None and wall.fault.code == "player_starting" else "fault"
    if world.panic is not None:
        return "panic"
    if world.local_black is not None:
        return "black"
    if wall.on_wall is None:
        return "starting"
    start = wall.on_wall.start
    if start.kind == "film":
        return "held" if start.held else "playing"
    return "armed" if wall.armed in [billed.start.id for billed in wall.plan] else start.kind
