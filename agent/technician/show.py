"""The clock for a terminal: like `chronyc sources`, with the reasons in words. Pure but for Rich."""

import zoneinfo
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from agent.clock.mapping import ClockState
from agent.clock.report import ClockReport, SourceReport
from agent.technician.gauge import Gauge

FRAME_US = 1_000_000 / 30
_STYLES = {ClockState.SYNC: "bold green", ClockState.DEGRADED: "bold yellow", ClockState.HOLDOVER: "bold yellow"}


def page(gauge: Gauge, now: datetime, zone: str) -> Group:
    """Everything about one clock; `now` is the host's time, `zone` the venue's."""
    return Group(*_head(gauge, now, zone), sources(gauge.report))


def _head(gauge: Gauge, now: datetime, zone: str) -> list[Text]:
    report = gauge.report
    state = Text.assemble((report.state, _STYLES.get(report.state, "bold red")), f"   {report.reason}")
    facts = []
    if report.bound_us is not None:
        facts.append(f"at most {_ms(report.bound_us)} ms wrong ({report.bound_us / FRAME_US:.2f} frames at 30 fps)")
    if report.freq_ppm is not None and report.skew_ppm is not None:
        facts.append(f"rate {report.freq_ppm:+.2f} ± {report.skew_ppm:.2f} ppm")
    lines = [state]
    if facts:
        lines.append(Text("   ".join(facts)))
    off_us = gauge.offset_host_us
    if off_us is not None:
        way = "ahead" if off_us > 0 else "behind"
        lines.append(Text(f"the host's own clock is {abs(off_us) / 1e3:.3f} ms {way}"))
        now = datetime.fromtimestamp(now.timestamp() - off_us / 1e6, UTC)
        local = now.astimezone(zoneinfo.ZoneInfo(zone))
        lines.append(Text(f"{now:%Y-%m-%d %H:%M:%S} UTC   {local:%H:%M:%S} {zone}"))
    if gauge.age_s is None:
        lines.append(Text("measured just now", "dim"))
    else:
        lines.append(Text(f"the running agent's own word, {gauge.age_s:.0f} s old", "dim"))
    return [*lines, Text("")]


def sources(report: ClockReport) -> Table:
    """A row a source: ✓ in the vote, ✗ out of it, · has not answered; and why."""
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("", no_wrap=True)
    grid.add_column("server", overflow="fold")
    for heading in ("offset ± error ms", "delay ms", "asked"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("why", overflow="fold", min_width=16)
    for source in report.per_source:
        grid.add_row(_mark(source), _server(source), _offset(source), _ms(source.delay_us), _asked(source), source.why)
    return grid


def _mark(source: SourceReport) -> Text:
    if source.agrees:
        return Text("✓", "green")
    return Text("✗", "red") if source.samples else Text("·", "yellow")


def _server(source: SourceReport) -> Text:
    told = Text(source.name)
    marks = [f"stratum {source.stratum}"] if source.stratum is not None else []
    if source.ours:
        marks.append("ours")
    if source.address and source.address != source.name:
        marks.append(source.address)
    if marks:
        told.append("\n" + ", ".join(marks), "dim")
    return told


def _offset(source: SourceReport) -> str:
    if source.offset_us is None:
        return "–"
    error = "" if source.error_us is None else f" ± {_ms(source.error_us)}"
    return f"{source.offset_us / 1e3:+.3f}{error}"


def _asked(source: SourceReport) -> str:
    age = "–" if source.age_s is None else f"{source.age_s:.0f} s ago"
    return f"{age}\nevery {source.interval_s:.0f} s" if source.interval_s is not None else f"{age}\nno more"


def _ms(value_us: float | None) -> str:
    return "–" if value_us is None else f"{value_us / 1e3:.1f}"


def as_json(gauge: Gauge) -> dict[str, Any]:
    """The same for scripts; names as in ClockReport and SourceReport."""
    return {**asdict(gauge.report), "offset_host_us": gauge.offset_host_us, "age_s": gauge.age_s}
