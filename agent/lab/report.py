"""The verdict on a run: report.json, the table, the exit status. All of it comes from the files of the run's folder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from agent.lab import analysis, page, plots, readings, rundir, signatures
from agent.lab.analysis import Analysis, DisplayFacts
from agent.lab.rundir import ClockSample, RunFacts
from agent.units import NS_PER_US, format_utc

GOOD, MISSED, VOID = 0, 1, 5

SHORT_S = 0.5
MISSED_SHARE = 0.05
"""A wall that misses more of its frames than this was frozen or overloaded, however well the others agree."""
STOLEN_SHARE = 0.01
"""From here on a report says how much processor time was stolen."""
READY_S = 10.0
"""A measurement that ended this much before the show is called cut short."""


@dataclass(frozen=True, slots=True)
class Report:
    """A run, judged. `faults` are thresholds missed; `notes` are worth knowing and change no exit status."""

    facts: RunFacts
    analysis: Analysis
    faults: list[str]
    notes: list[str]

    @property
    def status(self) -> int:
        """The exit status of the command: 0 good, 1 a threshold missed, 5 the measurement counts for nothing."""
        if self.analysis.void:
            return VOID
        return MISSED if self.faults else GOOD


def conclude(folder: Path) -> Report:
    """Analyse the folder of a run and write report.json, sync.png and sync.html into it. Raises LabError."""
    facts = rundir.load(folder)
    measured = readings.load(folder / rundir.METER)
    way = analysis.analyse if measured.mode == "barcode" else signatures.analyse
    report = judge(way(measured, facts.programme()), facts)
    figures = as_json(report)
    (folder / rundir.REPORT).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    plots.sync(folder / rundir.PLOT, report.analysis, facts)
    (folder / rundir.PAGE).write_text(page.render(report.analysis, figures), encoding="utf-8")
    return report


def judge(found: Analysis, facts: RunFacts) -> Report:
    """Hold the facts against the thresholds."""
    faults: list[str] = []
    notes: list[str] = []
    for display in found.displays:
        _judge_display(display, facts, faults, notes)
    measured = {display.venue for display in found.displays}
    faults += [f"{venue}: was not measured" for venue in facts.venues if venue not in measured]
    end_ns = facts.programme().end_ns
    if end_ns is not None and (end_ns - facts.due_utc * NS_PER_US) / 1e9 - found.seconds > SHORT_S:
        notes.append(f"cut short: measured for {found.seconds:.1f} s only")
    p99 = found.skew.at(99)
    if p99 is None:
        faults.append("no frame was seen on all displays: there is no skew to judge")
    elif facts.max_p99_ms is not None and p99 > facts.max_p99_ms:
        faults.append(f"skew p99 {p99:.2f} ms is above {facts.max_p99_ms:g} ms")
    if found.skew.partial:
        notes.append(f"{found.skew.partial} frames were seen on some displays only; no skew is counted for them")
    if found.skew.ambiguous:
        notes.append(f"{found.skew.ambiguous} pictures came back within half a second and cannot be told apart")
    if facts.stolen is not None and facts.stolen >= STOLEN_SHARE:
        notes.append(
            f"the host gave {facts.stolen:.1%} of the processors' time away (steal), and that alone makes frames late"
        )
    if found.mode == "signature":
        notes.append("films without barcodes: errors are to the nearest frame, within ± half a frame by construction")
    if facts.liar_ms:
        notes.append(f"the nearest time server lied by {facts.liar_ms:+g} ms")
    if facts.asymmetry_ms:
        notes.append(
            f"the ways back from the time servers were {facts.asymmetry_ms:g} ms longer than those there: no clock can "
            f"see that, and each is wrong by {facts.asymmetry_ms / 2:g} ms"
        )
    return Report(facts, found, faults, notes)


def _judge_display(display: DisplayFacts, facts: RunFacts, faults: list[str], notes: list[str]) -> None:
    venue, first = display.venue, display.first_frame_error_ms
    if first is None:
        faults.append(f"{venue}: never showed a film")
        return
    if facts.max_first_ms is not None and abs(first) > facts.max_first_ms:
        faults.append(
            f"{venue}: the first frame came {first:+.2f} ms from its instant, allowed ± {facts.max_first_ms:g}"
        )
    if display.early:
        faults.append(f"{venue}: a picture of the film stood there before the first instant")
    bad = [cut for cut in display.cuts if cut.bad]
    if bad:
        faults.append(f"{venue}: {len(bad)} of {len(display.cuts)} cuts bad ({_why(bad)})")
    if display.missed:
        said = faults if display.missed > MISSED_SHARE * (display.missed + len(display.errors)) else notes
        said.append(f"{venue}: {display.missed} frames were due and never seen")
    ready_s = facts.ready_s.get(venue)
    if ready_s is not None and ready_s > READY_S:
        notes.append(f"{venue}: was ready to arm {ready_s:.1f} s after its start, later than {READY_S:g} s")
    if display.blank_ms and display.blank_ms >= 1:
        faults.append(f"{venue}: black or slate for {display.blank_ms:.0f} ms within the show")
    broken = sum(sample.outside for sample in facts.clock.get(venue, []))
    if broken:
        faults.append(f"{venue}: its clock was outside the bound it gave {broken} times")


def _why(bad: list[analysis.Cut]) -> str:
    reasons = {
        "first frame missing": sum(cut.late_ms is None for cut in bad),
        "black or slate": sum(cut.blank_ms >= 1 for cut in bad),
        "old film after the new": sum(cut.old_after_new for cut in bad),
        "frames repeated": sum(cut.repeated > 0 for cut in bad),
    }
    return ", ".join(f"{reason} {count}" for reason, count in reasons.items() if count)


# --- report.json --------------------------------------------------------------------------------


def as_json(report: Report) -> dict[str, Any]:
    """The report as contracts.md has it, and more."""
    facts, found = report.facts, report.analysis
    skew = {name: found.skew.at(percent) for name, percent in (("median", 50), ("p95", 95), ("p99", 99), ("max", 100))}
    figures = {
        "venues": facts.venues,
        "due_utc": format_utc(facts.due_utc),
        "displays": [_display_json(display, facts) for display in found.displays],
        "skew_ms": {"first": found.skew.first, **skew},
        "meter_gap_ms": {"p99": found.gaps.p99, "max": found.gaps.max} if found.gaps else {"p99": None, "max": None},
        "frames": {"compared": len(found.skew.series), "not_on_all": found.skew.partial},
        "mode": found.mode,
        "size": facts.size,
        "loop": facts.loop,
        "loops": len(found.loop_starts_s),
        "seconds": found.seconds,
        "films": [film.model_dump() for film in facts.films],
        "true_clocks": facts.true_clocks,
        "liar_ms": facts.liar_ms,
        "asymmetry_ms": facts.asymmetry_ms,
        "thresholds": {"max_p99_ms": facts.max_p99_ms, "max_first_ms": facts.max_first_ms},
        "stolen": facts.stolen,
        "void": found.void,
        "faults": report.faults,
        "notes": report.notes,
        "status": report.status,
    }
    rounded: dict[str, Any] = _rounded(figures)
    return rounded


def _display_json(display: DisplayFacts, facts: RunFacts) -> dict[str, Any]:
    clock = facts.clock_at_start(display.venue)
    samples = facts.clock.get(display.venue, [])
    lates = [cut.late_ms for cut in display.cuts if cut.late_ms is not None]
    return {
        "venue": display.venue,
        "first_frame_error_ms": display.first_frame_error_ms,
        "median_error_ms": display.median_error_ms,
        "p99_error_ms": display.p99_error_ms,
        "clock_error_ms": clock.error_ms if clock else None,
        "clock_bound_ms": clock.bound_ms if clock else None,
        "clock_error_max_ms": max((abs(sample.error_ms) for sample in samples), default=None),
        "clock": clock_figures(samples),
        "sync_s": facts.sync_s.get(display.venue),
        "ready_s": facts.ready_s.get(display.venue),
        "frames": len(display.errors),
        "missed": display.missed,
        "repeated": display.repeated,
        "early": display.early,
        "torn_looks": display.torn,
        "blank_ms": display.blank_ms,
        "cuts": {
            "count": len(display.cuts),
            "bad": sum(cut.bad for cut in display.cuts),
            "blank_max_ms": max((cut.blank_ms for cut in display.cuts), default=0.0),
            "error_median_ms": analysis.percentile(lates, 50),
            "error_max_ms": max(lates, key=abs, default=None),
        },
        "loop_median_ms": display.loop_median_ms,
        "drift_ms_per_loop": display.drift_ms_per_loop,
    }


def clock_figures(samples: Sequence[ClockSample]) -> dict[str, float | int | None]:
    """A venue's clock in true time: how far off it was, and how far it said that it may be."""
    errors = [abs(sample.error_ms) for sample in samples]
    bounds = [sample.bound_ms for sample in samples if sample.bound_ms is not None]
    return {
        "samples": len(samples),
        "median_abs_ms": analysis.percentile(errors, 50),
        "p95_abs_ms": analysis.percentile(errors, 95),
        "max_abs_ms": max(errors, default=None),
        "bound_min_ms": min(bounds, default=None),
        "bound_max_ms": max(bounds, default=None),
        "outside_bound": sum(sample.outside for sample in samples),
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


# --- the table ----------------------------------------------------------------------------------


def table(report: Report) -> Group:
    """The report for a terminal: a row a venue, the skew, the verdict."""
    figures = as_json(report)
    films = len(report.facts.films)
    rows = Table(
        title=f"{films} films{', looped' if report.facts.loop else ''}, {report.analysis.seconds:.1f} s "
        f"from {format_utc(report.facts.due_utc)}",
        title_justify="left",
        caption="first frame, median, p99 of first seen − due, and drift a loop: ms, in true time;\n"
        "missed frames, bad cuts of all, the clock's error ± its own bound in ms, seconds until ready",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    rows.add_column("venue", no_wrap=True)
    for heading in ("first", "median", "p99", "drift", "missed", "cuts", "clock ± bound", "ready"):
        rows.add_column(heading, justify="right", no_wrap=True)
    for row in figures["displays"]:
        cuts = row["cuts"]
        rows.add_row(
            row["venue"],
            _number(row["first_frame_error_ms"], "+.2f"),
            _number(row["median_error_ms"], "+.2f"),
            _number(row["p99_error_ms"], ".2f"),
            _number(row["drift_ms_per_loop"], "+.2f"),
            _number(row["missed"], "d"),
            f"{cuts['bad']}/{cuts['count']}" if cuts["count"] else "–",
            f"{_number(row['clock_error_ms'], '+.2f')} ± {_number(row['clock_bound_ms'], '.1f')}",
            _number(row["ready_s"], ".1f"),
        )
    return Group(rows, *_lines(report, figures))


def _lines(report: Report, figures: dict[str, Any]) -> list[Text]:
    skew, gap = figures["skew_ms"], figures["meter_gap_ms"]
    parts = "   ".join(f"{name} {_number(skew[name], '.2f')}" for name in ("first", "median", "p95", "p99", "max"))
    lines = [
        Text(f"skew across {len(figures['displays'])} walls, ms:   {parts}   ({figures['frames']['compared']} frames)"),
        Text(f"meter: looks {_number(gap['p99'], '.2f')} ms apart (p99), at most {_number(gap['max'], '.2f')}", "dim"),
        *(Text(f"note: {note}", "dim") for note in report.notes),
        *(Text(f"✗ {fault}", "red") for fault in report.faults),
    ]
    if report.analysis.void:
        return [*lines, Text(f"VOID: {report.analysis.void}", "bold yellow")]
    if report.faults:
        return [*lines, Text("NOT IN SYNC", "bold red")]
    limit = report.facts.max_p99_ms
    return [*lines, Text("IN SYNC" + (f" within {limit:g} ms (p99)" if limit is not None else ""), "bold green")]


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
