"""An as-run record as proofs are made of: small, and the same whoever brought it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.told import AsRun
from agent.units import UtcUs


@dataclass(frozen=True, slots=True)
class Record:
    """An as-run record, small enough for a million of them; two are the same whatever their numbers are."""

    venue: str
    kind: str
    cue: str
    program: str | None
    rev: int | None
    item: int | None
    sha256: str | None
    due: UtcUs
    observed: UtcUs | None
    median_us: int | None
    p95_us: int | None
    p99_us: int | None
    max_us: int | None
    frames: int
    dropped: int
    late: int
    trims: int
    reanchors: int
    bound_us: int | None
    clock: str
    joined: bool
    book: str | None = field(default=None, compare=False)
    seq: int | None = field(default=None, compare=False)

    @classmethod
    def of(cls, told: AsRun, share: Callable[[str], str] = str) -> "Record":
        """As a venue has told it; `share` gives one text for all that are equal: a million records need that."""
        error = told.error_us
        return cls(
            share(told.venue),
            share(told.kind),
            share(told.cue),
            told.program and share(told.program),
            told.rev,
            told.item,
            told.sha256 and share(told.sha256),
            told.due,
            told.observed,
            error.median if error else None,
            error.p95 if error else None,
            error.p99 if error else None,
            error.max if error else None,
            told.frames,
            told.dropped,
            told.late,
            told.trims,
            told.reanchors,
            told.bound_us,
            share(told.clock),
            told.joined,
            told.book and share(told.book),
            told.seq,
        )
