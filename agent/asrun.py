"""As-run records: what a wall really showed, how exactly, and how far the clock could be trusted. Pure."""

from agent.clock.mapping import ClockState
from agent.messages import AsRun, ErrorSpread, Name, Play
from agent.planner import Billed, World
from agent.player.wire import Fired


def vouched_us(bound_us: int, clock: ClockState) -> int | None:
    """A bound as it may be told: for the host's own time nobody vouches."""
    return None if clock is ClockState.HOST else bound_us


def start_record(venue: Name, billed: Billed, fired: Fired, clock: ClockState, world: World) -> AsRun | None:
    """The record of one start; None for what no cue asked for.

    A slate in the place of a film has no item: it is not the film that was shown.
    """
    cue = billed.cue
    if cue is None:
        return None
    play = cue.do if isinstance(cue.do, Play) else None
    program = world.program_of(cue)
    index = billed.piece.item if billed.start.kind == "film" else None
    item = program.items[index] if program is not None and index is not None else None
    off_us = abs(fired.error_us)
    return AsRun(
        venue=venue,
        kind="start",
        cue=cue.cue,
        program=play.program if play else None,
        rev=play.rev if play else None,
        item=index,
        sha256=world.encode_of(item).sha256 if item else None,
        due=billed.start.at,
        observed=fired.observed_us,
        error_us=ErrorSpread(median=fired.error_us, p95=off_us, p99=off_us, max=off_us),
        bound_us=vouched_us(fired.bound_us, clock),
        clock=clock,
        joined=billed.piece.joined,
    )
