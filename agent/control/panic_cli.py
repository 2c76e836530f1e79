"""`framezero cue panic`: black or the slate at once, and the way back."""

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from agent.control import answers
from agent.control import panic as panics
from agent.control.cue import ANSWER_S, Sent, as_json, nobody_for, patterns_of
from agent.control.draft import CueError
from agent.control.link import Link, untaken, utc_now
from agent.control.options import SenderOptions, line_to, pen_of, print_json, screen, show_of, shown, takes, warn
from agent.control.remarks import understood
from agent.control.times import parse_span, show_span
from agent.control.verdict import Count
from agent.control.waiting import progress_of, waiting
from agent.messages import Lift, Panic
from agent.units import US_PER_S


class Hide(StrEnum):
    """What hides the walls."""

    black = "black"
    slate = "slate"


@dataclass(frozen=True, kw_only=True)
class PanicOptions(SenderOptions):
    """For which walls, and how long to wait."""

    venues: Annotated[str, typer.Option("--venues", metavar="a,@group", help="Venues and groups; * is all.")] = "*"
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="SPAN", help="Wait no longer than this \\[10s].")
    ] = None


@takes(PanicOptions)
def panic(
    given: PanicOptions,
    panic_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[black|slate|ID]",
            help="What to show; with --lift: which panic, by its id or the beginning of it \\[the one that holds].",
        ),
    ] = None,
    to: Annotated[Hide, typer.Option("--to", help="Show this instead of everything.")] = Hide.black,
    lift: Annotated[bool, typer.Option("--lift", help="End a panic: the walls rejoin in sync.")] = False,
) -> None:
    """Black, or the slate, at once and without a clock, whatever is cued; it holds until it is lifted by its id."""
    if panic_id is not None and not lift:
        if panic_id not in set(Hide):
            raise CueError("what to show goes with --to (black or slate), an id with --lift", usage=True)
        to, panic_id = Hide(panic_id), None  # whoever writes 'panic black' has no second to read a refusal
    found = given.settings()
    show = show_of(found)
    patterns = patterns_of(given.venues)
    timeout_s = parse_span(given.timeout) / US_PER_S if given.timeout else ANSWER_S
    # What is wrong with the command is said before anything is connected.
    raised = panics.build_panic(to.value, show=show, venues=patterns, now=utc_now(), by=given.me(found))
    if panic_id is not None:
        panics.check_id(panic_id)
    whole = panic_id is not None and len(panic_id.strip()) == panics.UUID_CHARS
    lifted = (panic_id or "").strip().lower() if whole else raised.panic
    named = panics.build_lift(lifted, show=show, venues=patterns, now=utc_now(), by=given.me(found))
    pen = pen_of(found, "lift" if lift else "panic")

    async def run() -> Sent:
        if not lift:
            async with line_to(found, panics.TOPICS, hurry=True, pen=pen) as link:
                return _told(given, link, await _sent(link, raised, raised.panic, timeout_s))
        async with line_to(found, panics.LIFT_TOPICS, pen=pen) as link:
            warnings = await link.settle()
            holding = panics.meant(link.view, panic_id, show, patterns, utc_now(), time.monotonic())
            raised_before = link.view.panics.get(holding)
            message, plain = understood(link.view, named.model_copy(update={"lift": holding}))
            sent = await _sent(link, message, holding, timeout_s)
            sent.warnings.extend(warning for warning in [*plain, *warnings] if warning not in sent.warnings)
            return _told(given, link, sent, raised_before)

    raise typer.Exit(asyncio.run(run()).exit_code)


async def _sent(link: Link, message: Panic | Lift, about: str, timeout_s: float) -> Sent:
    wanted = "cancelled" if isinstance(message, Lift) else "started"
    count = Count(link.view, about, message.venues, wanted)
    out = "the lift is out, or on its way"
    if isinstance(message, Panic):
        out = f"the panic is out, or on its way, and holds: 'framezero cue panic --lift {about}' ends it"
    async with waiting(progress_of(count, wanted, None, utc_now), out):
        return await panics.send(link, message, timeout_s)


def _told(given: PanicOptions, link: Link, sent: Sent, raised: Panic | None = None) -> Sent:
    sent.warnings.extend([*nobody_for(link.view, sent.message.venues), *untaken(sent.deliveries), *link.view.warnings])
    if given.json:
        print_json(as_json(link, sent))
        return sent
    warn(sent.warnings)
    where = shown(", ".join(sent.message.venues))
    if isinstance(sent.message, Panic):
        screen().print(f"panic to [bold]{sent.message.to}[/] on {where}, id {sent.message.panic}")
        answers.show(sent, link.view.presences, "started")
        screen().print(f"it holds until it is lifted: framezero cue panic --lift {sent.message.panic}")
    elif isinstance(sent.message, Lift):
        age = f", raised {show_span(sent.message.issued - raised.issued)} ago," if raised else ""
        screen().print(f"lift of panic {shown(sent.message.lift)}{age} on {where}")
        answers.show(sent, link.view.presences, "cancelled")
    return sent
