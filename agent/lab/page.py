"""The report as one web page that needs nothing else: no network, no library."""

import html
import importlib.resources
import json
from typing import Any

from agent.lab.analysis import Analysis
from agent.lab.plots import COLOURS

_TEMPLATE = "page.html"


def render(found: Analysis, figures: dict[str, Any]) -> str:
    """The page for an analysis and its report.json."""
    template = importlib.resources.files("agent.lab").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    head, data_and_tail = template.split("%REPORT%")
    middle, tail = data_and_tail.split("%DATA%")
    return head + _body(figures) + middle + _data(found, figures) + tail


def _data(found: Analysis, figures: dict[str, Any]) -> str:
    data = {
        "venues": [
            {"name": display.venue, "colour": COLOURS[index % len(COLOURS)], "points": _points(display.errors)}
            for index, display in enumerate(found.displays)
        ],
        "skew": _points(found.skew.series),
        "median": figures["skew_ms"]["median"],
        "p99": figures["skew_ms"]["p99"],
        "allowed": figures["thresholds"]["max_p99_ms"],
        "loops": [round(start, 3) for start in found.loop_starts_s],
        "seconds": round(found.seconds, 3),
    }
    # '<' would let a text end the script element.
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _points(series: list[tuple[float, float]]) -> list[list[float]]:
    return [[round(at, 3), round(value, 3)] for at, value in series]


def _body(figures: dict[str, Any]) -> str:
    if figures["void"]:
        verdict, kind = "Void", "void"
    else:
        verdict, kind = ("Not in sync", "bad") if figures["faults"] else ("In sync", "good")
    reasons = [figures["void"]] if figures["void"] else []
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in [*reasons, *figures["faults"], *figures["notes"]])
    seconds, loops = figures["seconds"], figures["loops"]
    return (
        f"<h1>{len(figures['venues'])} walls, one frame zero</h1>"
        f'<p class="due">due <b>{html.escape(figures["due_utc"])}</b> · {seconds:.1f} s · {loops} loops · '
        f"{len(figures['films'])} films · {html.escape(figures['size'])}</p>"
        f'<p class="verdict {kind}">{verdict}</p>{_skew(figures)}{_venues(figures)}'
        + (f'<ul class="notes">{lines}</ul>' if lines else "")
    )


def _skew(figures: dict[str, Any]) -> str:
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{_number(figures['skew_ms'][name], '.2f')}<small> ms</small></dd></div>"
        for name in ("first", "median", "p95", "p99", "max")
    )
    return f'<h2>Skew across all walls</h2><dl class="skew">{cells}</dl>'


def _venues(figures: dict[str, Any]) -> str:
    heads = ("venue", "first frame", "median", "p99", "missed", "cuts bad", "clock error", "± bound", "ready")
    rows = []
    for index, row in enumerate(figures["displays"]):
        cuts = row["cuts"]
        cells = (
            _number(row["first_frame_error_ms"], "+.2f"),
            _number(row["median_error_ms"], "+.2f"),
            _number(row["p99_error_ms"], ".2f"),
            _number(row["missed"], "d"),
            f"{cuts['bad']}/{cuts['count']}" if cuts["count"] else "–",
            _number(row["clock_error_ms"], "+.2f"),
            _number(row["clock_bound_ms"], ".1f"),
            _number(row["ready_s"], ".1f") + (" s" if row["ready_s"] is not None else ""),
        )
        dot = f'<i style="background:{COLOURS[index % len(COLOURS)]}"></i>'
        name = f"<th scope=row>{dot}{html.escape(row['venue'])}</th>"
        rows.append(f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    head = "".join(f"<th scope=col>{name}</th>" for name in heads)
    return (
        '<h2>Error of each wall <small>first seen − due, ms</small></h2><div class="wide"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
