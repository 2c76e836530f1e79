"""Trying a configuration that is not written yet, for real: its time servers, brokers and display."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from agent.clock.kernel import has_rtc
from agent.config import Config
from agent.player import machine
from agent.technician import channel, screen, trusted, visit
from agent.technician.findings import Finding
from agent.technician.gauge import measured
from agent.technician.judge import Facts, judge
from agent.technician.placing import KeyCopy

BURST_S = 4.0


def attempt(config: Config, copied: list[KeyCopy], say: Callable[[str], None]) -> list[Finding]:
    """What came of it; `say` is told what is being done. Takes some seconds, and changes nothing.

    `copied` are keys that are not in their folder yet: that they are missing there is no finding.
    """
    say(f"asking the time servers for {BURST_S:.0f} s")
    gauge = asyncio.run(measured(config, BURST_S, lambda report, left_s: None))
    found = judge(config.clock, Facts(gauge.report, gauge.offset_host_us, has_rtc(), measured=True))
    say("going to the brokers")
    now = datetime.now(UTC)
    found += channel.judge(config, visit.look(config), now)
    say("looking at the display")
    found += screen.judge(config.display, screen.look(config.display), machine.read())
    return [*found, *([] if copied else trusted.look(config, now))]
