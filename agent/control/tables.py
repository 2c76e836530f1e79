"""Tables for any width of window: as many columns as fit, from a list of layouts, so that no cell is ever cut."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

MOST_ROWS = 100
"""Nobody reads ten thousand rows, and drawing them takes half a minute: `--json` has all."""

T = TypeVar("T")


def shortlist(items: Sequence[T], good: Callable[[T], bool]) -> tuple[list[T], str]:
    """What is drawn: all in their order, or of too many those that are not good first; and a word on the rest."""
    if len(items) <= MOST_ROWS:
        return list(items), ""
    first = sorted(items, key=good)[:MOST_ROWS]
    rest = len(items) - len(first)
    bad = sum(not good(item) for item in items) - sum(not good(item) for item in first)
    return first, f"and {rest} more" + (
        f", {bad} of them not good either" if bad else ", all good"
    ) + "; --json has all"


def few(names: Sequence[str], most: int = 3) -> str:
    """Some names, and how many more there are."""
    return ", ".join(names[:most]) + (f" +{len(names) - most}" if len(names) > most else "")


def fitting(
    rows: Sequence[Mapping[str, str]], layouts: Sequence[Sequence[str]], heads: Mapping[str, str], width: int
) -> Table:
    """A table of the first layout that `width` (in characters) holds, else of the last one.

    A layout names columns; a row has a cell of markup for each of them, and none where there is nothing to say.
    `heads` are the headings of those columns that are called otherwise.
    """
    cells = [{column: Text.from_markup(cell, emoji=False) for column, cell in row.items()} for row in rows]
    widest: dict[str, int] = {}
    for row in cells:
        for column, text in row.items():
            widest[column] = max(widest.get(column, 0), text.cell_len)
    # One row that is as wide as the widest of all is measured, not each of ten thousand.
    model = {column: Text(" " * chars) for column, chars in widest.items()}
    for columns in layouts:
        if _measured(_filled([model], columns, heads)) <= width:
            break
    return _filled(cells, columns, heads)


def _filled(rows: Sequence[Mapping[str, Text]], columns: Sequence[str], heads: Mapping[str, str]) -> Table:
    grid = Table(*(Column(heads.get(column, column), no_wrap=True) for column in columns), box=box.SIMPLE_HEAD)
    grid.show_edge, grid.pad_edge, grid.padding = False, False, (0, 1, 0, 0)
    for row in rows:
        grid.add_row(*(row.get(column, "") for column in columns))
    return grid


def _measured(grid: Table) -> int:
    console = Console(width=1000)
    return Measurement.get(console, console.options, grid).maximum
