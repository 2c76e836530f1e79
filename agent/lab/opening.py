"""The opening of the containers' lab: test films, a signed program, and the first cue once every wall is ready.

    python -m agent.lab.opening --films /films --url http://films:8080

What is cued already stays: who starts the containers again finds the walls as they were.
"""

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from agent.clock.mapping import ClockState
from agent.control.link import Link, NoBrokerError
from agent.control.profile import ProfileError, load
from agent.lab.films import Film, make_all
from agent.lab.operator import PROGRAM
from agent.lab.processes import LabError
from agent.lab.venues import VENUES
from agent.lab.watch import explain, statuses
from agent.units import US_PER_S, UtcUs, format_utc

TOPICS = ("cue/#", "program/+/+", "venue/+/presence", "venue/+/status")
BROKER_S = 60.0
READY_S = 120.0
LEAD_S = 6.0
SIZE = (320, 180)
"""Of the films; walls of another size scale them."""

FILMS, FILM_S, FPS = 2, 15, 30


def say(text: str) -> None:
    """Tell people what is done: this is what the container's log shows."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def framezero(*words: str) -> Any:
    """Run a command of the operator's, as people type it; the JSON that it printed. Raises LabError."""
    argv = [sys.executable, "-m", "agent.cli", *words, "--json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise LabError(f"framezero {' '.join(words)}\nended with status {done.returncode}:\n{done.stdout.strip()}")
    return json.loads(done.stdout)


async def open_line() -> Link:
    """A line to the broker, which may still be starting. Raises NoBrokerError, ProfileError."""
    settings = load({}, None)
    until = time.monotonic() + BROKER_S
    while True:
        try:
            return await Link(settings.access(), settings.root, TOPICS).__aenter__()
        except NoBrokerError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.5)


async def until_ready(line: Link, films: int) -> None:
    """Wait until every venue is ready and in sync and has so many films. Raises LabError with the reasons."""
    names = {venue.venue for venue in VENUES}
    until = time.monotonic() + READY_S
    while True:
        found = statuses(line)
        ready = {
            name
            for name, status in found.items()
            if status.ready and status.clock.state == ClockState.SYNC and status.cache.films >= films
        }
        if names <= ready:
            return
        if time.monotonic() > until:
            late = [f"{name}: {explain(found.get(name))}" for name in sorted(names - ready)]
            raise LabError(f"not ready after {READY_S:g} s:\n" + "\n".join(late))
        await asyncio.sleep(0.1)


def reel(folder: Path) -> list[Film]:
    """The films of the program, not yet made: a cut every 15 s.

    Not those of `films.plan`, with a cut every 3 to 5 s: at a cut a wall decodes two films, and five at once on two
    cores that others use as well are late by some frames. That told of the machine (p99 3 to 7 ms at a load of 17,
    against 1 ms with these).
    """
    numbers = range(1, FILMS + 1)
    return [Film(folder / f"film-{clip}.mp4", clip, FILM_S * FPS, Fraction(FPS), *SIZE) for clip in numbers]


async def open_show(site: Path, url: str) -> None:
    """Publish, wait, cue. Raises LabError, NoBrokerError, ProfileError."""
    line = await open_line()
    try:
        await line.settle()
        if line.view.cues:
            say("there are cues already, and they stay; nothing is sent")
            return
        with tempfile.TemporaryDirectory() as folder:
            films = reel(Path(folder))
            make_all(films)
            say(f"{len(films)} test films, {float(sum(film.seconds for film in films)):g} s")
            paths = [str(film.path) for film in films]
            framezero("publish", *paths, "--program", PROGRAM, "--to", str(site), "--url", url)
        say(f"program {PROGRAM!r} published")
        await until_ready(line, len(films))
    finally:
        await line.__aexit__(None, None, None)
    say("all walls are ready")
    at = format_utc_in(LEAD_S)
    framezero("cue", "play", PROGRAM, "--loop", "--at", at, "--wait", "started", "--timeout", "20s")
    say(f"all walls have started at {at}")


def format_utc_in(seconds: float) -> str:
    """The instant so many seconds from now, in whole seconds."""
    return format_utc(UtcUs(round(time.time() + seconds) * US_PER_S))


def _shut_down(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def main(argv: Sequence[str] | None = None) -> int:
    """Open the show; the exit status."""
    # The first process of a container is ended by no signal that it does not take.
    signal.signal(signal.SIGTERM, _shut_down)
    parser = argparse.ArgumentParser(prog="python -m agent.lab.opening", description="Films, program and first cue.")
    parser.add_argument("--films", type=Path, required=True, help="the folder that the content server serves")
    parser.add_argument("--url", required=True, help="where it serves it")
    given = parser.parse_args(argv)
    try:
        asyncio.run(open_show(given.films, given.url))
    except (LabError, NoBrokerError, ProfileError) as error:
        sys.stderr.write(f"opening: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
