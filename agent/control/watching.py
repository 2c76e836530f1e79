"""Watching the alarms without anybody at a desk: for a service, and for one look."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from agent.control.alarms import Alarms, Changes, Facts, Rules
from agent.control.link import Link, NoBrokerError, utc_now
from agent.control.options import line_to
from agent.control.profile import Settings
from agent.control.sights import Lookout
from agent.control.status import hear
from agent.units import UtcUs

TOPICS = ["venue/+/presence", "venue/+/status", "venue/+/ack", "cue/+"]
LOOK_S = 0.5
AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Look:
    """What one look has brought, with the time of each venue's place for whoever is told."""

    now: UtcUs
    changes: Changes
    zones: Mapping[str, str]


async def watch(found: Settings, alarms: Alarms) -> AsyncIterator[Look]:
    """Look twice a second, for ever. That no broker can be reached is an alarm, and no end."""
    while True:
        try:
            async with line_to(found, TOPICS) as link:
                await hear(link)
                lookout = Lookout(link.view, found.show, alarms.rules.venues)
                while True:
                    now = utc_now()
                    facts = lookout.facts(now, time.monotonic(), link.brokers, link.faults)
                    yield Look(now, alarms.look(facts), zones_of(link))
                    await asyncio.sleep(LOOK_S)
        except NoBrokerError as error:
            faults = dict(fault.split(": ", 1) for fault in error.faults)
            facts = Facts(utc_now(), time.monotonic(), [], brokers=dict.fromkeys(faults, False), broker_faults=faults)
            yield Look(facts.now, alarms.look(facts), {})
        await asyncio.sleep(AGAIN_S)


async def look_once(found: Settings, rules: Rules) -> tuple[Alarms, list[str]]:
    """One look, after every venue has had the time to be heard; also warnings. Raises NoBrokerError."""
    alarms = Alarms(rules, at_once=True)
    async with line_to(found, TOPICS) as link:
        warnings = await hear(link)
        lookout = Lookout(link.view, found.show, rules.venues)
        alarms.look(lookout.facts(utc_now(), time.monotonic(), link.brokers, link.faults))
        return alarms, warnings


def zones_of(link: Link) -> dict[str, str]:
    """The time zone of each venue that has said it."""
    return {venue: presence.timezone for venue, presence in link.view.presences.items()}
