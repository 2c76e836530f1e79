"""The middle of the terminal desk: the walls, a row each, the lines around that which stands by, and who sent what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agent.control.alarms import Alarm
from agent.control.desk import Desk, Order
from agent.control.kept import words
from agent.control.options import shown
from agent.control.poll import Row
from agent.control.showfile import instant_of
from agent.control.spans import show_clock
from agent.control.status import Wall
from agent.control.tables import fitting
from agent.control.verdict import judge
from agent.messages import Cue, Lift, Panic
from agent.told import Ack
from agent.units import UtcUs, format_utc

_STATES = {"playing": "green", "armed": "green", "held": "yellow", "starting": "yellow", "fault": "red", "panic": "red"}


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is drawn: the desk, what its walls tell, and what its operator has to be told.

    `rows` are the answers on readiness, `asked` whether they are about what stands by; `acks` those to the last cue.
    `armed` is what a second key would do, `message` the outcome of the last key with its style. `clock` says that this
    computer's clock is off, and else nothing.
    """

    desk: Desk
    now: UtcUs
    now_s: float
    walls: Sequence[Wall]
    rows: Sequence[Row]
    asked: bool
    acks: Sequence[Ack]
    brokers: Mapping[str, bool]
    faults: Mapping[str, str]
    alarms: Sequence[Alarm] = ()
    armed: str = ""
    message: tuple[str, str] = ("", "")
    message_age_s: float = 0.0
    gap_left_s: float = 0.0
    panics: Sequence[Panic] = ()
    clock: str = ""


def markup(text: str) -> Text:
    """One line of markup, cut where it is too long."""
    found = Text.from_markup(text, emoji=False)
    found.no_wrap, found.overflow = True, "ellipsis"
    return found


def last_cue(desk: Desk) -> Order | None:
    """The newest cue that anybody has sent to the show."""
    return next(
        (
            order
            for order in reversed(desk.history)
            if isinstance(order.message, Cue) and order.message.do.action != "cancel"
        ),
        None,
    )


def why(row: Row) -> str:
    """Why a wall is not ready, in a word or two."""
    if row.verdict == "silent":
        return "SILENT"
    return row.reasons[0].code if row.reasons else "not ready"


def called(scene: Scene, venue: str) -> str:
    """What people call a venue."""
    place = scene.desk.file.place(venue)
    return (place.city or place.name) if place is not None and (place.city or place.name) else venue


_LAYOUTS = (
    ("venue", "id", "ready", "wall", "shows", "clock", "error", "last cue"),
    ("venue", "ready", "wall", "shows", "clock", "error", "last cue"),
    ("venue", "ready", "wall", "shows", "clock", "last cue"),
    ("venue", "ready", "wall", "frame", "clock", "last cue"),
    ("venue", "ready", "wall", "clock", "last cue"),
    ("venue", "ready", "wall", "last cue"),
    ("venue", "ready", "last cue"),
    ("venue", "ready"),
)


def walls(scene: Scene, width: int, most: int) -> tuple[RenderableType, int]:
    """The table with its most needed rows, and how many lines it takes."""
    rows = {row.venue: row for row in scene.rows}
    cue = last_cue(scene.desk)
    acks: dict[str, list[Ack]] = {}
    for ack in scene.acks:
        acks.setdefault(ack.venue, []).append(ack)
    ordered = sorted(scene.walls, key=lambda wall: _fine(wall, rows.get(wall.venue)))
    fits = max(1, most - 2)
    drawn = ordered if len(ordered) <= fits + 1 else ordered[:fits]
    drawn = [wall for wall in scene.walls if wall in drawn]
    if not drawn:
        why = "no wall plays this show: what is sent is kept for those that come"
        return markup(f" [yellow]{why}[/]"), 1
    cells = [_cells(scene, wall, rows.get(wall.venue), cue, acks.get(wall.venue, [])) for wall in drawn]
    grid: RenderableType = fitting(cells, _LAYOUTS, {}, width)
    rest = len(ordered) - len(drawn)
    if rest:
        poor = sum(not _fine(wall, rows.get(wall.venue)) for wall in ordered[len(drawn) :])
        grid = Group(grid, markup(f"[dim]and {rest} more, {poor} of them not ready[/]"))
    return grid, len(drawn) + 2 + bool(rest)


def _fine(wall: Wall, row: Row | None) -> bool:
    return not wall.silent and (row is None or row.verdict == "go")


def _cells(scene: Scene, wall: Wall, row: Row | None, cue: Order | None, acks: list[Ack]) -> dict[str, str]:
    status = wall.status
    cells = {"venue": f" [bold]{shown(called(scene, wall.venue))}[/]", "ready": _ready(wall, row)}
    cells["id"] = f"[dim]{shown(wall.venue)}[/]"
    if cue is not None and isinstance(cue.message, Cue):
        cells["last cue"] = _stage(wall, cue.message, acks)
    if wall.silent or status is None:
        return cells | {"wall": "[red]–[/]"}
    clock = status.clock
    bound = "" if clock.bound_us is None else f" ±{clock.bound_us / 1000:.1f} ms"
    off = clock.bound_us is None or clock.bound_us > scene.desk.file.expect.clock_bound_ms * 1000
    # Of one width, so that no column comes and goes with a digit.
    frame = f"{'–' if status.frame is None else f'#{status.item} f{status.frame}':<10}"
    error = status.error_us
    wide = error is not None and abs(error.p99) > scene.desk.file.expect.sync_error_ms * 1000
    return cells | {
        "wall": f"[{_STATES.get(status.state, 'white')}]{status.state}[/]",
        "frame": frame,
        "shows": "–" if status.program is None else f"{shown(status.program)} r{status.rev} {frame}",
        "clock": f"[red]{shown(clock.state)}{bound}[/]" if off else f"{shown(clock.state)}{bound}",
        "error": "–" if error is None else f"[{'red' if wide else 'none'}]p99 {error.p99 / 1000:.2f} ms[/]",
    }


def _ready(wall: Wall, row: Row | None) -> str:
    if wall.silent or wall.status is None:
        away = "offline" if wall.presence is not None and not wall.presence.online else "never seen"
        return f"[red]✗ SILENT[/] {away if wall.status is None or away == 'offline' else 'no status'}"
    if row is None:
        return "[yellow]?[/]"
    if row.verdict == "go":
        return "[green]✓ ready[/]"
    more = f" +{len(row.reasons) - 1}" if len(row.reasons) > 1 else ""
    return f"[red]✗ NO-GO[/] {shown(why(row))}{more}"


def _stage(wall: Wall, cue: Cue, acks: list[Ack]) -> str:
    groups = tuple(wall.presence.groups) if wall.presence is not None else ()
    if not cue.names(wall.venue, groups):
        return "[dim]not for it[/]"
    outcome = judge(wall.venue, acks, "started")
    ack = outcome.ack
    if ack is None:
        # A desk that was opened later has not heard the answers, and the wall tells what it shows.
        on_wall = wall.status is not None and wall.status.cue == cue.cue and not wall.silent
        return "[green]✓ shows it[/]" if on_wall else "[yellow]no answer yet[/]"
    if ack.stage == "started":
        error = "" if ack.error_us is None else f" {ack.error_us / 1000:+.2f} ms"
        return f"[{'yellow' if ack.joined else 'green'}]✓ {'joined' if ack.joined else 'started'}{error}[/]"
    if outcome.verdict == "bad":
        return f"[red]✗ {ack.stage} {shown(ack.reason or '')}[/]"
    armed = any(found.stage == "armed" for found in acks)
    unready = f" [red]✗ {shown(ack.reason or 'not ready')}[/]" if outcome.verdict == "no-go" else ""
    return f"{'[cyan]◆ armed[/]' if armed else '● accepted'}{unready}"


def cue_list(scene: Scene, most: int) -> list[Text]:
    """The lines around that which stands by."""
    desk = scene.desk
    here = desk.lines.index(desk.standby) if desk.standby is not None else len(desk.lines)
    begin = max(0, min(here - max(1, most // 3), len(desk.lines) - most))
    found, unsent = [], desk.unsent(scene.now)
    for line in desk.lines[begin : begin + most]:
        mark = "[bold reverse]▶[/]" if line is desk.standby else " "
        went = desk.went(line)
        when = (
            "" if line.at is None else f" [dim]{format_utc(instant_of(line.at, scene.now))[5:16].replace('T', ' ')}Z[/]"
        )
        if desk.ahead(line, scene.now) is not None:
            state = "[yellow]● sent otherwise[/]" if line in unsent else "[cyan]● sent[/]"
        elif went is not None:
            state = f"[green]✓[/] [dim]{show_clock(went.message.issued)}[/]"
        else:
            state = "" if line.at is None else "[yellow]not sent[/]" if line in unsent else "[dim]is over[/]"
        name = shown(line.name) if line is not desk.standby else f"[bold]{shown(line.name)}[/]"
        found.append(markup(f" {mark} {escape(line.id):>4} {name}{when} {state}"))
    return found


def said(order: Order) -> str:
    """What somebody has sent, in a few words."""
    match order.message:
        case Cue() as cue:
            return f"{order.label or 'cue'} · {words(cue)}" if order.label not in ("", words(cue)) else words(cue)
        case Panic(to=to):
            return f"PANIC to {to}"
        case Lift():
            return "panic lifted"


def history(scene: Scene, most: int) -> list[Text]:
    """The newest of what anybody has sent, the last one below."""
    found = []
    for order in list(scene.desk.history)[-most:] if most > 0 else ():
        style = "bold red" if isinstance(order.message, Panic) else "none"
        when = show_clock(order.message.issued)
        found.append(markup(f" [dim]{when}[/] {shown(order.by)}: [{style}]{shown(said(order))}[/]"))
    return found


def stacked(scene: Scene, width: int, room: int) -> RenderableType:
    """The middle of a narrow page, in so many lines: walls, then the list, then who sent what."""
    sent = min(len(scene.desk.history), 2 if room >= 12 else 1 if room >= 9 else 0)
    grid, taken = walls(scene, width, max(3, room - sent - (4 if room >= 12 else 0)))
    lines = cue_list(scene, max(0, min(len(scene.desk.lines), 5, room - taken - sent)))
    told = history(scene, room - taken - len(lines))
    empty = max(0, room - taken - len(lines) - len(told))
    return Group(grid, *lines, *told, *(Text("") for _ in range(empty)))


def side_by_side(scene: Scene, width: int, room: int) -> RenderableType:
    """The middle of a wide page, in so many lines: the list beside the walls and who sent what."""
    left_width = max(44, width * 3 // 10)
    right_width = width - left_width - 3
    grid, taken = walls(scene, right_width, room - max(3, room // 3) - 2)
    told = history(scene, max(1, room - taken - 2))
    page = Table.grid(padding=0)
    page.add_column(width=left_width, no_wrap=True, overflow="ellipsis")
    page.add_column(width=2)
    page.add_column(width=right_width, no_wrap=True, overflow="ellipsis")
    page.add_column(width=1)
    left = Group(markup(" [bold]cue list[/]"), *cue_list(scene, room - 1))
    right = Group(grid, Text(""), markup(" [bold]who sent what[/]"), *told)
    page.add_row(left, "", right, Group(*(Text("") for _ in range(room))))
    return page
