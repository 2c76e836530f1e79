"""`framezero asrun`: what the walls have shown, collected from their books, as a table or as a document."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from agent import __version__
from agent.control import collect, proof_page
from agent.control.collect import Fetched
from agent.control.collect import Progress as Told
from agent.control.cue import nobody_for, patterns_of
from agent.control.draft import CueError
from agent.control.link import utc_now
from agent.control.options import BrokerOptions, Exit, complaints, line_to, screen, shown, takes, warn
from agent.control.proof import Proof, Source, prove
from agent.control.proof_document import document
from agent.control.proof_files import csv_lines, json_parts
from agent.control.proof_record import Record
from agent.control.times import TimeError, parse_instant, parse_span
from agent.control.view import View
from agent.programs import Item, Program
from agent.units import UtcUs

PATIENCE_S = 8.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: a period, and which cues and programs of it."""

    since: UtcUs
    until: UtcUs
    cue: str | None
    program: str | None
    within_us: int

    def has(self, record: Record) -> bool:
        """Whether a record is of it."""
        return (self.cue is None or record.cue.startswith(self.cue)) and (
            self.program is None or record.program == self.program
        )


@takes(BrokerOptions)
def asrun(
    given: BrokerOptions,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="From then on: 2h, 7d, or 2025-06-02T12:00:00Z.")
    ] = "1d",
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="To then: likewise, or now \\[now].")
    ] = None,
    cue: Annotated[
        str | None, typer.Option("--cue", metavar="ID", help="Of one cue only; its beginning will do.")
    ] = None,
    program: Annotated[str | None, typer.Option("--program", metavar="ID", help="Of one program only.")] = None,
    venues: Annotated[str, typer.Option("--venues", metavar="a,@group", help="Venues and groups; * is all.")] = "*",
    csv: Annotated[bool, typer.Option("--csv", help="A table: a row a record.")] = False,
    html: Annotated[bool, typer.Option("--html", help="The document for a client: one file, with plots.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it there \\[standard output].")
    ] = None,
    within: Annotated[
        float | None,
        typer.Option("--within", metavar="MS", min=0.1, help="Exit 1 where a wall, or two, were further off \\[20]."),
    ] = None,
    patience: Annotated[
        str, typer.Option("--timeout", metavar="SPAN", help="How long a venue may be silent.")
    ] = f"{PATIENCE_S:g}s",
) -> None:
    """Collect what every wall has shown, and how exactly, even for hours in which it was offline.

    Exit 0: all is here, and every wall began every film at its instant · 1: one missed a start, joined late, or was
    further off than --within · 3: a venue is silent or offline, or hours are missing.
    """
    found = given.settings()
    if given.json + csv + html > 1:
        raise CueError("--json, --csv and --html are three documents: ask for one at a time", usage=True)
    if out is not None:
        _check_out(out, named=given.json or csv or html)
    now = utc_now()
    wanted = _wanted(now, since, until, cue, program, within)
    patterns = patterns_of(venues)
    patience_s = parse_span(patience) / 1e6

    async def run() -> int:
        async with line_to(found, collect.TOPICS) as link:
            warnings = await link.settle()
            expected = link.view.expected(patterns)
            with _bars(expected) as told:
                got = await collect.fetch(link, expected, wanted.since, wanted.until, patience_s, told)
            warnings += [*nobody_for(link.view, patterns), *link.view.other_versions(), *link.view.warnings]
            proof = put_together(link.view, got, wanted, found.show, utc_now())
        code = exit_code(proof, within)
        if not expected:
            warnings.append("no venue is known at the broker; are agents running, and is --root right?")
        if given.json or csv or html:
            warn(warnings if not given.json else [])
            _write(proof, code, warnings, out, csv=csv, html=html)
            if out is not None or not given.json:
                complaints().print(proof_page.sum_up(proof))
        else:
            warn(warnings)
            screen().print(proof_page.page(proof, screen().width))
        return code

    raise typer.Exit(asyncio.run(run()))


def _check_out(out: Path, *, named: bool) -> None:
    """See that there will be something to write, and where, before the venues are asked. Raises CueError."""
    if not named:
        raise CueError(f"--out {out}: as what? add --html, --csv or --json", usage=True)
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise CueError(f"--out {out}: name a file in a folder that is there", usage=True)


def _wanted(
    now: UtcUs, since: str, until: str | None, cue: str | None, program: str | None, within: float | None
) -> Wanted:
    begin = _moment(since, now)
    end = now if until is None else _moment(until, now)
    if begin >= end:
        raise TimeError(f"--since {since} is not before --until {until or 'now'}; exchange them")
    return Wanted(begin, end, cue, program, round((20.0 if within is None else within) * 1000))


def _moment(text: str, now: UtcUs) -> UtcUs:
    """An instant, or a length of time before now."""
    try:
        return UtcUs(now - parse_span(text))
    except TimeError:
        pass
    if text.strip().lower() == "now":
        return now
    try:
        return parse_instant(text, now)
    except TimeError as error:
        raise TimeError(f"{error}; or how long ago, as in 2h or 7d") from None


def exit_code(proof: Proof, within: float | None) -> int:
    """0 all good · 1 a start was missed or late, or further off than `within` ms · 3 records are missing."""
    far = within is not None and (
        any(start.skew_us is not None and start.skew_us > proof.within_us for start in proof.starts)
        or any(record.p99_us is not None and record.p99_us > proof.within_us for record in proof.records)
    )
    if far or not proof.clean:
        return Exit.BAD
    return Exit.GOOD if proof.complete and proof.walls else Exit.SILENT


def put_together(view: View, got: dict[str, Fetched], wanted: Wanted, show: str | None, now: UtcUs) -> Proof:
    """What was fetched and what came live meanwhile, with what brokers keep of cues and films."""
    records = [record for fetched in got.values() for record in fetched.records]
    records += [Record.of(told) for venue in got for told in view.asruns.get(venue, [])]
    presences = view.presences
    sources = []
    for venue, fetched in got.items():
        known = presences.get(venue)
        zone, agent = (known.timezone, known.agent) if known else ("", "")
        sources.append(Source(venue, zone, agent, fetched.kept_from, fetched.fault))
    shows = {known.show for known in presences.values()}
    return prove(
        records,
        sources,
        show=show or (shows.pop() if len(shows) == 1 else "all shows"),
        since=wanted.since,
        until=wanted.until,
        made=now,
        within_us=wanted.within_us,
        parties={cue: frozenset(view.expected(kept.cue.venues)) for cue, kept in view.kept.items()},
        films=_films(view),
        only=wanted.has,
    )


def _films(view: View) -> dict[str, str]:
    names: dict[str, str] = {}
    for program, rev in view.programs:
        found = view.program(program, rev)
        for item in found.items if isinstance(found, Program) else []:
            for sha256 in _files(item):
                names[sha256] = item.name
    return names


def _files(item: Item) -> list[str]:
    return [item.sha256, *(variant.sha256 for variant in item.variants.values())]


def _write(proof: Proof, code: int, warnings: Sequence[str], out: Path | None, *, csv: bool, html: bool) -> None:
    if csv:
        text = csv_lines(proof)
    else:
        text = iter([document(proof, __version__)]) if html else json_parts(proof, code, list(warnings), __version__)
    try:
        if out is None:
            for line in text:
                sys.stdout.buffer.write(line.encode())
            sys.stdout.buffer.flush()
        else:
            with out.open("w", encoding="utf-8", newline="") as file:
                file.writelines(text)
    except OSError as error:
        where = "standard output" if out is None else out
        raise CueError(f"{where} cannot be written: {error.strerror or error}", usage=False) from error


@contextmanager
def _bars(venues: Sequence[str]) -> Iterator[Told]:
    """A bar a venue on a terminal, a single one for many; nothing else."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = complaints()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bars: dict[str, TaskID] = {}
        few = len(venues) <= 20
        together = None if few else progress.add_task("venues", total=len(venues))
        for venue in venues if few else ():
            bars[venue] = progress.add_task(shown(venue), total=None)
        done: set[str] = set()

        def told(venue: str, got: Fetched) -> None:
            count = len(got.records)
            if together is not None:
                if got.left == 0 or got.fault:
                    done.add(venue)
                progress.update(together, completed=len(done))
            else:
                word = f" [red]{shown(got.fault.partition(':')[0])}[/]" if got.fault else ""
                total = None if got.left is None else count + got.left
                progress.update(bars[venue], completed=count, total=total, description=shown(venue) + word)

        yield told
