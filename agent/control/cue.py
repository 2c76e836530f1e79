"""Build a cue, send it, and gather what every expected venue makes of it, or of a panic."""

import secrets
import time
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from agent.control.draft import CueError, Draft
from agent.control.landing import as_json as landing_json
from agent.control.landing import landing
from agent.control.link import ANSWER_TIMEOUT_S, Delivery, Link, deliveries_json, utc_now
from agent.control.times import local_time, warn_of
from agent.control.verdict import Count, Outcome
from agent.control.view import View
from agent.messages import MAX_LIFE_US, Cue, Lift, Panic, Play, Venues, encode, explain, in_words
from agent.units import US_PER_S, UtcUs, format_utc

Wanted = Literal["accepted", "armed", "started", "cancelled"]

TOPICS = ["venue/+/presence", "venue/+/ack", "program/+/+"]
KEPT_TOPICS = [*TOPICS, "venue/+/status", "cue/#"]
LIFE_US = 8 * 86_400 * US_PER_S
AFTER_US = 86_400 * US_PER_S
ANSWER_S = 10.0
NEAR = 5
_PATTERNS = TypeAdapter(Venues)
AFTER_INSTANT_S = 5.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A cue, panic or lift that is on its way and what is known of it."""

    message: Cue | Panic | Lift
    deliveries: list[Delivery]
    outcomes: list[Outcome]
    warnings: list[str] = field(default_factory=list)
    waited_s: float | None = None
    """From its publication to the last answer that was waited for, or to the end of patience."""

    @property
    def kind(self) -> str:
        """What it is, in one word: that under which its JSON stands."""
        return type(self.message).__name__.lower()

    @property
    def exit_code(self) -> int:
        """0 all good · 1 refused, NO-GO or missed, which outranks: · 3 a venue is silent or late, or none is known."""
        verdicts = {outcome.verdict for outcome in self.outcomes}
        if not any(delivery.taken for delivery in self.deliveries) or verdicts & {"no-go", "bad"}:
            return 1
        return 0 if verdicts == {"ok"} else 3


def patterns_of(text: str, option: str = "--venues") -> list[str]:
    """The venues and groups that an option names. Raises CueError."""
    patterns = [pattern.strip() for pattern in text.split(",") if pattern.strip()]
    if not patterns:
        raise CueError(f"{option} names nobody; write venues or @groups with commas between, or * for all", usage=True)
    try:
        return _PATTERNS.validate_python(patterns)
    except ValidationError as error:
        wrong = ", ".join(repr(fault["input"]) for fault in error.errors() if isinstance(fault["input"], str))
        raise CueError(f"{option} {wrong or repr(text)}: {in_words(error.errors()[0]['msg'])}", usage=True) from error


def cue_id(now: UtcUs) -> str:
    """A UUID that grows with time (RFC 9562, version 7): of two cues for one instant the later one wins."""
    value = (now // 1000) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def build(
    draft: Draft,
    *,
    show: str,
    venues: list[str],
    at: UtcUs,
    now: UtcUs,
    by: str | None = None,
    label: str | None = None,
) -> Cue:
    """Make a cue; it usually lives for 8 days, or a day beyond its instant if that is later. Raises CueError."""
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
            expires=draft.expires or UtcUs(max(now + LIFE_US, at + AFTER_US)),
            do=draft.do,
            by=by,
            label=label,
        )
    except ValidationError as error:
        raise CueError(explain(error), usage=True) from error


def _newest(view: View, program: str) -> str:
    newest = view.newest_rev(program)
    return "" if newest is None else f", the newest is rev {newest}"


def resolve(view: View, program: str, rev: int | None, *, loop: bool, from_us: int, show: str) -> Draft:
    """Pin the revision to play: the newest kept at a broker unless given. Raises CueError."""
    warnings: list[str] = []
    pinned = rev if rev is not None else view.newest_rev(program)
    if pinned is None:
        kept = sorted({name for name, _ in view.programs})
        near = get_close_matches(program, kept, n=NEAR) or kept[:NEAR]
        hint = f"; kept are {', '.join(near)}" if near else ""
        raise CueError(f"no broker keeps a program {program!r}{hint}; publish it first, or check --root", usage=False)
    known = view.program(program, pinned)
    if known is None:
        warnings.append(
            f"no broker keeps program {program!r} rev {pinned}{_newest(view, program)}; "
            "venues that do not know it will not be ready"
        )
    else:
        length_us = sum(item.length_us for item in known.items)
        if not loop and from_us >= length_us:
            raise CueError(f"--from lies behind the end: the program lasts {length_us / US_PER_S:.1f} s", usage=True)
        if known.show != show:
            warnings.append(f"the program was published for show {known.show!r}, the cue is for {show!r}")
    try:
        play = Play(action="play", program=program, rev=pinned, loop=loop, from_us=from_us)
    except ValidationError as error:
        raise CueError(explain(error), usage=True) from error
    return Draft(play, warnings=warnings)


def nobody_for(view: View, patterns: list[str]) -> list[str]:
    """A warning for each venue or group that a cue names and no known venue matches; `*` matches those to come."""
    groups = sorted({f"@{group}" for presence in view.presences.values() for group in presence.groups})
    known = [*view.presences, *groups]
    there = f"known: {', '.join(known)}" if known else "none is known at the broker"
    return [f"no venue matches {pattern!r}; {there}" for pattern in view.unmatched(patterns) if pattern != "*"]


def default_timeout_s(cue: Cue, wanted: Wanted, now: UtcUs) -> float:
    """Long enough for an answer over a slow line; beyond the instant where that is waited for."""
    return ANSWER_S if wanted == "accepted" else max(ANSWER_S, (cue.at - now) / US_PER_S + AFTER_INSTANT_S)


async def publish(link: Link, cue: Cue, now: UtcUs, patience_s: float = ANSWER_TIMEOUT_S) -> list[Delivery]:
    """Publish a cue, signed and retained until it expires."""
    expires_s = max(1, -((now - cue.expires) // US_PER_S))
    body = link.pen.seal("cue", encode(cue))
    return await link.publish(f"cue/{cue.cue}", body, expires_s=expires_s, patience_s=patience_s)


async def send(link: Link, cue: Cue, wanted: Wanted, timeout_s: float | None) -> Sent:
    """Publish a cue, and wait until every expected venue has settled it.

    The link has settled with presences and acks among its topics.
    """
    now = utc_now()
    warnings = [warning] if (warning := warn_of(cue.at, now)) else []
    began_s = time.monotonic()
    deliveries = await publish(link, cue, now)
    if not any(delivery.taken for delivery in deliveries):
        return Sent(cue, deliveries, [], warnings)
    waited_s = timeout_s if timeout_s is not None else default_timeout_s(cue, wanted, now)
    outcomes, lost = await gather(link, cue.cue, cue.venues, wanted, waited_s)
    return Sent(cue, deliveries, outcomes, [*warnings, *lost], round(time.monotonic() - began_s, 3))


async def gather(
    link: Link, about: str, venues: list[str], wanted: Wanted, timeout_s: float
) -> tuple[list[Outcome], list[str]]:
    """Wait until every expected venue has settled the cue or panic of this id; what they made of it, and warnings."""
    count = Count(link.view, about, venues, wanted)
    began_s = time.monotonic()
    if not await link.wait(count.settled, timeout_s) and time.monotonic() - began_s < timeout_s:
        lost = "all brokers were lost while waiting; it is out, `framezero status` shows what came of it"
        return count.outcomes, [lost]
    return count.outcomes, []


def _cue_json(view: View, cue: Cue) -> dict[str, Any]:
    zones = sorted({view.presences[venue].timezone for venue in view.expected(cue.venues) if venue in view.presences})
    return {
        "at": format_utc(cue.at),
        "local": {zone: local_time(cue.at, zone) for zone in zones},
        "lands": landing_json(landing(view, cue)),
    }


def as_json(link: Link, sent: Sent) -> dict[str, Any]:
    """Everything about what was sent, for `--json`."""
    presences = link.view.presences
    return {
        sent.kind: sent.message.model_dump(mode="json"),
        **(_cue_json(link.view, sent.message) if isinstance(sent.message, Cue) else {}),
        "exit": sent.exit_code,
        "brokers": deliveries_json(sent.deliveries),
        "venues": [
            {
                "venue": outcome.venue,
                "verdict": outcome.verdict,
                "online": presences[outcome.venue].online if outcome.venue in presences else None,
                "timezone": presences[outcome.venue].timezone if outcome.venue in presences else None,
                "unsigned": presences[outcome.venue].unsigned if outcome.venue in presences else None,
                "ack": outcome.ack.model_dump(mode="json") if outcome.ack else None,
            }
            for outcome in sent.outcomes
        ],
        "waited_s": sent.waited_s,
        "warnings": sent.warnings,
    }
