"""`framezero clock` and `framezero check`, mounted by agent/cli.py."""

import asyncio
import json
import logging
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from agent import log
from agent.clock.kernel import has_rtc
from agent.clock.mapping import ClockState
from agent.clock.report import ClockReport
from agent.config import Config, ConfigError, load
from agent.technician import findings as told
from agent.technician.findings import Finding
from agent.technician.gauge import Gauge, measured, of_the_agent
from agent.technician.judge import Facts, judge
from agent.technician.show import as_json, page, sources

USAGE = 2
BURST_S = 10.0
CONFIG = Path("/etc/framezero/agent.toml")

ConfigFile = Annotated[Path, typer.Option("--config", help="The venue's agent.toml.")]
Json = Annotated[bool, typer.Option("--json", help="Everything as JSON; progress goes to standard error.")]
Seconds = Annotated[float, typer.Option(min=1, max=3600, help="How long to ask the servers, where that is done.")]
Measure = Annotated[bool, typer.Option("--measure", help="Ask the servers, even where an agent runs and knows.")]


def clock(
    config: ConfigFile = CONFIG, as_script: Json = False, seconds: Seconds = BURST_S, measure: Measure = False
) -> None:
    """Show this player's clock: sources, offsets, delays, bound, state, and why each source is in or out.

    Where the agent runs it is asked; otherwise the configured servers are. Exit status: 0 in sync and good enough for
    a show, 1 not so, 2 usage or configuration.
    """
    loaded = _load(config)
    if isinstance(loaded, list):
        for fault in loaded:
            typer.echo(fault, err=True)
        raise typer.Exit(USAGE)
    gauge = _gauge(loaded, seconds, measure, as_script)
    findings = [finding for finding in _judged(loaded, gauge) if finding.verdict != "ok"]
    if as_script:
        typer.echo(json.dumps({**as_json(gauge), "findings": [asdict(finding) for finding in findings]}, indent=1))
    else:
        console = _console(False)
        console.print(page(gauge, datetime.now(UTC), loaded.timezone))
        if findings:
            console.print(told.table(findings))
    bound_us = gauge.report.bound_us
    good = gauge.report.state is ClockState.SYNC and bound_us is not None
    raise typer.Exit(int(not good or (bound_us or 0) / 1e3 > loaded.clock.ready_error_ms))


def check(config: ConfigFile = CONFIG, as_script: Json = False, seconds: Seconds = BURST_S) -> None:
    """Check the configuration and the clock of this player, and name the command that mends each finding.

    Exit status: 0 all good or warnings only, 1 a fault, 2 the configuration cannot be used.
    """
    loaded = _load(config)
    if isinstance(loaded, list):
        mend = f"edit {config}, then run this again"
        findings = [Finding("configuration", "fault", "configuration", fault, mend) for fault in loaded]
        status = USAGE
    else:
        gauge = _gauge(loaded, seconds, False, as_script)
        whole = Finding("configuration", "ok", "configuration", f"{config} is sound, for venue {loaded.venue}")
        findings = [whole, *_judged(loaded, gauge)]
        status = told.status(findings)
    if as_script:
        typer.echo(json.dumps({"exit": status, "findings": [asdict(finding) for finding in findings]}, indent=1))
    else:
        _console(False).print(told.table(findings))
    raise typer.Exit(status)


def _load(config: Path) -> Config | list[str]:
    try:
        return load(config, os.environ)
    except ConfigError as error:
        return error.faults


def _judged(config: Config, gauge: Gauge) -> list[Finding]:
    return judge(config.clock, Facts(gauge.report, gauge.offset_host_us, has_rtc()))


def _gauge(config: Config, seconds: float, measure: bool, as_script: bool) -> Gauge:
    found = None if measure else of_the_agent(config)
    if found is not None:
        return found
    # What the clock says while it works is in the table; only what is worse belongs on the terminal.
    log.configure(sys.stderr, level=logging.CRITICAL)
    console = _console(True)
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def show(report: ClockReport, left_s: float) -> None:
            head = Text(f"asking {len(config.clock.servers)} time servers, {left_s:.0f} s to go", "bold")
            live.update(Group(head, sources(report)), refresh=True)

        if as_script or not console.is_terminal:
            live.stop()
            console.print(f"asking {len(config.clock.servers)} time servers for {seconds:g} s")
            return asyncio.run(measured(config, seconds, lambda report, left_s: None))
        return asyncio.run(measured(config, seconds, show))


def _console(stderr: bool) -> Console:
    # In a pipe Rich would think of 80 columns, and fold tables for nobody.
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 120)
