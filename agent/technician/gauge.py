"""What this player knows of the time: from the agent that runs here, or by asking the servers for some seconds."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.clock.kernel import instant_now
from agent.clock.mapping import Mapping
from agent.clock.memory import last_seen, runtime_dir
from agent.clock.report import ClockReport
from agent.clock.service import ClockService, host_ahead_us
from agent.config import Config

RUNTIME = Path("/run/framezero")


@dataclass(frozen=True, slots=True)
class Gauge:
    """The clock as it is known here: `age_s` is how old that is, None where it was measured just now."""

    report: ClockReport
    offset_host_us: int | None
    age_s: float | None


def of_the_agent(config: Config) -> Gauge | None:
    """What the running agent wrote down last; None where none runs on this host with this configuration."""
    for folder in dict.fromkeys((runtime_dir(config.state_dir, dict(os.environ)), config.state_dir, RUNTIME)):
        seen = last_seen(folder)
        if seen is not None:
            return Gauge(seen.report, seen.offset_host_us, seen.age_s)
    return None


async def measured(config: Config, seconds: float, show: Callable[[ClockReport, float], None]) -> Gauge:
    """Ask the configured servers for so many seconds; `show` is called several times a second with what is known."""
    newest: list[tuple[ClockReport, Mapping | None]] = []
    service = ClockService(config.clock, lambda report, mapping: newest.append((report, mapping)), salt=config.venue)
    task = asyncio.create_task(service.run())
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    try:
        while (left := end - loop.time()) > 0:
            await asyncio.sleep(min(0.25, left))
            if newest:
                show(newest[-1][0], max(0.0, end - loop.time()))
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    report, mapping = newest[-1]
    return Gauge(report, host_ahead_us(mapping, instant_now()), None)
