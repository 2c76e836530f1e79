"""Options that all operator commands share, and how one ends: an exit code and a sentence, never a traceback."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from agent.control.cue import CueError
from agent.control.link import NoBrokerError
from agent.control.profile import ProfileError, Settings, load
from agent.control.publish import PublishError
from agent.control.times import TimeError

WIDE = 160  # columns of a table in a pipe or a file, where there is no window

BrokerOption = Annotated[
    list[str] | None, typer.Option("--broker", metavar="URL", help="mqtts://host:8883; repeat it for a second broker.")
]
RootOption = Annotated[str | None, typer.Option("--root", metavar="TOPIC", help="Topic root \\[framezero/v1].")]
ShowOption = Annotated[str | None, typer.Option("--show", metavar="NAME", help="The show; cues of others are refused.")]
KeyOption = Annotated[
    list[str] | None, typer.Option("--key", metavar="FILE", help="Signing key; this version does not sign yet.")
]
CaOption = Annotated[str | None, typer.Option("--ca", metavar="FILE", help="CA of the brokers, PEM.")]
CertOption = Annotated[str | None, typer.Option("--cert", metavar="FILE", help="Client certificate, PEM.")]
CertKeyOption = Annotated[str | None, typer.Option("--cert-key", metavar="FILE", help="Its private key, PEM.")]
ProfileOption = Annotated[
    Path | None, typer.Option("--profile", metavar="FILE", help="Settings \\[~/.config/framezero/control.toml].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


class Exit(IntEnum):
    """The exit codes of the contract."""

    GOOD = 0
    BAD = 1
    USAGE = 2
    SILENT = 3
    NO_BROKER = 4
    INTERRUPTED = 130


def settings(
    broker: list[str] | None,
    root: str | None,
    show: str | None,
    key: list[str] | None,
    ca: str | None,
    cert: str | None,
    cert_key: str | None,
    profile: Path | None,
) -> Settings:
    """Put a command's settings together. Raises ProfileError."""
    options = {
        "broker": broker,
        "root": root,
        "show": show,
        "key": key,
        "ca": ca,
        "cert": cert,
        "cert_key": cert_key,
    }
    return load(options, profile, os.environ)


def show_of(found: Settings) -> str:
    """The show that a cue or a program is for. Raises ProfileError when none is named."""
    if found.show is None:
        raise ProfileError(['no show is named; give --show NAME, or show = "…" in the profile'])
    return found.show


def screen() -> Console:
    """Where results go: standard output, wide when it is not a window."""
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)


def complaints() -> Console:
    """Where warnings, progress and errors go: standard error."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else WIDE, highlight=False)


def warn(texts: list[str]) -> None:
    """Say warnings, a line each."""
    for text in texts:
        complaints().print(f"[yellow]warning:[/] {escape(text)}", soft_wrap=True)


def print_json(value: dict[str, Any]) -> None:
    """Print one object on one line."""
    screen().print(json.dumps(value), markup=False, soft_wrap=True)


@contextmanager
def ending(as_json: bool) -> Iterator[None]:
    """Turn what a command can fail by into its exit code and a line a fault."""
    try:
        yield
    except (ProfileError, PublishError) as error:
        _fail(Exit.USAGE, error.faults, as_json)
    except TimeError as error:
        _fail(Exit.USAGE, [str(error)], as_json)
    except CueError as error:
        _fail(Exit.USAGE if error.usage else Exit.BAD, [str(error)], as_json)
    except NoBrokerError as error:
        _fail(Exit.NO_BROKER, [f"no broker: {fault}" for fault in error.faults], as_json)
    except KeyboardInterrupt:
        _fail(Exit.INTERRUPTED, ["interrupted"], as_json)


def _fail(code: Exit, faults: list[str], as_json: bool) -> None:
    for fault in faults:
        complaints().print(f"[red]error:[/] {escape(fault)}", soft_wrap=True)
    if as_json:
        print_json({"exit": int(code), "errors": faults})
    raise typer.Exit(int(code))
