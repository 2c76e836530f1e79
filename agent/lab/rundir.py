"""What a run of the lab leaves in its folder, so that its report can be made again.

| file | from | holds |
|---|---|---|
| `run.json` | the lab | the facts of the run: venues, programme, instants, thresholds, clocks, readiness |
| `meter.jsonl` | the meter | every change on every display (readings.py) |
| `report.json` | the report | the figures of contracts.md |
| `sync.png`, `sync.html` | the report | error and skew over time |
| `walls.png` | the lab | the walls, photographed while they played; cannot be made again |
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from agent.lab.processes import LabError
from agent.lab.programme import Item, Programme
from agent.messages import Model, Name, Positive, Text, WireTime, explain
from agent.programs import Rate
from agent.units import NS_PER_US, parse_rate

RUN, METER, REPORT = "run.json", "meter.jsonl", "report.json"
PLOT, PAGE, WALLS = "sync.png", "sync.html", "walls.png"


class FilmFacts(Model):
    """One film of the programme; `clip` is the number in its picture, None for a film without barcode."""

    name: Text
    clip: Annotated[int, Field(ge=0, le=255)] | None
    fps: Rate
    frames: Positive


class ClockSample(Model):
    """What an agent's clock was worth at a true instant: its error, signed (its UTC − true), and the bound it gave.

    Both come out of one packet. `doubt_ms` is by how much the measurement itself may be wrong.
    """

    time: WireTime
    error_ms: float
    bound_ms: float | None
    doubt_ms: float = 0.0

    @property
    def outside(self) -> bool:
        """Whether the clock was certainly farther off than it said."""
        return self.bound_ms is not None and abs(self.error_ms) - self.doubt_ms > self.bound_ms


class RunFacts(Model):
    """Everything about a run that its pixels do not tell.

    `end_utc`: when the walls were told to show something else, or the lab stopped caring. `max_first_ms`: how far
    a first frame may be from its instant. `ready_s`: from an agent's start to its being ready, `sync_s` to the
    first status that said SYNC (they come once a second); None for never.
    `stolen`: the share of the processors' time that a host gave to others from the cue to the end. `liar_ms` and
    `asymmetry_ms` are what was done to the time servers and to the ways to them.
    """

    v: Literal[1] = 1
    venues: Annotated[list[Name], Field(min_length=1)]
    films: Annotated[list[FilmFacts], Field(min_length=1)]
    loop: bool
    due_utc: WireTime
    end_utc: WireTime | None
    size: str
    max_p99_ms: float | None = None
    max_first_ms: float | None = None
    ready_s: dict[Name, float | None] = Field(default_factory=dict)
    sync_s: dict[Name, float | None] = Field(default_factory=dict)
    clock: dict[Name, list[ClockSample]] = Field(default_factory=dict)
    stolen: float | None = None
    true_clocks: bool = False
    liar_ms: float = 0.0
    asymmetry_ms: float = 0.0

    def programme(self) -> Programme:
        """The films with their due instants."""
        return Programme(
            [Item(film.name, film.clip, parse_rate(film.fps), film.frames) for film in self.films],
            due_ns=self.due_utc * NS_PER_US,
            loop=self.loop,
            end_ns=None if self.end_utc is None else self.end_utc * NS_PER_US,
        )

    def clock_at_start(self, venue: str) -> ClockSample | None:
        """The sample of a venue's clock that was taken nearest to the first instant."""
        return min(self.clock.get(venue, []), key=lambda sample: abs(sample.time - self.due_utc), default=None)


def save(folder: Path, facts: RunFacts) -> None:
    """Write the facts of a run."""
    (folder / RUN).write_text(facts.model_dump_json(indent=1) + "\n", encoding="utf-8")


def load(folder: Path) -> RunFacts:
    """Read the facts of a run. Raises LabError."""
    path = folder / RUN
    try:
        return RunFacts.model_validate_json(path.read_bytes())
    except OSError as error:
        raise LabError(f"{path}: cannot be read ({error.strerror}); name the folder of a lab run", status=2) from error
    except ValidationError as error:
        raise LabError(f"{path}: {explain(error)}; run the lab again", status=2) from error
