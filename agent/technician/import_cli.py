"""`framezero import`, mounted by agent/cli.py."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from agent import log
from agent.config import ConfigError, load
from agent.messages import Refusal
from agent.technician.importing import Import, Outcome, Want, shown
from agent.technician.words import count

USAGE = 2
CONFIG = Path("/etc/framezero/agent.toml")


def import_films(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the disk is mounted, or any folder on it.")],
    config: Annotated[Path, typer.Option("--config", readable=False, help="The venue's agent.toml.")] = CONFIG,
    as_script: Annotated[bool, typer.Option("--json", help="What came of it as JSON.")] = False,
) -> None:
    """Take films from a disk into this player's cache: by their content, whatever they are called there.

    Taken is what the programs want that this player knows, found anywhere below
    DIR by size and sha256, and whatever is named by its hash, as in the folder
    that publish has written: the disk may be here before the program is. The
    agent may be running, and sees each film within seconds.

    Exit status: 0 every known program has its films, 1 one is still missing,
    was refused, or there was nothing to be had, 2 usage or configuration.
    """
    try:
        loaded = load(config, os.environ)
    except ConfigError as error:
        raise _unusable(error.faults, as_script) from None
    try:
        there = folder.is_dir()
    except OSError as error:
        raise _unusable([f"{shown(folder)} cannot be read ({error.strerror}); try sudo"], as_script) from None
    if not there:
        raise _unusable([f"{shown(folder)} is no folder; is the disk mounted? (lsblk, findmnt)"], as_script)
    # The cache's own log is for the agent; what matters here is in the table.
    log.configure(sys.stderr, level=logging.CRITICAL)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, transient=True, disable=as_script or not console.is_terminal) as progress:
        task = progress.add_task("looking through the disk", total=None)

        def copied(want: Want, done: int) -> None:
            progress.update(task, description=escape(shown(want.name)), completed=done, total=want.size)

        outcome = Import(loaded, copied).run(folder)
    if isinstance(outcome, Refusal):
        raise _unusable([outcome.detail], as_script)
    status = 0 if outcome.good else 1
    if as_script:
        typer.echo(json.dumps({"exit": status, **_json(outcome)}, indent=1))
    else:
        _tell(outcome)
    raise typer.Exit(status)


def _unusable(faults: list[str], as_script: bool) -> typer.Exit:
    if as_script:
        typer.echo(json.dumps({"exit": USAGE, "faults": faults}, indent=1))
    else:
        for fault in faults:
            typer.echo(fault, err=True)
    return typer.Exit(USAGE)


def _json(outcome: Outcome) -> dict[str, Any]:
    return {
        "imported": [
            {**_named(one.want), "from": shown(one.source), "misfit": one.misfit and one.misfit.detail}
            for one in outcome.imported
        ],
        "present": [_named(want) for want in outcome.present],
        "missing": [_named(want) for want in outcome.missing],
        "refused": [refusal.model_dump() for refusal in outcome.refused],
        "notes": list(outcome.notes),
    }


def _named(want: Want) -> dict[str, Any]:
    return {"name": shown(want.name), "sha256": want.sha256, "size": want.size, "known": bool(want.uses)}


def _tell(outcome: Outcome) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    for one in outcome.imported:
        why = "" if one.want.uses else ", for a program that is not known here yet"
        console.print(f"[green]✓[/] {escape(shown(one.want.name))}{why}")
        if one.misfit:
            console.print(f"[bold red]✗[/] {escape(one.misfit.detail)}")
    for refusal in outcome.refused:
        console.print(f"[bold red]✗[/] {escape(refusal.detail)}")
    for want in outcome.missing:
        console.print(f"[bold red]✗[/] {escape(shown(want.name))} is neither here nor in the cache")
    for note in outcome.notes:
        console.print(f"[yellow]![/] {escape(note)}")
    if not (outcome.imported or outcome.present or outcome.missing or outcome.refused):
        console.print(
            "[bold red]✗[/] no film found: this player knows no program yet, and no file is named by its hash; "
            "copy the folder that 'framezero publish' has written, or wait for the program"
        )
    console.print(
        f"{count(len(outcome.imported), 'film')} imported, {len(outcome.present)} there before, "
        f"{len(outcome.missing)} missing, {len(outcome.refused)} refused"
    )
