"""What is wrong at a moment, in an operator's words: each cause once, with its remedy. Pure.

Whether a cause becomes an alarm, and when it is over, is decided in `alarms`: here it is only seen or not. A cause that
is an alarm already (`standing`) has to fall a little further back to be gone, so that a figure at its limit does not
flap.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from agent.control.alarm_facts import Facts, Fate, Past, Sight
from agent.control.alarm_rules import Code, Rules
from agent.control.spans import show_clock, show_span
from agent.messages import Cancel, Cue, Identify, Play, Refusal
from agent.told import Status
from agent.units import US_PER_S, UtcUs

Severity = Literal["warning", "critical"]
EVERYTHING = "*"
EASED = 0.9
"""A figure that is an alarm has to come down to this part of its limit."""
SOON_S = 600.0
"""A cue whose instant lies farther back is not watched for any more."""

SURELY_TOLD_US = 6 * US_PER_S
"""A status comes every five seconds at least: by then a wall has said what it shows."""

HEARTBEAT_S = 6.0
"""So long after the brokers are back nobody is called silent."""

NAMED = 5


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that is wrong; `about` tells apart what has one code at one venue (a cue, a broker, a panic).

    It is an alarm once it has lasted for `after_s`. `hides` are codes at the same venue (of all venues, where it has
    none) that follow from this: they are no alarms of their own.
    """

    code: Code
    venue: str | None
    severity: Severity
    text: str
    remedy: str
    about: str = ""
    after_s: float = 0.0
    since: UtcUs | None = None
    hides: frozenset[str] = field(default=frozenset())


Standing = Callable[[Code, str | None], bool]


def causes(facts: Facts, past: Past, rules: Rules, standing: Standing) -> Iterator[Cause]:
    """All that is wrong now."""
    yield from _lines(facts)
    if facts.now_s - past.blind_s > HEARTBEAT_S:
        yield from _absences(facts, rules)
    for sight in facts.sights:
        if sight.status is not None and not sight.silent:
            there = sight.utc(facts.now, facts.now_s)
            yield from _venue(sight, sight.status, there, past, rules, standing)
        yield from _identity(sight)
    yield from _shared(facts)
    yield from _cues(facts, past, rules)
    for sentence, first_s in past.odd.items():
        if facts.now_s - first_s <= rules.event_stands_s:
            remedy = "somebody writes to the broker who should not, or with a wrong key: look at its access list"
            yield Cause("odd", None, "warning", sentence, remedy, about=sentence)


def few(names: list[str]) -> str:
    """Some venues by name, and how many more."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


# --- who is there ---------------------------------------------------------------------------------


def _lines(facts: Facts) -> Iterator[Cause]:
    """The tool's own lines to the brokers, and those of the venues, each broker once."""
    own = [url for url, connected in facts.brokers.items() if not connected]
    dark = bool(facts.brokers) and len(own) == len(facts.brokers)
    if dark:
        why = "; ".join(f"{url}: {facts.broker_faults.get(url, 'does not answer')}" for url in own)
        yield Cause(
            "broker",
            None,
            "critical",
            f"this desk has no connection to any broker, so nothing is known of any wall ({why})",
            "look at this computer's network first, then at the brokers; the walls play on by themselves",
            about="all",
            hides=frozenset({"silent", "never_seen", "all_silent", "not_started", "broker"}),
        )
    for url in own:
        why = facts.broker_faults.get(url, "does not answer")
        yield Cause(
            "broker",
            None,
            "warning",
            f"this desk has no connection to {url}: {why}",
            "the other broker carries the show; bring this one back before it is the only one",
            about=url,
            after_s=5.0,
        )
    lost: dict[str, dict[str, str]] = {}
    for sight in facts.sights:
        if sight.status is not None and not sight.silent:
            for url, connected in sight.status.brokers.items():
                if not connected:
                    why = sight.status.broker_faults.get(url, "no connection")
                    lost.setdefault(url, {})[sight.venue] = why
    for url, venues in lost.items():
        if url not in own:
            names, why = list(venues), next(iter(venues.values()))
            yield Cause(
                "broker",
                names[0] if len(names) == 1 else None,
                "warning",
                f"{few(names)}: no connection to the broker {url} ({why})",
                "cues still come over the other broker; look at this one and at the line to it"
                if len(names) == 1
                else "more than one venue: look at the broker itself; cues still come over the other one",
                about=f"at {url}",
                after_s=5.0,
            )


def _absences(facts: Facts, rules: Rules) -> Iterator[Cause]:
    known = {sight.venue for sight in facts.sights if sight.status is not None or sight.presence is not None}
    for venue in rules.venues:
        if venue not in known:
            yield Cause(
                "never_seen",
                venue,
                "critical",
                f"{venue} is expected and was never seen: no agent has reported under this name",
                f"start the agent there; is its 'venue' spelled {venue}, and its broker and root those of this desk?",
                after_s=5.0,
            )
    away = [sight for sight in facts.sights if sight.silent]
    lost = [sight for sight in away if sight.heard_s is not None and not sight.gone]
    # Walls in several cities do not go at once: what they have in common is on this side.
    if len(lost) > 1 and len(away) == len(facts.sights):
        yield Cause(
            "all_silent",
            None,
            "critical",
            f"all {len(away)} venues are silent: {few([sight.venue for sight in away])}",
            "they have the broker and this desk's line in common: look there first; the walls play on by themselves",
            hides=frozenset({"silent"}),
        )
    for sight in away:
        yield _silence(sight, facts)


def _silence(sight: Sight, facts: Facts) -> Cause:
    """Why nobody is heard, as far as it can be told from here."""
    status = sight.status
    last, since = "", None
    if status is not None:
        if sight.heard_s is not None:
            since = UtcUs(facts.now - round((facts.now_s - sight.heard_s) * US_PER_S))
        else:
            since = status.time
        what = f"{status.state} {status.program}" if status.program else status.state
        last = f"; last heard {show_clock(since)}, {what}" if since is not None else f"; last heard {what}"
    age = f" for {show_span(max(0, facts.now - since))}" if since is not None else ""
    if sight.gone and sight.presence is not None and sight.presence.goodbye:
        why = "its agent was ended, and has said goodbye"
        remedy = "start it again: systemctl start framezero on the player; is it switched off, or being updated?"
    elif sight.gone:
        why = "offline: its connection broke off, and the broker has given it up"
        remedy = "call the venue: power, cable, router, player; a film that runs goes on, and cues are taken after it"
    elif status is None:
        why = "it has announced itself and never told how it is"
        remedy = "call the venue: is the agent running, and may it write its status at the broker?"
    else:
        why = "its line is cut, or its player hangs: the broker still holds its connection"
        remedy = "call the venue: cable, router, player; a film that runs goes on, and cues are taken when it is back"
    text = f"{sight.venue} is silent{age}: {why}{last}"
    return Cause("silent", sight.venue, "critical", text, remedy, since=since, hides=frozenset({EVERYTHING}))


def _identity(sight: Sight) -> Iterator[Cause]:
    venue = sight.venue
    if sight.presence is not None and sight.presence.rival and not sight.silent:
        text = f"{venue}: a second agent runs under this name, and the two push each other off the broker"
        remedy = f"stop one of them, or give it a venue name of its own (boot id {sight.presence.rival})"
        yield Cause("rival", venue, "critical", text, remedy)
    if sight.version_fault:
        text = f"{venue} and this desk do not understand each other: {sight.version_fault}"
        yield Cause("version", venue, "warning", text, "bring both to the same version of framezero")


def _shared(facts: Facts) -> Iterator[Cause]:
    """What is one thing at many venues."""
    heard = [(sight.venue, sight.status) for sight in facts.sights if sight.status is not None and not sight.silent]
    holding: dict[str, list[tuple[str, Status]]] = {}
    for venue, status in heard:
        if status.panic is not None:
            holding.setdefault(status.panic, []).append((venue, status))
    for panic, found in holding.items():
        issued = found[0][1].panic_issued
        age = f", raised {show_span(facts.now - issued)} ago" if issued is not None else ""
        yield Cause(
            "panic",
            None,
            "warning",
            f"a panic holds at {few([venue for venue, _ in found])}{age}: these walls show no cue",
            f"when the reason for it is gone: framezero cue panic --lift {panic}",
            about=panic,
        )
    unsigned = [venue for venue, status in heard if status.unsigned]
    if unsigned:
        yield Cause(
            "unsigned",
            None,
            "warning",
            f"{few(unsigned)}: cues are taken without signatures, from anybody",
            "set trust.require = true there before a show; false is for labs",
        )


# --- how a venue is -------------------------------------------------------------------------------


def _venue(sight: Sight, status: Status, there: UtcUs, past: Past, rules: Rules, standing: Standing) -> Iterator[Cause]:
    venue = sight.venue
    ahead_us = status.next.at - there if status.next is not None else None
    # Of these there are alarms by themselves: a panic, which is the operators' own doing, and a second agent.
    known = {"panic", "identity"} if sight.presence is not None and sight.presence.rival else {"panic"}
    reasons = [reason for reason in status.reasons if reason.code not in known]
    yield from _readiness(venue, status, reasons, ahead_us, rules)
    yield from _clock(venue, status, rules, standing)
    if status.state == "playing" and status.error_us is not None:
        yield from _sync(venue, status.error_us.median, status.error_us.p99, rules, standing)
    yield from _films(venue, status, ahead_us, past, rules)
    yield from _rising(venue, past, rules, standing)
    yield from _host(venue, status, rules, standing)


def _over(value: float, limit: float, standing: bool) -> bool:
    return value > limit * (EASED if standing else 1.0)


def _of_films(code: str) -> bool:
    return code.startswith(("film_", "program_", "cache_full"))


def _readiness(
    venue: str, status: Status, reasons: Sequence[Refusal], ahead_us: int | None, rules: Rules
) -> Iterator[Cause]:
    if status.state == "fault":
        why = "; ".join(reason.detail for reason in status.reasons) or "its player does not run"
        text = f"{venue}: the wall has no player ({why})"
        remedy = "framezero check on the player names what is missing; the agent goes on trying by itself"
        yield Cause("fault", venue, "critical", text, remedy, after_s=3.0, hides=frozenset({"no_go"}))
    if not reasons:
        return
    said = "; ".join(f"{reason.code}: {reason.detail}" for reason in reasons)
    if ahead_us is not None and status.next is not None and 0 <= ahead_us <= rules.ready_before_min * 60 * US_PER_S:
        text = f"{venue} is NO-GO, and its next cue ({status.next.action}) is in {show_span(ahead_us)}: {said}"
        remedy = "mend what is named, or move the cue; the wall starts when it can, and joins at the right frame"
        hides = frozenset({"clock", "films"})
        yield Cause("no_go", venue, "critical", text, remedy, after_s=3.0, hides=hides)
    elif rest := [reason for reason in reasons if not (_of_films(reason.code) or reason.code.startswith("clock_"))]:
        said = "; ".join(f"{reason.code}: {reason.detail}" for reason in rest)
        text = f"{venue} is NO-GO: {said}"
        yield Cause(
            "no_go", venue, "warning", text, "mend what is named before the next cue", after_s=rules.clock_for_s
        )


def _clock(venue: str, status: Status, rules: Rules, standing: Standing) -> Iterator[Cause]:
    clock = status.clock
    own = [reason.detail for reason in status.reasons if reason.code.startswith("clock_")]
    good = clock.state in ("SYNC", "HOLDOVER") and clock.bound_us is not None
    limit_us = rules.clock_bound_ms * 1000
    if good and not own and not _over(clock.bound_us or 0, limit_us, standing("clock", venue)):
        return
    bound = "nobody vouches for it" if clock.bound_us is None else f"up to {clock.bound_us / 1000:.1f} ms wrong"
    frames = f", {clock.frames:.1f} frames" if clock.frames is not None else ""
    sources = f"{clock.agreeing} of {clock.sources} time servers agree"
    text = f"{venue}: its clock is {clock.state}, {bound}{frames}; {sources}"
    remedy = "; ".join(own) or clock.reason or "look at its time servers: framezero status --clock"
    yield Cause("clock", venue, "critical" if not good else "warning", text, remedy, after_s=rules.clock_for_s)


def _sync(venue: str, median_us: int, p99_us: int, rules: Rules, standing: Standing) -> Iterator[Cause]:
    stands = standing("sync", venue)
    off = _over(abs(median_us), rules.sync_median_ms * 1000, stands)
    if not off and not _over(p99_us, rules.sync_p99_ms * 1000, stands):
        return
    side = "late" if median_us > 0 else "early"
    text = (
        f"{venue} is out of step: its frames of the last minute are {abs(median_us) / 1000:.1f} ms {side} in the "
        f"median, the worst hundredth {p99_us / 1000:.1f} ms off"
    )
    remedy = "is the player too weak for the film, or its load too high? framezero check there measures the decoder"
    yield Cause("sync", venue, "critical" if off else "warning", text, remedy, after_s=rules.clock_for_s)


def _films(venue: str, status: Status, ahead_us: int | None, past: Past, rules: Rules) -> Iterator[Cause]:
    lacking = [reason.detail for reason in status.reasons if _of_films(reason.code)]
    missing, fetching = status.cache.missing, status.cache.fetching
    if ahead_us is None or status.next is None or not (missing or lacking):
        return
    if not 0 <= ahead_us <= rules.films_before_min * 60 * US_PER_S:
        return
    count = f"{missing} film{'' if missing == 1 else 's'}" if missing else "a film"
    text = f"{venue}: {count} not there yet, and its next cue ({status.next.action}) is in {show_span(ahead_us)}"
    if fetching is not None:
        trail = past.trails.get(venue)
        speed = trail.bytes_per_s() if trail else None
        left = max(0, fetching.size - fetching.done)
        if speed is None:
            text += f"; fetching {fetching.name}, {fetching.done * 100 // max(1, fetching.size)} %"
        else:
            takes_us = round(left / speed * US_PER_S) if speed > 0 else None
            if missing <= 1 and takes_us is not None and takes_us < ahead_us:
                return  # it comes in time
            takes = f"{show_span(takes_us)} more" if takes_us is not None else "for ever"
            text += f"; {fetching.name} takes {takes} at {speed / 1e6:.1f} MB/s"
    remedy = "; ".join(lacking) or "is the content server reached from there? a disk helps: framezero import"
    yield Cause("films", venue, "warning", text, remedy, after_s=rules.clock_for_s)


def _rising(venue: str, past: Past, rules: Rules, standing: Standing) -> Iterator[Cause]:
    trail = past.trails.get(venue)
    if trail is None:
        return
    late, dropped, joined = trail.risen("late"), trail.risen("dropped"), trail.risen("reanchors")
    remedy = "is the player too weak for this film, or something else running on it? framezero check measures it"
    stands = standing("frames", venue)
    if _over(late, rules.late_per_min, stands) or _over(dropped, rules.dropped_per_min, stands):
        text = f"{venue}: {late} late and {dropped} dropped frames within the last minute"
        yield Cause("frames", venue, "warning", text, remedy)
    if _over(joined, rules.reanchors_per_min, standing("reanchors", venue)):
        text = f"{venue}: its film ran away and was joined anew {joined} times within the last minute"
        yield Cause("reanchors", venue, "warning", text, remedy)


def _host(venue: str, status: Status, rules: Rules, standing: Standing) -> Iterator[Cause]:
    host = status.host
    room = rules.disk_free_gb / (EASED if standing("disk", venue) else 1.0)
    if host.disk_free_gb is not None and host.disk_free_gb < room:
        text = f"{venue}: {host.disk_free_gb:.1f} GB of its disk are free, less than {rules.disk_free_gb:g} GB"
        yield Cause(
            "disk", venue, "warning", text, "make room on the player, or set cache.quota_gb lower", after_s=10.0
        )
    heat = rules.temp_c - (3.0 if standing("temperature", venue) else 0.0)
    if host.temp_c is not None and host.temp_c > heat:
        text = f"{venue}: its processor is at {host.temp_c:.0f} °C, above {rules.temp_c:.0f} °C, and may slow down"
        yield Cause("temperature", venue, "warning", text, "see to its fan, its air and the sun on it", after_s=10.0)
    if host.throttled:
        text = f"{venue}: its processor is held back, by too little voltage or too much heat"
        remedy = "give the Pi its own power supply and a short cable, and cool it; frames are lost meanwhile"
        yield Cause("throttled", venue, "warning", text, remedy, after_s=3.0)


# --- what became of cues --------------------------------------------------------------------------


def name_of(cue: Cue | None, cue_id: str) -> str:
    """A cue as people call it."""
    if cue is None:
        return f"cue {cue_id[:8]}"
    what = f"play {cue.do.program}" if isinstance(cue.do, Play) else cue.do.action
    return f"{what} of {show_clock(cue.at)}"


def _cues(facts: Facts, past: Past, rules: Rules) -> Iterator[Cause]:
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
        if status is None or sight.silent or not cue.names(sight.venue, sight.groups) or status.panic is not None:
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
        shown = f"{status.state} {status.program}" if status.program else status.state
        yield Cause(
            "not_started",
            sight.venue,
            "critical",
            f"{sight.venue} has not started {name}, due {show_span(passed_us)} ago: its wall shows {shown}",
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
