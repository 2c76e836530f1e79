"""Fake displays whose framebuffers are files: Xvfb."""

import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.lab.processes import Child, LabError, Processes, find, listens, read_line

START_S = 15.0

PRIORITY = 40
"""Under SCHED_FIFO, where permitted: above the players (20 to 30), below the meter (60)."""


@dataclass(frozen=True, slots=True)
class Display:
    """One display that accepts connections: its name for X clients, and its framebuffer (an XWD file)."""

    venue: str
    name: str
    framebuffer: Path
    child: Child


def parse_size(text: str) -> tuple[int, int]:
    """Read `320x180`. Raises ValueError with the remedy."""
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if not match:
        raise ValueError(f"{text!r} is not a size; write it as 320x180")
    return int(match[1]), int(match[2])


def start(processes: Processes, venues: list[str], size: tuple[int, int], folder: Path) -> list[Display]:
    """Start one display for each venue and wait until all accept connections.

    The framebuffer of a venue is `folder/<venue>/Xvfb_screen0`. Raises LabError.
    """
    pending: list[tuple[str, Child, int]] = []
    displays: list[Display] = []
    program = find("Xvfb")
    try:
        for venue in venues:
            place = folder / venue
            place.mkdir(parents=True, exist_ok=True)
            reading, writing = os.pipe()
            pending.append((venue, _spawn(processes, program, venue, size, place, writing), reading))
            os.close(writing)
        for venue, child, reading in pending:
            displays.append(_ready(processes, venue, child, reading, folder / venue))
    finally:
        for _, _, reading in pending:
            os.close(reading)
    return displays


def _spawn(processes: Processes, program: str, venue: str, size: tuple[int, int], place: Path, writing: int) -> Child:
    # -displayfd picks a free number by itself.
    argv = [program, "-displayfd", str(writing), *options(size, place)]
    return processes.start(f"display-{venue}", argv, tier="displays", pass_fds=[writing])


def options(size: tuple[int, int], place: Path) -> list[str]:
    """What makes an Xvfb a wall of this size, whose framebuffer is `place/Xvfb_screen0`."""
    width, height = size
    screen = ["-screen", "0", f"{width}x{height}x24", "-fbdir", str(place)]
    # -noreset: the last client's leaving must not reset the server. +bs: backing store may be asked for, so
    # that a window which is raised shows its content at once. -s 0: no screen saver.
    return [*screen, "-nolisten", "tcp", "-noreset", "+bs", "-s", "0"]


def be_prompt(pid: int) -> bool:
    """Give a display its turn before the players; false where that is not permitted.

    A real display needs no processor to scan out; this one must not wait for five players that cut at once.
    """
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
    except PermissionError:
        return False
    return True


def _ready(processes: Processes, venue: str, child: Child, reading: int, place: Path) -> Display:
    with os.fdopen(os.dup(reading), "rb", buffering=0) as pipe:
        number = read_line(pipe, START_S).strip().decode()
    if not number.isdigit():
        processes.wait_for(lambda: False, 0.5, child, "the display did not come up")
        raise LabError(f"{child.name} named no display")
    unix = Path(f"/tmp/.X11-unix/X{number}")
    processes.leaves(unix, place / "Xvfb_screen0")
    processes.wait_for(partial(listens, unix), START_S, child, "accepting connections")
    be_prompt(child.pid)
    framebuffer = place / "Xvfb_screen0"
    processes.wait_for(framebuffer.exists, START_S, child, "making its framebuffer")
    return Display(venue, f":{number}", framebuffer, child)
