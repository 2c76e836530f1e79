"""`framezero show …`: a show file, checked before the show and run as a desk in the terminal."""

import asyncio
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table

from agent.control import operate, showcheck
from agent.control import poll as polls
from agent.control import status as statuses
from agent.control.desk import Desk
from agent.control.deskrun import DeskRun
from agent.control.housetime import asking_time
from agent.control.link import Link, NoBrokerError, utc_now
from agent.control.options import (
    BrokerOptions,
    Exit,
    SenderOptions,
    line_to,
    pen_of,
    print_json,
    screen,
    shown,
    takes,
    trust_of,
)
from agent.control.profile import ProfileError, Settings
from agent.control.showcheck import Finding
from agent.control.showfile import ShowFile, instant_of
from agent.control.showopen import Rehearse, load, settings, target_of
from agent.control.signing import Pen
from agent.control.tables import few
from agent.units import UtcUs, format_utc

UNSIGNED = "no key: cues go unsigned, and walls take them only with trust.require = false; give one with --key"

app_show = typer.Typer(no_args_is_help=True, help="Run a show from its file: cue list, standby and GO.")

_MARKS = {
    "ok": "[green]✓ ok[/]",
    "warning": "[yellow]! warning[/]",
    "fault": "[red]✗ fault[/]",
    "silent": "[red]✗ SILENT[/]",
}
File = Annotated[Path, typer.Argument(metavar="FILE", help="The show file.")]


@app_show.command(
    "check",
    epilog="Examples: framezero show check show.toml · framezero show check show.toml --offline",
)
@takes(BrokerOptions)
def check(
    given: BrokerOptions,
    file: File,
    offline: Annotated[bool, typer.Option("--offline", help="Look at the file alone.")] = False,
    rehearse: Rehearse = False,
) -> None:
    """Look whether a show could begin: its file, programs, walls, keys and clocks, each with what to do about it."""
    show = load(file)
    target = target_of(show, rehearse)
    findings = list(showcheck.of_file(show, str(file), utc_now()))
    code = 0
    if not offline:
        found = settings(given, show, file, rehearse)
        findings += showcheck.of_keys(pen_of(found), trust_of(found))
        try:
            findings += asyncio.run(_look(found, show, target, rehearse))
        except NoBrokerError as error:
            remedy = "is the address right, and the network up? --offline looks at the file alone"
            findings += [Finding("broker", "brokers", "fault", fault, remedy) for fault in error.faults]
            code = int(Exit.NO_BROKER)
    code = code or showcheck.exit_code(findings)
    if given.json:
        told = [{"cue": line.label, **_instants(line.at, utc_now())} for line in show.cue]
        print_json({"exit": code, "show": target, "findings": [one.as_json() for one in findings], "cues": told})
    else:
        _print(findings, code, target, rehearse)
    raise typer.Exit(code)


@dataclass(frozen=True, kw_only=True)
class RunOptions(SenderOptions):
    """What a desk needs besides the brokers."""


@app_show.command(
    "run",
    epilog="Examples: framezero show run show.toml --as anna@control-hk · framezero show run show.toml --rehearse",
)
@takes(RunOptions)
def run(given: RunOptions, file: File, rehearse: Rehearse = False) -> None:
    """Open the desk in this terminal: the standby shown large, GO by the space bar, panic by p and y.

    Several operators may each have one: all see who has sent what, and a GO within the least gap of another is refused.
    """
    show = load(file)
    target = target_of(show, rehearse)
    if given.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        detail = "show run draws on a terminal and reads single keys from it; scripts send cues by 'framezero cue …'"
        raise ProfileError([detail])
    found = settings(given, show, file, rehearse)
    pen = pen_of(found, "cue", "panic", "lift", "claim")
    desk = Desk(show, given.me(found), rehearsing=rehearse)
    try:
        asyncio.run(_desk(found, pen, desk))
    finally:
        mine = [order for order in desk.history if order.by == desk.me]
        sent = f"{len(mine)} message{'' if len(mine) == 1 else 's'} of {shown(desk.me)} went to show {shown(target)}"
        with suppress(OSError):  # the terminal may be gone
            screen().print(f"left the desk; {sent}, and what was sent goes on")
    raise typer.Exit(0)


async def _desk(found: Settings, pen: Pen, desk: Desk) -> None:
    async with line_to(found, operate.topics(desk.show), pen=pen) as link, asking_time(link, desk.show):
        warnings = await link.settle()
        warnings += [] if pen.keys else [UNSIGNED]
        real = showcheck.on_real_walls(desk.file, desk.show, link.view)
        warnings += [f"{found.about} is {found.what}" for found in real]
        await DeskRun(link, desk, Console(highlight=False, emoji=False), found.alarms, warnings).run()


async def _look(found: Settings, show: ShowFile, target: str, rehearse: bool) -> list[Finding]:
    async with line_to(found, [*statuses.TOPICS, "venue/+/answer", "program/+/+"]) as link:
        warnings = await statuses.hear(link)
        rows = []
        patterns = ["*", *([] if rehearse else [place.id for place in show.venue])]
        for program in show.programs:
            pinned = next((named.rev for named in show.program if named.id == program), None)
            polled = await polls.ask_all(link, polls.build_ask(program, pinned, utc_now()), patterns, target)
            rows += [(program, row) for row in polled.rows]
        walls = statuses.walls(link, utc_now(), time.monotonic())
        ours = [wall for wall in walls if _ours(wall, show, target, rehearse)]
        findings = [Finding("broker", "brokers", "warning", text, "") for text in warnings]
        findings += [
            Finding("broker", url, "fault", detail, "mend it, or leave it out of the profile")
            for url, detail in link.faults.items()
        ]
        findings += showcheck.of_programs(show, target, link.view)
        findings += showcheck.of_lines(show, target, link.view)
        findings += showcheck.of_venues(show, target, walls, rows, rehearsing=rehearse)
        findings += showcheck.on_real_walls(show, target, link.view)
        findings += showcheck.of_clocks(show, ours)
        findings += _local(link, show, ours)
        return findings


def _ours(wall: statuses.Wall, show: ShowFile, target: str, rehearse: bool) -> bool:
    plays = wall.presence is not None and wall.presence.show == target
    return plays or (not rehearse and show.place(wall.venue) is not None)


def _local(link: Link, show: ShowFile, walls: list[statuses.Wall]) -> list[Finding]:
    """Each timed cue once more, as the clocks at the walls show its instant."""
    now = utc_now()
    timed = [(line.label, instant_of(line.at, now)) for line in show.cue if line.at is not None]
    return [
        Finding("cue", label, "ok", " · ".join(showcheck.local_times(at, walls)))
        for label, at in timed
        if at > now and showcheck.local_times(at, walls)
    ]


def _instants(at: str | None, now: UtcUs) -> dict[str, Any]:
    return {"at": None if at is None else format_utc(instant_of(at, now))}


def _print(findings: list[Finding], code: int, target: str, rehearse: bool) -> None:
    if rehearse:
        screen().print(f"[bold black on yellow] REHEARSAL [/] of show {shown(target)}")
    grid = Table(Column("", no_wrap=True), "what", "found", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    order = ["fault", "silent", "warning", "ok"]
    for finding in sorted(findings, key=lambda finding: order.index(finding.verdict)):
        remedy = f"\n[dim]→ {shown(finding.mend)}[/]" if finding.mend and finding.verdict != "ok" else ""
        grid.add_row(
            _MARKS[finding.verdict], f"[dim]{finding.area}[/] {shown(finding.about)}", shown(finding.what) + remedy
        )
    screen().print(grid)
    if code == 0:
        doubts = sum(finding.verdict == "warning" for finding in findings)
        screen().print(f"[bold green]READY[/]{f', with warnings: {doubts}' if doubts else ''}")
    else:
        names = list(dict.fromkeys(finding.about for finding in findings if finding.verdict in ("fault", "silent")))
        screen().print(f"[bold red]NOT READY[/]: {shown(few(names, 5))}")
