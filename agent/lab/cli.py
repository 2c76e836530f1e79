"""The commands `framezero lab …`, mounted by agent/cli.py."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from agent.lab import displays, report, world
from agent.lab.console import Narrator
from agent.lab.processes import LabError, heed_signals
from agent.lab.run import RunWishes, run
from agent.lab.spans import parse_ms
from agent.lab.up import UpWishes, up
from agent.lab.world import Wishes
from agent.units import parse_rate

INTERRUPTED = 130

app = typer.Typer(
    help="Five venues on this machine, judged by their pixels.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

T = TypeVar("T")

Out = Annotated[Path, typer.Option(help="Folder for everything: report, plots, logs, configurations, framebuffers.")]
Venues = Annotated[int, typer.Option(min=1, max=5, help="How many of the five venues.")]
Size = Annotated[str, typer.Option(metavar="WxH", help="Size of walls and test films.")]
Fps = Annotated[str | None, typer.Option(help="One frame rate for all test films, such as 25 or 30000/1001.")]
Films = Annotated[Path | None, typer.Option(help="A folder with your own films, instead of test films.")]
TrueClocks = Annotated[bool, typer.Option("--true-clocks", help="Players with right clocks: no libfaketime.")]
Asymmetry = Annotated[
    str, typer.Option(metavar="SPAN", help="Make the way back from the time servers longer by this, such as 10ms.")
]
Liar = Annotated[str, typer.Option(metavar="SPAN", help="Let the nearest time server lie by this, such as 80ms.")]


@app.command("run", epilog="Example: framezero lab run --seconds 60 --out /tmp/lab --max-p99-ms 5")
def run_command(
    seconds: Annotated[float, typer.Option(min=5, help="How long the program plays, looped.")] = 60,
    fps: Fps = None,
    size: Size = "320x180",
    films: Films = None,
    true_clocks: TrueClocks = False,
    asymmetry: Asymmetry = "0ms",
    liar: Liar = "0ms",
    out: Out = Path("framezero-lab"),
    max_p99_ms: Annotated[float, typer.Option(min=0, help="Allowed p99 of the skew across the walls.")] = 5.0,
    max_first_ms: Annotated[
        float | None, typer.Option(min=0, help="Allowed error of each wall's first frame; not judged by default.")
    ] = None,
    venues: Venues = 5,
    as_json: Annotated[
        bool, typer.Option("--json", help="The report as JSON; progress goes to standard error.")
    ] = False,
) -> None:
    """Start five venues, play a program on all of them, and measure every frame from the pixels.

    Exit status: 0 in sync, 1 a limit missed, 2 usage or a missing program, 4 no broker, 5 the measurement is void.
    """
    narrator = Narrator(json=as_json)
    with _explained(narrator, as_json):
        wanted = _wishes(out, venues, size, true_clocks, asymmetry, liar)
        found = run(RunWishes(wanted, seconds, _rate(fps), films, max_p99_ms, max_first_ms), narrator)
        _show(found, as_json, narrator)
        narrator.say(f"report.json, sync.html, sync.png, walls.png and logs are in {wanted.out}")
    raise typer.Exit(found.status)


@app.command("up", epilog="Example: framezero lab up --out /tmp/lab --venues 3")
def up_command(
    fps: Fps = None,
    size: Size = "320x180",
    films: Films = None,
    true_clocks: TrueClocks = False,
    asymmetry: Asymmetry = "0ms",
    liar: Liar = "0ms",
    out: Out = Path("framezero-lab"),
    venues: Venues = 5,
) -> None:
    """Start five venues and leave them running for cues by hand, until Ctrl-C or SIGTERM.

    OUT/control.toml is a profile for the operator's commands, OUT/show.toml a cue list for `show run` and `board`;
    OUT/lab.json says where everything is. `touch OUT/pulled/paris` pulls the cable of Paris, `rm` plugs it in again.
    """
    narrator = Narrator(json=False)
    with _explained(narrator):
        up(UpWishes(_wishes(out, venues, size, true_clocks, asymmetry, liar), _rate(fps), films), narrator)


@app.command("report", epilog="Example: framezero lab report /tmp/lab")
def report_command(
    folder: Annotated[Path, typer.Argument(help="The --out of an earlier lab run.")],
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Analyse an earlier run again: table, report.json, plots. The exit status is that of the run."""
    narrator = Narrator(json=as_json)
    with _explained(narrator, as_json):
        found = report.conclude(folder)
        _show(found, as_json, narrator)
    raise typer.Exit(found.status)


def _show(found: report.Report, as_json: bool, narrator: Narrator) -> None:
    if as_json:
        typer.echo(json.dumps(report.as_json(found), indent=1))
    else:
        narrator.console.print(report.table(found))


def _wishes(out: Path, venues: int, size: str, true_clocks: bool, asymmetry: str, liar: str) -> Wishes:
    wall = _read(lambda: displays.parse_size(size), "--size")
    asymmetry_ms = _read(lambda: parse_ms(asymmetry), "--asymmetry")
    if not -1000 <= asymmetry_ms <= 1000:
        raise LabError(f"--asymmetry {asymmetry}: is not between -1s and 1s", status=2)
    liar_ms = _read(lambda: parse_ms(liar), "--liar")
    return Wishes(out.resolve(), world.venues(venues), wall, true_clocks, asymmetry_ms, liar_ms)


def _rate(text: str | None) -> Fraction | None:
    return None if text is None else _read(lambda: parse_rate(text), "--fps")


def _read(value: Callable[[], T], option: str) -> T:
    try:
        return value()
    except ValueError as error:
        raise LabError(f"{option}: {error}", status=2) from error


@contextmanager
def _explained(narrator: Narrator, as_json: bool = False) -> Iterator[None]:
    """Turn what the lab says into words and an exit status; Ctrl-C and SIGTERM end it in order."""
    heed_signals()
    try:
        yield
    except LabError as error:
        Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        if as_json:
            typer.echo(json.dumps({"exit": error.status, "errors": str(error).splitlines()}))
        raise typer.Exit(error.status) from None
    except KeyboardInterrupt:
        narrator.say("ended, as told; nothing is left running")
        raise typer.Exit(INTERRUPTED) from None
