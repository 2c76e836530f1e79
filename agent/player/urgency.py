"""SCHED_FIFO for the few threads on which an instant hangs, and for no others.

mpv's core (it takes the order to unpause: its delay is the phase of the whole film), mpv's video output, whose flips
must not wait for another film's core, and the thread that fires, which is above both while it waits for an instant.
Decoders stay at normal priority: the reset-on-fork flag keeps what these threads start from inheriting theirs, so that
a film too heavy for the machine cannot starve it (sched(7)).
"""

import os
from pathlib import Path

PRIORITY = 20
OUTPUT = 22
INSTANT = 30
_TASKS = Path("/proc/self/task")


def hurry(thread: int = 0, priority: int = PRIORITY) -> bool:
    """Ask for SCHED_FIFO for a thread (0: this one); false where the system does not permit it. Takes 2 µs."""
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except (PermissionError, ProcessLookupError):
        return False
    return True


def threads(name: str) -> set[int]:
    """The threads of this process that carry this name; mpv 0.35 puts 'mpv/' before it, later ones do not."""
    found = set()
    for task in _TASKS.iterdir():
        try:
            comm = (task / "comm").read_text().strip()
        except OSError:
            continue  # it ended a moment ago
        if comm.removeprefix("mpv/").removeprefix("mpv ") == name:
            found.add(int(task.name))
    return found
