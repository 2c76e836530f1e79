"""What is sent of an alarm to a program or a web address. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from agent.control.alarm_words import few
from agent.control.alarms import Alarm, Changes
from agent.control.spans import show_span
from agent.printable import printable
from agent.units import UtcUs, format_utc

Event = Literal["raised", "cleared", "reminder"]
ENV_PREFIX = "FRAMEZERO_ALARM_"
MANY = 4
"""From so many venues on that have the same at once, one notice tells of all."""


def notices(changes: Changes) -> list[tuple[Event, list[Alarm]]]:
    """What there is to tell of a look."""
    return [
        *grouped("raised", changes.raised),
        *grouped("cleared", changes.cleared),
        *grouped("reminder", changes.reminders),
    ]


def grouped(event: Event, alarms: Iterable[Alarm]) -> list[tuple[Event, list[Alarm]]]:
    """What is told in one notice each: of many venues that have the same, at once, one notice names all."""
    alike: dict[tuple[str, str, str], list[Alarm]] = {}
    for alarm in alarms:
        alike.setdefault((alarm.code, alarm.about, alarm.severity), []).append(alarm)
    found: list[tuple[Event, list[Alarm]]] = []
    for group in alike.values():
        found += [(event, group)] if len(group) >= MANY else [(event, [alarm]) for alarm in group]
    return found


def as_json(event: Event, alarms: Sequence[Alarm], now: UtcUs, show: str | None) -> dict[str, Any]:
    """One notice: `text` is a whole line for people, as chat services expect it; the other fields are for machines.

    Of several venues `venue` is null, and the sentence is that of the first. The sentences hold words of venues and
    brokers, so they are made fit to be shown.
    """
    alarm = alarms[0]
    return {
        "text": line(event, alarms, now),
        "event": event,
        "code": alarm.code,
        "severity": alarm.severity,
        "venue": alarm.venue if len(alarms) == 1 else None,
        "venues": [one.venue for one in alarms if one.venue is not None],
        "about": printable(alarm.about),
        "show": show,
        "time": format_utc(now),
        "since": format_utc(min(one.since for one in alarms)),
        "sentence": printable(alarm.text),
        "remedy": printable(alarm.remedy),
    }


def line(event: Event, alarms: Sequence[Alarm], now: UtcUs) -> str:
    """The notice in one line."""
    alarm = alarms[0]
    many = f"{len(alarms)} venues ({few([str(one.venue) for one in alarms])}), such as: " if len(alarms) > 1 else ""
    if event == "cleared":
        return printable(f"[over after {show_span(max(0, now - alarm.since))}] {many}{alarm.text}")
    again = "still " if event == "reminder" else ""
    return printable(f"[{again}{alarm.severity}] {many}{alarm.text} – {alarm.remedy}")


def environment(notice: dict[str, Any]) -> dict[str, str]:
    """The same as variables, `FRAMEZERO_ALARM_CODE` and so on; what is null is empty."""
    found = {key: ",".join(value) if isinstance(value, list) else value for key, value in notice.items()}
    return {f"{ENV_PREFIX}{key.upper()}": "" if value is None else str(value) for key, value in found.items()}
