"""Pictures of walls: ask venues for one, and what each answers."""

import asyncio
import base64
import binascii
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from agent.answered import Answer, Shot
from agent.control.awaited import Awaited
from agent.control.draft import CueError
from agent.control.link import Delivery, Link
from agent.messages import Ask, Refusal, encode, explain
from agent.told import Presence
from agent.units import UtcUs

TOPICS = ["venue/+/presence", "venue/+/answer"]
"""What has to be listened to."""

TIMEOUT_S = 10.0
PUBLISH_S = 2.0
"""A broker that has not taken the ask by then has not got it."""

EXPIRES_S = 10
"""An ask is not kept for a player that is away: who asked has gone by then."""

JPEG_BEGINS = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Picture:
    """What one wall showed: a whole JPEG, and what its venue said of it."""

    venue: str
    jpeg: bytes
    shot: Shot
    answer: Answer
    presence: Presence | None
    waited_s: float
    """From the ask to the answer."""


@dataclass(frozen=True, slots=True)
class Row:
    """One venue: its picture, or why there is none. The code is the venue's own, or one of ours.

    Ours: `silent` (no answer in time), `offline`, `no_broker` (no broker took the ask), `damaged`.
    """

    venue: str
    presence: Presence | None
    outcome: Picture | Refusal


def build_ask(width: int | None, now: UtcUs) -> Ask:
    """The ask for a picture at most so wide. Raises CueError."""
    try:
        return Ask(v=1, ask=str(uuid.uuid4()), want="shot", width=width, issued=now)
    except ValidationError as error:
        raise CueError(explain(error), usage=True) from error


async def take(link: Link, venue: str, *, width: int | None = None, timeout_s: float = TIMEOUT_S) -> Picture | Refusal:
    """One wall's picture, or why there is none (see Row). The link listens to `TOPICS`."""
    rows, _ = await take_all(link, [venue], width=width, timeout_s=timeout_s)
    return rows[0].outcome


async def take_all(
    link: Link,
    patterns: Sequence[str],
    *,
    width: int | None = None,
    timeout_s: float = TIMEOUT_S,
    each: Callable[[Row], None] | None = None,
) -> tuple[list[Row], list[Delivery]]:
    """Pictures of all walls that the patterns name, a row each, and what the brokers said to the ask.

    `each` is called with a row as soon as its venue has answered. The link listens to `TOPICS` and has settled.
    """
    ask = build_ask(width, link.now())
    began_s = time.monotonic()
    rows: dict[str, Row] = {}

    def told(venue: str) -> bool:
        """Whether a venue has answered or gone; its row is made at once, so that no picture is kept twice."""
        answer = link.view.answers.get(ask.ask, {}).pop(venue, None)
        if answer is not None and venue not in rows and _meant(link, venue, patterns):
            presence = link.view.presences.get(venue)
            rows[venue] = row = Row(venue, presence, _outcome(answer, presence, began_s))
            if each is not None:
                each(row)
        return venue in rows or link.view.gone(venue)

    def all_told() -> bool:
        for venue in list(link.view.answers.get(ask.ask, {})):
            told(venue)
        return awaited.all_told()

    awaited = Awaited(link.view, lambda: link.view.expected(patterns), told)
    deliveries = await _publish(link, ask, patterns, min(timeout_s, PUBLISH_S))
    if any(delivery.taken for delivery in deliveries):
        await link.wait(all_told, max(0.0, timeout_s - (time.monotonic() - began_s)))
    link.view.forget_answers(ask.ask)
    for venue in link.view.expected(patterns):
        if venue not in rows:
            why = _silence(link, venue, deliveries, timeout_s)
            rows[venue] = row = Row(venue, link.view.presences.get(venue), why)
            if each is not None:
                each(row)
    return [rows[venue] for venue in sorted(rows)], deliveries


def _meant(link: Link, venue: str, patterns: Sequence[str]) -> bool:
    """Whether a venue was asked: any other may have seen the ask, and answer it."""
    presence = link.view.presences.get(venue)
    groups = [] if presence is None else presence.groups
    return venue in patterns or "*" in patterns or any(f"@{group}" in patterns for group in groups)


async def _publish(link: Link, ask: Ask, patterns: Sequence[str], patience_s: float) -> list[Delivery]:
    """To all at once where more than single venues are meant; those that are not are not looked at then."""
    single = not any(pattern[0] in "*@" for pattern in patterns)
    names = dict.fromkeys(patterns) if single else {"all": None}
    given = [
        link.publish(f"ask/{name}", encode(ask), retain=False, expires_s=EXPIRES_S, patience_s=patience_s)
        for name in names
    ]
    return [max(same, key=lambda found: not found.taken) for same in zip(*await asyncio.gather(*given), strict=True)]


def _outcome(answer: Answer, presence: Presence | None, began_s: float) -> Picture | Refusal:
    if answer.refused is not None:
        return answer.refused
    if answer.shot is None:
        return Refusal(code="damaged", detail="its answer holds no picture; bring its agent and this tool together")
    try:
        jpeg = base64.b64decode(answer.shot.jpeg, validate=True)
    except binascii.Error:
        jpeg = b""
    if not jpeg.startswith(JPEG_BEGINS):
        return Refusal(code="damaged", detail="what it sent is no JPEG of at most 100 kB; ask again")
    waited_s = round(time.monotonic() - began_s, 3)
    return Picture(answer.venue, jpeg, answer.shot, answer, presence, waited_s)


def _silence(link: Link, venue: str, deliveries: list[Delivery], timeout_s: float) -> Refusal:
    if not any(delivery.taken for delivery in deliveries):
        return Refusal(code="no_broker", detail="no broker took the ask; 'framezero status' shows which are there")
    if link.view.gone(venue):
        detail = "offline: its broker connection has ended; is the player running, and its network up?"
        return Refusal(code="offline", detail=detail)
    detail = f"no answer within {timeout_s:g} s; 'framezero status' shows when it was last heard"
    return Refusal(code="silent", detail=detail)
