"""Pictures of a run: error and skew over time, and the walls themselves. Dark, to stand beside the films."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from agent.lab.analysis import Analysis
from agent.lab.framebuffer import Picture, snapshots
from agent.lab.rundir import WALLS, RunFacts
from agent.units import format_utc

COLOURS = ("#E69F00", "#56B4E9", "#2FC99A", "#F0E442", "#E58FC0")
"""After Okabe and Ito: told apart with any colour vision; green and purple lightened for a dark ground."""

GROUND, PANEL, INK, FAINT, SKEW = "#0d1117", "#131a24", "#e6edf3", "#8b949e", "#9fb4d0"

Floats = npt.NDArray[np.float64]

_STYLE: Any = [  # Any: matplotlib's stubs name the keys of rcParams one by one
    "default",
    {
        "figure.facecolor": GROUND,
        "savefig.facecolor": GROUND,
        "axes.facecolor": PANEL,
        "axes.edgecolor": "#30363d",
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#232b36",
        "grid.linewidth": 0.8,
        "text.color": INK,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "font.size": 11,
        "legend.frameon": False,
    },
]


def sync(path: Path, found: Analysis, facts: RunFacts) -> None:
    """Draw error over time for each venue, and below it the skew over time."""
    with matplotlib.style.context(_STYLE):
        figure = Figure(figsize=(11, 6.6), layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        figure.suptitle(
            f"{len(found.displays)} walls, frame zero due {format_utc(facts.due_utc)}",
            x=0.012,
            ha="left",
            fontsize=15,
            fontweight="bold",
        )
        _errors(above, found)
        _skew(below, found, facts)
        for axes in (above, below):
            for start in found.loop_starts_s[1:]:
                axes.axvline(start, color=FAINT, linewidth=1, linestyle=(0, (2, 3)), alpha=0.7)
        for number, start in enumerate(found.loop_starts_s, start=1):
            if len(found.loop_starts_s) > 1 and start + found.seconds / 12 < found.seconds:
                where = ("data", "axes fraction")
                above.annotate(f"loop {number}", (start, 0), (4, 4), where, "offset points", color=FAINT, fontsize=9)
        below.set_xlabel("seconds after frame zero was due")
        below.set_xlim(0, max(found.seconds, 1.0))
        figure.savefig(path, dpi=150)


def _errors(axes: Axes, found: Analysis) -> None:
    every: list[float] = []
    for display, colour in zip(found.displays, cycle(COLOURS), strict=False):
        if not display.errors:
            axes.plot([], [], color=colour, linewidth=3, label=f"{display.venue}   no film")
            continue
        times, errors = _columns(display.errors)
        every += errors.tolist()
        axes.scatter(times, errors, s=3.5, color=colour, alpha=0.45, linewidths=0, rasterized=True)
        label = f"{display.venue}   {display.median_error_ms:+.2f}"
        axes.plot(times, _rolling_median(errors, 15), color=colour, linewidth=1.6, label=label)
    axes.set_ylabel("first seen − due, ms")
    axes.axhline(0, color=INK, linewidth=0.9, alpha=0.6)
    _limit(axes, every, least=2.0, signed=True)
    columns = min(5, max(1, len(found.displays)))
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, title="median error, ms", fontsize=10
    )
    legend.set_alignment("left")
    legend.get_title().set_color(FAINT)


def _skew(axes: Axes, found: Analysis, facts: RunFacts) -> None:
    axes.set_ylabel("skew across walls, ms")
    if not found.skew.series:
        axes.text(0.5, 0.5, "no frame was seen on all walls", transform=axes.transAxes, ha="center", color=FAINT)
        return
    times, skews = _columns(found.skew.series)
    axes.scatter(times, skews, s=4, color=SKEW, alpha=0.5, linewidths=0, rasterized=True)
    axes.plot(times, _rolling_median(skews, 15), color=SKEW, linewidth=1.4)
    marks = [(found.skew.at(50), "median", COLOURS[2]), (found.skew.at(99), "p99", COLOURS[0])]
    shown = skews.tolist()
    for value, name, colour in marks:
        if value is not None:
            label = f"{name} {value:.2f} ms"
            axes.axhline(value, color=colour, linewidth=1.4, linestyle="--", label=label)
    if facts.max_p99_ms is not None:
        axes.axhline(facts.max_p99_ms, color="#ff6b5e", linewidth=1.2, label=f"allowed p99 {facts.max_p99_ms:g} ms")
        shown.append(facts.max_p99_ms)
    _limit(axes, shown, least=1.0, signed=False)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=3, fontsize=10)


def _columns(series: list[tuple[float, float]]) -> tuple[Floats, Floats]:
    array = np.array(series, dtype=np.float64)
    return array[:, 0], array[:, 1]


def _rolling_median(values: Floats, width: int) -> Floats:
    """The median of `width` values around each one; the ends are repeated."""
    padded = np.pad(values, width // 2, mode="edge")
    medians: Floats = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    return medians


def _limit(axes: Axes, values: list[float], *, least: float, signed: bool) -> None:
    """Scale to all but the rarest values: one stray frame must not press the rest flat; say how many are outside."""
    if not values:
        return
    low, high = np.percentile(values, [0.25, 99.75]) if len(values) > 400 else (min(values), max(values))
    low, high = min(float(low), -least / 4 if signed else 0.0), max(float(high), least)
    margin = 0.12 * (high - low)
    axes.set_ylim(low - margin if signed else 0.0, high + margin)
    outside = sum(not low - margin <= value <= high + margin for value in values)
    if outside:
        text = f"{outside} outside, {min(values):+.0f} to {max(values):+.0f} ms"
        axes.text(0.995, 0.03, text, transform=axes.transAxes, ha="right", color=FAINT, fontsize=9)


def take_walls(folder: Path, framebuffers: Mapping[str, Path], caption: str = "") -> None:
    """Photograph the walls, by venue, as they stand now, and write walls.png. Raises LabError."""
    walls(folder / WALLS, snapshots(framebuffers), caption)


def walls(path: Path, pictures: Mapping[str, Picture], caption: str = "") -> None:
    """A montage of walls with the venues' names under them."""
    columns = min(3, len(pictures))
    rows = -(-len(pictures) // columns)
    lines, width = next(iter(pictures.values())).shape[:2]
    side, gap, name, head = 4.0, 0.22, 0.42, 0.5 if caption else 0.0
    tall = side * lines / width
    across, down = columns * side + (columns + 1) * gap, rows * (tall + name) + gap + head
    with matplotlib.style.context(_STYLE):
        figure = Figure(figsize=(across, down))
        FigureCanvasAgg(figure)
        if caption:
            figure.text(gap / across, 1 - 0.36 / down, caption, fontsize=14, fontweight="bold")
        for place, (venue, picture) in enumerate(pictures.items()):
            row, column = divmod(place, columns)
            in_row = min(columns, len(pictures) - row * columns)
            left = (across - in_row * side - (in_row - 1) * gap) / 2 + column * (side + gap)
            bottom = down - head - gap - row * (tall + name) - tall
            axes = figure.add_axes((left / across, bottom / down, side / across, tall / down))
            axes.imshow(picture, interpolation="lanczos", aspect="auto")
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set(visible=True, color="#30363d")
            middle = (left + side / 2) / across
            figure.text(middle, (bottom - 0.24) / down, venue, ha="center", fontsize=13, color=INK)
        figure.savefig(path, dpi=110)
