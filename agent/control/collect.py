"""Fetches the as-run records that venues keep: each venue is asked for page after page until it has no more.

An ask brings up to eight pages, for over a line of 100 ms most of the time would be waiting for the next question. A
venue is asked again where a page got lost; the same page twice does no harm.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from sys import intern

from agent.control.link import Link
from agent.control.proof_record import Record
from agent.messages import MOST_PAGES, Ask, Refusal, encode
from agent.pages import unpack
from agent.units import UtcUs

PACE_S = 0.25
"""Between two asks to a venue: it answers five a second at most, and others may ask as well."""

BUSY_S = 2.0
ATTEMPTS = 3
EXPIRES_S = 10
TOPICS = ["venue/+/presence", "venue/+/answer", "venue/+/asrun", "program/+/+", "cue/#"]


@dataclass(slots=True)
class Fetched:
    """What came from one venue; `left`: how many records are still to come, None before that is known."""

    records: list[Record] = field(default_factory=list)
    left: int | None = None
    kept_from: UtcUs | None = None
    fault: str = ""


Progress = Callable[[str, Fetched], None]


async def fetch(
    link: Link, venues: Sequence[str], since: UtcUs, until: UtcUs, patience_s: float, progress: Progress
) -> dict[str, Fetched]:
    """What these venues keep of a period; one that is silent for `patience_s` is given up, and said."""
    found = {venue: Fetched() for venue in venues}
    await asyncio.gather(
        *(_from_venue(link, venue, found[venue], since, until, patience_s, progress) for venue in venues)
    )
    return found


async def _from_venue(
    link: Link, venue: str, got: Fetched, since: UtcUs, until: UtcUs, patience_s: float, progress: Progress
) -> None:
    after, book, failures = 0, None, 0
    while True:
        began_s = time.monotonic()
        if link.view.gone(venue):
            got.fault = "offline: what its wall has shown is on its disk, and comes when it is back"
            break
        ask = Ask(
            v=1,
            ask=str(uuid.uuid4()),
            want="asrun",
            issued=link.now(),
            since=since,
            until=until,
            after=after,
            book=book,
            pages=MOST_PAGES,
        )
        pages = link.view.pages.setdefault((ask.ask, venue), {})
        refused = await _answered(link, venue, ask, patience_s)
        del link.view.pages[ask.ask, venue]
        if refused is not None and refused.code == "busy" and failures < ATTEMPTS:
            failures += 1
            await asyncio.sleep(BUSY_S)
            continue
        if refused is not None:
            got.fault = _why(refused)
            break
        over = False
        for number in range(len(pages)):
            if number not in pages:  # lost on its way: what is behind it is asked for again
                break
            page = pages[number]
            records = unpack(page, venue)
            if isinstance(records, Refusal):
                got.fault = records.detail
                over = True
                break
            got.records += [Record.of(record, intern) for record in records]
            got.left, got.kept_from, failures = page.left, page.kept_from, 0
            progress(venue, got)
            await asyncio.sleep(0)  # others' pages are coming in meanwhile
            over = page.next is None
            after, book = page.next or after, page.book
        if over:
            break
        if 0 not in pages:
            failures += 1
            if failures >= ATTEMPTS - 1:
                got.fault = f"silent: no answer within {patience_s:g} s; is the player running, and its network up?"
                break
        await asyncio.sleep(max(0.0, began_s + PACE_S - time.monotonic()))
    progress(venue, got)


async def _answered(link: Link, venue: str, ask: Ask, patience_s: float) -> Refusal | None:
    """Ask, and wait for all pages that are to come, or until none has come for a while."""
    pages = link.view.pages[ask.ask, venue]
    await link.publish(f"ask/{venue}", encode(ask), retain=False, expires_s=EXPIRES_S, patience_s=patience_s)

    def over() -> bool:
        if not pages:
            return venue in link.view.answers.get(ask.ask, {}) or link.view.gone(venue)
        return len(pages) == ask.pages or any(page.next is None for page in pages.values())

    count = -1
    while count < len(pages) and not over():
        count = len(pages)
        await link.wait(lambda before=count: over() or len(pages) > before, patience_s)  # type: ignore[misc]
    answer = link.view.answers.get(ask.ask, {}).get(venue)
    link.view.forget_answers(ask.ask)
    return answer.refused if answer is not None else None


def _why(refused: Refusal) -> str:
    if refused.code == "unserved":
        return "its agent is older, and keeps no book of what it has shown; update it"
    return f"it refuses ({refused.code}): {refused.detail}"
