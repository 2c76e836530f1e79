"""`framezero cue play|stop|black`: send, wait, and show a row a venue."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from agent.control import cue as cues
from agent.control.link import Link, untaken, utc_now
from agent.control.options import (
    BrokerOption,
    CaOption,
    CertKeyOption,
    CertOption,
    JsonOption,
    KeyOption,
    ProfileOption,
    RootOption,
    ShowOption,
    ending,
    print_json,
    screen,
    settings,
    show_of,
    warn,
)
from agent.control.profile import Settings
from agent.control.times import TimeError, local_time, parse_instant, parse_position, parse_span, show_span
from agent.control.view import Answer
from agent.messages import Black, Cue, Play, Presence, Stop
from agent.units import US_PER_S, UtcUs, format_utc

DEFAULT_LEAD_US = 5 * US_PER_S

app_cue = typer.Typer(no_args_is_help=True, help="Send a cue to the walls and wait for their acks.")


class Stage(StrEnum):
    """How far every venue must have got."""

    accepted = "accepted"
    armed = "armed"
    started = "started"


AtOption = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="The instant: 2025-06-02T12:00:00Z, with an offset, or 'minute'."),
]
InOption = Annotated[str | None, typer.Option("--in", metavar="SPAN", help="So long from now: 30s, 2m, 1h \\[5s].")]
VenuesOption = Annotated[str, typer.Option("--venues", metavar="a,@group", help="Venues and groups; * is all.")]
WaitOption = Annotated[Stage, typer.Option("--wait", help="Wait until every venue has got so far.")]
TimeoutOption = Annotated[
    str | None,
    typer.Option("--timeout", metavar="SPAN", help="Wait no longer than this \\[10s, or until after the instant]."),
]


@app_cue.command(
    "play", epilog="Example: framezero cue play winners-reel --loop --at 2025-06-02T12:00:00Z --wait armed"
)
def play(
    program: Annotated[str, typer.Argument(metavar="PROGRAM", help="The program's id.")],
    rev: Annotated[int | None, typer.Option("--rev", min=1, help="Its revision \\[the newest].")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Begin at this position: 90s, 01:30.")
    ] = None,
    at: AtOption = None,
    in_: InOption = None,
    venues: VenuesOption = "*",
    wait: WaitOption = Stage.accepted,
    timeout: TimeoutOption = None,
    broker: BrokerOption = None,
    root: RootOption = None,
    show: ShowOption = None,
    key: KeyOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    cert_key: CertKeyOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Play a program on the walls from an instant on."""
    with ending(json):
        from_us = parse_position(from_) if from_ else 0
        found = settings(broker, root, show, key, ca, cert, cert_key, profile)

        def action(link: Link) -> tuple[Play, list[str]]:
            return cues.resolve(link, program, rev, loop=loop, from_us=from_us, show=show_of(found))

        _cue(found, action, at, in_, venues, wait, timeout, json)


@app_cue.command("stop", epilog="Example: framezero cue stop --in 10s --venues tokyo-shibuya,@europe")
def stop(
    at: AtOption = None,
    in_: InOption = None,
    venues: VenuesOption = "*",
    wait: WaitOption = Stage.accepted,
    timeout: TimeoutOption = None,
    broker: BrokerOption = None,
    root: RootOption = None,
    show: ShowOption = None,
    key: KeyOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    cert_key: CertKeyOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Show the slate from an instant on."""
    with ending(json):
        found = settings(broker, root, show, key, ca, cert, cert_key, profile)
        _cue(found, lambda _: (Stop(action="stop"), []), at, in_, venues, wait, timeout, json)


@app_cue.command("black", epilog="Example: framezero cue black --in 2s")
def black(
    at: AtOption = None,
    in_: InOption = None,
    venues: VenuesOption = "*",
    wait: WaitOption = Stage.accepted,
    timeout: TimeoutOption = None,
    broker: BrokerOption = None,
    root: RootOption = None,
    show: ShowOption = None,
    key: KeyOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    cert_key: CertKeyOption = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
) -> None:
    """Show black from an instant on."""
    with ending(json):
        found = settings(broker, root, show, key, ca, cert, cert_key, profile)
        _cue(found, lambda _: (Black(action="black"), []), at, in_, venues, wait, timeout, json)


def _cue(
    found: Settings,
    action: Callable[[Link], tuple[Play | Stop | Black, list[str]]],
    at: str | None,
    in_: str | None,
    venues: str,
    wait: Stage,
    timeout: str | None,
    as_json: bool,
) -> None:
    """The part that all cues share; ends the command."""
    instant = _instant(at, in_)
    instant(utc_now())  # a wrong time is said before anything is connected
    timeout_s = parse_span(timeout) / US_PER_S if timeout else None
    patterns = [pattern.strip() for pattern in venues.split(",") if pattern.strip()]
    show = show_of(found)
    cues.build(Stop(action="stop"), show=show, venues=patterns, at=instant(utc_now()), now=utc_now())

    async def run() -> int:
        async with Link(found.access(), found.root, cues.TOPICS) as link:
            warnings = await link.settle()
            wanted, doubts = action(link)
            now = utc_now()
            cue = cues.build(wanted, show=show, venues=patterns, at=instant(now), now=now)
            nobody = cues.nobody_for(link.view, patterns)
            if not as_json:
                _announce(link, cue, now)
                warn(nobody)  # before the wait, in which the command can still be ended and corrected
            sent = await cues.send(link, cue, wait.value, timeout_s)
            sent.warnings[:0] = [*warnings, *doubts, *(nobody if as_json else [])]
            sent.warnings.extend([*untaken(sent.deliveries), *link.view.odd])
            if as_json:
                print_json(cues.as_json(link, sent))
            else:
                warn(sent.warnings)
                _show(sent, link.view.presences, wait)
            return sent.exit_code

    raise typer.Exit(asyncio.run(run()))


def _instant(at: str | None, in_: str | None) -> Callable[[UtcUs], UtcUs]:
    """The instant as a function of the moment of sending. Raises TimeError, also when called."""
    if at is not None and in_ is not None:
        raise TimeError("give either --at or --in, not both")
    if at is not None:
        return lambda now: parse_instant(at, now)
    lead_us = parse_span(in_) if in_ is not None else DEFAULT_LEAD_US
    return lambda now: UtcUs(now + lead_us)


def _announce(link: Link, cue: Cue, now: UtcUs) -> None:
    """Echo the instant in UTC and as the clocks of the addressed venues show it."""
    when = f"in {show_span(cue.at - now)}" if cue.at >= now else f"{show_span(now - cue.at)} ago"
    screen().print(f"{cue.do.action} at [bold]{format_utc(cue.at)}[/] ({when}), cue {cue.cue}")
    zones: dict[str, list[str]] = {}
    for venue in link.view.expected(cue.venues):
        if presence := link.view.presences.get(venue):
            zones.setdefault(presence.timezone, []).append(venue)
    for zone, venues in sorted(zones.items()):
        screen().print(f"  {escape(local_time(cue.at, zone) or zone)}  {escape(', '.join(venues))}")


_WORDS = {
    "ok": "[green]ok[/]",
    "no-go": "[red]NO-GO[/]",
    "bad": "[red]BAD[/]",
    "late": "[yellow]LATE[/]",
    "silent": "[red]SILENT[/]",
}


def _show(sent: cues.Sent, presences: dict[str, Presence], wait: Stage) -> None:
    grid = Table(Column("venue", no_wrap=True), "", "stage", "ready", "error", "bound", "reason")
    for answer in sent.answers:
        grid.add_row(*_row(answer, presences.get(answer.venue)))
    if sent.answers:
        screen().print(grid)
        # Below the table: beside it the sentences would leave no room for the rest on 80 columns.
        for answer in sent.answers:
            if answer.ack is not None and answer.ack.detail:
                screen().print(f"  {escape(answer.venue)}: {escape(answer.ack.detail)}")
    elif any(delivery.taken for delivery in sent.deliveries):
        who = "no venue that the cue names is known" if presences else "no venue is known at the broker"
        screen().print(f"[red]{who}, and none has answered[/]; the cue is kept for those that come")
    for verdict, sentence in (
        ("silent", "SILENT, no answer"),
        ("late", f"LATE, not {wait.value} yet"),
        ("no-go", "NO-GO, not ready"),
        ("bad", "BAD, refused, missed or overtaken"),
    ):
        named = [answer.venue for answer in sent.answers if answer.verdict == verdict]
        if named:
            screen().print(f"[red]{sentence}:[/] {escape(', '.join(named))}")


def _row(answer: Answer, presence: Presence | None) -> tuple[str, ...]:
    ack = answer.ack
    if ack is None:
        away = "offline" if presence is not None and not presence.online else "no answer"
        return escape(answer.venue), _WORDS[answer.verdict], "–", "–", "–", "–", away
    return (
        escape(answer.venue),
        _WORDS[answer.verdict],
        ack.stage + (" (joined)" if ack.joined else ""),
        "–" if ack.ready is None else "yes" if ack.ready else "no",
        "–" if ack.error_us is None else f"{ack.error_us / 1000:+.2f} ms",
        "–" if ack.bound_us is None else f"±{ack.bound_us / 1000:.1f} ms",
        escape(ack.reason or "–"),
    )
