"""`framezero clock` and `framezero check`, mounted by agent/cli.py."""

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.status import Status
from rich.text import Text

from agent import log
from agent.clock.kernel import has_rtc
from agent.clock.report import ClockReport
from agent.config import ENV_PREFIX, Config, ConfigError, load
from agent.player import machine
from agent.printable import printable
from agent.technician import cache, channel, decoding, hosting, hostlook, monitoring, screen, trial, trusted, visit
from agent.technician import findings as told
from agent.technician.findings import Finding
from agent.technician.gauge import Gauge, measured, of_the_agent
from agent.technician.judge import Facts, judge
from agent.technician.show import as_json, page, sources
from agent.technician.words import count

USAGE = 2
BURST_S = 10.0
CONFIG = Path("/etc/framezero/agent.toml")

ConfigFile = Annotated[Path, typer.Option("--config", readable=False, help="The venue's agent.toml.")]
Json = Annotated[bool, typer.Option("--json", help="Everything as JSON; progress goes to standard error.")]
Seconds = Annotated[float, typer.Option(min=1, max=3600, help="How long to ask the servers, where that is done.")]
Films = Annotated[
    bool, typer.Option("--films/--no-films", help="Decode each film in the cache for some seconds, at lowest priority.")
]
Rehash = Annotated[
    bool, typer.Option("--rehash", help="Read every film in the cache again, and compare it with its sha256.")
]
Short = Annotated[
    bool,
    typer.Option(
        "--short", help="In a few seconds: no servers, no brokers, no films, which the agent tells of itself."
    ),
]
WithParent = Annotated[bool, typer.Option("--with-parent", hidden=True, help="End with the process that started it.")]
Measure = Annotated[bool, typer.Option("--measure", help="Ask the servers, even where an agent runs and knows.")]


def clock(
    config: ConfigFile = CONFIG, as_script: Json = False, seconds: Seconds = BURST_S, measure: Measure = False
) -> None:
    """Show this player's clock: sources, offsets, delays, bound, state, and why each source is in or out.

    Where the agent runs it is asked; otherwise the configured servers are.

    Exit status, as that of check: 0 good enough for a show and no fault (in
    sync or in holdover, the bound at most ready_error_ms), 1 not so, 2 usage
    or configuration.
    """
    loaded = _load(config)
    if isinstance(loaded, list):
        if as_script:
            _print_json(USAGE, loaded)
        else:
            _console(True).print(told.table(loaded))
        raise typer.Exit(USAGE)
    gauge, findings = _looked_at(loaded, seconds, measure, as_script)
    status = told.status(findings)
    findings = [finding for finding in findings if finding.verdict != "ok"]
    if as_script:
        _print_json(status, findings, as_json(gauge))
    else:
        console = _console(False)
        console.print(page(gauge, datetime.now(UTC), loaded.timezone, loaded.clock.correction_ms))
        if findings:
            console.print(told.table(findings))
    raise typer.Exit(status)


def check(
    config: ConfigFile = CONFIG,
    as_script: Json = False,
    seconds: Seconds = BURST_S,
    measure: Measure = False,
    films: Films = True,
    rehash: Rehash = False,
    short: Short = False,
    with_parent: WithParent = False,
) -> None:
    """Check configuration, keys, clock, brokers, cache, display, decoder and films of this player; say what mends each.

    Where the agent runs its word on the clock is taken; otherwise the servers
    are asked. Each film in the cache is decoded for some seconds, which takes
    only what a running show leaves over: best done while the wall is idle.
    Each broker is visited under another client id than the agent's, with the
    certificate that agent.toml names.

    With --rehash a film that has become another one on this disk is moved
    aside; a running agent notices, and fetches it again.

    With --short only what needs no network and next to no time is looked at.
    The agent does that by itself some seconds after its start; 'framezero
    status' shows what it found.

    Exit status: 0 all good or warnings only, 1 a fault (there is one wherever
    the clock is not good enough for a show), 2 the configuration cannot be used.
    """
    if with_parent:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    loaded = _load(config)
    more: dict[str, Any] = {}
    if isinstance(loaded, list):
        findings, status = loaded, USAGE
    else:
        # What other parts log while they are looked at is in the table.
        log.configure(sys.stderr, level=logging.CRITICAL)
        whole = Finding("configuration", "ok", "configuration", f"{config} is sound, for venue {loaded.venue}")
        findings = [whole, *trusted.look(loaded, datetime.now(UTC))]
        if not short:
            findings += _time(loaded, seconds, measure, as_script)
        visits = visit.files(loaded) if short else visit.look(loaded)
        findings += channel.judge(loaded, visits, datetime.now(UTC))
        findings += cache.look(loaded)
        findings += hosting.judge(hostlook.look(loaded, config))
        findings += monitoring.look(loaded)
        if rehash:
            findings += cache.judge(_rehashed(loaded, as_script))
        more, seen = _decoding(loaded, films, short, as_script)
        more["brokers"] = channel.as_json(visits.visits)
        findings += seen
        status = told.status(findings)
    if as_script:
        _print_json(status, findings, more)
    else:
        _console(False).print(told.table(findings))
    raise typer.Exit(status)


def _time(config: Config, seconds: float, measure: bool, as_script: bool) -> list[Finding]:
    """The clock, and by whose word."""
    gauge, judged = _looked_at(config, seconds, measure, as_script)
    word = "measured just now, by asking the servers"
    if gauge.age_s is not None:
        word = f"the running agent's own word, {gauge.age_s:.0f} s old"
    return [Finding("clock", "ok", "source", word), *judged]


def _load(config: Path) -> Config | list[Finding]:
    try:
        return load(config, os.environ)
    except ConfigError as error:
        return [_unusable(config, fault, error.__cause__) for fault in error.faults]


def _unusable(config: Path, fault: str, cause: BaseException | None) -> Finding:
    """A fault of the configuration, with what mends it where it lies: in the file, beside it, or in the environment."""
    mend = f"edit {config}, then run this again"
    variable = fault.partition(":")[0]
    if variable.startswith(ENV_PREFIX):
        mend = f"unset {variable} in the environment, or mend its value"
    elif isinstance(cause, FileNotFoundError):
        mend = f"sudo framezero setup --config {config}; or name another file with --config"
    elif isinstance(cause, PermissionError):
        mend = f"sudo -u framezero framezero check --config {config}, or let this user read it: ls -l {config}"
    elif isinstance(cause, OSError):
        mend = f"ls -l {config}; or name another file with --config"
    return Finding("configuration", "fault", "configuration", fault, mend)


def _looked_at(config: Config, seconds: float, measure: bool, as_script: bool) -> tuple[Gauge, list[Finding]]:
    """The clock as it is known here, and all that is worth saying about it."""
    word = of_the_agent(config)
    gauge = word if isinstance(word, Gauge) and not measure else _measured(config, seconds, as_script)
    facts = Facts(gauge.report, gauge.offset_host_us, has_rtc(), measured=gauge.age_s is None)
    return gauge, [*([word] if isinstance(word, Finding) else []), *judge(config.clock, facts)]


def _measured(config: Config, seconds: float, as_script: bool) -> Gauge:
    # What the clock says while it works is in the table; only what is worse belongs on the terminal.
    log.configure(sys.stderr, level=logging.CRITICAL)
    console = _console(True)
    asking = f"asking {count(len(config.clock.servers), 'time server')}"
    if as_script or not console.is_terminal:
        console.print(f"{asking} for {seconds:g} s")
        return asyncio.run(measured(config, seconds, lambda report, left_s: None))
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def show(report: ClockReport, left_s: float) -> None:
            live.update(Group(Text(f"{asking}, {left_s:.0f} s to go", "bold"), sources(report)), refresh=True)

        return asyncio.run(measured(config, seconds, show))


def _decoding(config: Config, films: bool, short: bool, as_script: bool) -> tuple[dict[str, Any], list[Finding]]:
    """The display, the decoder and, but for `short`, the films; for scripts the films' figures too."""
    seen = screen.look(config.display)
    found = screen.judge(config.display, seen, machine.read())
    console = _console(True)
    live = Status("looking at display and decoder", console=console) if console.is_terminal and not as_script else None

    def show(done: int, total: int, name: str) -> None:
        doing = f"decoding film {done + 1} of {total}: {name}"
        if live is None:
            console.print(doing)
        else:
            live.update(doing)

    with live or contextlib.nullcontext():
        facts = trial.look(config, screen.refresh_of(config.display, seen), measure=films and not short, progress=show)
    judged = decoding.judge_machine(facts) if short else decoding.judge(facts)
    return {"films": trial.as_json(facts)}, [*found, *judged]


def _rehashed(config: Config, as_script: bool) -> cache.Hashed:
    console = _console(True)
    live = Status("hashing every film", console=console) if console.is_terminal and not as_script else None

    def show(done: int, total: int, name: str) -> None:
        doing = f"hashing film {done + 1} of {total}: {printable(name)}"
        if live is None:
            console.print(doing, markup=False)
        else:
            live.update(escape(doing))

    with live or contextlib.nullcontext():
        return cache.rehash(config, show)


def _print_json(status: int, findings: Sequence[Finding], more: Mapping[str, Any] | None = None) -> None:
    told_of = [asdict(finding) for finding in findings]
    typer.echo(json.dumps({"exit": status, **(more or {}), "findings": told_of}, indent=1))


def _console(stderr: bool) -> Console:
    # In a pipe Rich would think of 80 columns, and fold tables for nobody.
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 120)
