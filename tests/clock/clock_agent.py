"""Nothing of an agent but its clock, which it serves over NTP: for a process of its own, in true time or a faked one.

python tests/clock/clock_agent.py 127.0.0.1:1123 127.0.0.1:10123 127.0.0.2:10123 …     listen, then servers (ours)
"""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from agent.clock.mapping import Mapping
from agent.clock.report import ClockReport
from agent.clock.serve import serve
from agent.clock.service import ClockService
from agent.config import Clock


async def main(listen: str, *servers: str) -> None:
    """Keep the clock and serve it, until ended."""
    newest: list[Mapping | None] = [None]
    places = [server.rpartition(":") for server in servers]
    named = [{"host": host, "port": int(port), "ours": True} for host, _, port in places]

    def publish(_: ClockReport, mapping: Mapping | None) -> None:
        newest[0] = mapping

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(listen, lambda: newest[0]))
        tasks.create_task(ClockService(Clock.model_validate({"servers": named, "chrony": False}), publish).run())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
