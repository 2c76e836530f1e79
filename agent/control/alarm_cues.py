"""What became of cues: a wall that missed one, did not start it, or refused it. Pure."""

from collections.abc import Iterator

from agent.control.alarm_facts import Facts, Fate, Past, Sight
from agent.control.alarm_rules import Rules
from agent.control.alarm_words import Cause, doing, few
from agent.control.spans import show_clock, show_span
from agent.messages import Cancel, Cue, Identify, Play
from agent.told import Status
from agent.units import US_PER_S, UtcUs

SOON_S = 600.0
"""A cue whose instant lies farther back is not watched for any more."""

SURELY_TOLD_US = 6 * US_PER_S
"""A status comes every five seconds at least: by then a wall has said what it shows."""


def name_of(cue: Cue | None, cue_id: str) -> str:
    """A cue as people call it."""
    if cue is None:
        return f"cue {cue_id[:8]}"
    what = f"play {cue.do.program}" if isinstance(cue.do, Play) else cue.do.action
    return f"{what} of {show_clock(cue.at)}"


def cue_causes(facts: Facts, past: Past, rules: Rules) -> Iterator[Cause]:
    """What was missed, refused, or has not begun though its instant has passed."""
    refused: dict[tuple[str, str], list[str]] = {}
    details: dict[tuple[str, str], str] = {}
    for (cue_id, venue), fate in past.fates.items():
        young = facts.now_s - fate.at_s <= rules.event_stands_s
        if fate.missed is not None and not fate.ended and (young or (fate.started is None and cue_id in facts.cues)):
            yield _missed(cue_id, venue, fate, facts)
        if fate.refused is not None and young:
            kind = (cue_id, fate.refused.reason or "refused")
            refused.setdefault(kind, []).append(venue)
            details[kind] = fate.refused.detail or "no reason given"
    for (cue_id, reason), venues in refused.items():
        name = name_of(facts.cues.get(cue_id), cue_id)
        text = f"{few(venues)} refused {name} ({reason}): {details[cue_id, reason]}"
        remedy = "send it again as it should be, under a new id; if nobody here sent it, somebody else did"
        only = venues[0] if len(venues) == 1 else None
        yield Cause("refused", only, "warning", text, remedy, about=f"{cue_id} {reason}")
    for cue in facts.cues.values():
        if not isinstance(cue.do, Cancel | Identify) and cue.at >= past.since:
            yield from _unstarted(cue, facts, past, rules)


def _missed(cue_id: str, venue: str, fate: Fate, facts: Facts) -> Cause:
    assert fate.missed is not None, "called for what was missed"
    name = name_of(facts.cues.get(cue_id), cue_id)
    why = f"{fate.missed.reason or 'missed'}: {fate.missed.detail or 'no reason given'}"
    if fate.started is None:
        text = f"{venue} MISSED {name} ({why}); it is not on the wall yet"
        return Cause(
            "missed", venue, "critical", text, "mend the cause: the wall then joins at the right frame", about=cue_id
        )
    after = ""
    if fate.started.observed is not None and (cue := facts.cues.get(cue_id)) is not None:
        after = f" {show_span(fate.started.observed - cue.at)} later"
    text = f"{venue} missed {name} ({why}), and joined{after}"
    return Cause("missed", venue, "warning", text, "it is on the right frame now; look at the cause", about=cue_id)


def _unstarted(cue: Cue, facts: Facts, past: Past, rules: Rules) -> Iterator[Cause]:
    """The walls that a cue names and that do not show it, though its instant has passed and nothing replaced it."""
    patience_us = round(rules.start_within_s * US_PER_S)
    for sight in facts.sights:
        status = sight.status
        if status is None or sight.silent or not cue.names(sight.venue, sight.groups):
            continue
        if status.panic is not None or status.local_black is not None:
            continue
        if sight.presence is not None and sight.presence.show != cue.show:
            continue
        there = sight.utc(facts.now, facts.now_s)
        passed_us = there - cue.at
        if not patience_us < passed_us <= SOON_S * US_PER_S or there >= cue.expires:
            continue
        said_since = status.time is not None and status.time >= cue.at + patience_us
        if not said_since and passed_us < SURELY_TOLD_US:
            continue
        fate = past.fates.get((cue.cue, sight.venue), Fate())
        if fate.started or fate.missed or fate.refused or fate.ended or _on_wall(cue, status):
            continue
        if any(_replaces(other, cue, sight, there) for other in facts.cues.values()):
            continue
        name = name_of(cue, cue.cue)
        yield Cause(
            "not_started",
            sight.venue,
            "critical",
            f"{sight.venue} has not started {name}, due {show_span(passed_us)} ago: its wall: {doing(status)}",
            "has the cue reached it? framezero cue list, framezero status; send the cue again if it is not known there",
            about=cue.cue,
        )


def _on_wall(cue: Cue, status: Status) -> bool:
    """Whether a wall shows a cue; the slate in the place of its film is not it."""
    return status.cue == cue.cue and (not isinstance(cue.do, Play) or status.state in ("playing", "held", "armed"))


def _replaces(other: Cue, cue: Cue, sight: Sight, there: UtcUs) -> bool:
    """Whether another cue took this one's place at a venue, or took it back."""
    if not other.names(sight.venue, sight.groups) or other.at > there or isinstance(other.do, Identify):
        return False
    if isinstance(other.do, Cancel):
        return other.do.cue == cue.cue
    return (other.at, other.cue) > (cue.at, cue.cue) and there < other.expires
