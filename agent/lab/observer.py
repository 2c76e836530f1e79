"""The meter of the containers' lab: how far apart the walls are, by their pixels, every few seconds, and as a page.

    python -m agent.lab.observer --displays /displays --out /var/lib/framezero/skew.json --port 8461

It lives in true time and knows nothing of the players, brokers or cues: it starts `agent.lab.meter` on the framebuffers
`DISPLAYS/<venue>/Xvfb_screen0` and reads what that sees. Each line in its log is the skew over the last minute;
`--out` has the same as JSON (`told`), and the page shows the walls.
"""

import argparse
import asyncio
import contextlib
import importlib.resources
import io
import json
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image

from agent.lab import meter
from agent.lab.framebuffer import snapshots
from agent.lab.processes import LabError
from agent.lab.skew import SkewWindow
from agent.lab.venues import VENUES

WINDOW_S = 60
EVERY_S = 5.0
LOOK_S = 0.5
READ_BYTES = 1 << 16
QUALITY = 85


def told(window: SkewWindow, gap_ms: dict[str, float] | None, ns: int) -> dict[str, Any]:
    """All that is known, as JSON: `walls` (clip, frame, since when, lag), `skew_ms`, `frames`, `partial`, `gap_ms`."""
    skew = window.skew()
    walls = {
        name: {
            "clip": standing.frame[0] if standing.frame else None,
            "frame": standing.frame[1] if standing.frame else None,
            "since_ns": standing.since_ns,
            "lag_ms": skew.lag_ms.get(name),
        }
        for name, standing in window.standing.items()
    }
    figures = {"median": skew.median, "p95": skew.p95, "p99": skew.p99, "max": skew.max}
    return {
        "time_ns": ns,
        "window_s": WINDOW_S,
        "frames": skew.frames,
        "partial": skew.partial,
        "skew_ms": figures,
        "gap_ms": gap_ms,
        "walls": walls,
    }


def line(word: dict[str, Any]) -> str:
    """The same in one line."""
    figures = word["skew_ms"]
    if not word["frames"]:
        return "no frame was on all walls within the last minute"
    numbers = " ".join(f"{name} {figures[name]:.2f}" for name in ("median", "p95", "p99", "max"))
    known = {name: wall["lag_ms"] for name, wall in word["walls"].items() if wall["lag_ms"] is not None}
    lags = " ".join(f"{name} {lag_ms:+z.1f}" for name, lag_ms in known.items())
    partial = f", {word['partial']} not on all walls" if word["partial"] else ""
    return f"skew ms: {numbers} ({word['frames']} frames in {word['window_s']} s{partial}) | {lags}"


class Observer:
    """One meter under observation."""

    def __init__(self, names: Sequence[str], displays: Path, out: Path | None) -> None:
        self._names = list(names)
        self._screens = {name: displays / name / "Xvfb_screen0" for name in names}
        self._out = out
        self._window = SkewWindow(names, WINDOW_S * 1_000_000_000)
        self._text = b""
        self._gap_ms: dict[str, float] | None = None

    async def run(self) -> int:
        """Measure until the meter ends; its exit status."""
        await self._until_displays()
        reading, writing = os.pipe()
        # The readings go through a pipe: as a file they would fill the disk in some weeks.
        argv = meter.command(Path(f"/dev/fd/{writing}"), "barcode", self._screens)
        process = await asyncio.create_subprocess_exec(*argv, stdout=DEVNULL, pass_fds=[writing])
        os.close(writing)
        asyncio.get_running_loop().add_reader(reading, self._read, reading)
        telling = asyncio.create_task(self._tell())
        try:
            return await process.wait()
        finally:
            telling.cancel()
            _end(process)

    async def _until_displays(self) -> None:
        waited = False
        while missing := [name for name, screen in self._screens.items() if not screen.exists()]:
            if not waited:
                say(f"waiting for the displays of {', '.join(missing)}")
                waited = True
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(LOOK_S)  # a display that has just come writes its header first

    def _read(self, reading: int) -> None:
        piece = os.read(reading, READ_BYTES)
        if not piece:
            asyncio.get_running_loop().remove_reader(reading)
            return
        *lines, self._text = (self._text + piece).split(b"\n")
        for text in lines:
            found = json.loads(text)
            if isinstance(found, list):
                ns, display, value = found
                self._window.see(self._names[display], ns, tuple(value) if value else None)
            elif "gap_ms" in found:
                self._gap_ms = found["gap_ms"]

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            word = self.word()
            say(line(word))
            if self._out is not None:
                part = self._out.with_name(self._out.name + ".part")
                part.write_text(json.dumps(word) + "\n", encoding="utf-8")
                part.replace(self._out)

    def word(self) -> dict[str, Any]:
        """What is known now."""
        now = time.time_ns()
        # The meter hands over once a second: what is younger may not be here yet.
        self._window.settle(now - round(meter.REPORT_S * 2e9))
        return told(self._window, self._gap_ms, now)

    def picture(self, name: str) -> bytes:
        """What stands on a wall, as JPEG. Raises LabError."""
        picture = snapshots({name: self._screens[name]})[name]
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "JPEG", quality=QUALITY)
        return out.getvalue()


def application(observer: Observer, names: Sequence[str]) -> web.Application:
    """The page: the walls side by side, and the skew."""

    async def page(_: web.Request) -> web.Response:
        text = importlib.resources.files("agent.lab").joinpath("observer.html").read_text(encoding="utf-8")
        return web.Response(text=text.replace("%NAMES%", json.dumps(list(names))), content_type="text/html")

    async def wall(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in names:
            raise web.HTTPNotFound
        try:
            body = observer.picture(name)
        except LabError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from error
        return web.Response(body=body, content_type="image/jpeg", headers={"cache-control": "no-store"})

    async def skew(_: web.Request) -> web.Response:
        return web.json_response(observer.word())

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/wall/{name}.jpg", wall), web.get("/skew.json", skew)])
    return app


def say(text: str) -> None:
    """Tell people: this is what the container's log shows."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()


async def observe(observer: Observer, names: Sequence[str], host: str, port: int) -> int:
    """Measure and serve the page until SIGTERM or Ctrl-C; the exit status."""
    measuring = asyncio.create_task(observer.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, measuring.cancel)
    runner = web.AppRunner(application(observer, names), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    try:
        return await measuring
    except asyncio.CancelledError:
        return 0
    finally:
        await runner.cleanup()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure until told to end; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m agent.lab.observer", description="Measures the skew of walls.")
    parser.add_argument("--displays", type=Path, required=True, help="folder of <venue>/Xvfb_screen0")
    parser.add_argument("--out", type=Path, help="file for the newest figures, JSON")
    parser.add_argument("--host", default="127.0.0.1", help="the address of the page")
    parser.add_argument("--port", type=int, default=8461, help="its port")
    given = parser.parse_args(argv)
    names = [venue.venue for venue in VENUES]
    return asyncio.run(observe(Observer(names, given.displays, given.out), names, given.host, given.port))


if __name__ == "__main__":
    sys.exit(main())
