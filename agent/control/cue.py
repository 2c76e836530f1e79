"""Build a cue, send it, and gather what every expected venue makes of it."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from agent.control.link import Delivery, Link, deliveries_json, utc_now
from agent.control.times import warn_of
from agent.control.view import Answer, View, judge
from agent.messages import MAX_LIFE_US, Black, Cue, Play, Stop, encode, explain
from agent.units import US_PER_S, UtcUs, format_utc

Wanted = Literal["accepted", "armed", "started"]

TOPICS = ["venue/+/presence", "venue/+/ack", "program/+/+"]
LIFE_US = 8 * 86_400 * US_PER_S
AFTER_US = 86_400 * US_PER_S
ANSWER_S = 10.0
AFTER_INSTANT_S = 5.0


class CueError(Exception):
    """The cue cannot be sent; the text is the reason with the remedy. `usage`: the command was wrong."""

    def __init__(self, detail: str, *, usage: bool) -> None:
        super().__init__(detail)
        self.usage = usage


@dataclass(frozen=True, slots=True)
class Sent:
    """A cue that is on its way and what is known of it."""

    cue: Cue
    deliveries: list[Delivery]
    answers: list[Answer]
    warnings: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 all good · 1 refused, NO-GO or missed · 3 a venue is silent or late, or none is known."""
        verdicts = {answer.verdict for answer in self.answers}
        if not any(delivery.taken for delivery in self.deliveries):
            return 1
        if not verdicts or verdicts & {"silent", "late"}:
            return 3
        return 1 if verdicts - {"ok"} else 0


def cue_id(now: UtcUs) -> str:
    """A UUID that grows with time (RFC 9562, version 7): of two cues for one instant the later one wins."""
    value = (now // 1000) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def build(action: Play | Stop | Black, *, show: str, venues: list[str], at: UtcUs, now: UtcUs) -> Cue:
    """Make a cue that lives for 8 days, or a day beyond its instant if that is later. Raises CueError."""
    if at - now > MAX_LIFE_US - AFTER_US:
        raise CueError("--at lies more than 30 days ahead; a cue lives for 31 days at most", usage=True)
    try:
        return Cue(
            v=1,
            cue=cue_id(now),
            show=show,
            venues=venues,
            at=at,
            issued=now,
            expires=UtcUs(max(now + LIFE_US, at + AFTER_US)),
            do=action,
        )
    except ValidationError as error:
        raise CueError(explain(error), usage=True) from error


def resolve(
    link: Link, program: str, rev: int | None, *, loop: bool, from_us: int, show: str
) -> tuple[Play, list[str]]:
    """Pin the revision to play (the newest kept at a broker unless given); returns warnings too. Raises CueError."""
    warnings: list[str] = []
    pinned = rev if rev is not None else link.view.newest_rev(program)
    if pinned is None:
        raise CueError(f"no broker keeps a program {program!r}; publish it first, or check --root", usage=False)
    known = link.view.program(program, pinned)
    if known is None:
        warnings.append(
            f"no broker keeps program {program!r} rev {pinned}; venues that do not know it will not be ready"
        )
    else:
        length_us = sum(item.length_us for item in known.items)
        if not loop and from_us >= length_us:
            raise CueError(f"--from lies behind the end: the program lasts {length_us / US_PER_S:.1f} s", usage=True)
        if known.show != show:
            warnings.append(f"the program was published for show {known.show!r}, the cue is for {show!r}")
    try:
        return Play(action="play", program=program, rev=pinned, loop=loop, from_us=from_us), warnings
    except ValidationError as error:
        raise CueError(explain(error), usage=True) from error


def nobody_for(view: View, patterns: list[str]) -> list[str]:
    """A warning for each venue or group that a cue names and no known venue matches; `*` matches those to come."""
    groups = sorted({f"@{group}" for presence in view.presences.values() for group in presence.groups})
    known = [*view.presences, *groups]
    there = f"known: {', '.join(known)}" if known else "none is known at the broker"
    return [f"no venue matches {pattern!r}; {there}" for pattern in view.unmatched(patterns) if pattern != "*"]


def default_timeout_s(cue: Cue, wanted: Wanted, now: UtcUs) -> float:
    """Long enough for an answer over a slow line; beyond the instant where that is waited for."""
    return ANSWER_S if wanted == "accepted" else max(ANSWER_S, (cue.at - now) / US_PER_S + AFTER_INSTANT_S)


async def send(link: Link, cue: Cue, wanted: Wanted, timeout_s: float | None) -> Sent:
    """Publish a cue retained until it expires, and wait until every expected venue has settled it.

    The link has settled with presences and acks among its topics.
    """
    now = utc_now()
    warnings = [warning] if (warning := warn_of(cue.at, now)) else []
    expires_s = max(1, -((now - cue.expires) // US_PER_S))
    deliveries = await link.publish(f"cue/{cue.cue}", encode(cue), expires_s=expires_s)
    if not any(delivery.taken for delivery in deliveries):
        return Sent(cue, deliveries, [], warnings)

    def answers() -> list[Answer]:
        venues = {*link.view.expected(cue.venues), *(ack.venue for ack in link.view.acks if ack.cue == cue.cue)}
        return [judge(cue, venue, link.view.acks, wanted) for venue in sorted(venues)]

    def settled() -> bool:
        found = answers()
        # Bad does not become better; what is not ready in time may be so in a moment.
        return bool(found) and all(answer.reached or answer.verdict == "bad" for answer in found)

    waited_s = timeout_s if timeout_s is not None else default_timeout_s(cue, wanted, now)
    began_s = time.monotonic()
    if not await link.wait(settled, waited_s) and time.monotonic() - began_s < waited_s:
        warnings.append("all brokers were lost while waiting; the cue is out, `framezero status` shows what came of it")
    return Sent(cue, deliveries, answers(), warnings)


def as_json(link: Link, sent: Sent) -> dict[str, Any]:
    """Everything about a sent cue, for `--json`."""
    presences = link.view.presences
    return {
        "cue": sent.cue.model_dump(mode="json"),
        "at": format_utc(sent.cue.at),
        "exit": sent.exit_code,
        "brokers": deliveries_json(sent.deliveries),
        "venues": [
            {
                "venue": answer.venue,
                "verdict": answer.verdict,
                "online": presences[answer.venue].online if answer.venue in presences else None,
                "timezone": presences[answer.venue].timezone if answer.venue in presences else None,
                "ack": answer.ack.model_dump(mode="json") if answer.ack else None,
            }
            for answer in sent.answers
        ],
        "warnings": sent.warnings,
    }
