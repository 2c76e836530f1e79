from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from agent.control.draft import CueError
from agent.control.options import BrokerOptions, takes


@dataclass(frozen=True, kw_only=True)
class Colours(BrokerOptions):
    colour: Annotated[str, typer.Option("--colour")] = "red"


app = typer.Typer()


@app.command()
@takes(Colours)
def paint(
    given: Colours, wall: Annotated[str, typer.Argument()], coats: Annotated[int, typer.Option("--coats")] = 1
) -> None:
    """Paint a wall."""
    if given.colour == "pink":
        raise CueError("not pink", usage=False)
    typer.echo(f"{wall} {coats} {given.colour} {given.broker} {given.json}")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["north"], 0, "north 1 red None False"),
        (
            ["--broker", "b", "--coats", "2", "--broker", "c", "north", "--colour", "blue", "--json"],
            0,
            "north 2 blue ['b', 'c'] True",
        ),
        (["north", "--colour", "pink"], 1, "not pink"),
        (["north", "--coats", "many"], 2, "--coats"),
        ([], 2, "Missing argument"),
    ],
)
def test_a_command_takes_its_own_options_and_the_shared_ones(arguments: list[str], code: int, said: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, said in result.output) == (code, True), result.output


def test_the_help_begins_with_what_is_the_commands_own() -> None:
    out = CliRunner().invoke(app, ["--help"]).output
    places = [out.index(word) for word in ("Paint a wall", "--coats", "--colour", "--broker", "--json")]
    assert places == sorted(places)
