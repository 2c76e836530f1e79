"""What is wrong at a moment, in an operator's words: each cause once, with its remedy. Pure.

Whether a cause becomes an alarm, and when it is over, is decided in `alarms`: here it is only seen or not. What is
wrong at one wall is in `alarm_walls`, what became of cues in `alarm_cues`.
"""

from collections.abc import Iterator

from agent.control.alarm_cues import cue_causes
from agent.control.alarm_facts import Facts, Past, Sight
from agent.control.alarm_rules import Rules
from agent.control.alarm_walls import wall_causes
from agent.control.alarm_words import EVERYTHING, Cause, Standing, doing, few
from agent.control.spans import show_clock, show_span
from agent.told import Status
from agent.units import US_PER_S, UtcUs

HEARTBEAT_S = 6.0
"""So long after the brokers are back nobody is called silent."""


def causes(facts: Facts, past: Past, rules: Rules, standing: Standing) -> Iterator[Cause]:
    """All that is wrong now."""
    yield from _lines(facts)
    if facts.now_s - past.blind_s > HEARTBEAT_S:
        yield from _absences(facts, rules)
    for sight in facts.sights:
        if sight.status is not None and not sight.silent:
            there = sight.utc(facts.now, facts.now_s)
            yield from wall_causes(sight, sight.status, there, past, rules, standing)
        yield from _identity(sight)
    yield from _shared(facts)
    yield from cue_causes(facts, past, rules)
    yield from _odd(facts, rules)


def _odd(facts: Facts, rules: Rules) -> Iterator[Cause]:
    """What nobody of ours has signed, or nobody can read: one alarm, however much of it comes, while it comes."""
    young = [sentence for sentence, last_s in facts.odd.items() if facts.now_s - last_s <= rules.event_stands_s]
    if young:
        more = f" ({len(young)} such messages)" if len(young) > 1 else ""
        remedy = "somebody writes to the broker who should not, or with a wrong key: look at its access list"
        yield Cause("odd", None, "warning", f"{young[-1]}{more}", remedy)


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
        what = doing(status)
        last = f"; last heard {show_clock(since)}, {what}" if since is not None else f"; last heard {what}"
    age = f" for {show_span(max(0, facts.now - since))}" if since is not None else ""
    if sight.gone and sight.presence is not None and sight.presence.goodbye:
        why = "its agent was ended, and has said goodbye"
        remedy = "start it again: sudo systemctl start framezero on the player; is it switched off, or being updated?"
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
