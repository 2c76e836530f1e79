"""Raise a panic, or lift it, and gather what every expected venue makes of it."""

import asyncio
import re
from hashlib import sha256
from typing import Literal

from pydantic import ValidationError

from agent.control.cue import Sent, Wanted, cue_id, gather
from agent.control.draft import CueError
from agent.control.link import ANSWER_TIMEOUT_S, Delivery, Link
from agent.control.times import show_span
from agent.control.view import View, covers
from agent.messages import Lift, Panic, encode, explain
from agent.units import UtcUs

TOPICS = ["venue/+/presence", "venue/+/ack"]
LIFT_TOPICS = [*TOPICS, "venue/+/status", "panic/#"]

UUID_CHARS = 36
FIRST_S = 1.0  # then a broker that hangs must not keep the others waiting


def build_panic(
    to: Literal["black", "slate"], *, show: str, venues: list[str], now: UtcUs, by: str | None = None
) -> Panic:
    """Make a panic. Raises CueError."""
    try:
        return Panic(v=1, panic=cue_id(now), show=show, venues=venues, issued=now, to=to, by=by)
    except ValidationError as error:
        raise CueError(explain(error), usage=True) from error


def build_lift(panic: str, *, show: str, venues: list[str], now: UtcUs, by: str | None = None) -> Lift:
    """Make the lift of a panic. Raises CueError."""
    try:
        return Lift(v=1, lift=panic, show=show, venues=venues, issued=now, by=by)
    except ValidationError as error:
        raise CueError(explain(error), usage=True) from error


def check_id(text: str) -> None:
    """See that this may be the id of a panic, or its beginning. Raises CueError."""
    if not re.fullmatch(r"[0-9a-f-]{1,36}", text.strip().lower()):
        detail = (
            f"--lift {text!r} is no id of a panic, nor the beginning of one; left out, the one that holds is lifted"
        )
        raise CueError(detail, usage=True)


def meant(view: View, text: str | None, show: str, venues: list[str], now: UtcUs, now_s: float) -> str:
    """The id of the panic to lift: the only one that holds, or that which begins with `text`. Raises CueError.

    Who holds is said by what brokers keep and venues tell. A whole id is taken as it is, whatever is known of it.
    """
    wanted = (text or "").strip().lower()
    if len(wanted) == UUID_CHARS:
        return wanted
    found = _holding(view, show, venues, now, now_s)
    begun = sorted(panic for panic in found if panic.startswith(wanted))
    if len(begun) == 1:
        return begun[0]
    told = [_told(view, panic, now) for panic in begun or sorted(found)]
    if begun:
        detail = f"{wanted!r} is the beginning of {len(begun)} panics that hold; write more of the one to lift"
        raise CueError(
            detail if wanted else "more than one panic holds; name the one to lift", usage=False, choices=told
        )
    if found:
        raise CueError(f"no panic that begins with {wanted!r} holds; these do", usage=False, choices=told)
    raise CueError(
        "no panic holds, as far as brokers and venues tell; name its whole id to lift it all the same", usage=False
    )


def _told(view: View, panic: str, now: UtcUs) -> str:
    known = view.panics.get(panic)
    if known is None:
        return f"{panic} (a venue tells of it)"
    return f"{panic} (to {known.to} on {', '.join(known.venues)}, raised {show_span(now - known.issued)} ago)"


def _holding(view: View, show: str, venues: list[str], now: UtcUs, now_s: float) -> set[str]:
    found = {panic.panic for panic in view.panics.values() if panic.show == show}
    for venue in view.expected(venues):
        heard, presence = view.statuses.get(venue), view.presences.get(venue)
        ours = presence is None or presence.show == show
        if ours and heard is not None and heard.status.panic and not view.silent(venue, now, now_s):
            found.add(heard.status.panic)
    return found


async def send(link: Link, message: Panic | Lift, timeout_s: float) -> Sent:
    """Publish retained to whoever is there, at once; then see to slower brokers, and wait for the venues.

    A panic is settled when the walls are covered, a lift when its panic is over.
    """
    deliveries = {delivery.url: delivery for delivery in await publish(link, message, FIRST_S)}
    warnings = await link.settle()
    await link.stragglers()
    if not all(delivery.taken for delivery in deliveries.values()) or link.brokers.keys() - deliveries.keys():
        # The same bytes again are silent where they are known.
        for delivery in await publish(link, message, ANSWER_TIMEOUT_S):
            _better(deliveries, delivery)
    found = sorted(deliveries.values(), key=lambda delivery: delivery.url)
    if not any(delivery.taken for delivery in found):
        return Sent(message, found, [], warnings)
    about, wanted = _about(message)
    outcomes, lost = await gather(link, about, message.venues, wanted, timeout_s)
    return Sent(message, found, outcomes, [*warnings, *lost])


async def publish(link: Link, message: Panic | Lift, patience_s: float) -> list[Delivery]:
    """Publish it to the topic that every agent knows, and to the panic's own, where several do not replace each other.

    Taken at either is taken.
    """
    body = link.pen.seal("lift" if isinstance(message, Lift) else "panic", encode(message))
    topics = ("panic", f"panic/{_place(link.view, message)}")
    found: dict[str, Delivery] = {}
    for deliveries in await asyncio.gather(*(link.publish(topic, body, patience_s=patience_s) for topic in topics)):
        for new in deliveries:
            known = found.get(new.url, Delivery(new.url, False, ""))
            found[new.url] = Delivery(new.url, known.taken or new.taken, known.detail or new.detail)
    return list(found.values())


def _place(view: View, message: Panic | Lift) -> str:
    """Where a player that comes later finds it: a lift takes its panic's place, but only if it ends all of it."""
    if isinstance(message, Panic):
        return message.panic
    panic = view.panics.get(message.lift)
    whole = covers(message.venues, panic.venues if panic else ["*"])
    return message.lift if whole else f"{message.lift}-{sha256(encode(message)).hexdigest()[:8]}"


def _better(deliveries: dict[str, Delivery], delivery: Delivery) -> None:
    known = deliveries.get(delivery.url)
    if known is None or not known.taken:
        deliveries[delivery.url] = delivery


def _about(message: Panic | Lift) -> tuple[str, Wanted]:
    return (message.lift, "cancelled") if isinstance(message, Lift) else (message.panic, "started")
