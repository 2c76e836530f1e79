"""The operator of the lab: the real commands, as people type them."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from agent.lab.processes import Child, LabError, Processes
from agent.lab.world import World

PROGRAM = "reel"


def publish_command(world: World, films: list[Path]) -> list[str]:
    """The arguments of `framezero` that publish films as the lab's program."""
    places = ["--to", str(world.content_folder), "--url", world.content_url]
    return ["publish", *map(str, films), "--program", PROGRAM, *places, *_profile(world), "--json"]


def play_command(world: World, rev: int, at: str, wait: str) -> list[str]:
    """The arguments of `framezero` that play the lab's program, looped, from an instant on."""
    return ["cue", "play", PROGRAM, "--rev", str(rev), "--loop", "--at", at, "--wait", wait, *_profile(world), "--json"]


def stop_command(world: World, at: str) -> list[str]:
    """The arguments of `framezero` that show the slate from an instant on."""
    return ["cue", "stop", "--at", at, *_profile(world), "--json"]


def black_command(world: World) -> list[str]:
    """The arguments of `framezero` that show black as soon as all can, and wait until they do."""
    return ["cue", "black", "--in", "1s", "--wait", "started", *_profile(world), "--json"]


def _profile(world: World) -> list[str]:
    return ["--profile", str(world.profile)]


async def ended(child: Child, seconds: float) -> bool:
    """Wait for the end of a child; whether it came within so many seconds."""
    if not child.running:
        return True
    gone = asyncio.Event()
    watched = os.pidfd_open(child.pid)
    asyncio.get_running_loop().add_reader(watched, gone.set)
    try:
        async with asyncio.timeout(seconds):
            await gone.wait()
    except TimeoutError:
        return False
    finally:
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)
    return True


async def command(processes: Processes, name: str, arguments: list[str], seconds: float) -> Any:
    """Run a command of the operator's to its end; returns the JSON that it printed.

    Raises LabError with its words and its exit status when that is not 0, and when it takes too long.
    """
    answer = processes.logs / f"{name}.json"
    child = processes.start(name, [sys.executable, "-m", "agent.cli", *arguments], answer=answer)
    late = not await ended(child, seconds)
    processes.end(child)
    text = answer.read_text(encoding="utf-8", errors="replace").strip()
    if late:
        raise LabError(f"framezero {' '.join(arguments)}\ntook longer than {seconds:g} s; its log is {child.log}")
    if child.process.returncode:
        words = "\n".join(part for part in (text, child.tail()) if part)
        raise LabError(
            f"framezero {' '.join(arguments)}\nended with status {child.process.returncode}:\n{words}",
            status=max(1, child.process.returncode),
        )
    try:
        return json.loads(text)
    except ValueError as error:
        raise LabError(f"framezero {' '.join(arguments)}\nprinted no JSON: {text[:500]}") from error
