"""Alarms: what is wrong for long enough to be said, each cause once, until it has been away for long enough. Pure."""

from dataclasses import dataclass, field
from typing import Literal

from agent.control.alarm_causes import causes
from agent.control.alarm_facts import Facts, Past, Sight
from agent.control.alarm_rules import CODES, Code, Rules
from agent.control.alarm_words import EVERYTHING, Cause
from agent.units import UtcUs

__all__ = ["CODES", "Alarm", "Alarms", "Changes", "Facts", "Rules", "Sight"]

Key = tuple[str, str | None, str]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that an operator has to know.

    `venue` is None for what is about several or none; `about` tells apart what has one code at one venue. `since` is
    when the cause began, as far as is known, in UTC. `text` is a whole sentence with its figures, `remedy` what to do.
    """

    code: Code
    venue: str | None
    severity: Literal["warning", "critical"]
    since: UtcUs
    text: str
    remedy: str
    about: str = ""

    @property
    def key(self) -> Key:
        """What makes it the same alarm from look to look, though its figures change."""
        return (self.code, self.venue, self.about)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a look has brought: alarms that are new or have become critical, and alarms that are over.

    `reminders` are critical ones that have stood for `remind_min` since they were told last.
    """

    raised: tuple[Alarm, ...] = ()
    cleared: tuple[Alarm, ...] = ()
    reminders: tuple[Alarm, ...] = ()


@dataclass(slots=True)
class _Entry:
    alarm: Alarm
    since_s: float
    hides: frozenset[str]
    gone_s: float | None = None
    raised: bool = False
    hidden: bool = False
    told: str = ""  # the severity that was told last
    told_s: float = 0.0


@dataclass(slots=True)
class Alarms:
    """The alarms of one desk. Look once a second or so, each time with the acks that have come since the last look.

    A venue that is silent has no other alarm, since nothing else is known of it: what stood before stands still, and
    is seen again or over when the venue is back. With `at_once` nothing has to last before it is an alarm: for a tool
    that looks only once.
    """

    rules: Rules = field(default_factory=Rules)
    at_once: bool = False
    _entries: dict[Key, _Entry] = field(default_factory=dict)
    _past: Past | None = None

    @property
    def current(self) -> tuple[Alarm, ...]:
        """All that stand and follow from no other: critical ones first, and of these the newest."""
        found = [entry.alarm for entry in self._entries.values() if entry.raised and not entry.hidden]
        return tuple(sorted(found, key=lambda alarm: (alarm.severity != "critical", -alarm.since)))

    def look(self, facts: Facts) -> Changes:
        """Judge how things are now; returns what has changed since the last look."""
        past = self._past = self._past or Past(facts.now)
        past.take(facts, self.rules.event_stands_s)
        seen = set()
        for cause in causes(facts, past, self.rules, self._stands):
            if cause.code not in self.rules.off:
                seen.add(self._see(cause, facts))
        self._hide()
        cleared = self._clear(seen, facts.now_s)
        self._hide()
        raised = self._announce(facts.now_s)
        return Changes(raised, cleared, self._remind(facts.now_s))

    def _stands(self, code: Code, venue: str | None) -> bool:
        entry = self._entries.get((code, venue, ""))
        return entry is not None and entry.raised

    def _see(self, cause: Cause, facts: Facts) -> Key:
        key = (cause.code, cause.venue, cause.about)
        entry = self._entries.get(key)
        since = entry.alarm.since if entry else cause.since or facts.now
        alarm = Alarm(cause.code, cause.venue, cause.severity, since, cause.text, cause.remedy, cause.about)
        if entry is None:
            entry = self._entries[key] = _Entry(alarm, facts.now_s, cause.hides)
        entry.alarm, entry.hides, entry.gone_s = alarm, cause.hides, None
        entry.raised = entry.raised or self.at_once or facts.now_s - entry.since_s >= cause.after_s
        return key

    def _hide(self) -> None:
        covered: dict[str | None, set[str]] = {}
        for entry in self._entries.values():
            if entry.raised and entry.hides:
                covered.setdefault(entry.alarm.venue, set()).update(entry.hides)
        everywhere = covered.pop(None, set())
        for entry in self._entries.values():
            alarm = entry.alarm
            here = covered.get(alarm.venue, set())
            entry.hidden = (
                (alarm.code in everywhere and alarm.code not in entry.hides)
                or alarm.code in here
                or (EVERYTHING in here and alarm.code != "silent")
            )

    def _clear(self, seen: set[Key], now_s: float) -> tuple[Alarm, ...]:
        frozen = {
            entry.alarm.venue
            for key, entry in self._entries.items()
            if entry.raised and EVERYTHING in entry.hides and key in seen
        }
        cleared = []
        for key, entry in list(self._entries.items()):
            if key in seen or (entry.alarm.venue in frozen and entry.raised):
                continue
            if entry.gone_s is None:
                entry.gone_s = now_s
            # What nobody was told of, because it followed from something else, needs no end either.
            if not entry.told or now_s - entry.gone_s >= self.rules.clear_after_s:
                del self._entries[key]
                if entry.told:
                    cleared.append(entry.alarm)
        return tuple(cleared)

    def _announce(self, now_s: float) -> tuple[Alarm, ...]:
        raised = []
        for entry in self._entries.values():
            if not entry.raised or entry.hidden or entry.told in ("critical", entry.alarm.severity):
                continue
            entry.told, entry.told_s = entry.alarm.severity, now_s
            raised.append(entry.alarm)
        return tuple(raised)

    def _remind(self, now_s: float) -> tuple[Alarm, ...]:
        pause_s = self.rules.remind_min * 60
        found = []
        for entry in self._entries.values():
            if entry.told != "critical" or entry.hidden or entry.gone_s is not None:
                continue
            if pause_s and now_s - entry.told_s >= pause_s:
                entry.told_s = now_s
                found.append(entry.alarm)
        return tuple(found)
