"""The lab's content server: the published site over HTTP with ranges, in a process of its own."""

import argparse
import asyncio
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from agent.lab.processes import Child, Processes
from agent.lab.talk import announce

START_S = 15.0


@dataclass(frozen=True, slots=True)
class Content:
    """A content server that listens on this loopback port."""

    port: int
    child: Child


def start(processes: Processes, folder: Path) -> Content:
    """Serve a folder. Raises LabError."""
    folder.mkdir(parents=True, exist_ok=True)
    child = processes.start("content", [sys.executable, "-m", "agent.lab.content", str(folder)], talks=True)
    return Content(int(child.hear(START_S)["port"]), child)


def application(folder: Path) -> web.Application:
    """Files with an entity tag, Range and If-Range, as any static server has; no listings, nothing outside."""
    root = folder.resolve()

    async def get(request: web.Request) -> web.StreamResponse:
        path = (root / request.match_info["path"]).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise web.HTTPNotFound
        return _whole(request, path) or web.FileResponse(path)

    app = web.Application()
    app.router.add_get("/{path:.*}", get)
    return app


def _whole(request: web.Request, path: Path) -> web.StreamResponse | None:
    """The whole file, for a range of another version of it; None where FileResponse does right by itself.

    aiohttp knows If-Range with a date only; RFC 9110, 13.1.5 has entity tags too.
    """
    condition = request.headers.get("If-Range", "")
    facts = path.stat()
    tag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'  # as FileResponse makes it
    if "Range" not in request.headers or not condition.endswith('"') or condition == tag:
        return None
    return web.Response(body=path.read_bytes(), headers={"ETag": tag, "Accept-Ranges": "bytes"})


async def _serve(folder: Path, host: str, port: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGINT, ended.set)
    runner = web.AppRunner(application(folder), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    announce({"port": runner.addresses[0][1]})
    await ended.wait()
    await runner.cleanup()


def main() -> None:
    """Serve a folder until SIGTERM; the port is announced on standard output."""
    parser = argparse.ArgumentParser(prog="python -m agent.lab.content", description="Serves a published site.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=0, help="the port; 0 takes a free one")
    given = parser.parse_args()
    asyncio.run(_serve(given.folder, given.host, given.port))


if __name__ == "__main__":
    main()
