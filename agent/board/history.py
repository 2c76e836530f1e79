"""What the board remembers of the last minutes and hours, in a memory that does not grow. Pure.

Everything is kept by the monotonic clock (`now_s`), which no correction moves; a caller that wants UTC gives the base:
UTC in microseconds at monotonic zero.
"""

from array import array
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan

from agent.board.snapshot import BoundPoint, ErrorPoint, Presence, StartPoint
from agent.control.proof_record import Record
from agent.told import Ack, Status
from agent.units import US_PER_S, UtcUs

SLOT_S = 5
SLOTS = 120
"""Ten minutes: a wall's frame errors are those of its last minute, so that nothing between two slots is lost."""

MOST_STARTS = 4000
NOTHING = float("nan")


class Series:
    """The figures of one venue: in each slot the worst that it told."""

    def __init__(self) -> None:
        self._slots = array("q", [-1]) * SLOTS
        self._figures = array("f", [NOTHING]) * (3 * SLOTS)  # median, p99, bound
        self._at = 0  # where the open slot is
        self._drawn: tuple[int, tuple[ErrorPoint, ...], tuple[BoundPoint, ...]] | None = None

    def put(self, now_s: float, median_ms: float, p99_ms: float, bound_ms: float) -> None:
        """Note what was told at monotonic `now_s`; a figure that is not known is NaN."""
        slot = int(now_s // SLOT_S)
        if slot != self._slots[self._at]:
            self._at = (self._at + 1) % SLOTS
            self._slots[self._at] = slot
            self._drawn = None
            self._figures[3 * self._at : 3 * self._at + 3] = array("f", (median_ms, p99_ms, bound_ms))
            return
        figures, place = self._figures, 3 * self._at
        if _worse(p99_ms, figures[place + 1]):
            figures[place], figures[place + 1] = median_ms, p99_ms
        if _worse(bound_ms, figures[place + 2]):
            figures[place + 2] = bound_ms

    def points(self, base_us: int) -> tuple[tuple[ErrorPoint, ...], tuple[BoundPoint, ...]]:
        """The closed slots, oldest first; the same objects as long as nothing has changed."""
        if self._drawn is None or self._drawn[0] != base_us:
            errors, bounds = [], []
            oldest = self._slots[self._at] - SLOTS
            for step in range(1, SLOTS):
                place = (self._at + step) % SLOTS
                slot = self._slots[place]
                if slot < 0 or slot < oldest:
                    continue
                utc_us = UtcUs(base_us + slot * SLOT_S * US_PER_S)
                median, p99, bound = self._figures[3 * place : 3 * place + 3]
                if p99 == p99:
                    errors.append(ErrorPoint(utc_us, round(median, 3), round(p99, 3)))
                if bound == bound:
                    bounds.append(BoundPoint(utc_us, round(bound, 3)))
            self._drawn = (base_us, tuple(errors), tuple(bounds))
        return self._drawn[1], self._drawn[2]


def _worse(figure: float, known: float) -> bool:
    return not isnan(figure) and not known >= figure  # also where none is known


@dataclass(slots=True)
class _Past:
    series: Series
    status: Status | None = None
    presence: Presence | None = None
    since_s: float | None = None
    """When it came to this presence; None: it was so when the board first looked."""


class History:
    """Of all venues; those that are forgotten at the brokers are forgotten here."""

    def __init__(self) -> None:
        self._venues: dict[str, _Past] = {}
        self._starts: deque[StartPoint] = deque(maxlen=MOST_STARTS)
        self._known: set[tuple[str, str, int]] = set()
        self._last: dict[str, StartPoint] = {}
        self._drawn: tuple[StartPoint, ...] | None = ()

    def note(self, venue: str, status: Status | None, presence: Presence, now_s: float) -> None:
        """Note how a venue is now; its status counts once."""
        past = self._venues.get(venue)
        if past is None:
            past = self._venues[venue] = _Past(Series(), presence=presence)
        if past.presence != presence:
            past.presence, past.since_s = presence, now_s
        if status is None or status is past.status or presence != "online":
            return
        past.status = status
        error, bound_us = status.error_us, status.clock.bound_us
        past.series.put(
            now_s,
            error.median / 1000 if error else NOTHING,
            error.p99 / 1000 if error else NOTHING,
            bound_us / 1000 if bound_us is not None else NOTHING,
        )

    def keep(self, venues: Iterable[str]) -> None:
        """Forget every other venue."""
        kept = set(venues)
        for venue in self._venues.keys() - kept:
            del self._venues[venue]
            self._last.pop(venue, None)

    def since_s(self, venue: str) -> float | None:
        """Since when it is in its presence (monotonic); None: since before the board looked."""
        past = self._venues.get(venue)
        return past.since_s if past else None

    def points(self, venue: str, base_us: int) -> tuple[tuple[ErrorPoint, ...], tuple[BoundPoint, ...]]:
        """Frame errors and clock bounds of the last ten minutes."""
        past = self._venues.get(venue)
        return past.series.points(base_us) if past else ((), ())

    # --- starts -------------------------------------------------------------------------------

    def started(self, found: Iterable[Ack | Record]) -> None:
        """Note starts, from acks and as-run records; each counts once, whoever tells of it."""
        for told in found:
            if isinstance(told, Ack):
                if told.stage == "started" and told.due is not None:
                    self._start(told.due, told.venue, told.cue, told.error_us, told.bound_us, told.joined, "")
            elif told.kind == "start":
                program = told.program or ""
                self._start(told.due, told.venue, told.cue, told.median_us, told.bound_us, told.joined, program)

    def _start(
        self,
        due_us: UtcUs,
        venue: str,
        cue: str,
        error_us: int | None,
        bound_us: int | None,
        joined: bool | None,
        program: str,
    ) -> None:
        key = (venue, cue, due_us)
        if key in self._known:
            return
        if len(self._starts) == MOST_STARTS:
            oldest = self._starts[0]
            self._known.discard((oldest.venue, oldest.cue, oldest.due_us))
        self._known.add(key)
        error_ms = error_us / 1000 if error_us is not None else None
        bound_ms = bound_us / 1000 if bound_us is not None else None
        start = StartPoint(due_us, venue, error_ms, bound_ms, bool(joined), program, cue)
        self._starts.append(start)
        self._drawn = None
        if venue not in self._last or self._last[venue].due_us <= due_us:
            self._last[venue] = start

    @property
    def starts(self) -> tuple[StartPoint, ...]:
        """The newest of all venues, oldest first; the same object as long as there is no new one."""
        if self._drawn is None:
            self._drawn = tuple(sorted(self._starts))
        return self._drawn

    def last_start(self, venue: str) -> StartPoint | None:
        """The newest of a venue."""
        return self._last.get(venue)
