"""`framezero keys …`: the keys that sign."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.markup import escape

from agent.control import signing
from agent.control.link import utc_now
from agent.control.options import complaints, ending, print_json, screen
from agent.control.times import TimeError
from agent.messages import Name
from agent.trust import MAY_SIGN
from agent.units import format_utc, parse_utc

app_keys = typer.Typer(no_args_is_help=True, help="Make the keys that sign cues, programs and panics.")


class RoleName(StrEnum):
    """What a key may sign."""

    show = "show"
    content = "content"
    panic = "panic"


@app_keys.callback()
def _keys() -> None:
    """Keep `new` a command of its own, however few there are."""


@app_keys.command("new", epilog="Example: framezero keys new alice --role show --to ~/framezero-keys --passphrase")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is: lower-case letters, digits, hyphens.")],
    role: Annotated[
        RoleName,
        typer.Option("--role", help="show: cues, panics and lifts; content: programs; panic: panics alone."),
    ],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder for both files, on this machine.")],
    not_after: Annotated[
        str | None,
        typer.Option("--not-after", metavar="TIME", help="From then on it signs nothing new: 2027-01-01T00:00:00Z."),
    ] = None,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Ask for a passphrase that locks the key.")] = False,
    passphrase_file: Annotated[
        Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Lock it with the passphrase in FILE.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make an Ed25519 pair: NAME.key (0600) signs and stays here, NAME.toml goes to every venue."""
    with ending(as_json):
        try:
            TypeAdapter(Name).validate_python(name)
        except ValidationError:
            raise signing.SigningError([f"{name!r} is no name for a key; use a-z, 0-9 and hyphens"]) from None
        try:
            end = parse_utc(not_after) if not_after else None
        except ValueError as error:
            raise TimeError(f"--not-after: {error}") from None
        if end is not None and end <= utc_now():
            raise TimeError(f"--not-after: {not_after} is past, so the key would never sign; name a time to come")
        word = ""
        if passphrase_file is not None:
            word = signing.passphrase_in(passphrase_file)
        elif passphrase:
            word = typer.prompt("passphrase", hide_input=True, confirmation_prompt=True, err=True)
        made = signing.make(name, role.value, signing.at_home(to), passphrase=word, not_after=end)
        if as_json:
            print_json(
                {
                    "name": made.name,
                    "role": made.role,
                    "id": made.id,
                    "private": str(made.private),
                    "public": str(made.public),
                    "not_after": format_utc(end) if end is not None else None,
                }
            )
            return
        signs = ", ".join(f"{kind}s" for kind, roles in MAY_SIGN.items() if made.role in roles)
        console = screen()
        console.print(f"key [bold]{made.id}[/]: {made.name}, role {made.role}, signs {signs}", soft_wrap=True)
        console.print(f"  private  {escape(str(made.private))}  (0600: stays here; sign with --key)", soft_wrap=True)
        console.print(f"  public   {escape(str(made.public))}  (goes into trust.keys of every venue)", soft_wrap=True)
        if not word:
            complaints().print("[yellow]no passphrase: whoever can read the private file can sign[/]", soft_wrap=True)
