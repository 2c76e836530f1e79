"""`framezero venue forget`: the retained traces of a venue that is gone for good."""

import asyncio
import time
from difflib import get_close_matches
from typing import Annotated

import typer

from agent.control.draft import CueError
from agent.control.link import Delivery, Link, deliveries_json, untaken, utc_now
from agent.control.options import BrokerOptions, line_to, print_json, screen, shown, takes, warn
from agent.control.status import HEARTBEAT_S

TOPICS = ["venue/+/presence", "venue/+/status"]
TRACES = ("presence", "status")

app_venue = typer.Typer(no_args_is_help=True, help="See to the venues that the brokers know of.")


@app_venue.command("forget", epilog="Example: framezero venue forget paris-opera")
@takes(BrokerOptions)
def forget(
    given: BrokerOptions,
    venue: Annotated[str, typer.Argument(metavar="VENUE", help="Its id.")],
    force: Annotated[bool, typer.Option("--force", help="Even if it is alive: then it will be back.")] = False,
) -> None:
    """Clear what the brokers keep of a venue that is gone for good, so that nobody waits for it any more."""
    found = given.settings()

    async def run() -> int:
        async with line_to(found, TOPICS) as link:
            warnings = await link.settle()
            _check_known(link, venue)
            if not force:
                await _check_gone(link, venue)
            cleared = [await link.clear(f"venue/{venue}/{trace}") for trace in TRACES]
            deliveries = [_worse(same) for same in zip(*cleared, strict=True)]
            code = 0 if all(delivery.taken for delivery in deliveries) else 1
            warnings += untaken(deliveries)
        if given.json:
            brokers = deliveries_json(deliveries)
            print_json({"exit": code, "venue": venue, "brokers": brokers, "warnings": warnings})
        else:
            warn(warnings)
            where = "" if code == 0 else ", but not everywhere: do it again when every broker takes it"
            screen().print(f"{shown(venue)} is forgotten{where}")
        return code

    raise typer.Exit(asyncio.run(run()))


def _worse(same: tuple[Delivery, ...]) -> Delivery:
    return min(same, key=lambda delivery: delivery.taken)


def _check_known(link: Link, venue: str) -> None:
    known = link.view.venues
    if venue not in known:
        near = get_close_matches(venue, known, n=5) or known[:5]
        hint = f"; known are {', '.join(near)}" if near else ""
        raise CueError(f"no broker keeps anything of a venue {venue!r}{hint}", usage=False)


async def _check_gone(link: Link, venue: str) -> None:
    """A venue that has said goodbye is gone; any other is given the time for a heartbeat."""

    def alive() -> bool:
        return not link.view.silent(venue, utc_now(), time.monotonic())

    if link.view.gone(venue):
        return
    if alive() or await link.wait(alive, HEARTBEAT_S):
        detail = f"{venue} is alive; stop its agent first, or it is back with its next status (--force does it anyway)"
        raise CueError(detail, usage=False)
