"""As-run records: what a wall really showed, how exactly, and how far the clock could be trusted. Pure."""

from dataclasses import dataclass
from typing import Any, Literal

from agent.clock.mapping import ClockState
from agent.messages import Name, Play
from agent.planner import Billed, World
from agent.player.wire import Fired, Running
from agent.tally import Count, Tally
from agent.told import AsRun, ErrorSpread
from agent.units import UtcUs


def vouched_us(bound_us: int, clock: ClockState) -> int | None:
    """A bound as it may be told: for the host's own time nobody vouches."""
    return None if clock is ClockState.HOST else bound_us


@dataclass(slots=True)
class Proof:
    """What a venue can prove of its show: a record of each start, each minute that a film ran, and its end.

    `tally` is that of the cue whose film is on the wall; None while there is none.
    """

    venue: Name
    tally: Tally | None = None
    _last: Billed | None = None
    _bound_us: int | None = None

    def fired(self, billed: Billed, fired: Fired, clock: ClockState, world: World) -> list[AsRun]:
        """A start is on the wall; a slate in the place of a film is none of its cue's films."""
        records = []
        film = billed.start.kind == "film"
        goes_on = film and self._last is not None and self._last.cue == billed.cue
        self._bound_us = vouched_us(fired.bound_us, clock)
        if not goes_on:
            records += self._end(fired.observed_us, clock, world)
        if film:
            self.tally = self.tally or Tally(Count(fired.observed_us))
            self._last = billed
            if goes_on and billed.piece.joined:
                self.tally.reanchored()
        record = start_record(self.venue, billed, fired, clock, world)
        return [*records, record] if record else records

    def running(
        self, running: Running, now: UtcUs, bound_us: int | None, clock: ClockState, world: World
    ) -> list[AsRun]:
        """A second of a film has been shown."""
        if self.tally is None or self._last is None or running.id != self._last.start.id:
            return []
        self._bound_us = bound_us
        self.tally.heard(running, now)
        done = self.tally.lap(now)
        return [self._record("minute", self._last, done, None, clock, world)] if done else []

    def _end(self, observed: UtcUs, clock: ClockState, world: World) -> list[AsRun]:
        last, tally, self._last, self.tally = self._last, self.tally, None, None
        done = tally.lap(observed, end=True) if tally else None
        if last is None or done is None:
            return []
        return [self._record("end", last, done, observed, clock, world)]

    def _record(
        self,
        kind: Literal["minute", "end"],
        billed: Billed,
        count: Count,
        observed: UtcUs | None,
        clock: ClockState,
        world: World,
    ) -> AsRun:
        """`due` is when this minute began; `observed` when the films of the cue had left the wall."""
        return AsRun(
            venue=self.venue,
            kind=kind,
            due=count.since,
            observed=observed,
            error_us=count.spread(),
            frames=count.frames,
            dropped=count.dropped,
            late=count.late,
            trims=count.trims,
            reanchors=count.reanchors,
            bound_us=self._bound_us,
            clock=clock,
            **_film(billed, world),
        )


def _film(billed: Billed, world: World) -> dict[str, Any]:
    cue = billed.cue
    assert cue is not None, "recorded only for cues"
    play = cue.do if isinstance(cue.do, Play) else None
    program = world.program_of(cue)
    index = billed.piece.item if billed.start.kind == "film" else None
    item = program.items[index] if program is not None and index is not None else None
    return {
        "cue": cue.cue,
        "program": play.program if play else None,
        "rev": play.rev if play else None,
        "item": index,
        "sha256": world.encode_of(item).sha256 if item else None,
    }


def start_record(venue: Name, billed: Billed, fired: Fired, clock: ClockState, world: World) -> AsRun | None:
    """The record of one start; None for what no cue asked for.

    A slate in the place of a film has no item: it is not the film that was shown.
    """
    if billed.cue is None:
        return None
    off_us = abs(fired.error_us)
    return AsRun(
        venue=venue,
        kind="start",
        due=billed.start.at,
        observed=fired.observed_us,
        error_us=ErrorSpread(median=fired.error_us, p95=off_us, p99=off_us, max=off_us),
        frames=1,
        bound_us=vouched_us(fired.bound_us, clock),
        clock=clock,
        joined=billed.piece.joined,
        **_film(billed, world),
    )
