"""A proof as CSV and as JSON. Pure.

The sha256 of a proof is that of its CSV, byte for byte: whoever holds the document and the table can tell with
`sha256sum` that they are of the same records.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from agent.control.proof import Gap, Proof, Start, Wall
from agent.control.proof_record import Record
from agent.printable import printable
from agent.units import format_utc

COLUMNS = (
    "venue",
    "kind",
    "cue",
    "program",
    "rev",
    "item",
    "film_sha256",
    "due_utc",
    "observed_utc",
    "error_us_median",
    "error_us_p95",
    "error_us_p99",
    "error_us_max",
    "frames",
    "dropped",
    "late",
    "trims",
    "reanchors",
    "bound_us",
    "clock",
    "joined",
    "book",
    "seq",
)
_FORMULA = ("=", "+", "-", "@")
"""A spreadsheet takes a cell that begins so for something to work out, and it came from outside."""


def csv_lines(proof: Proof) -> Iterator[str]:
    """The table, a line a record (RFC 4180: CRLF, quotes doubled), with a heading."""
    yield _line(COLUMNS)
    for record in proof.records:
        yield _line(_cells(record))


def digest(proof: Proof) -> str:
    """The sha256 of the CSV."""
    found = sha256()
    for line in csv_lines(proof):
        found.update(line.encode())
    return found.hexdigest()


def _line(cells: tuple[str | int | None, ...]) -> str:
    line: str = csv.writer(_Line()).writerow("" if cell is None else cell for cell in cells)
    return line


class _Line:
    """What a CSV writer writes to."""

    def write(self, line: str) -> str:
        return line


def _cells(record: Record) -> tuple[str | int | None, ...]:
    return (
        _harmless(record.venue),
        record.kind,
        record.cue,
        record.program and _harmless(record.program),
        record.rev,
        record.item,
        record.sha256,
        format_utc(record.due),
        None if record.observed is None else format_utc(record.observed),
        record.median_us,
        record.p95_us,
        record.p99_us,
        record.max_us,
        record.frames,
        record.dropped,
        record.late,
        record.trims,
        record.reanchors,
        record.bound_us,
        _harmless(record.clock),
        "yes" if record.joined else "no",
        record.book,
        record.seq,
    )


def _harmless(text: str) -> str:
    """Text from outside that no spreadsheet takes for a formula (a quote before it, as OWASP advises), nor a terminal
    for a command.
    """
    fit = printable(text)
    return f"'{fit}" if fit.lstrip().startswith(_FORMULA) else fit


def json_parts(proof: Proof, exit_code: int, warnings: list[str], version: str) -> Iterator[str]:
    """Everything as one line of JSON: what was concluded, and every record it was concluded from.

    In parts: those of a whole show at once would take two kilobytes of memory a record.
    """
    concluded = {
        "exit": exit_code,
        "complete": proof.complete,
        "clean": proof.clean,
        "show": proof.show,
        "since": format_utc(proof.since),
        "until": format_utc(proof.until),
        "made": format_utc(proof.made),
        "tool": version,
        "csv_sha256": digest(proof),
        "within_us": proof.within_us,
        "venues": [_wall(wall) for wall in proof.walls],
        "starts": [_start(start) for start in proof.starts],
        "minutes": [
            {"at": format_utc(minute.at), "cue": minute.cue, "skew_us": minute.skew_us, "p99_us": minute.p99_us}
            for minute in proof.minutes
        ],
        "gaps": [_gap(gap) for gap in proof.gaps],
        "films": dict(proof.films),
        "warnings": warnings,
    }
    yield f'{json.dumps(concluded)[:-1]}, "records": ['
    for number, record in enumerate(proof.records):
        yield f"{', ' if number else ''}{json.dumps(record_json(record))}"
    yield "]}\n"


def _wall(wall: Wall) -> dict[str, Any]:
    made = asdict(wall)
    source = made.pop("source")
    source["kept_from"] = None if wall.source.kept_from is None else format_utc(wall.source.kept_from)
    return {**source, **made}


def _start(start: Start) -> dict[str, Any]:
    return {
        "cue": start.cue,
        "program": start.program,
        "rev": start.rev,
        "item": start.item,
        "sha256": start.sha256,
        "due": format_utc(start.due),
        "skew_us": start.skew_us,
        "at_most_us": start.at_most_us,
        "venues": {
            venue: {"error_us": record.median_us, "bound_us": record.bound_us, "clock": record.clock}
            for venue, record in start.seen.items()
        },
        "missing": list(start.missing),
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {"venue": gap.venue, "cue": gap.cue, "since": format_utc(gap.since), "until": format_utc(gap.until)}


def record_json(record: Record) -> dict[str, Any]:
    """A record as it was told on the topic `asrun`."""
    error = None
    if record.median_us is not None:
        error = {"median": record.median_us, "p95": record.p95_us, "p99": record.p99_us, "max": record.max_us}
    return {
        "v": 1,
        "venue": record.venue,
        "kind": record.kind,
        "cue": record.cue,
        "program": record.program,
        "rev": record.rev,
        "item": record.item,
        "sha256": record.sha256,
        "due": format_utc(record.due),
        "observed": None if record.observed is None else format_utc(record.observed),
        "error_us": error,
        "frames": record.frames,
        "dropped": record.dropped,
        "late": record.late,
        "trims": record.trims,
        "reanchors": record.reanchors,
        "bound_us": record.bound_us,
        "clock": record.clock,
        "joined": record.joined,
        "book": record.book,
        "seq": record.seq,
    }
