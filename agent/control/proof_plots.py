"""The plots of a proof, as SVG that stands in the page itself: sharp on paper, and nothing is loaded for it. Pure.

Colours are those of Okabe and Ito, told apart with any colour vision; each wall has a mark of its own besides, for
paper that is printed in grey.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from statistics import median

from agent.control.proof import MINUTE_US, Gap, Proof, Start
from agent.control.proof_record import Record
from agent.control.proof_words import percent
from agent.printable import printable
from agent.units import US_PER_S, UtcUs

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B8860B", "#56B4E9", "#444444")
WIDTH, LEFT, RIGHT = 1000, 88, 20
PANEL, BETWEEN, FOOT = 96, 12, 34
MOST_POINTS = 420
"""Of a line: what is closer than the eye sees becomes one point, which has the worst of all."""

MOST_STARTS = 120
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def colour(index: int) -> str:
    """The colour of the wall with this number."""
    return COLOURS[index % len(COLOURS)]


def mark(index: int, x: float, y: float, size: float = 4.0) -> str:
    """The mark of the wall with this number, around a point."""
    paint = f'fill="{colour(index)}"'
    start: tuple[float, float]
    steps: tuple[tuple[float, float], ...]
    match index % 5:
        case 0:
            return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:g}" {paint}/>'
        case 1:
            start, steps = (-0.9, -0.9), ((1.8, 0), (0, 1.8), (-1.8, 0))
        case 2:
            start, steps = (0, -1.2), ((1.2, 2.1), (-2.4, 0))
        case 3:
            start, steps = (0, -1.3), ((1.3, 1.3), (-1.3, 1.3), (-1.3, -1.3))
        case _:
            start, steps = (0, 1.2), ((1.2, -2.1), (-2.4, 0))
    path = "".join(f"l{right * size:g} {down * size:g}" for right, down in steps)
    return f'<path d="M{x + start[0] * size:.1f} {y + start[1] * size:.1f}{path}z" {paint}/>'


def stamp(at: int, pattern: str) -> str:
    """UTC by a pattern of strftime."""
    return (_EPOCH + timedelta(microseconds=at)).strftime(pattern)


def text(what: str, x: float, y: float, kind: str = "", anchor: str = "start") -> str:
    """A word in a plot, from wherever it came."""
    words = escape(printable(what, 60))
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{words}</text>'


def svg(height: float, body: Sequence[str], label: str) -> str:
    """A drawing of this height, as wide as the page."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(body)}</svg>'
    )


class Axis:
    """From values to places: x from left to right, y from below to above; what is beyond stays at the rim."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high
        self._start = start
        self._scale = (end - start) / ((high - low) or 1)

    def __call__(self, value: float) -> float:
        """Where a value is drawn."""
        return self._start + (min(max(value, self.low), self.high) - self.low) * self._scale


def round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 5, 8, 10, 15 … that is not less."""
    size = 0.1
    while True:
        for step in (1, 1.5, 2, 3, 5, 8):
            if step * size >= value * 0.999:
                return round(step * size, 2)
        size *= 10


def times(low: int, high: int, most: int = 8) -> list[tuple[UtcUs, str]]:
    """Round instants between two others, with what to write there."""
    span_s = max(1, (high - low) / US_PER_S)
    step_s = next((step for step in _STEPS_S if span_s / step <= most), 0)
    step_s = step_s or _DAY_S * max(1, round(span_s / _DAY_S / most + 0.49))
    pattern = "%H:%M:%S" if step_s < 60 else "%H:%M" if step_s < _DAY_S else "%-d %b"
    step = step_s * US_PER_S
    found = []
    at = -(-low // step) * step
    while at <= high:
        midnight = at % (_DAY_S * US_PER_S) == 0
        found.append((UtcUs(at), stamp(at, "%-d %b" if midnight and step_s < _DAY_S else pattern)))
        at += step
    return found


# --- error over time --------------------------------------------------------------------------------


def errors_over_time(proof: Proof) -> str:
    """A panel a wall: the minutes' medians, what 99 of 100 frames were within, the clock's bound, starts and gaps."""
    shown = [wall.source.venue for wall in proof.walls]
    ran: dict[str, list[Record]] = {venue: [] for venue in shown}
    began: dict[str, list[Record]] = {venue: [] for venue in shown}
    for record in proof.records:
        if record.median_us is not None:
            (began if record.kind == "start" else ran)[record.venue].append(record)
    everything = [record for record in proof.records if record.median_us is not None]
    if not everything:
        return ""
    low = min(record.due for record in everything)
    high = max(record.due + (0 if record.kind == "start" else MINUTE_US) for record in everything)
    x = Axis(low, max(high, low + MINUTE_US), LEFT, WIDTH - RIGHT)
    limit = round_up(_reach(everything) / 1000)
    parts = []
    for index, venue in enumerate(shown):
        top = index * (PANEL + BETWEEN)
        y = Axis(-limit, limit, top + PANEL, top)
        parts += _panel(y, top, limit)
        parts += [_hatched(gap, x, top) for gap in proof.gaps if gap.venue == venue]
        parts += _bands(index, _thinned(ran[venue], x), x, y)
        parts += _marks(index, began[venue], x, y)
        parts += [mark(index, LEFT + 13, top + 15, 5), text(venue, LEFT + 26, top + 20, "name")]
    foot = len(shown) * (PANEL + BETWEEN) - BETWEEN
    for at, word in times(low, high):
        parts.append(f'<path class="tick" d="M{x(at):.1f} {foot}v5"/>')
        parts.append(text(word, x(at), foot + 22, "small", "middle"))
    parts.insert(0, _HATCH)
    return svg(foot + FOOT, parts, "Error of each wall over time, with the bound of its clock")


_HATCH = (
    '<defs><pattern id="gap" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="7" height="7" fill="#f6e7e2"/><path d="M0 0v7" stroke="#b3371b" stroke-width="2"/></pattern></defs>'
)


def _reach(records: Sequence[Record]) -> float:
    """How far up and down a panel goes: the errors are to be seen, so the worst minutes and bounds touch the rim."""
    ran = [record for record in records if record.kind != "start"] or records
    far = sorted(max(abs(record.median_us or 0), record.p99_us or 0) for record in ran)
    bounds = sorted(record.bound_us or 0 for record in records)
    return max(far[int(0.85 * (len(far) - 1))] * 1.3, bounds[len(bounds) // 2] * 1.15, 1000.0)


def _panel(y: Axis, top: float, limit: float) -> list[str]:
    right = WIDTH - RIGHT
    parts = [f'<rect class="panel" x="{LEFT}" y="{top}" width="{right - LEFT}" height="{PANEL}"/>']
    for value, kind in ((limit, "grid"), (0, "zero"), (-limit, "grid")):
        parts.append(f'<path class="{kind}" d="M{LEFT} {y(value):.1f}H{right}"/>')
    for value, drop in ((limit, 12), (0, 5), (-limit, 0)):
        word = f"{value:+g} ms" if value else "0"
        parts.append(text(word.replace("-", "−"), LEFT - 8, y(value) + drop, "small", "end"))
    return parts


def _hatched(gap: Gap, x: Axis, top: float) -> str:
    width = max(2.0, x(gap.until) - x(gap.since))
    return f'<rect x="{x(gap.since):.1f}" y="{top}" width="{width:.1f}" height="{PANEL}" fill="url(#gap)"/>'


class _Point:
    """What is drawn of the records that fall on one place, in milliseconds."""

    def __init__(self, records: Sequence[Record]) -> None:
        medians = [(record.median_us or 0) / 1000 for record in records]
        self.since = min(record.due for record in records)
        self.until = max(
            record.due + MINUTE_US if record.kind == "minute" else record.observed or 0 for record in records
        )
        self.low, self.high = min(medians), max(medians)
        self.middle = median(medians)
        self.p99 = max((record.p99_us or 0) / 1000 for record in records)
        bounds = [record.bound_us for record in records]
        self.bound = None if None in bounds else max(bound / 1000 for bound in bounds if bound is not None)


def _thinned(records: Sequence[Record], x: Axis) -> list[_Point]:
    if len(records) <= MOST_POINTS:
        return [_Point([record]) for record in records]
    places: dict[int, list[Record]] = {}
    for record in records:
        places.setdefault(int((x(record.due) - LEFT) / (WIDTH - LEFT - RIGHT) * MOST_POINTS), []).append(record)
    return [_Point(found) for _, found in sorted(places.items())]


def _bands(index: int, points: Sequence[_Point], x: Axis, y: Axis) -> list[str]:
    """The bound lightest and lowest, the line on top; where records do not follow one another nothing is joined."""
    paint = colour(index)
    parts = []
    for run in _runs(points):
        bounded = [point for point in run if point.bound is not None]
        if bounded:
            edges = [(point, point.low - (point.bound or 0), point.high + (point.bound or 0)) for point in bounded]
            parts.append(f'<path d="{_area(edges, x, y)}" fill="{paint}" opacity=".13"/>')
        edges = [(point, -point.p99, point.p99) for point in run]
        parts.append(f'<path d="{_area(edges, x, y)}" fill="{paint}" opacity=".28"/>')
        edges = [(point, point.low, point.high) for point in run]
        parts.append(f'<path d="{_area(edges, x, y)}" fill="{paint}" stroke="{paint}" stroke-width="1.6"/>')
    return parts


def _runs(points: Sequence[_Point]) -> list[list[_Point]]:
    runs: list[list[_Point]] = []
    usual = max((point.until - point.since for point in points), default=0)
    for point in points:
        if runs and point.since - runs[-1][-1].until < usual / 2:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _area(edges: Sequence[tuple[_Point, float, float]], x: Axis, y: Axis) -> str:
    """Steps: a minute's figures are of the whole minute."""
    above = [f"{x(at):.1f} {y(high):.1f}" for point, _, high in edges for at in (point.since, point.until)]
    below = [f"{x(at):.1f} {y(low):.1f}" for point, low, _ in reversed(edges) for at in (point.until, point.since)]
    return f"M{'L'.join([*above, *below])}Z"


def _marks(index: int, records: Sequence[Record], x: Axis, y: Axis) -> list[str]:
    """Starts; of many only those that are not ordinary, for the next plot has them all."""
    parts = []
    for record in records:
        at, error = x(record.due), y((record.median_us or 0) / 1000)
        if record.joined:
            parts.append(
                f'<circle cx="{at:.1f}" cy="{error:.1f}" r="5" fill="#fff" stroke="#b3371b" stroke-width="2"/>'
            )
        elif len(records) <= MOST_STARTS:
            parts.append(mark(index, at, error, 3))
    return parts


# --- starts ---------------------------------------------------------------------------------------


def starts_apart(proof: Proof) -> str:
    """Each start with the errors of all walls, and how far the first and the last were apart."""
    judged = [start for start in proof.starts if start.skew_us is not None]
    if not judged:
        return ""
    if len(judged) > MOST_STARTS:
        return _many_starts(judged)
    order = {wall.source.venue: index for index, wall in enumerate(proof.walls)}
    errors = [(record.median_us or 0) / 1000 for start in judged for record in start.seen.values()]
    low, high = min([0.0, *errors]), max([0.0, *errors])
    room = max(high - low, 0.5) * 0.12
    height = 230
    y = Axis(low - room, high + room, height, 8)
    x = Axis(-0.5, len(judged) - 0.5, LEFT, WIDTH - RIGHT)
    parts = [f'<rect class="panel" x="{LEFT}" y="8" width="{WIDTH - RIGHT - LEFT}" height="{height - 8}"/>']
    parts += _scale(y, low - room, high + room)
    for number, start in enumerate(judged):
        found = [(record.median_us or 0) / 1000 for record in start.seen.values()]
        parts.append(f'<path class="span" d="M{x(number):.1f} {y(min(found)):.1f}V{y(max(found)):.1f}"/>')
        parts += [
            mark(order[venue], x(number), y((record.median_us or 0) / 1000), 4.5 if len(judged) < 50 else 3)
            for venue, record in start.seen.items()
        ]
    parts += _start_names(judged, x, height)
    return svg(height + FOOT, parts, "Error of each wall at each start")


def _many_starts(judged: Sequence[Start]) -> str:
    """Of each stretch of them the worst and the middle one."""
    columns = min(len(judged), 160)
    groups = [judged[len(judged) * n // columns : len(judged) * (n + 1) // columns] for n in range(columns)]
    skews = [[(start.skew_us or 0) / 1000 for start in group] for group in groups]
    limit = max(max(found) for found in skews) * 1.08 or 1.0
    height = 190
    y = Axis(0, limit, height, 8)
    x = Axis(0, columns, LEFT, WIDTH - RIGHT)
    parts = [f'<rect class="panel" x="{LEFT}" y="8" width="{WIDTH - RIGHT - LEFT}" height="{height - 8}"/>']
    parts += _scale(y, 0, limit)
    wide = x(1) - x(0)
    for number, found in enumerate(skews):
        for value, kind in ((max(found), "worst"), (median(found), "middle")):
            parts.append(
                f'<rect class="{kind}" x="{x(number) + wide * 0.12:.1f}" y="{y(value):.1f}" width="{wide * 0.76:.1f}" '
                f'height="{height - y(value):.1f}"/>'
            )
    parts += _start_names([group[0] for group in groups], Axis(-0.5, columns - 0.5, LEFT, WIDTH - RIGHT), height)
    return svg(height + FOOT, parts, "How far apart the walls were at the starts: worst and middle of each stretch")


def _scale(y: Axis, low: float, high: float) -> list[str]:
    step = round_up((high - low) / 6)
    parts = []
    value = -(-low // step) * step
    while value <= high:
        place = y(value)
        parts.append(
            f'<path class="{"zero" if abs(value) < step / 9 else "grid"}" d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}"/>'
        )
        word = f"{value:+g} ms" if abs(value) > step / 9 else "0"
        parts.append(text(word.replace("-", "−"), LEFT - 8, place + 5, "small", "end"))
        value = round(value + step, 6)
    return parts


def _start_names(starts: Sequence[Start], x: Axis, foot: float) -> list[str]:
    every = max(1, -(-len(starts) // 9))
    day = stamp(starts[0].due, "%F") != stamp(starts[-1].due, "%F")
    return [
        text(stamp(start.due, "%-d %b %H:%M" if day else "%H:%M:%S"), x(number), foot + 22, "small", "middle")
        for number, start in enumerate(starts)
        if number % every == 0
    ]


# --- minutes --------------------------------------------------------------------------------------

CLOSE_MS = (1, 2, 5, 10, 20, 33.3)


def minutes_within(proof: Proof) -> str:
    """For some distances, in how many of the minutes nearly all frames, or only the medians, were so close."""
    if not proof.minutes:
        return ""
    row, parts = 30, []
    x = Axis(0, 1, 280, WIDTH - 100)
    for number, ms in enumerate(CLOSE_MS):
        shares = (proof.frames_within(round(ms * 1000)) or 0.0, proof.medians_within(round(ms * 1000)) or 0.0)
        top = number * row
        frame = " (a frame at 30 fps)" if ms == 33.3 else ""
        parts.append(text(f"within {ms:g} ms{frame}", 268, top + 19, "small", "end"))
        parts.append(f'<rect class="panel" x="280" y="{top + 4}" width="{x(1) - 280:.1f}" height="{row - 10}"/>')
        for share, kind, down, high in zip(shares, ("middle", "worst"), (4, row - 12), (row - 16, 6), strict=True):
            parts.append(
                f'<rect class="{kind}" x="280" y="{top + down}" width="{x(share) - 280:.1f}" height="{high}"/>'
            )
        parts.append(text(percent(shares[0]), WIDTH - 88, top + 19, "name"))
    return svg(
        row * len(CLOSE_MS), parts, "Share of minutes in which nearly all frames, and the medians, were so close"
    )
