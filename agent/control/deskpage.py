"""The terminal desk as it is drawn: what stands by, in letters that are read from across the room, and how walls are.

Drawn anew from values, and for any size: what does not fit goes, from the least needed on; standby, countdown, messages
and keys never do. What is not ready says so in words and with a mark, never by colour alone.
"""

from textwrap import wrap

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from agent.control.deskwalls import Scene, called, last_cue, markup, side_by_side, stacked, why
from agent.control.kept import words
from agent.control.options import shown
from agent.control.showfile import CueLine
from agent.control.spans import show_clock, show_span
from agent.control.tables import few
from agent.control.times import local_time
from agent.glyphs import COLUMNS, dots
from agent.messages import Cue
from agent.printable import printable
from agent.units import US_PER_S, UtcUs

WIDE = 130
"""So many columns hold the cue list beside the walls."""

TALL = 20
"""A window with fewer lines has none to spare for large letters."""

BIG_LINES = 4
MESSAGE_LINES = 3
SAID_S = 20.0
"""What became of a key is loud for so long; then it says how old it is, as what it told may be so no longer."""

SOON_US = 3600 * US_PER_S
"""So close to an instant the countdown is large."""

COUNTED_US = 36 * 3600 * US_PER_S
_COLOURS = {"orange": "dark_orange", "grey": "grey58", "purple": "medium_purple"}


def draw(scene: Scene, width: int, height: int) -> RenderableType:
    """The page for a terminal of so many columns and lines."""
    head = [_title(scene, width), *_standby(scene, width, large=height >= TALL), *_last(scene, width)]
    foot = [*_alarms(scene, width), _message(scene, width), _keys(scene, width)]
    room = height - sum(_lines(part) for part in (*head, *foot)) - 1
    if width >= WIDE:
        middle: RenderableType = side_by_side(scene, width, max(3, room))
    else:
        middle = stacked(scene, width, max(3, room))
    return Group(*head, middle, *foot)


def _lines(part: Text) -> int:
    return part.plain.count("\n") + 1


def _title(scene: Scene, width: int) -> Text:
    desk = scene.desk
    up = sum(scene.brokers.values())
    brokers = f"brokers {up}/{len(scene.brokers)}"
    right = f"{printable(desk.me)} · {brokers} · {show_clock(scene.now)}"
    name = desk.file.title or desk.show
    left = f" {'REHEARSAL · ' if desk.rehearsing else ''}{name} · {desk.show}" if name != desk.show else f" {name}"
    room = max(0, width - len(right) - 1)
    line = Text(f"{left[: room - 1]:<{room}}{right} "[:width], no_wrap=True)
    line.stylize("bold white on red" if not up else "bold black on yellow" if desk.rehearsing else "bold on grey19")
    return line


# --- what stands by -------------------------------------------------------------------------------


def _standby(scene: Scene, width: int, *, large: bool) -> list[Text]:
    line = scene.desk.standby
    if line is None:
        return [markup(" [bold]END OF THE LIST[/]  choose a line with ↑ and ↓")]
    style = f"bold {_COLOURS.get(line.colour, line.colour)}" if line.colour else "bold"
    title = f"{line.id} {line.name}"
    found = _headline(scene, title, style, width) if large else [_small(title, style)]
    note = f"  [dim]{shown(line.note)}[/]" if line.note else ""
    found.append(markup(f" [bold reverse] STANDBY {escape(line.id)} [/] {shown(_what(scene, line))}{note}"))
    found.append(markup(f" {_readiness(scene, line)}"))
    return found


def _what(scene: Scene, line: CueLine) -> str:
    venues = "" if line.venues == ["*"] else f" · {few(line.venues)}"
    when = f" · at {line.at}" if line.at is not None else f" · {show_span(scene.desk.file.lead_of(line))} after GO"
    return f"{line.words}{venues}{when}"


def _readiness(scene: Scene, line: CueLine) -> str:
    ahead = scene.desk.ahead(line, scene.now)
    sent = (
        f"[cyan]● SENT by {shown(ahead.by or 'somebody')}, in {show_span(ahead.at - scene.now)}[/]  " if ahead else ""
    )
    if not scene.rows or not scene.asked:
        return f"{sent}[yellow]? asking the walls …[/]" if not scene.asked else f"{sent}[red]✗ no wall is known[/]"
    good = [row for row in scene.rows if row.verdict == "go"]
    bad = [row for row in scene.rows if row.verdict != "go"]
    need = scene.desk.file.expect.ready
    few_are = need is not None and len(good) < need
    if not bad and not few_are:
        return f"{sent}[bold green]✓ {len(good)}/{len(scene.rows)} ready[/]"
    if not bad:
        return f"{sent}[bold red]✗ {len(good)} ready, and {need} are expected[/]"
    names = ", ".join(f"{called(scene, row.venue)} {why(row)}" for row in bad)
    enough = need is not None and not few_are
    style = "yellow" if enough else "red"
    return f"{sent}[bold {style}]✗ NO-GO {len(good)}/{len(scene.rows)} ready[/] [{style}]{shown(names)}[/]"


def _headline(scene: Scene, title: str, style: str, width: int) -> list[Text]:
    """What stands by in large letters, and beside it the countdown to what was sent, where there is room for both."""
    large = _large(title)
    if width < 60 or large is None or len(large[0]) + 2 > width:
        return [_small(title, style)]
    order = last_cue(scene.desk)
    ahead_us = order.message.at - scene.now if order is not None and isinstance(order.message, Cue) else 0
    count = _large(countdown(UtcUs(ahead_us), UtcUs(0))) if 0 < ahead_us < SOON_US else None
    room = width - len(large[0]) - 2
    lines = []
    for number, row in enumerate(large):
        line = Text(f" {row}", style=style, no_wrap=True)
        if count is not None and len(count[0]) + 3 <= room:
            line.append(f"{count[number]:>{room}}", style="bold cyan")
        lines.append(line)
    return lines


def _small(title: str, style: str) -> Text:
    return Text(f" {printable(title).upper()}", style=style, no_wrap=True, overflow="ellipsis")


def _large(text: str) -> list[str] | None:
    """Letters of seven lines of dots, two of them a character; None for a letter that there is none of."""
    letters = printable(text).upper().replace("−", "-")
    if not all(letter in _KNOWN for letter in letters):
        return None
    rows = ["" for _ in range(2 * BIG_LINES)]
    for letter in letters:
        lines = [*dots(letter), "0" * COLUMNS]
        lit = [column for column in range(COLUMNS) if any(line[column] == "1" for line in lines)]
        # Digits are all of one width, so that a countdown does not jump.
        whole = letter.isdigit() or not lit
        first, last = (0, COLUMNS - 1) if whole else (lit[0], lit[-1])
        for number, line in enumerate(lines):
            rows[number] += line[first : last + 1] + "0"
    blocks = {("0", "0"): " ", ("1", "0"): "▀", ("0", "1"): "▄", ("1", "1"): "█"}
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(blocks[pair] for pair in zip(upper, lower, strict=True)) for upper, lower in pairs]


_KNOWN = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.:-+_/ ")


# --- the last cue ---------------------------------------------------------------------------------


def _last(scene: Scene, width: int) -> list[Text]:
    order = last_cue(scene.desk)
    if order is None or not isinstance(order.message, Cue):
        return [markup(" [dim]nothing has been sent yet[/]")]
    cue = order.message
    what = shown(order.label or words(cue))
    count = countdown(cue.at, scene.now)
    style = "bold cyan" if cue.at > scene.now else "bold green"
    lines = [markup(f" LAST [bold]{what}[/] by {shown(order.by)}  [{style}]{count}[/]  {_instant(cue.at)}")]
    zones = [wall.presence.timezone for wall in scene.walls if wall.presence is not None]
    if local := _local(cue.at, zones):
        lines.append(markup(f" [dim]{shown(local)}[/]"))
    return lines


def _local(at: UtcUs, zones: list[str]) -> str:
    """An instant as the clocks at the walls show it; a day that is the same everywhere once."""
    whole = UtcUs(at - at % US_PER_S)
    told = dict.fromkeys(text for zone in dict.fromkeys(zones) if (text := local_time(whole, zone)))
    days = {" ".join(text.split()[:-2]) for text in told}
    if len(days) != 1:
        return " · ".join(told)
    return f"{days.pop()} " + " · ".join(" ".join(text.split()[-2:]) for text in told)


def _instant(at: UtcUs) -> str:
    return f"[dim]{show_clock(at)}[/]"


def countdown(at: UtcUs, now: UtcUs) -> str:
    """`T−00:03.2` before an instant and `T+01:02` behind it."""
    us = at - now
    tenths, sign = (max(0, -(-us // 100_000)), "−") if us > 0 else (-us // 100_000, "+")
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    fine = f".{rest % 10}" if us > 0 else ""
    long = f"{hours}:" if hours else ""
    return (
        f"T{sign}{long}{minutes:02d}:{rest // 10:02d}{fine}" if abs(us) < COUNTED_US else f"T{sign}{show_span(abs(us))}"
    )


# --- the foot -------------------------------------------------------------------------------------


def _alarms(scene: Scene, width: int) -> list[Text]:
    lines = []
    for panic in scene.panics[:1]:
        where = "" if panic.venues == ["*"] else f" on {few(panic.venues)}"
        ago = show_span(scene.now - panic.issued)
        more = f" (+{len(scene.panics) - 1})" if len(scene.panics) > 1 else ""
        text = f" ✗ PANIC to {panic.to}{where} holds{more}, raised {ago} ago by {panic.by or 'somebody'}; l lifts it"
        lines.append(Text(printable(text).ljust(width)[:width], style="bold white on red"))
    lines += [
        markup(f" [bold red]✗ no connection to {shown(url)}[/] [red]{shown(scene.faults.get(url, 'trying again'))}[/]")
        for url, up in scene.brokers.items()
        if not up
    ][:2]
    if scene.clock:
        lines.append(markup(f" [bold red]✗ {shown(scene.clock)}[/]"))
    late = scene.desk.unsent(scene.now)
    other = [line for line in late if scene.desk.otherwise(line, scene.now) is not None]
    if other:
        ids = ", ".join(line.id for line in other)
        lines.append(markup(f" [yellow]! out, and not as the file has them: {escape(ids)} – t replaces them[/]"))
    if len(late) > len(other):
        ids = ", ".join(line.id for line in late if line not in other)
        lines.append(markup(f" [yellow]! timed cues not sent yet: {escape(ids)} – t sends them ahead[/]"))
    if scene.alarms:
        first = scene.alarms[0]
        style = "bold red" if first.severity == "critical" else "yellow"
        more = f" (+{len(scene.alarms) - 1})" if len(scene.alarms) > 1 else ""
        lines.append(markup(f" [{style}]! {shown(first.text)}{more}[/] [dim]{shown(first.remedy)}[/]"))
    return lines


def _message(scene: Scene, width: int) -> Text:
    if scene.armed:
        line = Text(f" {scene.armed.upper()}?  y within 2 s does it, any other key does not".ljust(width)[:width])
        line.stylize("bold white on red")
        return line
    text, style = scene.message
    if text and scene.message_age_s > SAID_S:
        text, style = f"{show_span(round(scene.message_age_s) * US_PER_S)} ago: {text}", "dim"
    lines = wrap(printable(text), max(20, width - 2), max_lines=MESSAGE_LINES, placeholder=" …")
    return Text("\n".join(f" {line}" for line in lines), style=style, no_wrap=True, overflow="ellipsis")


def _keys(scene: Scene, width: int) -> Text:
    go = f"[bold]SPACE[/] GO in {scene.gap_left_s:.1f} s" if scene.gap_left_s > 0 else "[bold reverse] SPACE GO [/]"
    named = ["↑↓ standby", "hold", "resume", "black", "stop", "panic", "lift", "identify", "timed", "quit"]
    if width < 100:
        named.remove("identify")
    rest = [f"[bold]{name[:2]}[/]{name[2:]}" if name[0] == "↑" else f"[bold]{name[0]}[/]{name[1:]}" for name in named]
    return markup(f" {go} {(' ' if width < 100 else '  ').join(rest)}")
