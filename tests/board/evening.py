"""A lab of five venues that are ready, with a board over it: for tests in a browser, and for README's pictures."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from brokers import free_port
from browsing import until_answered

from agent.lab import watch, world
from agent.lab.console import Narrator
from agent.lab.processes import Processes
from agent.lab.reel import Reel
from agent.lab.run import open_venues
from agent.lab.world import Wishes, World

OPERATOR, GUEST = "operator-token-0123456789", "guest-token-0123456789"


@dataclass(frozen=True)
class Evening:
    """What stands."""

    lab: World
    url: str

    def cut(self, venue: str, cut: bool) -> None:
        """Pull the cable between a venue and its broker, or plug it in."""
        self.lab.tcp.cut(f"{venue}-broker", cut)


@asynccontextmanager
async def standing(
    out: Path, wishes: Wishes, films: Sequence[Path], show: str, *, pictures: str
) -> AsyncIterator[Evening]:
    """Build it in a folder, with these films as the lab's program and this show file; it ends with the block."""
    port = free_port()
    (out / "show.toml").write_text(show, encoding="utf-8")
    (out / "token").write_text(f"{OPERATOR}\n{GUEST}\n")
    (out / "token").chmod(0o600)
    with Processes(out / "logs") as processes:
        # In a thread: building has event loops of its own.
        lab = await asyncio.to_thread(world.build, processes, wishes, lambda _: None)
        with lab.profile.open("a", encoding="utf-8") as profile:
            profile.write('operator = "anna@desk-1"\n')
        async with watch.link(lab) as line:
            await open_venues(lab, Reel(tuple(films), ()), line, Narrator(json=True))
        board = [sys.executable, "-m", "agent.cli", "board", "--profile", str(lab.profile), "--port", str(port)]
        files = ["--show-file", str(out / "show.toml"), "--token-file", str(out / "token")]
        processes.start("board", [*board, *files, "--pictures", pictures])
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(until_answered, url)
        yield Evening(lab, url)
