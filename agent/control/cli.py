"""The operator's commands: `publish`, `status`, and `cue …` as a sub-application."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from agent.control import publish as publishing
from agent.control import status as statuses
from agent.control.alarms_cli import alarms
from agent.control.asrun_cli import asrun
from agent.control.clocks import page_of_clocks
from agent.control.cue_cli import app_cue, identify
from agent.control.keys_cli import app_keys
from agent.control.link import Link, deliveries_json, untaken, utc_now
from agent.control.options import (
    BrokerOptions,
    Exit,
    complaints,
    line_to,
    pen_of,
    print_json,
    screen,
    show_of,
    shown,
    takes,
    warn,
)
from agent.control.poll_cli import poll
from agent.control.profile import Settings
from agent.control.shot_cli import shot
from agent.control.show_cli import app_show
from agent.control.signing import Pen
from agent.control.tables import fitting
from agent.control.times import parse_span, show_span
from agent.control.venue_cli import app_venue
from agent.control.waiting import awaited, waiting
from agent.programs import Item
from agent.units import UtcUs

UNSIGNED_PROGRAM = (
    "the program is not signed: walls take it only with trust.require = false; give a content key with --key"
)
__all__ = [
    "alarms",
    "app_cue",
    "app_keys",
    "app_show",
    "app_venue",
    "asrun",
    "identify",
    "poll",
    "publish",
    "shot",
    "status",
]


@takes(BrokerOptions)
def publish(
    given: BrokerOptions,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES…", help="Films and stills, in the order of the program.")
    ],
    program: Annotated[str, typer.Option("--program", metavar="ID", help="The program's id.")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder that your web server serves.")],
    url: Annotated[
        list[str],
        typer.Option("--url", metavar="BASE", help="Address of that folder on the web. Repeatable, tried in order."),
    ],
    still: Annotated[str, typer.Option("--still", metavar="SPAN", help="How long a still stands.")] = "10s",
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME=VENUE:FILE",
            help="At a venue or @group the film NAME is shown from this file. Repeatable.",
        ),
    ] = None,
) -> None:
    """Probe and hash films, write them to a folder for the web, and publish the program's next revision.

    Each film is decoded once: on two cores some two thirds of its length in 4K, a sixth in HD (H.264).

    A variant has the frames and the rate of its film; size, codec and sound may differ.
    """
    found = given.settings()
    name = show_of(found)
    publishing.check_names(program, url)
    wishes = publishing.parse_variants(variant or [], files)
    pen = pen_of(found, "program")
    with _bar(MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        task = progress.add_task("decoding")

        def decoding(file: Path, before: int, total: int) -> None:
            progress.update(task, description=f"decoding {shown(file.name)}", completed=before, total=total)

        bill = publishing.probe_all(files, parse_span(still), wishes, decoding)
    # A broker first: without one the site would be written in vain, and with one the films are soon known.
    asyncio.run(_reachable(found, program))
    with _bar(DownloadColumn()) as progress:
        task = progress.add_task("hashing", total=_bytes_of(bill))
        items = []
        for billing in bill:
            progress.update(task, description=f"hashing {shown(billing.film.path.name)}")
            items.append(publishing.store(billing, to, url, lambda count: progress.advance(task, count)))
    result, warnings = asyncio.run(_announce(found, pen, program, name, items))
    warnings += [*untaken(result.deliveries), *([] if pen.keys else [UNSIGNED_PROGRAM])]
    warn(warnings)
    code = Exit.GOOD if any(delivery.taken for delivery in result.deliveries) else Exit.BAD
    if given.json:
        print_json(
            {
                "program": program,
                "rev": result.program.rev,
                "reused": result.reused,
                "exit": int(code),
                "items": result.program.model_dump(mode="json")["items"],
                "brokers": deliveries_json(result.deliveries),
                "warnings": warnings,
            }
        )
    elif code is Exit.GOOD:
        _show_program(result)
    raise typer.Exit(int(code))


@takes(BrokerOptions)
def status(
    given: BrokerOptions,
    watch: Annotated[bool, typer.Option("--watch", help="Draw again every second, until Ctrl-C.")] = False,
    clock: Annotated[bool, typer.Option("--clock", help="Show each wall's clock with its time sources.")] = False,
) -> None:
    """Show how every wall is: state, frame, clock, sync error, cache, next cue, and whether it is ready."""
    found = given.settings()
    try:
        code = asyncio.run(_status(found, watch, given.json, page_of_clocks if clock else statuses.page))
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED  # the usual way to end --watch, not worth a word
    raise typer.Exit(int(code))


def _bar(*columns: ProgressColumn) -> Progress:
    """A bar on standard error, for people at a terminal only; gone when the work is done."""
    console = complaints()
    shape = (TextColumn("{task.description}"), BarColumn(), *columns)
    return Progress(*shape, console=console, transient=True, disable=not console.is_terminal)


def _bytes_of(bill: list[publishing.Billing]) -> int:
    return sum(film.path.stat().st_size for billing in bill for film in dict.fromkeys(billing.films))


async def _reachable(found: Settings, program: str) -> None:
    async with line_to(found, [f"program/{program}/+"]):
        pass


async def _announce(
    found: Settings, pen: Pen, program: str, show: str, items: list[Item]
) -> tuple[publishing.Published, list[str]]:
    async with line_to(found, [f"program/{program}/+"], pen=pen) as link:
        warnings = await link.settle()
        return await publishing.announce(link, program, show, items, utc_now()), warnings


_FILM_LAYOUTS = (
    ("#", "film", "codec", "size", "rate", "frames", "lasts", "sound"),
    ("#", "film", "codec", "size", "rate", "lasts"),
    ("#", "film", "size", "lasts"),
    ("#", "film"),
)


def _show_program(result: publishing.Published) -> None:
    program = result.program
    rows = []
    for number, item in enumerate(program.items):
        rows.append(
            {
                "#": str(number),
                "film": f"[bold]{shown(item.name)}[/]",
                "codec": shown(item.codec),
                "size": f"{item.width}×{item.height}",
                "rate": item.fps or "–",
                "frames": str(item.frames or "–"),
                "lasts": show_span(item.length_us),
                "sound": "yes" if item.sound else "no",
            }
        )
        for venue, other in item.variants.items():
            rows.append(
                {
                    "film": f"  at {shown(venue)}",
                    "codec": shown(other.codec or item.codec),
                    "size": f"{other.width}×{other.height}",
                    "sound": "yes" if (item.sound if other.sound is None else other.sound) else "no",
                }
            )
    films = f"{len(program.items)} film{'' if len(program.items) == 1 else 's'}"
    lasts = show_span(sum(item.length_us for item in program.items))
    screen().print(f"program [bold]{shown(program.program)}[/] rev {program.rev}: {films}, {lasts}")
    screen().print(fitting(rows, _FILM_LAYOUTS, {}, screen().width))
    if result.reused:
        screen().print(f"the films are those of rev {program.rev}, so that revision stands")


def _unheard(link: Link) -> str:
    now, now_s = utc_now(), time.monotonic()
    silent = [venue for venue in link.view.venues if link.view.silent(venue, now, now_s) and not link.view.gone(venue)]
    return awaited(silent, len(link.view.venues), "heard")


Page = Callable[[list[statuses.Wall], UtcUs, int], Group]


async def _status(found: Settings, watch: bool, as_json: bool, page: Page) -> int:
    async with line_to(found, statuses.TOPICS) as link:
        async with waiting(lambda: _unheard(link)):
            warnings = await statuses.hear(link)
        warnings += [f"{url}: {detail}" for url, detail in link.faults.items()]
        if watch:
            await _watch(link, as_json, page)
        seen = statuses.walls(link, utc_now(), time.monotonic())
        if clock := statuses.clock_warning(seen):
            warnings.append(clock)
        warnings += link.view.warnings
        if as_json:
            print_json(statuses.as_json(link, seen, warnings))
        else:
            warn(warnings)
            screen().print(page(seen, utc_now(), screen().width))
            if not seen:
                warn(["no venue has left a trace at this broker; are agents running, and is --root right?"])
        return statuses.exit_code(seen)


async def _watch(link: Link, as_json: bool, page: Page) -> None:
    """Draw until interrupted; with `--json` a line a second."""
    if as_json:
        while True:
            print_json(statuses.as_json(link, statuses.walls(link, utc_now(), time.monotonic()), []))
            await asyncio.sleep(1)
    console = screen()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            now = utc_now()
            seen = statuses.walls(link, now, time.monotonic())
            # Lines that tell how far the table can be believed stand above it: what is too long is cut at the bottom.
            head = statuses.head(seen, now, link.brokers, link.faults)
            live.update(Group(*head, page(seen, now, console.width)), refresh=True)
            await asyncio.sleep(1)
