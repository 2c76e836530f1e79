"""What the as-run records of several walls prove of a show: starts, sync, and what is missing. Pure.

A wall's own observation says how far it was from the instant, and its clock bound how far the clock may have been
wrong: two walls were at most |error − error| + bound + bound apart. What nobody has recorded is named, not passed over.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

from agent.control.proof_record import Record
from agent.units import US_PER_S, UtcUs

MINUTE_US = 60 * US_PER_S
SLACK_US = 5 * US_PER_S
"""A minute is closed by the first word of the player after it, and that comes once a second."""

RIM_US = 150 * US_PER_S
LIVE_US = 75 * US_PER_S
"""A wall that is playing now has told of all but the last minute and a bit."""


@dataclass(frozen=True, slots=True)
class Source:
    """One venue, and how far its records could be had; `fault` says why not all of them, empty where they are here."""

    venue: str
    zone: str = ""
    agent: str = ""
    kept_from: UtcUs | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """One start on all walls that it was for; `missing` are those that have no record of it."""

    cue: str
    program: str | None
    rev: int | None
    item: int | None
    sha256: str | None
    due: UtcUs
    seen: dict[str, Record]
    missing: tuple[str, ...]

    @property
    def skew_us(self) -> int | None:
        """How far apart the walls were by their own observation; None with fewer than two."""
        errors = [record.median_us for record in self.seen.values() if record.median_us is not None]
        return max(errors) - min(errors) if len(errors) > 1 else None

    @property
    def at_most_us(self) -> int | None:
        """How far apart they can have been, as their clocks' bounds go; None where one had none."""
        seen = list(self.seen.values())
        apart = []
        for one, other in combinations(seen, 2):
            if one.median_us is None or other.median_us is None or one.bound_us is None or other.bound_us is None:
                return None
            apart.append(abs(one.median_us - other.median_us) + one.bound_us + other.bound_us)
        return max(apart, default=None)


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which a venue has no record, though its wall should have shown a film."""

    venue: str
    cue: str
    since: UtcUs
    until: UtcUs


@dataclass(frozen=True, slots=True)
class Wall:
    """What one venue's records say, all together; errors and bounds in microseconds.

    `median_us` and `p99_us` are those of its minute in the middle, `max_us` the worst frame, `bound_us` the widest.
    """

    source: Source
    records: int = 0
    starts: int = 0
    joined: int = 0
    missed: int = 0
    minutes: int = 0
    frames: int = 0
    dropped: int = 0
    late: int = 0
    reanchors: int = 0
    median_us: int | None = None
    p99_us: int | None = None
    max_us: int | None = None
    bound_us: int | None = None
    unvouched: int = 0
    """Records while nobody vouched for the clock."""
    within: int = 0
    """Minutes in which 99 of 100 frames were within the limit."""
    unnumbered: int = 0
    """Numbers of its book that lie between those that are here, and are not."""


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute in which at least two walls showed the same cue: how far their medians were apart.

    `p99_us` is how far from its instant the worst wall's worst hundredth of frames was, without sign.
    """

    at: UtcUs
    cue: str
    skew_us: int
    p99_us: int


@dataclass(frozen=True, slots=True)
class Proof:
    """A show, or a stretch of it; `records` are in the order of venue and time."""

    show: str
    since: UtcUs
    until: UtcUs
    made: UtcUs
    within_us: int
    walls: list[Wall]
    starts: list[Start]
    joined: list[Record]
    """Late: the wall had not begun what was due by then."""
    righted: list[Record]
    """A film that ran already was joined anew, for it was off."""
    minutes: list[Minute]
    gaps: list[Gap]
    records: list[Record]
    films: Mapping[str, str]
    """sha256 → name, as far as brokers keep the programs."""

    @property
    def complete(self) -> bool:
        """Whether every venue's records are here, without a gap."""
        return not self.gaps and not any(wall.source.fault or wall.unnumbered for wall in self.walls)

    @property
    def clean(self) -> bool:
        """Whether every wall began each film at its instant."""
        return not self.joined and not any(start.missing for start in self.starts)

    @property
    def worst_skew(self) -> Start | None:
        """The start at which the walls were furthest apart."""
        judged = [start for start in self.starts if start.skew_us is not None]
        return max(judged, key=lambda start: start.skew_us or 0, default=None)

    @property
    def farthest_us(self) -> int | None:
        """How far from its instant a wall was at a start, at most, as it saw it; None where no start was observed."""
        errors = (record.median_us for start in self.starts for record in start.seen.values())
        return max((abs(error) for error in errors if error is not None), default=None)

    @property
    def at_most_us(self) -> int | None:
        """How far apart two walls can have been at a start; None where at one of them nobody vouched for a clock."""
        shared = [start.at_most_us for start in self.starts if start.skew_us is not None]
        return None if None in shared else max((us for us in shared if us is not None), default=None)

    def medians_within(self, us: int) -> float | None:
        """The share of the minutes in which the walls' medians were so close together: half their frames were not."""
        return _share([minute.skew_us for minute in self.minutes], us)

    def frames_within(self, us: int) -> float | None:
        """The share of the minutes in which every wall had 99 of 100 observed frames so close to their instants."""
        return _share([minute.p99_us for minute in self.minutes], us)


def _share(found: Sequence[int], most: int) -> float | None:
    return sum(one <= most for one in found) / len(found) if found else None


def prove(
    records: Iterable[Record],
    sources: Sequence[Source],
    *,
    show: str,
    since: UtcUs,
    until: UtcUs,
    made: UtcUs,
    within_us: int,
    parties: Mapping[str, frozenset[str]] | None = None,
    films: Mapping[str, str] | None = None,
    only: Callable[[Record], bool] = lambda _: True,
) -> Proof:
    """Put the records of all venues together; the same record counts once, however often it came.

    `parties`: the venues that a cue was for, by its id, where that is known; else those that have any record of it.
    `since` is included, `until` is not. `made` is now, by the host of whoever asks. `only`: which records are meant.
    """
    unique: dict[str, set[Record]] = {source.venue: set() for source in sources}
    for record in records:
        if record.venue in unique and since <= record.due < until:
            unique[record.venue].add(record)
    by_venue = {venue: sorted(found, key=_order) for venue, found in unique.items()}
    unique.clear()
    lost = {venue: _unnumbered(found, since, until) for venue, found in by_venue.items()}
    by_venue = {venue: list(filter(only, found)) for venue, found in sorted(by_venue.items())}
    kept = [record for found in by_venue.values() for record in found]
    starts = _starts(by_venue, parties or {})
    joined, righted = _joined(kept, starts)
    return Proof(
        show=show,
        since=since,
        until=until,
        made=made,
        within_us=within_us,
        walls=[
            replace(
                _wall(source, by_venue[source.venue], within_us),
                missed=sum(source.venue in start.missing for start in starts),
                joined=sum(record.venue == source.venue for record in joined),
                unnumbered=lost[source.venue],
            )
            for source in sources
        ],
        starts=starts,
        joined=joined,
        righted=righted,
        minutes=_minutes(kept),
        gaps=[gap for source in sources for gap in _gaps(by_venue[source.venue], min(until, made))],
        records=kept,
        films=films or {},
    )


def _order(record: Record) -> tuple[int, str, str, int, int, int, int]:
    """The same whatever the order was in which they came, for the sum of the CSV hangs on it."""
    return (
        record.due,
        record.kind,
        record.cue,
        record.item or 0,
        record.observed or 0,
        record.median_us or 0,
        record.frames,
    )


# --- starts ---------------------------------------------------------------------------------------


def _starts(by_venue: Mapping[str, Sequence[Record]], parties: Mapping[str, frozenset[str]]) -> list[Start]:
    groups: dict[tuple[int, str], dict[str, Record]] = {}
    having: dict[str, set[str]] = defaultdict(set)
    began: dict[str, int] = {}
    runs = {venue: [record for record in found if record.kind == "start"] for venue, found in by_venue.items()}
    for venue, found in by_venue.items():
        for record in found:
            having[record.cue].add(venue)
    for venue, found in runs.items():
        for record in found:
            began[record.cue] = min(began.get(record.cue, record.due), record.due)
            if not record.joined:
                groups.setdefault((record.due, record.cue), {})[venue] = record
    dues = {venue: [record.due for record in found] for venue, found in runs.items()}

    def elsewhere(venue: str, due: int, cue: str) -> bool:
        """Whether a newer cue, which was for some walls only, had taken this one by then."""
        at = bisect_right(dues[venue], due)
        return at > 0 and began[runs[venue][at - 1].cue] > began[cue]

    starts = []
    for (due, cue), seen in sorted(groups.items()):
        party = (parties.get(cue) or having[cue]) & by_venue.keys()
        missing = sorted(venue for venue in party - seen.keys() if not elsewhere(venue, due, cue))
        one = next(iter(seen.values()))
        starts.append(
            Start(
                cue, one.program, one.rev, one.item, one.sha256, UtcUs(due), dict(sorted(seen.items())), tuple(missing)
            )
        )
    return starts


def _joined(records: Sequence[Record], starts: Sequence[Start]) -> tuple[list[Record], list[Record]]:
    """Those that began late, and those that ran already when they were joined anew."""
    late: list[Record] = []
    righted: list[Record] = []
    by_cue: dict[str, list[Start]] = defaultdict(list)
    for start in starts:
        by_cue[start.cue].append(start)
    for record in records:
        if record.kind == "start" and record.joined:
            before = [start for start in by_cue[record.cue] if start.due <= record.due]
            (righted if before and record.venue in before[-1].seen else late).append(record)
    return late, righted


# --- minutes --------------------------------------------------------------------------------------


def _minutes(records: Sequence[Record]) -> list[Minute]:
    """By the minute of UTC in which the middle of a record's minute lies."""
    slots: dict[tuple[int, str], dict[str, tuple[int, int]]] = {}
    for record in records:
        if record.kind == "minute" and record.median_us is not None and record.p99_us is not None:
            slot = (record.due + MINUTE_US // 2) // MINUTE_US
            slots.setdefault((slot, record.cue), {})[record.venue] = (record.median_us, record.p99_us)
    minutes = []
    for (slot, cue), found in sorted(slots.items()):
        if len(found) > 1:
            medians, worst = zip(*found.values(), strict=True)
            minutes.append(Minute(UtcUs(slot * MINUTE_US), cue, max(medians) - min(medians), max(worst)))
    return minutes


def _gaps(records: Sequence[Record], until: int) -> list[Gap]:
    """Where a film's minutes do not follow one another; a cue without films leaves none.

    A start inside a minute says nothing of the minute: that is told when it is over, or lost with the player.
    """
    films: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.kind != "start" or record.item is not None:
            films[record.cue].append(record)
    others = sorted((record.due, record.cue) for record in records if record.kind == "start")
    gaps = []
    for cue, found in films.items():
        spans = sorted((record.due, _end(record)) for record in found if record.kind != "start")
        began = min(record.due if record.observed is None else record.observed for record in found)
        ended = any(record.kind == "end" and record.due >= spans[-1][0] for record in found)
        last = spans[-1][0] if spans else began
        follower = next((due for due, other in others if other != cue and due > last), None)
        rest = [] if ended else [(until - LIVE_US if follower is None else follower, 0)]
        reached = spans[0][0] if spans and found[0].kind != "start" else began
        for since, to in [*spans, *rest]:
            if since - reached > SLACK_US:
                gaps.append(Gap(found[0].venue, cue, UtcUs(reached), UtcUs(since)))
            reached = UtcUs(max(reached, to))
    return sorted(gaps, key=lambda gap: (gap.since, gap.until))


def _end(record: Record) -> int:
    """Up to when a minute, or the end of a cue, tells of a film."""
    return record.due + MINUTE_US if record.observed is None else record.observed


# --- walls ----------------------------------------------------------------------------------------


def _wall(source: Source, records: Sequence[Record], within_us: int) -> Wall:
    starts = [record for record in records if record.kind == "start"]
    ran = [record for record in records if record.kind != "start"]
    minutes = [record for record in ran if record.kind == "minute" and record.p99_us is not None]
    errors = [record.median_us for record in minutes if record.median_us is not None]
    far = [record.p99_us for record in minutes if record.p99_us is not None]
    bounds = [record.bound_us for record in records if record.bound_us is not None]
    return Wall(
        source,
        records=len(records),
        starts=sum(not record.joined for record in starts),
        minutes=sum(record.kind == "minute" for record in ran),
        frames=sum(record.frames for record in ran),
        dropped=sum(record.dropped for record in ran),
        late=sum(record.late for record in ran),
        reanchors=sum(record.reanchors for record in ran),
        median_us=round(median(errors)) if errors else None,
        p99_us=round(median(far)) if far else None,
        max_us=max((record.max_us for record in records if record.max_us is not None), default=None),
        bound_us=max(bounds, default=None),
        unvouched=sum(record.bound_us is None for record in records),
        within=sum(p99_us <= within_us for p99_us in far),
    )


def _unnumbered(records: Sequence[Record], since: int, until: int) -> int:
    """How many numbers are missing; near the rims some belong outside, for a minute is told at its end."""
    books: dict[str, tuple[set[int], set[int]]] = defaultdict(lambda: (set(), set()))
    for record in records:
        if record.book is not None and record.seq is not None:
            here, inside = books[record.book]
            here.add(record.seq)
            if since + RIM_US <= record.due < until - RIM_US:
                inside.add(record.seq)
    return sum(
        sum(seq not in here for seq in range(min(inside), max(inside))) for here, inside in books.values() if inside
    )
