"""The command `framezero`: one entry point for technicians, operators and testers.

Each part is imported only when it is used, so that an operator's laptop needs neither libmpv nor numpy.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from agent import __version__

EXIT_USAGE = 2

app = typer.Typer(
    help="Starts, cuts, loops and stops a film on the same frame on screens in several cities.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"framezero {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Hold the options that stand before any command."""


@app.command(epilog="Example: framezero agent --config /etc/framezero/agent.toml")
def agent(
    config: Annotated[Path, typer.Option(help="The venue's agent.toml.")],
    verbose: Annotated[bool, typer.Option("--verbose", help="Log each event with its effects.")] = False,
) -> None:
    """Run a venue's agent until it is told to end (systemd does)."""
    import logging

    from agent import log
    from agent.config import ConfigError, load
    from agent.daemon import CannotStartError, run_until_signal

    log.configure(sys.stderr, level=logging.DEBUG if verbose else logging.INFO)
    try:
        asyncio.run(run_until_signal(load(config, os.environ)))
    except ConfigError as error:
        for fault in error.faults:
            typer.echo(fault, err=True)
        raise typer.Exit(EXIT_USAGE) from None
    except CannotStartError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from None


def _mount(first: str) -> None:
    """Add the sub-commands that `first`, the first word of the command line, may need; help ('') needs all."""
    if first != "agent":
        from agent.control import cli as control

        example = "framezero publish koi.mp4 sky.mp4 --program reel --to /srv/films --url https://films.example"
        app.command(epilog=f"Example: {example}")(control.publish)
        app.command(epilog="Example: framezero status --watch")(control.status)
        app.command(epilog="Example: framezero poll winners-reel --venues @asia")(control.poll)
        app.add_typer(control.app_cue, name="cue")
        app.add_typer(control.app_venue, name="venue")
        app.add_typer(control.app_keys, name="keys")
    if first in ("", "clock", "check"):
        from agent.technician import cli as technician

        app.command(epilog="Example: framezero clock --config /etc/framezero/agent.toml")(technician.clock)
        app.command(epilog="Example: framezero check --config /etc/framezero/agent.toml")(technician.check)
    if first in ("", "import"):
        from agent.technician.import_cli import import_films

        example = "framezero import /media/usb --config /etc/framezero/agent.toml"
        app.command("import", epilog=f"Example: {example}")(import_films)
    if first in ("", "lab"):
        from agent.lab.cli import app as lab

        app.add_typer(lab, name="lab")


def main() -> None:
    """Entry point of the command."""
    first = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        _mount(first)
        app()
    except ModuleNotFoundError as error:
        if (error.name or "agent").partition(".")[0] == "agent":
            raise
        extra = "lab" if first == "lab" else "agent"
        typer.echo(f"{error.name} is not installed; this needs: pip install 'framezero[{extra}]'", err=True)
        raise SystemExit(EXIT_USAGE) from None


if __name__ == "__main__":
    main()
