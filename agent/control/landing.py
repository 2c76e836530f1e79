"""Where in the films a play cue begins: film, frame and position, by the walls' own code (agent.timeline). Pure."""

from dataclasses import asdict, dataclass
from typing import Any

from agent.control.view import View
from agent.messages import Cue, Play
from agent.timeline import Timeline
from agent.units import US_PER_S, MediaUs


@dataclass(frozen=True, slots=True)
class Landing:
    """The frame that a play cue shows first; `item` and `frame` count from 0, `position_us` is that of the film.

    `frame` is None in a still and in a film without a constant rate. `program_us` is the position in the program.
    """

    program: str
    rev: int
    item: int
    film: str
    frame: int | None
    position_us: MediaUs
    program_us: MediaUs
    held: bool

    @property
    def words(self) -> str:
        """For people, in a line; the film's name is as the program has it."""
        frame = "" if self.frame is None else f" frame {self.frame}, at"
        held = ", held" if self.held else ""
        where = f"film #{self.item} {self.film},{frame} {show_position(self.position_us)}"
        return f"{where} ({show_position(self.program_us)} into {self.program} r{self.rev}){held}"


def show_position(us: int) -> str:
    """A position in a film or a program for people, to the millisecond: `12.345 s`, `1:02.345`, `1:02:03.456`."""
    minutes, rest_us = divmod(us, 60 * US_PER_S)
    millis = rest_us // 1000
    seconds = f"{millis // 1000:02d}.{millis % 1000:03d}"
    if minutes < 60:
        return f"{minutes}:{seconds}" if minutes else f"{millis // 1000}.{millis % 1000:03d} s"
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds}"


def landing(view: View, cue: Cue) -> Landing | None:
    """Where a cue begins; None for one that plays nothing, and where no broker keeps its program."""
    program = view.program(cue.do.program, cue.do.rev) if isinstance(cue.do, Play) else None
    if not isinstance(cue.do, Play) or program is None:
        return None
    timeline = Timeline(cue, cue.do, program)
    piece, position_us = timeline.piece_at(cue.at), timeline.position_at(cue.at)
    if piece.item is None or position_us is None:
        return None
    item = program.items[piece.item]
    frame = piece.frame if item.fps is not None else None
    return Landing(
        cue.do.program, cue.do.rev, piece.item, item.name, frame, piece.position_us, position_us, cue.do.held
    )


def as_json(found: Landing | None) -> dict[str, Any] | None:
    """For `--json`."""
    return None if found is None else asdict(found)
