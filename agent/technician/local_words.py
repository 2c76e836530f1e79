"""What `framezero local` says, in words and times for whoever stands at the wall. Pure."""

import zoneinfo
from datetime import UTC, datetime, timedelta

from agent.localwire import Reply
from agent.printable import printable
from agent.technician.local import NoAnswer, Place
from agent.units import UtcUs

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def both_times(utc: UtcUs | None, zone: str) -> str:
    """An instant for people, in UTC and by the clock on the venue's wall."""
    if utc is None:
        return "at a time that is not known"
    moment = _EPOCH + timedelta(microseconds=utc)
    try:
        here = moment.astimezone(zoneinfo.ZoneInfo(zone))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # as sound as the configuration that has it
        return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    day = "" if here.date() == moment.date() else f"{here:%Y-%m-%d} "
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC ({day}{here:%H:%M:%S} {zone})"


def in_use(reply: Reply) -> list[str]:
    """A line for each thing that the wall is used for."""
    lead = {"cue": "since ", "panic": "since ", "local_black": "since ", "start": "starts at ", "unknown": ""}
    return [
        f"in use: {printable(use.detail)}"
        + (f", {lead[use.what]}{both_times(use.at, reply.timezone)}" if use.at is not None else "")
        for use in reply.uses
    ]


def remedy(answer: NoAnswer, place: Place | None, command: str) -> str:
    """What to do where there is no answer."""
    unit = place.unit if place is not None else "framezero"
    match answer.trouble:
        case "denied":
            return f"sudo framezero local {command}"
        case "config":
            return "ls -l /etc/framezero; each player's configuration is an agent.toml there"
        case "absent":
            return f"systemctl status {unit}; sudo journalctl -u {unit} -n 50"
        case "deaf":
            return f"sudo journalctl -u {unit} | grep 'local socket'; or sudo systemctl restart {unit}"
        case "silent":
            return (
                f"wait 30 s: systemd restarts an agent that hangs; then sudo systemctl restart {unit}; "
                f"to have the wall dark without it: sudo systemctl stop {unit}"
            )
        case "refused":
            return f"bring the agent to this version: sudo systemctl restart {unit}"
