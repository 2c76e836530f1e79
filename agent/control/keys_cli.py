"""`framezero keys …`: the keys that sign."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.markup import escape

from agent.control import keyfolder, signing
from agent.control.link import utc_now
from agent.control.options import Exit, complaints, ending, print_json, screen, shown, warn
from agent.control.tables import fitting
from agent.control.times import TimeError
from agent.messages import Name
from agent.trust import MAY_SIGN
from agent.units import UtcUs, format_utc, parse_utc

app_keys = typer.Typer(no_args_is_help=True, help="Make and list the keys that sign cues, programs and panics.")
_LAYOUTS = (
    ("name", "role", "signs", "private", "ends", "id"),
    ("name", "role", "private", "ends", "id"),
    ("name", "role", "private", "id"),
    ("name", "private", "id"),
)
_HEADS = {"private": "private half", "ends": "ends (UTC)"}
_PRIVATE = {"yes": "[green]here[/]", "locked": "[green]here, locked[/]", "no": "[dim]not here[/]"}


class RoleName(StrEnum):
    """What a key may sign."""

    show = "show"
    content = "content"
    panic = "panic"


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
                    "exit": int(Exit.GOOD),
                    "name": made.name,
                    "role": made.role,
                    "id": made.id,
                    "private": str(made.private),
                    "public": str(made.public),
                    "not_after": format_utc(end) if end is not None else None,
                }
            )
            return
        console = screen()
        told = f"key [bold]{made.id}[/]: {made.name}, role {made.role}, signs {_signs(made.role)}"
        console.print(told, soft_wrap=True)
        console.print(f"  private  {escape(str(made.private))}  (0600: stays here; sign with --key)", soft_wrap=True)
        console.print(f"  public   {escape(str(made.public))}  (goes into trust.keys of every venue)", soft_wrap=True)
        if not word:
            complaints().print("[yellow]no passphrase: whoever can read the private file can sign[/]", soft_wrap=True)


@app_keys.command("list", epilog="Example: framezero keys list ~/framezero-keys")
def list_(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder of 'keys new --to', or a venue's trust.keys.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the keys of a folder: whose, what they sign, whether the private half is here, and when they end.

    Exit status: 1 where a file is damaged, or a private key that others can read.
    """
    with ending(as_json):
        found, faults = keyfolder.listed(signing.at_home(folder))
        code = Exit.BAD if faults else Exit.GOOD
        if as_json:
            keys = [
                {
                    "name": key.name,
                    "role": key.role,
                    "id": key.id,
                    "private": key.private,
                    "public": key.public,
                    "not_after": None if key.not_after is None else format_utc(key.not_after),
                }
                for key in found
            ]
            print_json({"exit": int(code), "keys": keys, "warnings": faults})
        else:
            warn(faults)
            now = utc_now()
            screen().print(fitting([_cells(key, now) for key in found], _LAYOUTS, _HEADS, screen().width))
            for key in found:
                if not key.public:
                    screen().print(f"{shown(key.name)}: no .toml beside it, which the venues need to trust it")
            if not found:
                screen().print(f"{escape(str(folder))} holds no key; make one with: framezero keys new")
        raise typer.Exit(int(code))


def _signs(role: str) -> str:
    return ", ".join(f"{kind}s" for kind, roles in MAY_SIGN.items() if role in roles)


def _cells(key: keyfolder.Listed, now: UtcUs) -> dict[str, str]:
    ends = "never" if key.not_after is None else format_utc(key.not_after)[:16].replace("T", " ")
    over = key.not_after is not None and key.not_after <= now
    return {
        "name": f"[bold]{shown(key.name)}[/]",
        "role": key.role or "any",
        "signs": _signs(key.role) if key.role else "whatever it is asked to",
        "private": _PRIVATE[key.private],
        "ends": "–" if not key.public else f"[red]{ends}, ended[/]" if over else ends,
        "id": key.id or "–",
    }
