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
from agent.clock.orders import EARLIEST_UTC
from agent.clock.report import ClockReport, SourceReport
from agent.technician.gauge import Gauge
from agent.technician.words import ms, offset, signed, span
from agent.units import US_PER_S

FRAME_US = 1_000_000 / 30
FAR_OFF_US = 10_000_000
"""From here on an offset in the table is told in its own unit: in milliseconds it would push the reasons away."""

_STYLES = {ClockState.SYNC: "bold green", ClockState.DEGRADED: "bold yellow", ClockState.HOLDOVER: "bold yellow"}


def page(gauge: Gauge, now: datetime, zone: str, correction_ms: float = 0.0) -> Group:
    """Everything about one clock; `now` is the host's time, `zone` and `correction_ms` are the venue's."""
    return Group(*_head(gauge, now, zone, correction_ms), sources(gauge.report))


def _head(gauge: Gauge, now: datetime, zone: str, correction_ms: float) -> list[Text]:
    report = gauge.report
    lines = [Text.assemble((report.state, _STYLES.get(report.state, "bold red")), f"   {report.reason}")]
    facts = []
    if report.bound_us is not None:
        facts.append(f"at most {ms(report.bound_us)} ms wrong ({_frames(report.bound_us)} at 30 fps)")
    if report.freq_ppm is not None and report.skew_ppm is not None:
        facts.append(f"rate {signed(report.freq_ppm, 2)} ± {report.skew_ppm:.2f} ppm")
    if correction_ms:
        facts.append(f"correction_ms = {correction_ms:g} applied")
    if facts:
        lines.append(Text("   ".join(facts)))
    lines += _time_of_day(gauge, now, zoneinfo.ZoneInfo(zone))
    if gauge.age_s is None:
        lines.append(Text("measured just now", "dim"))
    else:
        lines.append(Text(f"the running agent's own word, {gauge.age_s:.0f} s old", "dim"))
    return [*lines, Text("")]


def _frames(bound_us: float) -> str:
    frames = bound_us / FRAME_US
    return f"{frames:.2f} frames" if frames >= 0.01 else "less than 0.01 frames"


def _time_of_day(gauge: Gauge, now: datetime, zone: zoneinfo.ZoneInfo) -> list[Text]:
    """The time here, as well as it is known, and what the host's own clock is worth."""
    off_us = gauge.offset_host_us
    if off_us is not None:
        way = "ahead" if off_us > 0 else "behind"
        told = f"the host's own clock is {span(off_us)} {way}"
        now = datetime.fromtimestamp(now.timestamp() - off_us / 1e6, UTC)
    elif gauge.report.state is ClockState.HOST:
        told = "by the host's own clock:"
    elif now.timestamp() < EARLIEST_UTC / US_PER_S:
        # Any time of its own would be a lie here, and the day tells why: a battery, or a first start.
        return [Text(f"the host's own clock is not believed: it says {now:%Y-%m-%d}, before framezero was built")]
    else:
        return []
    local = now.astimezone(zone)
    return [Text(told), Text(f"{now:%Y-%m-%d %H:%M:%S} UTC   {local:%H:%M:%S} {zone.key}")]


def sources(report: ClockReport) -> Table:
    """A row a source: ✓ in the vote, ✗ out of it, · has not answered; and why. Figures only where there are any."""
    heard = any(source.offset_us is not None or source.delay_us is not None for source in report.per_source)
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("", no_wrap=True)
    grid.add_column("server", overflow="fold")
    for heading in ("offset ± error ms", "delay ms") if heard else ():
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("asked", justify="right", no_wrap=True)
    grid.add_column("why", overflow="fold", min_width=16)
    for source in report.per_source:
        figures = (_offset(source), ms(source.delay_us)) if heard else ()
        grid.add_row(_mark(source), _server(source), *figures, _asked(source), _why(source))
    return grid


def _mark(source: SourceReport) -> Text:
    if source.agrees:
        return Text("✓", "yellow" if source.code else "green")
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
    if abs(source.offset_us) >= FAR_OFF_US:
        return offset(source.offset_us)
    error = "" if source.error_us is None else f" ± {ms(source.error_us)}"
    return f"{signed(source.offset_us / 1e3, 3)}{error}"


def _asked(source: SourceReport) -> str:
    age = "–" if source.age_s is None else f"{source.age_s:.0f} s ago"
    return f"{age}\nevery {source.interval_s:.0f} s" if source.interval_s is not None else f"{age}\nno more"


def _why(source: SourceReport) -> str:
    if source.agrees and source.code:
        return f"agrees by earlier samples; {source.why}"
    if source.code == "falseticker" and source.offset_us is not None:
        return f"contradicts the majority by {offset(source.offset_us)}"
    return source.why


def as_json(gauge: Gauge) -> dict[str, Any]:
    """The same for scripts; names as in ClockReport and SourceReport."""
    return {**asdict(gauge.report), "offset_host_us": gauge.offset_host_us, "age_s": gauge.age_s}
