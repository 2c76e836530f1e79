"""`framezero alarms`: a watcher without a desk, that says and sends what is wrong with the walls."""

import asyncio
import contextlib
import json
import shlex
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.control.alarms import Alarm, Alarms, Rules
from agent.control.link import utc_now
from agent.control.notice import Event, as_json, notices
from agent.control.notify import Notifier, targets_of
from agent.control.options import BrokerOptions, Exit, complaints, print_json, screen, shown, takes, warn
from agent.control.profile import ProfileError, Settings, load_rules
from agent.control.times import local_time, show_span
from agent.control.watching import Look, look_once, watch
from agent.units import US_PER_S, UtcUs, format_utc

FLUSH_S = 5.0
_COLOUR = {"raised": "yellow", "cleared": "green", "reminder": "yellow"}


@takes(BrokerOptions)
def alarms(
    given: BrokerOptions,
    once: Annotated[bool, typer.Option("--once", help="Look once and end: 0 well, 1 not, 3 one is silent.")] = False,
    command: Annotated[
        str | None, typer.Option("--command", metavar="'PROG …'", help="Started for each alarm, without a shell.")
    ] = None,
    webhook: Annotated[
        list[str] | None, typer.Option("--webhook", metavar="URL", help="Each alarm is posted there. Repeatable.")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="FILE", help="TOML with \\[alarms] \\[those of the profile].")
    ] = None,
) -> None:
    """Watch all walls of the show and say what is wrong, in a line each: when it begins, and when it is over.

    It runs until it is told to end, as a service does. The alarms and their limits stand in the table \\[alarms] of the
    profile; with --command or --webhook they are sent as well. A --json line is what a webhook gets. A board with the
    same profile sends them, too: give the targets to one of the two.
    """
    found = given.settings()
    wanted = _rules(found, rules, command, webhook or [])
    if once:
        raise typer.Exit(asyncio.run(_once(found, wanted, given.json)))
    with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it
        asyncio.run(_watch(found, wanted, given.json))


def _rules(found: Settings, file: Path | None, command: str | None, webhooks: list[str]) -> Rules:
    rules = load_rules(file) if file is not None else found.alarms
    changes: dict[str, Any] = {}
    if command is not None:
        try:
            changes["command"] = shlex.split(command)
        except ValueError as error:
            raise ProfileError([f"--command: {error}; write it as in a shell, such as 'logger -t walls'"]) from error
    if webhooks:
        changes["webhooks"] = webhooks
    try:
        return Rules.model_validate({**rules.model_dump(), **changes})
    except ValueError as error:
        said = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in getattr(error, "errors", list)())
        raise ProfileError([f"--webhook: {said}"]) from error


async def _once(found: Settings, rules: Rules, as_object: bool) -> int:
    seen, warnings = await look_once(found, rules)
    code = _exit_code(seen.current)
    if as_object:
        told = [as_json("raised", [alarm], utc_now(), found.show) for alarm in seen.current]
        print_json({"exit": int(code), "alarms": told, "warnings": warnings})
        return code
    warn(warnings)
    for alarm in seen.current:
        _say("raised", alarm, utc_now(), "")
    if not seen.current:
        screen().print("[green]no alarm[/]")
    return code


def _exit_code(current: tuple[Alarm, ...]) -> Exit:
    """0 nothing · 1 something is wrong, which outranks: · 3 a venue is silent, and that is all."""
    if not current:
        return Exit.GOOD
    silent = {"silent", "all_silent", "never_seen"}
    return Exit.SILENT if all(alarm.code in silent for alarm in current) else Exit.BAD


async def _watch(found: Settings, rules: Rules, as_lines: bool) -> None:
    task = asyncio.current_task()
    assert task is not None, "runs in a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    notifier = Notifier(targets_of(rules), found.show, lambda text: complaints().print(shown(text), soft_wrap=True))
    sending = asyncio.create_task(notifier.run())
    if complaints().is_terminal:
        complaints().print("[dim]watching; as long as nothing is wrong nothing is said; Ctrl-C ends it[/]")
    try:
        async for look in watch(found, Alarms(rules)):
            notifier.tell(look.changes, look.now)
            _tell(look, found.show, as_lines)
    except asyncio.CancelledError:
        await notifier.flush(FLUSH_S)  # ended by a signal, as a service is
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def _tell(look: Look, show: str | None, as_lines: bool) -> None:
    for event, alarms in notices(look.changes):
        if as_lines:
            typer.echo(json.dumps(as_json(event, alarms, look.now, show)))
            continue
        for alarm in alarms:
            _say(event, alarm, look.now, look.zones.get(alarm.venue or "", ""))


def _say(event: Event, alarm: Alarm, at: UtcUs, zone: str) -> None:
    local = local_time(UtcUs(at // US_PER_S * US_PER_S), zone) if zone else ""
    when = f"{format_utc(at)[:19]}Z" + (f" ({local})" if local else "")
    colour = "red" if alarm.severity == "critical" and event != "cleared" else _COLOUR[event]
    word = {
        "raised": alarm.severity.upper(),
        "reminder": f"still {alarm.severity}",
        "cleared": f"over after {show_span(max(0, at - alarm.since))}",
    }[event]
    rest = "" if event == "cleared" else f" – {shown(alarm.remedy)}"
    screen().print(f"{when} [{colour}]{word}[/] {alarm.code}: {shown(alarm.text)}{rest}", soft_wrap=True)
