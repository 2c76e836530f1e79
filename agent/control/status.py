"""How the walls are: gathered from presences and statuses, judged, and laid out as a page for any width."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from agent.control.answers import NAMED, unsigned_line
from agent.control.awaited import Awaited
from agent.control.link import Link, utc_now
from agent.control.options import shown
from agent.control.presences import version_fault
from agent.control.tables import few, fitting, shortlist
from agent.control.times import show_span
from agent.told import Presence, Status
from agent.units import US_PER_S, UtcUs, format_utc

HEARTBEAT_S = 6.0  # a status comes every 5 s at least
TOPICS = ["venue/+/presence", "venue/+/status"]


@dataclass(frozen=True, slots=True)
class Wall:
    """One venue as it can be seen from here.

    `age_us` is how old its status says it is by this host's clock, `heard_us` how long ago it came live
    (None: it was a retained one).
    """

    venue: str
    presence: Presence | None
    status: Status | None
    silent: bool
    age_us: int | None
    heard_us: int | None = None


async def hear(link: Link) -> list[str]:
    """Wait until every venue has been heard, or has had the time for a heartbeat; returns warnings."""
    warnings = await link.settle()

    def heard(venue: str) -> bool:
        return link.view.gone(venue) or not link.view.silent(venue, utc_now(), time.monotonic())

    awaited = Awaited(link.view, lambda: link.view.venues, heard)
    # Nobody is a good answer here, too.
    await link.wait(lambda: awaited.all_told() or not (link.view.presences or link.view.statuses), HEARTBEAT_S)
    return warnings


def walls(link: Link, now: UtcUs, now_s: float) -> list[Wall]:
    """Every venue that left a trace, judged now."""
    found = []
    for venue in link.view.venues:
        heard = link.view.statuses.get(venue)
        status = heard.status if heard else None
        age_us = now - status.time if status and status.time is not None else None
        heard_us = round((now_s - heard.live_at_s) * US_PER_S) if heard and heard.live_at_s is not None else None
        silent = link.view.silent(venue, now, now_s)
        found.append(Wall(venue, link.view.presences.get(venue), status, silent, age_us, heard_us))
    return found


def exit_code(found: list[Wall]) -> int:
    """0 all ready · 1 one is not ready, which outranks: · 3 one is silent, or none is known."""
    if any(wall.status is not None and not wall.status.ready for wall in found if not wall.silent):
        return 1
    return 3 if not found or any(wall.silent for wall in found) else 0


def clock_warning(found: list[Wall]) -> str:
    """Whether this host's clock is off: live venues agree on another time. Empty when it is not.

    How old a status was when it came live is known to the length of its way, and of a retained one only that it is
    none of a silent venue.
    """
    there = [wall for wall in found if not wall.silent and wall.age_us is not None]
    live = sorted(
        wall.age_us - wall.heard_us for wall in there if wall.age_us is not None and wall.heard_us is not None
    )
    ages = live or sorted(wall.age_us for wall in there if wall.age_us is not None)
    most_us = 2 * US_PER_S if live else 12 * US_PER_S
    if not ages or -2 * US_PER_S <= ages[len(ages) // 2] <= most_us:
        return ""
    off_us = ages[len(ages) // 2]
    side = "ahead of" if off_us > 0 else "behind"
    return f"this host's clock is about {show_span(abs(off_us))} {side} the venues'; set it before giving instants"


def as_json(link: Link, found: list[Wall], warnings: list[str]) -> dict[str, Any]:
    """Everything, for `--json`."""
    return {
        "exit": exit_code(found),
        "brokers": link.brokers,
        "venues": [
            {
                "venue": wall.venue,
                "online": wall.presence.online if wall.presence else None,
                "silent": wall.silent,
                "age_s": wall.age_us / US_PER_S if wall.age_us is not None else None,
                "presence": wall.presence.model_dump(mode="json") if wall.presence else None,
                "status": wall.status.model_dump(mode="json") if wall.status else None,
            }
            for wall in found
        ],
        "warnings": warnings,
    }


def head(found: list[Wall], now: UtcUs, brokers: Mapping[str, bool], faults: Mapping[str, str]) -> list[Text]:
    """What stands above a page that is drawn again: the time, the lost brokers and why, and that a clock is off."""
    lines = [f"framezero status · {format_utc(now)[:19]}Z"]
    for url, connected in brokers.items():
        if not connected:
            why = f": {faults[url]}" if url in faults else "; trying again"
            lines.append(f"[red]no connection to {shown(url + why)}[/]")
    if clock := clock_warning(found):
        lines.append(f"[yellow]{shown(clock)}[/]")
    return [Text.from_markup(line, emoji=False) for line in lines]


def page(found: list[Wall], now: UtcUs, width: int) -> Group:
    """The table, and below it what did not fit, and a line for each thing that keeps a venue from being ready."""
    drawn, rest = shortlist(found, _good)
    grid = table(drawn, now, width)
    lines = [rest] if rest else []
    lines += _panics(found, now)
    if all(column.header != "next" for column in grid.columns):
        lines += _nexts(found, now)
    lines += _remedies(drawn)
    unsigned = [wall.venue for wall in found if not wall.silent and wall.status is not None and wall.status.unsigned]
    lines += [unsigned_line(unsigned)] if unsigned else []
    return Group(grid, *(Text.from_markup(line, emoji=False) for line in lines))


def table(found: list[Wall], now: UtcUs, width: int) -> Table:
    """A line a venue, with as many columns as `width` (in characters) holds; venue and verdict are always whole."""
    return fitting([_cells(wall, now) for wall in found], _LAYOUTS, _HEADS, width)


# From wide to narrow; the last one is for windows in which nothing more fits.
_LAYOUTS = (
    ("venue", "wall", "ready", "age", "shows", "clock in frames", "error", "cache", "next"),
    ("venue", "wall", "ready", "age", "shows", "clock", "error", "cache", "next"),
    ("venue", "wall", "ready", "age", "shows", "clock", "p99", "next"),
    ("venue", "wall", "ready", "age", "place", "clock", "p99", "next"),
    ("venue", "wall", "ready", "age", "place", "clock", "p99"),
    ("venue", "wall", "ready", "age", "place", "clock"),
    ("venue", "wall", "ready", "age", "clock"),
    ("venue", "wall", "ready"),
    ("venue", "ready"),
)
_HEADS = {"clock in frames": "clock", "error": "error med/p99", "p99": "p99", "place": "shows"}
_COLOUR = {"playing": "green", "armed": "green", "held": "yellow", "starting": "yellow", "fault": "red", "panic": "red"}


def _cells(wall: Wall, now: UtcUs) -> dict[str, str]:
    status = wall.status
    cells = {"venue": f"[bold]{shown(wall.venue)}[/]", "age": _age(wall)}
    if wall.silent or status is None:
        away = "offline" if wall.presence is not None and not wall.presence.online else "no status"
        return cells | {"wall": "[red]–[/]", "ready": f"[red]SILENT[/] {away}"}
    return cells | {
        "wall": f"[{_COLOUR.get(status.state, 'white')}]{status.state}[/]",
        "ready": _ready(status),
        "shows": _shows(status),
        "place": _place(status),
        "clock": _clock(status),
        "clock in frames": _clock(status)
        + (f" ({status.clock.frames:.2f} f)" if status.clock.frames is not None else ""),
        "error": f"{_ms(status.error_us.median)} / {_ms(status.error_us.p99)}" if status.error_us else "–",
        "p99": _ms(status.error_us.p99) if status.error_us else "–",
        "cache": _cache(status),
        "next": f"{shown(status.next.action)} in {show_span(status.next.at - now)}" if status.next else "–",
    }


def _age(wall: Wall) -> str:
    """How old the row is: since it came live, else by this host's clock, which may be off."""
    age_us = wall.heard_us if wall.heard_us is not None else wall.age_us
    if age_us is None:
        return "–"
    return f"{max(0, age_us) // US_PER_S} s" if age_us < 60 * US_PER_S else show_span(age_us)


def _ms(us: int) -> str:
    return f"{us / 1000:+.2f} ms"


def _place(status: Status) -> str:
    if status.program is None:
        return "–"
    frame = f" f{status.frame}" if status.frame is not None else ""
    return f"r{status.rev} #{status.item if status.item is not None else '–'}{frame}"


def _shows(status: Status) -> str:
    return "–" if status.program is None else f"{shown(status.program)} {_place(status)}"


def _clock(status: Status) -> str:
    clock = status.clock
    if clock.bound_us is None:
        return f"[red]{shown(clock.state)}[/]"
    return f"{shown(clock.state)} ±{clock.bound_us / 1000:.1f} ms"


def _cache(status: Status) -> str:
    cache = status.cache
    films = f"{cache.films} film{'' if cache.films == 1 else 's'}"
    if cache.fetching is not None:
        done = cache.fetching.done * 100 // max(1, cache.fetching.size)
        return f"{films}, fetching {done} %"
    return films + (f", [red]{cache.missing} missing[/]" if cache.missing else "")


def _ready(status: Status) -> str:
    if status.ready:
        return "[green]ready[/]"
    code = shown(status.reasons[0].code) if status.reasons else "no reason given"
    return f"[red]NO-GO[/] {code}" + (f" +{len(status.reasons) - 1}" if len(status.reasons) > 1 else "")


def _nexts(found: list[Wall], now: UtcUs) -> list[str]:
    """The known changes to come in their order, each with the venues that it is for."""
    coming: dict[tuple[UtcUs, str], list[str]] = {}
    for wall in found:
        if not wall.silent and wall.status is not None and (change := wall.status.next) is not None:
            coming.setdefault((change.at, change.action), []).append(wall.venue)
    return [
        f"next: {shown(action)} in {show_span(at - now)} – {shown(few(venues, NAMED))}"
        for (at, action), venues in sorted(coming.items())
    ]


def _panics(found: list[Wall], now: UtcUs) -> list[str]:
    """The panics that hold, each with its age and its venues: a very old one may have been sent again by somebody."""
    holding: dict[tuple[UtcUs | None, str], list[str]] = {}
    for wall in found:
        if not wall.silent and wall.status is not None and wall.status.panic is not None:
            holding.setdefault((wall.status.panic_issued, wall.status.panic), []).append(wall.venue)
    return [
        f"[bold red]PANIC[/] {shown(panic)}{'' if issued is None else f', raised {show_span(now - issued)} ago'} – "
        f"{shown(few(venues, NAMED))}"
        for (issued, panic), venues in sorted(holding.items(), key=lambda pair: pair[0][1])
    ]


def _good(wall: Wall) -> bool:
    understood = wall.presence is None or not version_fault(wall.presence)
    return understood and not wall.silent and wall.status is not None and wall.status.ready


def _remedies(found: list[Wall]) -> list[str]:
    lines = []
    for wall in found:
        venue = f"[bold]{shown(wall.venue)}[/]:"
        if wall.silent or wall.status is None:
            lines.append(f"{venue} [red]SILENT[/] – {_silence(wall)}")
        elif not wall.status.ready:
            lines += [
                f"{venue} [red]{shown(reason.code)}[/] – {shown(reason.detail)}" for reason in wall.status.reasons
            ]
    for wall in found:
        away = {} if wall.silent or wall.status is None else wall.status.broker_faults
        lines += [
            f"[bold]{shown(wall.venue)}[/]: [yellow]broker away[/] – {shown(url)}: {shown(detail)}"
            for url, detail in away.items()
            if wall.status is not None and not wall.status.brokers.get(url)
        ]
        lines += [
            f"[bold]{shown(wall.venue)}[/]: [yellow]{shown(warning.code)}[/] – {shown(warning.detail)}"
            for warning in (() if wall.silent or wall.status is None else wall.status.warnings)
        ]
        lines += _self_test(wall)
        if wall.presence is not None and (fault := version_fault(wall.presence)):
            lines.append(f"[bold]{shown(wall.venue)}[/]: [red]version[/] – {shown(fault)}")
    return lines


def _self_test(wall: Wall) -> list[str]:
    """What the player found of itself: each fault with what mends it, and how many warnings."""
    test = wall.status.self_test if wall.status is not None and not wall.silent else None
    if test is None:
        return []
    head = f"[bold]{shown(wall.venue)}[/]:"
    lines = [
        f"{head} [red]self-test, {shown(one.code)}[/] – {shown(one.what)}{f' → {shown(one.mend)}' if one.mend else ''}"
        for one in test.findings
        if one.verdict == "fault"
    ]
    if unlisted := test.faults - len(lines):
        lines.append(f"{head} [red]self-test[/] – {unlisted} more: framezero check on the player")
    if test.warnings:
        codes = few([one.code for one in test.findings if one.verdict == "warning"], NAMED)
        lines.append(f"{head} [yellow]self-test[/] – {test.warnings} to look at: {shown(codes)}; framezero check there")
    return lines


def _silence(wall: Wall) -> str:
    if wall.presence is not None and not wall.presence.online:
        return "offline: its broker connection has ended; is the player running, and its network up?"
    if wall.status is not None:
        return f"no status for {_age(wall)}; is the agent running, and this host connected to its broker?"
    return "no status; is the agent running?"
