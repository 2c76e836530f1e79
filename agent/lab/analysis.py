"""From readings to facts: errors, skew, cuts, drift. Pure; the instants are true time.

An error is signed, first seen − due, in milliseconds. Skew is the latest minus the earliest first sight of one frame of
one showing over all displays. Where the films carry no barcode see signatures.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from agent.lab.programme import Programme, Spot
from agent.lab.readings import Change, Gaps, Readings

TORN_NS = 1_000_000
"""What stands for less than this may be a look into a picture that was just being copied."""

FAR_NS = 500_000_000
"""A short-lived reading that is further than this from its due instant is no picture of its own."""

EARLY_NS = 100_000_000
"""A film's picture this long before the first instant is no early start: it should not have been visible."""

TAIL_NS = 100_000_000
"""Frames that are due this shortly before the end are not called missed."""

MAX_GAP_P99_MS = 1.0
"""Above it the meter saw too coarsely for its figures to count."""


@dataclass(frozen=True, slots=True)
class Sight:
    """From `ns` for `length_ns` a display showed `spot`, or with None nothing of the programme."""

    ns: int
    length_ns: int
    spot: Spot | None


@dataclass(frozen=True, slots=True)
class Cut:
    """What a display did where one film follows another. `late_ms` is the error of the new film's first frame."""

    loop: int
    item: int
    late_ms: float | None
    blank_ms: float
    old_after_new: bool
    repeated: int

    @property
    def bad(self) -> bool:
        """Whether an audience could have seen it."""
        return self.late_ms is None or self.blank_ms * 1e6 >= TORN_NS or self.old_after_new or self.repeated > 0


@dataclass(frozen=True, slots=True)
class DisplayFacts:
    """One display over the whole run.

    `errors` holds (seconds after the first instant, milliseconds) of each frame's first sight; `loop_median_ms`
    a value a loop. `missed`, `repeated`, `blank_ms` and `cuts` are None or empty where there are no barcodes.
    `early` counts pictures of a film that stood there before the first instant.
    """

    venue: str
    first_frame_error_ms: float | None
    errors: list[tuple[float, float]]
    missed: int | None
    repeated: int | None
    torn: int
    early: int
    blank_ms: float | None
    cuts: list[Cut]
    loop_median_ms: list[float | None]

    @property
    def median_error_ms(self) -> float | None:
        """Median of the signed errors."""
        return percentile([error for _, error in self.errors], 50)

    @property
    def p99_error_ms(self) -> float | None:
        """99th percentile of the errors' absolute values."""
        return percentile([abs(error) for _, error in self.errors], 99)

    @property
    def drift_ms_per_loop(self) -> float | None:
        """How much the median error grows from loop to loop: the slope of a line through them."""
        known = [(loop, median) for loop, median in enumerate(self.loop_median_ms) if median is not None]
        if len(known) < 2:
            return None
        loops, medians = zip(*known, strict=True)
        return float(np.polyfit(loops, medians, 1)[0])


@dataclass(frozen=True, slots=True)
class Skew:
    """Milliseconds between the first and the last display to show a frame; `series` is (seconds, skew) a frame.

    `first` is over the first pictures of the displays. `partial` counts frames that some displays showed and others
    not; they are in no other figure. `ambiguous` counts pictures that cannot be told apart (only without barcodes).
    """

    series: list[tuple[float, float]]
    first: float | None
    partial: int
    ambiguous: int = 0

    def at(self, percent: float) -> float | None:
        """A percentile in milliseconds."""
        return percentile([skew for _, skew in self.series], percent)


@dataclass(frozen=True, slots=True)
class Analysis:
    """All facts of a run. `void` says why the measurement does not count, if it does not."""

    mode: str
    displays: list[DisplayFacts]
    skew: Skew
    gaps: Gaps | None
    loop_starts_s: list[float]
    seconds: float
    void: str | None


def percentile(values: Sequence[float], percent: float) -> float | None:
    """A percentile, interpolated; None of nothing."""
    return float(np.percentile(values, percent)) if values else None


def void_reason(gaps: Gaps | None) -> str | None:
    """Why a meter with these gaps between its looks proves nothing; None when it does."""
    if gaps is None:
        return "the meter did not run for a second"
    if gaps.p99 > MAX_GAP_P99_MS:
        far = f"the meter's looks were {gaps.p99:.2f} ms apart (p99), more than {MAX_GAP_P99_MS:g} ms"
        return f"{far}; is the machine too busy?"
    return None


def horizon_ns(readings: Readings, programme: Programme) -> int:
    """Until when frames count: the end of the programme or of the measurement."""
    return min(readings.end_ns, programme.end_ns or readings.end_ns)


def analyse(readings: Readings, programme: Programme) -> Analysis:
    """Everything about a run of test films."""
    until = horizon_ns(readings, programme)
    sights = {venue: watch(changes, programme, readings.end_ns) for venue, changes in readings.changes.items()}
    seen = {venue: first_seen(kept, until, programme) for venue, (kept, _) in sights.items()}
    displays = [_display(venue, kept, torn, seen[venue], programme, until) for venue, (kept, torn) in sights.items()]
    return Analysis(
        mode=readings.mode,
        displays=displays,
        skew=_skew(seen, displays, programme),
        gaps=readings.gaps,
        loop_starts_s=loop_starts(programme, until),
        seconds=max(0.0, (until - programme.due_ns) / 1e9),
        void=void_reason(readings.gaps),
    )


def loop_starts(programme: Programme, until_ns: int) -> list[float]:
    """When each loop begins, in seconds after the first instant."""
    return [
        (programme.due(Spot(loop, 0, 0)) - programme.due_ns) / 1e9
        for loop, item in programme.pieces(until_ns)
        if item == 0
    ]


def lengths(changes: Sequence[Change], end_ns: int) -> list[int]:
    """How long each change stood, in nanoseconds."""
    instants = [change.ns for change in changes]
    return [after - before for before, after in pairwise([*instants, max([end_ns, *instants])])]


def watch(changes: Sequence[Change], programme: Programme, end_ns: int) -> tuple[list[Sight], int]:
    """Place readings in the programme; and how many were torn, and so left out."""
    sights: list[Sight] = []
    torn = 0
    for index, (change, length) in enumerate(zip(changes, lengths(changes, end_ns), strict=True)):
        spot = _place(change, programme)
        short = length < TORN_NS and change.ns + length < end_ns
        if short and not _fits(changes[max(0, index - 1) : index + 2], change, programme):
            torn += 1
        elif sights and sights[-1].spot == spot:  # the same again behind a torn one
            sights[-1] = Sight(sights[-1].ns, change.ns + length - sights[-1].ns, spot)
        else:
            sights.append(Sight(change.ns, length, spot))
    return sights, torn


def _place(change: Change, programme: Programme) -> Spot | None:
    return programme.nearest(*change.value, change.ns) if isinstance(change.value, tuple) else None


def _fits(around: Sequence[Change], change: Change, programme: Programme) -> bool:
    """Whether a short-lived reading was a picture of its own, given what stood before it and what after it.

    It was not when it belongs to quite another time, nor when it is made of the bits of both its neighbours without
    standing between them in the film: then the code was read while the one was being copied over the other.
    """
    spot = _place(change, programme)
    if spot is None or abs(change.ns - programme.due(spot)) > FAR_NS:
        return False
    if len(around) < 3:
        return True
    before, after = (_place(neighbour, programme) for neighbour in (around[0], around[2]))
    if before is not None and after is not None and before < spot < after:
        return True
    old, seen, new = (neighbour.value for neighbour in around)
    if not (isinstance(old, tuple) and isinstance(seen, tuple) and isinstance(new, tuple)):
        return True
    return any((b ^ a) & (b ^ c) for a, b, c in zip(old, seen, new, strict=True))


def first_seen(sights: Sequence[Sight], until_ns: int, programme: Programme) -> dict[Spot, int]:
    """When each frame that is due before an instant was first seen."""
    found: dict[Spot, int] = {}
    for sight in sights:
        if sight.spot is not None and programme.due(sight.spot) < until_ns:
            found.setdefault(sight.spot, sight.ns)
    return found


def _display(
    venue: str, sights: Sequence[Sight], torn: int, seen: Mapping[Spot, int], programme: Programme, until: int
) -> DisplayFacts:
    start = programme.due_ns
    errors = {spot: (ns - programme.due(spot)) / 1e6 for spot, ns in seen.items()}
    in_time = sorted((programme.due(spot), error) for spot, error in errors.items())
    due = [spot for spot in programme.spots(until) if programme.due(spot) < until - TAIL_NS]
    loops = len(loop_starts(programme, until))
    films = [sight for sight in sights if sight.spot is not None and sight.ns < until]
    last = films[-1].ns if films else 0
    blank = [sight.length_ns for sight in sights if sight.spot is None and films and films[0].ns < sight.ns < last]
    return DisplayFacts(
        venue=venue,
        first_frame_error_ms=(films[0].ns - start) / 1e6 if films else None,
        errors=[((ns - start) / 1e9, error) for ns, error in in_time],
        missed=sum(spot not in seen for spot in due),
        repeated=_repeated(films),
        torn=torn,
        early=sum(sight.ns < start - EARLY_NS for sight in films),
        blank_ms=sum(blank) / 1e6,
        cuts=[_cut(place, before, sights, seen, programme) for before, place in _cuts(programme, until)],
        loop_median_ms=[
            percentile([error for spot, error in errors.items() if spot.loop == loop], 50) for loop in range(loops)
        ],
    )


def _repeated(sights: Sequence[Sight]) -> int:
    """How many sights show a frame at or before one that was shown already."""
    count = 0
    furthest: Spot | None = None
    for sight in sights:
        if sight.spot is not None and furthest is not None and sight.spot <= furthest:
            count += 1
        elif sight.spot is not None:
            furthest = sight.spot
    return count


def _cuts(programme: Programme, until: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Each pair of films that follow one another, where the second begins well before the end."""
    return list(pairwise(programme.pieces(until - TAIL_NS)))


def _cut(
    new: tuple[int, int],
    old: tuple[int, int],
    sights: Sequence[Sight],
    seen: Mapping[Spot, int],
    programme: Programme,
) -> Cut:
    first = Spot(*new, 0)
    due = programme.due(first)
    near = [sight for sight in sights if due - FAR_NS <= sight.ns <= due + FAR_NS]
    films = [sight for sight in near if sight.spot is not None and sight.spot[:2] in (old, new)]
    arrived = [sight.ns for sight in films if sight.spot is not None and sight.spot[:2] == new]
    left = [sight.ns for sight in films if sight.spot is not None and sight.spot[:2] == old]
    begin, end = min(left, default=due - FAR_NS), max(arrived, default=due + FAR_NS)
    return Cut(
        loop=new[0],
        item=new[1],
        late_ms=(seen[first] - due) / 1e6 if first in seen else None,
        blank_ms=sum(sight.length_ns for sight in near if sight.spot is None and begin < sight.ns < end) / 1e6,
        old_after_new=bool(arrived and left and max(left) > min(arrived)),
        repeated=_repeated(films),
    )


def _skew(seen: Mapping[str, Mapping[Spot, int]], displays: Sequence[DisplayFacts], programme: Programme) -> Skew:
    everywhere = set.intersection(*map(set, seen.values())) if seen else set()
    anywhere = set[Spot]().union(*seen.values())
    series = []
    for spot in sorted(everywhere):
        instants = [instants[spot] for instants in seen.values()]
        at = (programme.due(spot) - programme.due_ns) / 1e9
        series.append((at, (max(instants) - min(instants)) / 1e6))
    return Skew(series, first_skew(displays), len(anywhere) - len(everywhere))


def first_skew(displays: Sequence[DisplayFacts]) -> float | None:
    """Milliseconds between the first pictures of all displays; None when one showed none."""
    firsts = [display.first_frame_error_ms for display in displays]
    known = [first for first in firsts if first is not None]
    return max(known) - min(known) if known and len(known) == len(firsts) else None
