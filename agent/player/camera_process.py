"""The camera process, started by the agent as `python -m agent.player.camera_process FD SCREEN`.

It is a process of its own: what it breaks or waits for (an X server that hangs) breaks and holds up nobody else. All
its work is done by a thread that runs when nobody else wants to, loading the libraries included. Only the copy within
the X server is made by the main thread, at normal priority: it takes a millisecond, and its instant has to be known.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.player.studio import Studio

NICE = 19


def _least_urgent() -> None:
    """Let this thread run when nobody else wants to (sched(7), SCHED_IDLE; both are a thread's own on Linux)."""
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    with contextlib.suppress(OSError):  # a container may forbid it; being nice is nearly as good
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _load(agent: socket.socket, screen: str) -> "Studio | None":
    try:
        from agent.player.studio import open_studio
    except ImportError as error:
        detail = f"a library is missing ({error}); install framezero[agent]"
        agent.sendall(json.dumps({"say": "spoilt", "reason": "shot_failed", "detail": detail}).encode() + b"\n")
        return None
    return open_studio(agent, screen)


def main() -> None:
    """Entry point; the socket's file descriptor and the screen as JSON are the arguments."""
    # The kernel ends this process when the agent dies, whatever kills it (prctl(2), PR_SET_PDEATHSIG is 1).
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    agent = socket.socket(fileno=int(sys.argv[1]))
    with ThreadPoolExecutor(1, initializer=_least_urgent) as idle:
        studio = idle.submit(_load, agent, sys.argv[2]).result()
        if studio is None:
            return
        for order in agent.makefile("rb"):
            exposed = studio.expose(order)
            if exposed is not None:
                idle.submit(studio.develop, exposed).result()


if __name__ == "__main__":
    main()
