"""Alarms on top, who sent what, and the starts of the last hours as a plot."""

from dataclasses import dataclass
from itertools import zip_longest

from agent.board import palette, plots, words
from agent.board.parts import Bit, Path, Plot
from agent.board.snapshot import Alarm, Board, Said, StartPoint
from agent.units import UtcUs

MOST_ALARMS = 6
MOST_SAID = 12
MOST_NAMED = 8
MOST_TICKS = 5
ALIKE = 3
"""More alarms than that for the same cause are one line, which names the first venues."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of what is wrong: whom it is about, what it is, what to do, since when."""

    kind: str
    shape: str
    whom: str
    text: str
    remedy: str
    since_us: UtcUs | None


class Alarms:
    """What is wrong, with its remedy; nothing takes an alarm from here but its end."""

    def __init__(self) -> None:
        self._place = Bit("fz-alarms", tag="section", aria_label="alarms", role="log", aria_live="polite")
        self._places: list[_Place] = []

    def draw(self, board: Board) -> None:
        """Show the panics, then what is wrong with the board itself, then the alarms."""
        lines = alarm_lines(board)
        while len(self._places) < len(lines):
            with self._place:
                self._places.append(_Place())
        for place, line in zip_longest(self._places, lines):
            place.draw(line)


class _Place:
    """Where a line stands: it is told anew what it says, and stays, so that nothing flickers under the eye."""

    def __init__(self) -> None:
        self._drawn: Line | None = None
        self._row = Bit("fz-alarm")
        with self._row:
            self._shape = Bit("fz-alarm-shape", tag="span", aria_hidden="true")
            self._whom = Bit("fz-alarm-whom", tag="b")
            self._text = Bit("fz-alarm-text", tag="span")
            self._remedy = Bit("fz-alarm-remedy", tag="span")
            self._since = Bit("fz-alarm-since", tag="span")

    def draw(self, line: Line | None) -> None:
        """Say this, or be away."""
        self._row.shown(line is not None)
        if line is None or line == self._drawn:
            return
        self._drawn = line
        self._row.kind(line.kind)
        self._shape.say(line.shape)
        self._whom.say(line.whom)
        self._text.say(line.text)
        self._remedy.say(line.remedy)
        self._remedy.shown(bool(line.remedy))
        self._since.shown(line.since_us is not None)
        self._since.attribute("data-since", None if line.since_us is None else str(line.since_us))


def alarm_lines(board: Board) -> list[Line]:
    """What is wrong, the worst first."""
    lines = []
    for panic in board.panics:
        by = f", raised by {panic.by}" if panic.by else ""
        walls = ", ".join(panic.venues) or "no wall shows it yet"
        text = f"{panic.to or 'black'}{by}: {walls}"
        lines.append(
            Line("bad panic", "■", "PANIC", text, "an operator lifts it: hold LIFT, or the key L", panic.since_us)
        )
    if board.stale_since_us is not None:
        text = "no broker is connected: all of this is the last that was heard"
        lines.append(Line("bad", "✕", "BOARD", text, _faults(board), board.stale_since_us))
    else:
        away = [broker for broker in board.brokers if not broker.up]
        lines += [Line("warn", "▲", "BOARD", f"{one.url} is away", one.fault, one.since_us) for one in away]
    alike: dict[tuple[str, str], list[Alarm]] = {}
    for alarm in board.alarms:
        alike.setdefault((alarm.severity, alarm.code), []).append(alarm)
    groups = [[one] for group in alike.values() if len(group) <= ALIKE for one in group]
    groups = sorted([*groups, *(group for group in alike.values() if len(group) > ALIKE)], key=_severity)
    lines += [_of_alarms(group) for group in groups[:MOST_ALARMS]]
    if more := sum(len(group) for group in groups[MOST_ALARMS:]):
        lines.append(Line("warn", "▲", "AND", f"{more} more alarms", "they stand at their walls below", None))
    return lines + [Line("warn", "▲", "BOARD", warning, "", None) for warning in board.warnings[:3]]


def _severity(group: list[Alarm]) -> str:
    return group[0].severity  # critical comes before warning in the alphabet, too


def _faults(board: Board) -> str:
    return " · ".join(f"{broker.url}: {broker.fault}" for broker in board.brokers if broker.fault)


def _of_alarms(alike: list[Alarm]) -> Line:
    first = alike[0]
    kind, shape = ("bad", "✕") if first.severity == "critical" else ("warn", "▲")
    if len(alike) == 1:
        # Its sentence begins with the wall's name, which already stands large beside it.
        whom = first.venue or "SHOW"
        text = first.text.removeprefix(whom).removeprefix(":").strip()
        return Line(kind, shape, whom, text, first.remedy, first.since_us)
    named = ", ".join(alarm.venue or "the show" for alarm in alike[1:ALIKE])
    text = f"{first.text}; and so {named} and {len(alike) - ALIKE} more"
    since_us = UtcUs(max(alarm.since_us for alarm in alike))
    return Line(kind, shape, f"{len(alike)} WALLS", text, first.remedy, since_us)


class SaidLog:
    """Who sent what: every operator's, not only this board's."""

    def __init__(self) -> None:
        self._drawn: tuple[Said, ...] | None = None
        with Bit("fz-panel fz-said-panel", tag="section", aria_label="who sent what"):
            with Bit("fz-panel-head"):
                Bit("fz-label", "WHO SENT WHAT", "h2")
            self._place = Bit("fz-log", tag="ol", role="log")

    def draw(self, said: tuple[Said, ...]) -> None:
        """Show the newest ones."""
        if said is self._drawn or said == self._drawn:
            return
        self._drawn = said
        self._place.clear()
        with self._place:
            for one in said[:MOST_SAID]:
                with Bit("" if one.here else "elsewhere", tag="li"):
                    Bit("fz-log-time", words.clock_time(one.utc_us), "span")
                    Bit("fz-log-by", (one.by or "unnamed") + ("" if one.here else " ↗"), "b")
                    whom = "" if one.venues in ((), ("*",)) else f" → {', '.join(one.venues)}"
                    Bit("fz-log-what", one.what + whom, "span")
            if not said:
                Bit("fz-nothing", "nothing has been sent", "li")


class StartsPlot:
    """The error of each start at each venue, with the clock's bound as a bar: the proof, as it grows."""

    def __init__(self) -> None:
        self._drawn: tuple[StartPoint, ...] | None = None
        self._paths: dict[str, tuple[Path, Path]] = {}
        with Bit("fz-panel fz-starts", tag="section", aria_label="starts"):
            with Bit("fz-panel-head"):
                Bit("fz-label", "STARTS: ERROR AT EACH WALL, WITH ITS CLOCK'S BOUND", "h2")
                self._legend = Bit("fz-legend")
            with Bit("fz-plot"):
                self._plot = Plot("", "error of each start, by venue")
                self._plot.path("fz-zero", f"M0 {plots.HEIGHT / 2}H{plots.WIDTH}")
                self._grid = self._plot.path("fz-grid")
                self._ticks = [Bit("fz-axis", tag="span") for _ in range(MOST_TICKS)]
                self._from = Bit("fz-axis from", tag="span")
                self._to = Bit("fz-axis to", tag="span")
                self._none = Bit("fz-nothing", "no start has been seen yet")

    def draw(self, board: Board) -> None:
        """Show the starts of the last hours."""
        if board.starts is self._drawn or board.starts == self._drawn:
            return
        self._drawn = board.starts
        drawn = plots.starts(board.starts, board.now_us)
        for venue in drawn.venues:
            if venue.venue not in self._paths:
                colour = palette.VENUES[len(self._paths) % len(palette.VENUES)]
                bars, dots = self._plot.path("fz-start-bars"), self._plot.path("fz-start-dots")
                for path in (bars, dots):
                    path.props["stroke"] = colour
                self._paths[venue.venue] = (bars, dots)
                if len(self._paths) <= MOST_NAMED:
                    with self._legend, Bit("", "", "span"):
                        Bit("fz-dot", tag="i", style=f"background:{colour}")
                        Bit("", venue.venue, "span")
            bars, dots = self._paths[venue.venue]
            bars.draw(venue.bars)
            dots.draw(venue.dots)
        self._none.shown(not drawn.venues)
        self._grid.draw("".join(f"M0 {y:.2f}H{plots.WIDTH}" for ms, y in drawn.ticks if ms))
        for place, tick in zip_longest(self._ticks, drawn.ticks if drawn.venues else ()):
            place.shown(tick is not None)
            if tick is not None:
                place.say("0" if not tick[0] else f"{'+' if tick[0] > 0 else '−'}{abs(tick[0]):g} ms")
                place.attribute("style", f"top:{100 * tick[1] / plots.HEIGHT:.1f}%")
        self._from.say(words.clock_time(drawn.since_us) if drawn.venues else "")
        self._to.say(f"{words.clock_time(board.now_us)} UTC" if drawn.venues else "")
