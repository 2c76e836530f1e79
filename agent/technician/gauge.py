"""What this player knows of the time: from the agent that runs here, or by asking the servers for some seconds."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.clock.keeper import CHRONY
from agent.clock.kernel import instant_now
from agent.clock.mapping import Mapping
from agent.clock.memory import last_seen, runtime_dir
from agent.clock.report import ClockReport
from agent.clock.service import ClockService, host_ahead_us
from agent.config import Config
from agent.technician.findings import Finding

RUNTIME = Path("/run/framezero")

SILENT_S = 150.0
"""An agent that is well writes its report at least every minute; one that has not for so long hangs."""

RESTART = "sudo systemctl restart framezero"


@dataclass(frozen=True, slots=True)
class Gauge:
    """The clock as it is known here: `age_s` is how old that is, None where it was measured just now."""

    report: ClockReport
    offset_host_us: int | None
    age_s: float | None


def of_the_agent(config: Config) -> Gauge | Finding | None:
    """What the running agent wrote down last.

    A finding instead where its word does not count: it has been silent for too long, or it asks other servers than
    this configuration names. None where no agent of this host has written anything.
    """
    folders = dict.fromkeys((runtime_dir(config.state_dir, dict(os.environ)), config.state_dir, RUNTIME))
    words = [seen for folder in folders if (seen := last_seen(folder)) is not None]
    if not words:
        return None
    seen = min(words, key=lambda seen: seen.age_s)
    if seen.age_s > SILENT_S:
        what = f"the agent here has said nothing for {seen.age_s:.0f} s"
        return Finding("agent", "fault", "agent_silent", what, f"{RESTART}; sudo journalctl -u framezero")
    asked = {source.name for source in seen.report.per_source} - {CHRONY}
    if asked != {f"{server.host}:{server.port}" for server in config.clock.servers}:
        what = f"the agent here runs with another configuration: it asks {', '.join(sorted(asked))}"
        return Finding("agent", "warning", "agent_config", what, RESTART)
    return Gauge(seen.report, seen.offset_host_us, seen.age_s)


async def measured(config: Config, seconds: float, show: Callable[[ClockReport, float], None]) -> Gauge:
    """Ask the configured servers for so many seconds; `show` is called several times a second with what is known.

    Raises what the clock died of, if it did, at once.
    """
    newest: list[tuple[ClockReport, Mapping | None]] = []
    service = ClockService(config.clock, lambda report, mapping: newest.append((report, mapping)), salt=config.venue)
    task = asyncio.create_task(service.run())
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    try:
        while (left := end - loop.time()) > 0 and not task.done():
            await asyncio.wait([task], timeout=min(0.25, left))
            if newest:
                show(newest[-1][0], max(0.0, end - loop.time()))
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    report, mapping = newest[-1]
    return Gauge(report, host_ahead_us(mapping, instant_now()), None)
