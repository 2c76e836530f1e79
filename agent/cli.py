"""The command `framezero`: one entry point for technicians, operators and testers.

Each part is imported only when it is used, so that an operator's laptop needs neither libmpv nor numpy.
"""

import asyncio
import inspect
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from agent import __version__

EXIT_USAGE = 2

app = typer.Typer(
    help="Starts, cuts, loops and stops a film on the same frame on screens in several cities.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
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

    from agent.loading import swiftly

    with swiftly():
        from agent import journald, log
        from agent.config import ConfigError, load
        from agent.daemon import CannotStartError, run_until_signal

    journal = journald.Journal() if journald.is_journal(sys.stderr, os.environ) else None
    log.configure(sys.stderr, level=logging.DEBUG if verbose else logging.INFO, journal=journal)
    try:
        asyncio.run(run_until_signal(load(config, os.environ), config))
    except ConfigError as error:
        for fault in error.faults:
            typer.echo(fault, err=True)
        raise typer.Exit(EXIT_USAGE) from None
    except CannotStartError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_USAGE) from None


def _control() -> None:
    from agent.control import cli as control

    example = "framezero publish koi.mp4 sky.mp4 --program reel --to /srv/films --url https://films.example"
    app.command(epilog=f"Example: {example}")(control.publish)
    app.command(epilog="Examples: framezero status --watch · framezero status --clock")(control.status)
    app.command(epilog="Example: framezero poll winners-reel --venues @asia")(control.poll)
    app.command(epilog="Example: framezero alarms --webhook https://chat.example/hooks/abc")(control.alarms)
    app.command(epilog="Example: framezero shot tokyo-shibuya --out shibuya.jpg")(control.shot)
    app.command(epilog="Example: framezero identify --seconds 20 --venues tokyo-shibuya")(control.identify)
    app.command(epilog="Example: framezero asrun --since 7d --html --out proof.html")(control.asrun)
    app.add_typer(control.app_cue, name="cue")
    app.add_typer(control.app_show, name="show")
    app.add_typer(control.app_venue, name="venue")
    app.add_typer(control.app_keys, name="keys")


def _technician() -> None:
    from agent.technician import cli as technician

    app.command(epilog="Example: framezero clock --config /etc/framezero/agent.toml")(technician.clock)
    app.command(epilog="Example: framezero check --config /etc/framezero/agent.toml")(technician.check)


def _setup() -> None:
    from agent.technician.setup_cli import setup

    unattended = "framezero setup --yes --venue tokyo-shibuya --show bring-your-vision --broker cue-a.example"
    app.command(epilog=f"Examples: sudo framezero setup · sudo {unattended}")(setup)


def _import() -> None:
    from agent.technician.import_cli import import_films

    example = "framezero import /media/usb --config /etc/framezero/agent.toml"
    app.command("import", epilog=f"Example: {example}")(import_films)


def _local() -> None:
    from agent.technician.local_cli import app_local

    app.add_typer(app_local, name="local")


def _board() -> None:
    if find_spec("nicegui") is None:  # looked for and not imported: it is large, and help needs none of it
        raise ModuleNotFoundError("No module named 'nicegui'", name="nicegui")
    from agent.board.cli import board

    app.command(epilog="Example: framezero board --show-file show.toml --token-file ~/.config/framezero/board.token")(
        board
    )


def _lab() -> None:
    from agent.lab.cli import app as lab

    app.add_typer(lab, name="lab")


class Command(Protocol):
    """What Typer makes of a command: its classes are in a module of its own that is not for others."""

    help: str | None

    def __call__(self) -> Any:
        """Run it with the words of the command line."""


@dataclass(frozen=True, slots=True)
class Part:
    """Commands that are imported together, and the extra of the distribution that brings what they need ('': none)."""

    commands: tuple[str, ...]
    mount: Callable[[], None]
    extra: str = ""


_OPERATORS = ("publish", "status", "poll", "alarms", "shot", "asrun", "identify", "cue", "show", "venue", "keys")
PARTS = (
    Part(_OPERATORS, _control),
    Part(("clock", "check"), _technician, "agent"),
    Part(("setup",), _setup, "agent"),
    Part(("import",), _import, "agent"),
    Part(("local",), _local, "agent"),
    Part(("board",), _board, "board"),
    Part(("lab",), _lab, "lab"),
)


def _absent(part: Part) -> None:
    """Name the commands of a part that is not installed, so that help and completion are whole all the same."""
    for name in part.commands:

        def say(name: str = name) -> None:
            typer.echo(f"{name} needs: pip install 'framezero[{part.extra}]'", err=True)
            raise typer.Exit(EXIT_USAGE)

        say.__signature__ = inspect.Signature()  # type: ignore[attr-defined]  # what Typer looks at: it takes nothing
        text = f"Not installed here: pip install 'framezero\\[{part.extra}]'."
        app.command(name, help=text, epilog=f"Example: pip install 'framezero\\[{part.extra}]'")(say)


def tree(first: str) -> Command:
    """The command with what `first`, the first word of the command line, needs; all of it where that is no command.

    So an operator's `status` imports nothing of a player's, and help, completion and 'did you mean' know everything.
    """
    meant = [part for part in PARTS if first in part.commands]
    for part in meant or (() if first == "agent" else PARTS):
        try:
            part.mount()
        except ModuleNotFoundError as error:
            if meant or _ours(error):
                raise
            _absent(part)
    command = typer.main.get_command(app)
    _flow(command)
    return command


def _flow(command: Command) -> None:
    """Let the texts of help flow: lines of a docstring end where the source's do, not where the window's do."""
    if command.help:
        paragraphs = inspect.cleandoc(command.help).split("\n\n")
        command.help = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
    for child in getattr(command, "commands", {}).values():
        _flow(child)


def _ours(error: ModuleNotFoundError) -> bool:
    return (error.name or "agent").partition(".")[0] == "agent"


def main() -> None:
    """Entry point of the command."""
    first = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        # Who presses Ctrl-C while the libraries are loaded is shown nothing of them.
        usual = signal.signal(signal.SIGINT, signal.SIG_DFL)
        command = tree(first)
        signal.signal(signal.SIGINT, usual)
        command()
    except ModuleNotFoundError as error:
        if _ours(error):
            raise
        extra = next((part.extra for part in PARTS if first in part.commands), "") or "agent"
        typer.echo(f"{error.name} is not installed; this needs: pip install 'framezero[{extra}]'", err=True)
        raise SystemExit(EXIT_USAGE) from None


if __name__ == "__main__":
    main()
