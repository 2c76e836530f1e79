"""Options that all operator commands share, and how one ends: an exit code and a sentence, never a traceback."""

import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from agent.control.draft import CueError
from agent.control.link import Link, NoBrokerError
from agent.control.profile import ProfileError, Settings, load
from agent.control.publish import PublishError
from agent.control.signing import UNSIGNED, Pen, SigningError, at_home, passphrase_in
from agent.control.signing import load as load_keys
from agent.control.times import TimeError
from agent.control.view import ANYBODY
from agent.keyring import Keyring
from agent.printable import printable
from agent.trust import Kind, Trust

MAX_NAME = 64
WIDE = 160  # columns of a table in a pipe or a file, where there is no window


class Exit(IntEnum):
    """The exit codes of the contract."""

    GOOD = 0
    BAD = 1
    USAGE = 2
    SILENT = 3
    NO_BROKER = 4
    INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class BrokerOptions:
    """Where the brokers are, which show it is, and how to answer: every operator command has these options."""

    broker: Annotated[
        list[str] | None,
        typer.Option("--broker", metavar="URL", help="mqtts://host:8883; repeat it for a second broker."),
    ] = None
    root: Annotated[str | None, typer.Option("--root", metavar="TOPIC", help="Topic root \\[framezero/v1].")] = None
    show: Annotated[
        str | None, typer.Option("--show", metavar="NAME", help="The show; cues of others are refused.")
    ] = None
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="FILE", help="Private key to sign with; repeat it for more."),
    ] = None
    ca: Annotated[str | None, typer.Option("--ca", metavar="FILE", help="CA of the brokers, PEM.")] = None
    cert: Annotated[str | None, typer.Option("--cert", metavar="FILE", help="Client certificate, PEM.")] = None
    cert_key: Annotated[str | None, typer.Option("--cert-key", metavar="FILE", help="Its private key, PEM.")] = None
    profile: Annotated[
        Path | None, typer.Option("--profile", metavar="FILE", help="Settings \\[~/.config/framezero/control.toml].")
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False

    def settings(self) -> Settings:
        """Put the command's settings together. Raises ProfileError."""
        names = ("broker", "root", "show", "key", "ca", "cert", "cert_key")
        return load({name: getattr(self, name) for name in names}, self.profile, os.environ)


@dataclass(frozen=True, kw_only=True)
class SenderOptions(BrokerOptions):
    """Who sends: what the other operators see."""

    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Who you are to the other operators \\[operator in the profile]."),
    ] = None

    def me(self, found: Settings) -> str:
        """Who sends by these settings. Raises ProfileError."""
        if self.as_ is not None and (printable(self.as_) != self.as_ or not 0 < len(self.as_) <= MAX_NAME):
            raise ProfileError([f"--as {self.as_!r}: a line of 1 to {MAX_NAME} characters, such as anna@control-hk"])
        return self.as_ if self.as_ is not None else found.me


O = TypeVar("O", bound=BrokerOptions)  # noqa: E741 - beside P
P = ParamSpec("P")


def takes(options: type[O]) -> Callable[[Callable[Concatenate[O, P], None]], Callable[..., None]]:
    """Give a command the fields of `options` as options of its own, and itself them as its first argument.

    Its own parameters come first in the help, then those that fewer commands have. It ends as `ending` says.
    """
    inherited = [name for base in options.__mro__[1:] for name in getattr(base, "__annotations__", {})]
    names = sorted((field.name for field in fields(options)), key=lambda name: name in inherited)
    shared = inspect.signature(options).parameters

    def decorate(command: Callable[Concatenate[O, P], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            found = options(**{name: given.pop(name) for name in names})
            with ending(found.json):
                command(found, **given)  # type: ignore[call-arg]  # Typer gives exactly what the signature asks for

        _, *own = inspect.signature(command).parameters.values()
        parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in [*own, *(shared[name] for name in names)]
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer looks at
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def pen_of(found: Settings, *kinds: Kind) -> Pen:
    """The keys that sign, fit for these kinds of messages; asks for passphrases. Raises SigningError."""

    def ask(file: str) -> str:
        if found.passphrase_file:
            return passphrase_in(Path(found.passphrase_file))
        if not sys.stdin.isatty():
            hint = "set passphrase_file in the profile, or FRAMEZERO_CONTROL__PASSPHRASE_FILE"
            raise SigningError([f"{file}: is locked by a passphrase, and there is no terminal to ask for it; {hint}"])
        return str(typer.prompt(f"passphrase of {file}", hide_input=True, err=True))

    pen = load_keys(found.key, ask)
    if lacking := list(filter(None, map(pen.lacks, kinds))):
        raise SigningError(lacking)
    return pen


def trust_of(found: Settings) -> Trust | None:
    """The public keys that the profile trusts; None where it names none. Raises ProfileError or SigningError."""
    if not found.trust:
        return None
    look = Keyring(at_home(Path(found.trust))).look()
    if look.faults:
        raise ProfileError([f"trust: {fault.detail}" for fault in look.faults])
    # What a broker keeps was accepted in its time: that a key has ended since takes nothing back.
    return Trust(tuple(replace(key, not_after=None) for key in look.keys))


def line_to(
    found: Settings, topics: Sequence[str], *, hurry: bool = False, patient: bool = False, pen: Pen = UNSIGNED
) -> Link:
    """A line to the brokers of these settings (see Link). Raises ProfileError or SigningError for a useless `trust`."""
    trust = trust_of(found) or ANYBODY
    return Link(found.access(), found.root, topics, hurry=hurry, patient=patient, pen=pen, trust=trust)


def show_of(found: Settings) -> str:
    """The show that a cue or a program is for. Raises ProfileError when none is named."""
    if found.show is None:
        raise ProfileError(['no show is named; give --show NAME, or show = "…" in the profile'])
    return found.show


def shown(text: str) -> str:
    """Text from outside, fit for a terminal, as markup that means nothing but itself."""
    return escape(printable(text))


def screen() -> Console:
    """Where results go: standard output, wide when it is not a window."""
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, emoji=False)


def complaints() -> Console:
    """Where warnings, progress and errors go: standard error."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else WIDE, highlight=False, emoji=False)


def warn(texts: list[str]) -> None:
    """Say warnings, a line each."""
    for text in texts:
        complaints().print(f"[yellow]warning:[/] {shown(text)}", soft_wrap=True)


def print_json(value: dict[str, Any]) -> None:
    """Print one object on one line."""
    typer.echo(json.dumps(value))


@contextmanager
def ending(as_json: bool) -> Iterator[None]:
    """Turn what a command can fail by into its exit code and a line a fault."""
    try:
        yield
    except (ProfileError, PublishError, SigningError) as error:
        _fail(Exit.USAGE, error.faults, as_json)
    except TimeError as error:
        _fail(Exit.USAGE, [str(error)], as_json)
    except CueError as error:
        _fail(Exit.USAGE if error.usage else Exit.BAD, [error.detail], as_json, error.choices)
    except NoBrokerError as error:
        _fail(Exit.NO_BROKER, [f"no broker: {fault}" for fault in error.faults], as_json)
    except (KeyboardInterrupt, typer.Abort):  # the latter at a question for a passphrase
        _fail(Exit.INTERRUPTED, ["interrupted"], as_json)


def _fail(code: Exit, faults: list[str], as_json: bool, choices: Sequence[str] = ()) -> None:
    for fault in faults:
        complaints().print(f"[red]error:[/] {shown(fault)}{':' if choices else ''}", soft_wrap=True)
    for choice in choices:
        complaints().print(f"  {shown(choice)}", soft_wrap=True)
    if as_json:
        print_json({"exit": int(code), "errors": faults, **({"choices": list(choices)} if choices else {})})
    raise typer.Exit(int(code))
