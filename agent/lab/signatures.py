"""The analysis of films without barcodes, from signatures of sampled pixels. Pure.

Decoding and scaling in software are deterministic: equal frames give equal pixels, so the same signature on several
screens is the same frame. What cannot be known is which frame that is: an error is taken to the nearest due instant
of any frame, so it lies within ± half a frame by construction; and a scene that does not move makes no changes, so only
changes count. Missed frames and cuts cannot be judged.
"""

from collections import defaultdict
from collections.abc import Sequence

from agent.lab.analysis import (
    EARLY_NS,
    TORN_NS,
    Analysis,
    DisplayFacts,
    Skew,
    first_skew,
    horizon_ns,
    lengths,
    loop_starts,
    percentile,
    void_reason,
)
from agent.lab.programme import Programme
from agent.lab.readings import Change, Readings, Value

WINDOW_NS = 500_000_000
"""The same signature on several displays within this time is one event."""

Event = tuple[int, str]
"""When, and on which display."""


def analyse(readings: Readings, programme: Programme) -> Analysis:
    """Everything that can be said about a run of films without barcodes."""
    until = horizon_ns(readings, programme)
    slate = _before(readings, programme.due_ns - EARLY_NS)
    kept: dict[str, list[Change]] = {}
    displays = []
    for venue, changes in readings.changes.items():
        whole, torn = _whole(changes, readings.end_ns)
        kept[venue] = [c for c in whole if c.value not in slate and programme.due_ns - EARLY_NS <= c.ns < until]
        displays.append(_display(venue, kept[venue], torn, programme, until))
    series, partial, ambiguous = _matches(kept, programme.due_ns)
    return Analysis(
        mode=readings.mode,
        displays=displays,
        skew=Skew(series, first_skew(displays), partial, ambiguous),
        gaps=readings.gaps,
        loop_starts_s=loop_starts(programme, until),
        seconds=max(0.0, (until - programme.due_ns) / 1e9),
        void=void_reason(readings.gaps),
    )


def _before(readings: Readings, ns: int) -> set[Value]:
    """Whatever any display showed before an instant: slates, black, the bare screen."""
    return {None, *(change.value for changes in readings.changes.values() for change in changes if change.ns < ns)}


def _whole(changes: Sequence[Change], end_ns: int) -> tuple[list[Change], int]:
    """The changes that stood long enough not to be pictures half copied; and how many were."""
    pairs = zip(changes, lengths(changes, end_ns), strict=True)
    stood = [change for change, length in pairs if length >= TORN_NS or change is changes[-1]]
    merged = [c for before, c in zip([None, *stood], stood, strict=False) if before is None or before.value != c.value]
    return merged, len(changes) - len(stood)


def _display(venue: str, changes: Sequence[Change], torn: int, programme: Programme, until: int) -> DisplayFacts:
    start = programme.due_ns
    folded = [(change.ns, programme.grid_error_ns(change.ns)) for change in changes]
    errors = [((ns - start) / 1e9, error / 1e6) for ns, error in folded if error is not None]
    cycle = float(programme.cycle_s)
    loops = range(len(loop_starts(programme, until)))
    return DisplayFacts(
        venue=venue,
        first_frame_error_ms=(changes[0].ns - start) / 1e6 if changes else None,
        errors=errors,
        missed=None,
        repeated=None,
        torn=torn,
        early=0,
        blank_ms=None,
        cuts=[],
        loop_median_ms=[
            percentile([error for at, error in errors if loop * cycle <= at < (loop + 1) * cycle], 50) for loop in loops
        ],
    )


def _matches(kept: dict[str, list[Change]], start_ns: int) -> tuple[list[tuple[float, float]], int, int]:
    """Skew series; events that not all displays saw; events that cannot be told apart."""
    events: dict[Value, list[Event]] = defaultdict(list)
    for venue, changes in kept.items():
        for change in changes:
            events[change.value].append((change.ns, venue))
    series: list[tuple[float, float]] = []
    partial = ambiguous = 0
    for found in events.values():
        for group in _groups(sorted(found)):
            venues = [venue for _, venue in group]
            if len(set(venues)) < len(venues):
                ambiguous += 1
            elif len(venues) < len(kept):
                partial += 1
            else:
                first, last = group[0][0], group[-1][0]
                series.append(((first - start_ns) / 1e9, (last - first) / 1e6))
    return sorted(series), partial, ambiguous


def _groups(found: Sequence[Event]) -> list[list[Event]]:
    """Split the events of one signature where more than the window passes without one."""
    groups: list[list[Event]] = []
    for event in found:
        if groups and event[0] - groups[-1][-1][0] <= WINDOW_NS:
            groups[-1].append(event)
        else:
            groups.append([event])
    return groups
