"""Take a cue back: a cancel that every venue gets, and the brokers keep the cue no longer."""

import time
from dataclasses import dataclass, field
from typing import Any

from agent.control import cue as cues
from agent.control.draft import CueError, Draft
from agent.control.kept import find
from agent.control.link import Delivery, Link, deliveries_json, utc_now
from agent.control.tables import few
from agent.control.verdict import Count, Outcome
from agent.control.view import View, covers
from agent.messages import MAX_LIFE_US, Cancel, Cue
from agent.units import US_PER_S, UtcUs

CLEARED_S = 2.0
GRACE_S = 1.5
SHORT_WAIT_US = 30 * US_PER_S
"""A cancel that counts only later than this is not waited for beyond its acceptance."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A cancel that is on its way, and what the brokers still keep of the cue.

    `cleared` is None where the cue has to be kept: the cancel counts only later, or not for every venue of the cue, or
    one of them refuses it.
    """

    named: str
    sent: cues.Sent
    cleared: list[Delivery] | None
    warnings: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """1 also where a broker keeps the cue still: a player that knows only that one would show it."""
        return 1 if any(not found.taken for found in self.cleared or ()) else self.sent.exit_code


def named(cancel: Cue) -> str:
    """The id of the cue that a cancel takes back."""
    assert isinstance(cancel.do, Cancel), "called with a cancel"
    return cancel.do.cue


def draft(view: View, text: str, show: str, now: UtcUs, now_s: float, *, force: bool) -> tuple[Draft, list[str]]:
    """The cancel of the cue that is meant, and the venues that it is for. Raises CueError where there is none.

    By force an id is taken as it is: a cue that was sent unretained is known to no broker.
    """
    cue_id = text.strip().lower() if force else find(view, text, show, now, now_s)
    cue = view.cues.get(cue_id)
    if cue is not None and isinstance(cue.do, Cancel):
        detail = f"cue {cue_id} is a cancel itself, and cannot be taken back; send what it cancelled again"
        raise CueError(detail, usage=False)
    if cue is not None and now >= cue.expires:
        raise CueError(f"cue {cue_id} has expired and counts for nobody any more", usage=False)
    try:
        return Draft(Cancel(action="cancel", cue=cue_id), UtcUs(now + MAX_LIFE_US)), cue.venues if cue else ["*"]
    except ValueError:
        raise CueError(f"{text!r} is not the whole id of a cue, which --force needs", usage=True) from None


async def send(link: Link, cancel: Cue, timeout_s: float) -> Cancelled:
    """Publish a cancel, wait until every expected venue has taken it back, and clear the cue where none refuses."""
    cue_id, now = named(cancel), utc_now()
    kept = link.view.kept.get(cue_id)
    deliveries = await cues.publish(link, cancel, now)
    if not any(delivery.taken for delivery in deliveries):
        return Cancelled(cue_id, cues.Sent(cancel, deliveries, []), None)
    outcomes, warnings = await _gather(link, cancel, timeout_s)
    refusing = [outcome.venue for outcome in outcomes if outcome.ack is not None and outcome.ack.stage == "refused"]
    cleared = None
    if cancel.at > utc_now():
        warnings.append(f"cue {cue_id} counts until then and stays at the brokers; 'framezero cue list --clean' later")
    elif kept is not None and not covers(cancel.venues, kept.cue.venues):
        warnings.append(f"cue {cue_id} is for {', '.join(kept.cue.venues)}: it stays at the brokers for the others")
    elif refusing:
        # Without it a player that is replaced would show something else than those that go on with the cue.
        warnings.append(f"cue {cue_id} goes on at {few(refusing)}, and so it stays at the brokers")
    else:
        cleared = await clear(link, cue_id)
    return Cancelled(cue_id, cues.Sent(cancel, deliveries, outcomes), cleared, warnings)


async def clear(link: Link, cue_id: str) -> list[Delivery]:
    """Have every broker keep a cue no longer, under whatever topic it does; what a broker says is looked after."""
    kept = link.view.kept.get(cue_id)
    topics = {f"cue/{cue_id}", *(topic for _, topic in (kept.where if kept else ()))}
    found: dict[str, Delivery] = {}
    for topic in sorted(topics):
        for new in await link.clear(topic):
            known = found.get(new.url)
            found[new.url] = new if known is None or known.taken else known
    gone = await link.wait(lambda: cue_id not in link.view.kept, CLEARED_S)
    for url, _ in () if gone else link.view.kept[cue_id].where:
        if found[url].taken:
            found[url] = Delivery(url, False, "took the deletion and keeps it all the same; see its access list")
    return [
        delivery if delivery.taken else Delivery(delivery.url, False, f"may keep cue {cue_id} still: {delivery.detail}")
        for delivery in found.values()
    ]


async def _gather(link: Link, cancel: Cue, timeout_s: float) -> tuple[list[Outcome], list[str]]:
    """A venue that had the cue says `cancelled`; one that never had it, or has had its end, only takes the cancel."""
    ends = Count(link.view, named(cancel), cancel.venues, "cancelled")
    takes = Count(link.view, cancel.cue, cancel.venues, "accepted")
    began_s = time.monotonic()
    taken = await link.wait(lambda: takes.settled() or ends.settled(), timeout_s)
    ahead_us = max(0, cancel.at - utc_now())
    if taken and ahead_us <= SHORT_WAIT_US:
        left_s = began_s + timeout_s - time.monotonic()
        await link.wait(ends.settled, max(0.0, min(left_s, ahead_us / US_PER_S + GRACE_S)))
    by_end = {outcome.venue: outcome for outcome in ends.outcomes}
    outcomes = {outcome.venue: outcome for outcome in takes.outcomes}
    outcomes |= {venue: outcome for venue, outcome in by_end.items() if outcome.reached or venue not in outcomes}
    lost = "all brokers were lost while waiting; it is out, `framezero status` shows what came of it"
    found = [outcome for _, outcome in sorted(outcomes.items())]
    return found, [] if any(link.brokers.values()) else [lost]


def as_json(link: Link, cancelled: Cancelled) -> dict[str, Any]:
    """Everything, for `--json`."""
    cleared = None if cancelled.cleared is None else deliveries_json(cancelled.cleared)
    whole = {**cues.as_json(link, cancelled.sent), "cancelled": cancelled.named, "cleared": cleared}
    return {**whole, "exit": cancelled.exit_code, "warnings": [*cancelled.sent.warnings, *cancelled.warnings]}
