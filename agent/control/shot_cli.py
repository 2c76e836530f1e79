"""`framezero shot`: pictures of what walls show, into files."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from agent.control import shot as shots
from agent.control.cue import nobody_for, patterns_of
from agent.control.draft import CueError
from agent.control.link import Delivery, deliveries_json, untaken
from agent.control.options import BrokerOptions, complaints, line_to, print_json, screen, shown, takes, warn
from agent.control.shot import Picture, Row
from agent.control.tables import fitting, shortlist
from agent.control.times import TimeError, local_time, parse_span
from agent.units import US_PER_S, format_utc

STDOUT = Path("-")

_LAYOUTS = (
    ("venue", "taken", "there", "on the wall", "picture", "wall"),
    ("venue", "taken", "there", "on the wall", "picture"),
)
_NARROW_LAYOUTS = (("venue", "on the wall", "picture"), ("venue", "on the wall"), ("venue", "picture"), ("venue",))
NARROW = 125
"""Below so many columns the times stand in lines of their own."""


@takes(BrokerOptions)
def shot(
    given: BrokerOptions,
    venues: Annotated[
        str, typer.Argument(metavar="VENUE", help="The venue; or several and @groups with commas, or * for all.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE|DIR", help="The file, - for standard output; of several, a folder.")
    ],
    width: Annotated[
        int | None, typer.Option("--width", min=64, max=1920, help="At most so many pixels wide and high \\[1280].")
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="SPAN", help="Wait no longer than this \\[10s].")
    ] = None,
) -> None:
    """Take a picture of what a wall really shows, whatever covers it: a JPEG of at most 100 kB.

    A venue takes one in two seconds at most; who asks in between gets the same one, with its own time.
    """
    found = given.settings()
    patterns = patterns_of(venues, "VENUE")
    several = len(patterns) > 1 or patterns[0][0] in "*@"
    timeout_s = _positive_s(timeout) if timeout else shots.TIMEOUT_S
    place = place_of(out, several, given.json)

    async def run() -> int:
        async with line_to(found, shots.TOPICS) as link:
            warnings = await link.settle()
            files: dict[str, Path | str] = {}
            with _progress(len(link.view.expected(patterns)), several) as told:

                def each(row: Row) -> None:
                    if isinstance(row.outcome, Picture):
                        files[row.venue] = _save(row.outcome.jpeg, place, row.venue)
                    told()

                rows, deliveries = await shots.take_all(link, patterns, width=width, timeout_s=timeout_s, each=each)
            warnings += [*nobody_for(link.view, patterns), *untaken(deliveries)]
            warnings += [*link.view.other_versions(), *link.view.warnings]
            code = exit_code(rows, files)
            if given.json:
                print_json(as_json(rows, files, deliveries, list(dict.fromkeys(warnings)), code))
            else:
                warn(list(dict.fromkeys(warnings)))
                console = complaints() if place == STDOUT else screen()
                console.print(page(rows, files, place, console.width))
            return code

    raise typer.Exit(asyncio.run(run()))


def exit_code(rows: list[Row], files: dict[str, Path | str]) -> int:
    """0 all are there · 1 one is refused or cannot be written, which outranks: · 3 one is silent, or none is known."""
    codes = {"" if isinstance(row.outcome, Picture) else row.outcome.code for row in rows}
    if any(isinstance(file, str) for file in files.values()) or codes - {"", "silent", "offline"}:
        return 1
    return 0 if codes == {""} else 3


def _positive_s(text: str) -> float:
    seconds = parse_span(text) / US_PER_S
    if seconds <= 0:
        raise TimeError(f"--timeout {text!r}: is nothing; write 10s")
    return seconds


def place_of(out: Path, several: bool, as_json: bool) -> Path:
    """Where pictures go: `-`, a file, or a folder that is there now. Raises CueError before anybody is asked."""
    if out == STDOUT:
        if several:
            raise CueError("--out -: several pictures go into a folder; give its name", usage=True)
        if as_json:
            raise CueError("--out -: a picture and --json cannot both go to standard output", usage=True)
        if sys.stdout.isatty():
            raise CueError("--out -: a terminal shows no picture; name a file, or pipe it on", usage=True)
        return out
    if several:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CueError(f"--out {out}: cannot be a folder ({error.strerror}); name another", usage=True) from error
    elif not out.is_dir() and not out.absolute().parent.is_dir():
        raise CueError(f"--out {out}: there is no folder {out.absolute().parent}; make it first", usage=True)
    return out


def _save(jpeg: bytes, place: Path, venue: str) -> Path | str:
    """Write a picture, whole or not at all; returns the file, or what is wrong with it."""
    if place == STDOUT:
        sys.stdout.buffer.write(jpeg)
        sys.stdout.buffer.flush()
        return place
    file = place / f"{venue}.jpg" if place.is_dir() else place
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_bytes(jpeg)
        part.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        return f"{file} cannot be written ({error.strerror}); the picture is lost, ask again"
    return file


@contextlib.contextmanager
def _progress(count: int, several: bool) -> Any:
    """A bar on a terminal where several are waited for; yields what counts one more."""
    columns = (TextColumn("pictures"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=complaints(), transient=True, disable=not several or not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task("", total=count)
        yield lambda: bar.advance(task)


def as_json(
    rows: list[Row], files: dict[str, Path | str], deliveries: list[Delivery], warnings: list[str], code: int
) -> dict[str, Any]:
    """Everything but the pictures themselves, for `--json`."""
    return {
        "exit": code,
        "brokers": deliveries_json(deliveries),
        "venues": [_venue_json(row, files.get(row.venue)) for row in rows],
        "warnings": warnings,
    }


def _venue_json(row: Row, file: Path | str | None) -> dict[str, Any]:
    made = row.outcome if isinstance(row.outcome, Picture) else None
    return {
        "venue": row.venue,
        "online": row.presence.online if row.presence else None,
        "timezone": row.presence.timezone if row.presence else None,
        "file": str(file) if isinstance(file, Path) else None,
        "unwritten": file if isinstance(file, str) else None,
        "bytes": len(made.jpeg) if made else None,
        "shot": made.shot.model_dump(mode="json", exclude={"jpeg"}) if made else None,
        "waited_s": made.waited_s if made else None,
        "refused": None if made else row.outcome.model_dump(mode="json"),  # type: ignore[union-attr]  # it is one
    }


def page(rows: list[Row], files: dict[str, Path | str], place: Path, width: int) -> Group:
    """The table, and below it a line for each venue without a picture, or with one that could not be kept."""
    drawn, rest = shortlist(rows, lambda row: isinstance(row.outcome, Picture))
    taken = [_cells(row.outcome) for row in drawn if isinstance(row.outcome, Picture)]
    layouts = _NARROW_LAYOUTS if width < NARROW else _LAYOUTS
    parts: list[Any] = [fitting(taken, layouts, {}, width)] if taken else []
    lines = [rest] if rest else []
    if width < NARROW:
        lines += [f"{row['venue']}: {row['taken']} · {row['there']} · {row['picture']}" for row in taken]
    for row in drawn:
        if isinstance(row.outcome, Picture):
            file = files[row.venue]
            if isinstance(file, str):
                lines.append(f"[bold]{shown(row.venue)}[/]: [red]{shown(file)}[/]")
        else:
            lines.append(
                f"[bold]{shown(row.venue)}[/]: [red]{shown(row.outcome.code)}[/] – {shown(row.outcome.detail)}"
            )
    kept = sum(isinstance(file, Path) for file in files.values())
    if kept and place != STDOUT:
        lines.append(f"{kept} picture{'s' if kept > 1 else ''} in {shown(str(place))}")
    if not rows:
        lines.append("[red]no venue is known at the broker[/]; are agents running, and is --root right?")
    return Group(*parts, *(Text.from_markup(line, emoji=False) for line in lines))


def _cells(made: Picture) -> dict[str, str]:
    said = made.shot
    zone = made.presence.timezone if made.presence else ""
    taken = "no time yet" if said.taken is None else format_utc(said.taken)[:-4] + "Z"
    return {
        "venue": f"[bold]{shown(made.venue)}[/]",
        "taken": taken,
        "there": shown(local_time(said.taken, zone)) if said.taken is not None else "",
        "on the wall": shown(on_wall(made)),
        "picture": f"{said.width}×{said.height} {len(made.jpeg) / 1000:.0f} kB",
        "wall": f"{said.wall_width}×{said.wall_height}",
    }


def on_wall(made: Picture) -> str:
    """What the venue says was on the wall when the picture was taken, in a few words."""
    said = made.shot
    what: str = said.state
    if said.panic is not None:
        what = "PANIC"
    elif said.program is not None and said.item is not None:
        place = "" if said.frame is None else f" frame {said.frame}"
        what = f"{said.state} {said.program} r{said.rev}, {said.item + 1}: {said.film or '?'}{place}"
    return f"{what} + identify" if said.identifying else what
