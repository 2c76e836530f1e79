"""`framezero poll`: go or no-go for a program, a row a venue, within three seconds."""

import asyncio
from typing import Annotated

import typer

from agent.control import poll as polls
from agent.control.cue import patterns_of
from agent.control.link import utc_now
from agent.control.options import BrokerOptions, line_to, print_json, screen, takes, warn
from agent.control.waiting import unanswered, waiting


@takes(BrokerOptions)
def poll(
    given: BrokerOptions,
    program: Annotated[str, typer.Argument(metavar="PROGRAM", help="The program's id.")],
    rev: Annotated[int | None, typer.Option("--rev", min=1, help="Its revision \\[the newest].")] = None,
    venues: Annotated[str, typer.Option("--venues", metavar="a,@group", help="Venues and groups; * is all.")] = "*",
) -> None:
    """Ask every wall whether it could show a program now: films, clock, display, disk, brokers, next cue."""
    found = given.settings()
    patterns = patterns_of(venues)
    ask = polls.build_ask(program, rev, utc_now())

    async def run() -> int:
        async with line_to(found, polls.topics(program), hurry=True) as link:
            async with waiting(unanswered(link.view, ask.ask, patterns)):
                polled = await polls.ask_all(link, ask, patterns, found.show)
            # Before the goodbye, for which a broker that hangs takes its time.
            if given.json:
                print_json(polls.as_json(polled))
            else:
                warn(polled.warnings)
                screen().print(polls.page(polled, screen().width))
            return polled.exit_code

    raise typer.Exit(asyncio.run(run()))
