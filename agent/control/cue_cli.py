"""`framezero cue …`: send, wait, and show a row a venue."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from agent.control import answers, moves
from agent.control import cue as cues
from agent.control.draft import Draft
from agent.control.kept import words
from agent.control.kept_cli import cancel_, list_
from agent.control.landing import landing
from agent.control.link import Link, untaken, utc_now
from agent.control.options import SenderOptions, line_to, pen_of, print_json, screen, show_of, shown, takes, warn
from agent.control.panic_cli import panic
from agent.control.remarks import understood
from agent.control.times import TimeError, parse_instant, parse_position, parse_span, show_span
from agent.control.verdict import Count
from agent.control.waiting import progress_of, waiting
from agent.messages import MAX_IDENTIFY_S, Black, Cue, Identify, Play, Stop
from agent.units import US_PER_S, UtcUs, format_utc

DEFAULT_LEAD_US = 5 * US_PER_S

app_cue = typer.Typer(no_args_is_help=True, help="Send a cue to the walls and wait for their acks.")
app_cue.command("list", epilog="Examples: framezero cue list · framezero cue list --venues @asia --clean")(list_)
app_cue.command("cancel", epilog="Example: framezero cue cancel 0198f3a0-7c1e")(cancel_)
app_cue.command("panic", epilog="Examples: framezero cue panic · framezero cue panic --lift")(panic)


class Stage(StrEnum):
    """How far every venue must have got."""

    accepted = "accepted"
    armed = "armed"
    started = "started"


@dataclass(frozen=True, kw_only=True)
class CueOptions(SenderOptions):
    """For which walls, when, and how long to wait: what every cue has."""

    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="The instant: 2025-06-02T12:00:00Z, with an offset, or 'minute'."),
    ] = None
    in_: Annotated[str | None, typer.Option("--in", metavar="SPAN", help="So long from now: 30s, 2m, 1h \\[5s].")] = (
        None
    )
    venues: Annotated[str, typer.Option("--venues", metavar="a,@group", help="Venues and groups; * is all.")] = "*"
    wait: Annotated[Stage, typer.Option("--wait", help="Wait until every venue has got so far.")] = Stage.accepted
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="SPAN", help="Wait no longer than this \\[10s, or until after the instant]."),
    ] = None


@app_cue.command(
    "play", epilog="Example: framezero cue play winners-reel --loop --at 2025-06-02T12:00:00Z --wait armed"
)
@takes(CueOptions)
def play(
    given: CueOptions,
    program: Annotated[str, typer.Argument(metavar="PROGRAM", help="The program's id.")],
    rev: Annotated[int | None, typer.Option("--rev", min=1, help="Its revision \\[the newest].")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Begin at this position: 90s, 01:30.")
    ] = None,
) -> None:
    """Play a program on the walls from an instant on."""
    from_us = parse_position(from_) if from_ else 0
    show = show_of(given.settings())
    _cue(given, lambda link, _: cues.resolve(link.view, program, rev, loop=loop, from_us=from_us, show=show))


@app_cue.command("stop", epilog="Example: framezero cue stop --in 10s --venues tokyo-shibuya,@europe")
@takes(CueOptions)
def stop(given: CueOptions) -> None:
    """Show the slate from an instant on."""
    _cue(given, lambda *_: Draft(Stop(action="stop")))


@app_cue.command("black", epilog="Example: framezero cue black --in 2s")
@takes(CueOptions)
def black(given: CueOptions) -> None:
    """Show black from an instant on."""
    _cue(given, lambda *_: Draft(Black(action="black")))


@app_cue.command("identify", epilog="Example: framezero cue identify --seconds 20 --venues tokyo-shibuya")
@takes(CueOptions)
def identify(
    given: CueOptions,
    seconds: Annotated[int, typer.Option("--seconds", min=1, max=MAX_IDENTIFY_S, help="For so long.")] = 10,
) -> None:
    """Lay over the picture, for a while, which wall it is and what time it is there."""

    def draft(_: Link, at: UtcUs) -> Draft:
        # Kept no longer than it counts: to a player that comes later it means nothing.
        return Draft(Identify(action="identify", seconds=seconds), UtcUs(at + (seconds + 1) * US_PER_S))

    _cue(given, draft)


@app_cue.command("hold", epilog="Example: framezero cue hold --at 2025-06-02T12:00:00Z")
@takes(CueOptions)
def hold(given: CueOptions) -> None:
    """Hold the film, from an instant on, at the frame that is due then: the same one on all walls."""
    _move(given, moves.hold)


@app_cue.command("resume", epilog="Example: framezero cue resume --in 10s")
@takes(CueOptions)
def resume(given: CueOptions) -> None:
    """Play on, from an instant on, from the frame at which the film is held."""
    _move(given, moves.resume)


@app_cue.command(
    "seek",
    epilog="Examples: framezero cue seek 01:30 · framezero cue seek -10s --in 5s",
    context_settings={"ignore_unknown_options": True},  # -10s is a position
)
@takes(CueOptions)
def seek(
    given: CueOptions,
    to: Annotated[
        str, typer.Argument(metavar="TIME", help="Position in the program: 90s, 01:30; +5s and -5s from where it is.")
    ],
) -> None:
    """Show, from an instant on, another position of the running program; what is held stays held."""
    step = moves.parse_step(to)
    _move(given, lambda running: moves.seek(running, step))


def _move(given: CueOptions, change: Callable[[moves.Running], Draft]) -> None:
    show = show_of(given.settings())

    def draft(link: Link, at: UtcUs) -> Draft:
        moves.check_known(link.view, cues.patterns_of(given.venues), utc_now(), time.monotonic())
        return change(moves.running_at(link.view, show, cues.patterns_of(given.venues), at))

    _cue(given, draft, cues.KEPT_TOPICS)


def _cue(given: CueOptions, action: Callable[[Link, UtcUs], Draft], topics: Sequence[str] = cues.TOPICS) -> None:
    """The part that all cues share; ends the command."""
    found = given.settings()
    instant = _instant(given.at, given.in_)
    instant(utc_now())  # a wrong time is said before anything is connected
    timeout_s = parse_span(given.timeout) / US_PER_S if given.timeout else None
    patterns = cues.patterns_of(given.venues)
    show = show_of(found)
    now = utc_now()
    cues.build(Draft(Stop(action="stop")), show=show, venues=patterns, at=instant(now), now=now)

    pen, me = pen_of(found, "cue"), given.me(found)

    async def run() -> int:
        async with line_to(found, topics, pen=pen) as link:
            warnings = await link.settle()
            now = utc_now()
            at = instant(now)
            draft = action(link, at)
            cue = cues.build(draft, show=show, venues=patterns, at=at, now=now, by=me)
            cue, plain = understood(link.view, cue)
            nobody = [*cues.nobody_for(link.view, patterns), *plain]
            if not given.json:
                _announce(link, cue, now)
                warn(nobody)  # before the wait, in which the command can still be ended and corrected
            count = Count(link.view, cue.cue, patterns, given.wait.value)
            async with waiting(progress_of(count, given.wait.value, cue.at, utc_now), _out(cue)):
                sent = await cues.send(link, cue, given.wait.value, timeout_s)
            sent.warnings[:0] = [*warnings, *draft.warnings, *(nobody if given.json else [])]
            sent.warnings.extend([*untaken(sent.deliveries), *link.view.other_versions(), *link.view.warnings])
            if given.json:
                print_json(cues.as_json(link, sent))
            else:
                warn(sent.warnings)
                answers.show(sent, link.view.presences, given.wait.value)
            return sent.exit_code

    raise typer.Exit(asyncio.run(run()))


def _out(cue: Cue) -> str:
    return f"the cue is out, or on its way, whoever waits for it: 'framezero cue cancel {cue.cue}' takes it back"


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
    screen().print(f"{shown(words(cue))} at [bold]{format_utc(cue.at)}[/] ({when})", soft_wrap=True)
    screen().print(f"  cue {cue.cue}")
    for line in answers.local_lines(cue.at, link.view.expected(cue.venues), link.view.presences):
        screen().print(line)
    if isinstance(cue.do, Play) and (cue.do.held or cue.do.from_us) and (found := landing(link.view, cue)):
        screen().print(f"  {shown(found.words)}")
