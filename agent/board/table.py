"""A table for more venues than a person can look at as cards: what asks for an eye stands first.

The grid draws only the lines that are in sight, and is told only what has changed.
"""

from collections.abc import Callable
from typing import Any

from nicegui import events, ui

from agent.board import words
from agent.board.parts import Bit
from agent.board.snapshot import Row

_RANKS = {"bad": 0, "warn": 1, "good": 9}
_RIGHT = {"type": "rightAligned", "width": 105}
_DIGITS = "(cell) => cell.value == null ? '' : cell.value.toFixed({})"
_COLUMNS: list[dict[str, Any]] = [
    {"field": "verdict", "headerName": "", "width": 118, "pinned": "left", ":cellClassRules": "framezero.tones"},
    {"field": "venue", "headerName": "venue", "width": 210, "pinned": "left"},
    {"field": "rank", "hide": True, "sort": "asc", "sortIndex": 0},
    {"field": "state", "headerName": "wall", "width": 100},
    {"field": "reason", "headerName": "why", "width": 170},
    {"field": "alarm", "headerName": "alarm", "width": 95},
    {"field": "shows", "headerName": "shows", "width": 210},
    {"field": "clock", "headerName": "clock", "width": 110},
    {"field": "bound", "headerName": "bound ms", ":valueFormatter": _DIGITS.format(1), **_RIGHT},
    {"field": "median", "headerName": "sync ms", ":valueFormatter": _DIGITS.format(2), **_RIGHT},
    {"field": "p99", "headerName": "p99 ms", ":valueFormatter": _DIGITS.format(2), **_RIGHT},
    {"field": "missing", "headerName": "missing", **_RIGHT},
    {"field": "dropped", "headerName": "dropped", **_RIGHT},
    {"field": "temp", "headerName": "°C", **_RIGHT},
    {"field": "groups", "headerName": "groups", "width": 120},
]


class Table:
    """The table of all venues; `picked` hears of a venue that somebody wants to see as a card."""

    def __init__(self, picked: Callable[[str], None]) -> None:
        self._rows: dict[str, Row] = {}
        self._cells: dict[str, dict[str, Any]] = {}
        self.element = Bit("fz-table")
        with self.element:
            self._grid = ui.aggrid(
                {
                    "columnDefs": _COLUMNS,
                    "rowData": [],
                    ":getRowId": "(params) => params.data.venue",
                    "defaultColDef": {"sortable": True, "resizable": True, "suppressHeaderMenuButton": True},
                    "rowHeight": 34,
                    "headerHeight": 34,
                    "animateRows": False,
                    "suppressCellFocus": False,
                    ":isExternalFilterPresent": "() => framezero.onlyWrong",
                    ":doesExternalFilterPass": "(node) => node.data.rank < 9",
                    ":onGridReady": "(params) => (framezero.grid = params.api)",
                    "asyncTransactionWaitMillis": 50,
                },
                auto_size_columns=False,
            )
            self._grid.props["aria-label"] = "all venues"

        def pick(event: events.GenericEventArguments) -> None:
            venue = (event.args.get("data") or {}).get("venue")
            if isinstance(venue, str):
                picked(venue)

        self._grid.on("cellClicked", pick, args=["data"])
        self._ready = False
        self._grid.on("gridReady", self._fill, args=[])

    def _fill(self) -> None:
        """The browser has a grid: what was told before had no place there yet, and is lost."""
        self._ready = True
        self._grid.run_grid_method("applyTransactionAsync", {"add": list(self._cells.values())})

    def draw(self, rows: tuple[Row, ...]) -> None:
        """Bring the table to these rows."""
        added: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for row in rows:
            known = self._rows.get(row.venue)
            if known is row:
                continue
            self._rows[row.venue] = row
            cells = _line(row)
            if known is None:
                added.append(cells)
            elif cells != self._cells[row.venue]:
                changed.append(cells)
            self._cells[row.venue] = cells
        removed: list[dict[str, Any]] = []
        if len(self._rows) > len(rows):
            gone = self._rows.keys() - {row.venue for row in rows}
            removed = [{"venue": venue} for venue in gone]
            for venue in gone:
                del self._rows[venue], self._cells[venue]
        if self._ready and (added or changed or removed):
            self._grid.run_grid_method("applyTransactionAsync", {"add": added, "update": changed, "remove": removed})


def _line(row: Row) -> dict[str, Any]:
    mark = words.verdict(row)
    rank = _RANKS.get(mark.kind, 5)
    return {
        "venue": row.venue,
        "verdict": f"{mark.shape} {mark.word}",
        "rank": rank if rank < 9 or not row.alarm else 2,
        "state": row.state,
        "reason": row.reason,
        "alarm": row.alarm,
        "shows": words.shows(row),
        "clock": row.clock,
        "bound": _round(row.bound_ms, 1),
        "median": _round(row.median_ms, 2),
        "p99": _round(row.p99_ms, 2),
        "missing": row.missing or None,
        "dropped": row.dropped or None,
        "temp": _round(row.temp_c, 0),
        "groups": ", ".join(row.groups),
    }


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
