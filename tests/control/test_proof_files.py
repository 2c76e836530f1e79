"""The table, the object and the page: of the same records, and harmless whatever stands in them."""

import csv
import io
import json
import re
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from makers import T0
from rich.console import Console
from test_proof import CITIES, END, minute, proved, show, start

from agent.control.proof import Proof, Source, prove
from agent.control.proof_document import MOST_ROWS, document
from agent.control.proof_files import COLUMNS, csv_lines, digest, json_parts, record_json
from agent.control.proof_page import page
from agent.control.proof_plots import MOST_POINTS, MOST_STARTS, round_up, text, times
from agent.control.proof_record import Record
from agent.messages import Refusal, decode
from agent.told import AsRun
from agent.units import UtcUs

EVIL = '"><script>alert(1)</script>\u202e\x1b[31m'


def as_json(proof: Proof, *warnings: str) -> Any:
    return json.loads("".join(json_parts(proof, 0, list(warnings), "1")))


def rows(proof: Proof) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(csv_lines(proof)), newline="")))


def test_a_row_a_record_and_its_sum_is_in_the_page_and_in_the_object() -> None:
    proof = proved(show())
    found = rows(proof)
    assert len(found) == len(proof.records) == 108
    assert tuple(found[0]) == COLUMNS
    assert (found[0]["venue"], found[0]["due_utc"], found[0]["error_us_median"]) == (
        "paris",
        "2025-06-02T12:00:00.000000Z",
        "0",
    )
    text = "".join(csv_lines(proof)).encode()
    assert text.count(b"\r\n") == 109
    assert sha256(text).hexdigest() == digest(proof)
    assert digest(proof) in document(proof, "1")
    assert as_json(proof)["csv_sha256"] == digest(proof)
    assert digest(proved(show()[1:])) != digest(proof)


@pytest.mark.parametrize("text", ["=1+1", "+x", "-2", "@SUM(A1)", "\t=1", "\r=1", "\x1b[2J=1"])
def test_no_cell_is_a_formula_or_moves_a_cursor_and_quotes_hold(text: str) -> None:
    odd = replace(minute("paris", 0), clock=text)
    [row] = rows(proved([odd]))
    assert re.fullmatch(r"' ?[=+@-][ -~]*", row["clock"])
    [row] = rows(proved([replace(odd, clock='a "b", c\nd')]))
    assert row["clock"] == 'a "b", c d'
    [row] = rows(proved([minute("paris", 0, -5)]))
    assert row["error_us_median"] == "-5", "a number is one"


def test_records_in_the_object_are_as_they_were_told() -> None:
    made = as_json(proved(show()), "careful")
    assert (made["warnings"], len(made["records"]), as_json(proved([]))["records"]) == (["careful"], len(show()), [])
    for one, kept in zip(made["records"], proved(show()).records, strict=True):
        told = decode(AsRun, json.dumps(one).encode())
        assert not isinstance(told, Refusal), told
        assert Record.of(told) == kept
    assert record_json(replace(minute("paris", 0), median_us=None))["error_us"] is None


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "srcset", "data", "action")]
        self.links += re.findall(r"url\(([^)]*)\)", " ".join(value or "" for _, value in attrs))
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def seen(text: str) -> Seen:
    parser = Seen()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


def proof_of(records: list[Record], films: dict[str, str] | None = None, **changes: Any) -> Proof:
    sources = [Source(venue, "Europe/Paris", "1.0", UtcUs(T0), changes.pop("fault", "")) for venue in CITIES]
    until = UtcUs(T0 + END * 60_000_000)
    show_name = changes.pop("show", "x")
    return prove(
        records, sources, show=show_name, since=UtcUs(T0), until=until, made=until, within_us=20_000, films=films
    )


def test_the_page_loads_nothing_and_what_comes_from_outside_is_text() -> None:
    proof = proof_of(show(), {"a" * 64: EVIL}, fault=EVIL, show=EVIL)
    text = document(proof, EVIL)
    found = seen(text)
    assert "script" not in found.tags
    assert set(found.links) <= {"#amiss", "#gap"}
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text
    assert "default-src 'none'" in text


def test_a_word_in_a_plot_is_a_word() -> None:
    drawn = seen(text(EVIL, 1, 2))
    assert drawn.tags == ["text"]


def test_the_page_names_what_was_missed_and_says_so_where_nothing_was() -> None:
    assert "Nothing: every wall began every film in time" in document(proved(show()), "1")
    gone = [each for each in show() if each.venue != "tokyo" or each.due < T0 + 600_000_000]
    text = document(proof_of(gone, fault="offline: it comes when it is back"), "1")
    assert "named below" in text
    assert "offline: it comes when it is back" in text
    assert "no record" in text
    assert "url(#gap)" in text
    assert "Nothing: every wall" not in text


def test_a_week_of_many_walls_is_a_page_that_can_be_opened() -> None:
    venues = tuple(f"wall-{number}" for number in range(3))
    records = [replace(each, venue=venue) for venue in venues for each in show(("paris",), 3000)]
    many = [start(venue, number) for venue in venues for number in range(3000)]
    until = UtcUs(T0 + 3000 * 60_000_000)
    sources = [Source(venue) for venue in venues]
    proof = prove([*records, *many], sources, show="x", since=UtcUs(T0), until=until, made=until, within_us=20_000)
    assert len(proof.starts) == 3000 > MOST_ROWS
    text = document(proof, "1")
    seen(text)
    assert len(text) < 400_000
    assert "further starts" in text
    assert max(MOST_POINTS, MOST_STARTS) < 3000


def test_a_page_of_nothing_and_one_of_a_single_record_can_be_written() -> None:
    for records in (
        [],
        [start("paris", 0)],
        [minute("paris", 3)],
        [replace(start("paris", 1), item=None, program=None)],
    ):
        seen(document(proved(records), "1"))
        for width in (40, 80, 160):
            Console(width=width, file=io.StringIO()).print(page(proved(records), width))


def test_ticks_are_round_and_few() -> None:
    for seconds in (1, 10, 59, 61, 600, 3600, 86_400, 7 * 86_400, 90 * 86_400):
        found = times(T0 + 17, T0 + 17 + seconds * 1_000_000)
        assert len(found) <= 9, seconds
    assert [word for _, word in times(T0, T0 + 3 * 3_600_000_000)][:3] == ["12:00", "12:30", "13:00"]
    assert [round_up(value) for value in (0.9, 1.01, 2.1, 3.3, 5.1, 8.2, 70)] == [1, 1.5, 3, 5, 8, 10, 80]


@pytest.mark.parametrize("width", [80, 160])
def test_on_a_terminal_no_cell_is_cut_and_what_is_missing_is_said(width: int) -> None:
    gone = [each for each in show() if each.venue != "tokyo" or each.due < T0 + 600_000_000]
    out = io.StringIO()
    Console(width=width, file=out).print(page(proof_of(gone, {"a" * 64: "[red]koi"}), width))
    text = out.getvalue()
    assert "INCOMPLETE" in text
    assert "…" not in text
    assert "tokyo" in text
    assert "[red]koi" in text or width == 80
    assert max(map(len, text.splitlines())) <= width
