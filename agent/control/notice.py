"""What is sent of an alarm to a program or a web address. Pure."""

from typing import Any, Literal

from agent.control.alarms import Alarm
from agent.printable import printable
from agent.units import UtcUs, format_utc

Event = Literal["raised", "cleared", "reminder"]
ENV_PREFIX = "FRAMEZERO_ALARM_"


def as_json(event: Event, alarm: Alarm, now: UtcUs, show: str | None) -> dict[str, Any]:
    """One notice: `text` is a whole line for people, as chat services expect it; the other fields are for machines.

    The sentences hold words of venues and brokers, so they are made fit to be shown.
    """
    return {
        "text": line(event, alarm),
        "event": event,
        "code": alarm.code,
        "severity": alarm.severity,
        "venue": alarm.venue,
        "about": printable(alarm.about),
        "show": show,
        "time": format_utc(now),
        "since": format_utc(alarm.since),
        "sentence": printable(alarm.text),
        "remedy": printable(alarm.remedy),
    }


def line(event: Event, alarm: Alarm) -> str:
    """The notice in one line."""
    if event == "cleared":
        return printable(f"[over] {alarm.text}")
    again = "still " if event == "reminder" else ""
    return printable(f"[{again}{alarm.severity}] {alarm.text} – {alarm.remedy}")


def environment(notice: dict[str, Any]) -> dict[str, str]:
    """The same as variables, `FRAMEZERO_ALARM_CODE` and so on; what is null is empty."""
    return {f"{ENV_PREFIX}{key.upper()}": "" if value is None else str(value) for key, value in notice.items()}
