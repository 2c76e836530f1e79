"""The camera process, started by the agent as `python -m agent.player.camera_process FD SCREEN`.

It is a process of its own, and the least urgent of all: whatever it does, agent and player go before it, and what it
breaks or waits for (an X server that hangs) breaks and holds up nobody else.
"""

import base64
import contextlib
import ctypes
import os
import signal
import socket
import sys

from pydantic import BaseModel

from agent.player.camera_wire import Copied, Developed, Ready, Spoilt, Take
from agent.player.stage import StageError
from agent.player.wire import Screen, line

NICE = 19


def _least_urgent() -> None:
    """Run when nobody else wants to (sched(7), SCHED_IDLE); a decoder never waits for a picture's sake."""
    os.nice(NICE)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main() -> None:
    """Entry point; the socket's file descriptor and the screen as JSON are the arguments."""
    # The kernel ends this process when the agent dies, whatever kills it (prctl(2), PR_SET_PDEATHSIG is 1).
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    agent = socket.socket(fileno=int(sys.argv[1]))
    screen = Screen.model_validate_json(sys.argv[2])
    _least_urgent()

    def say(message: BaseModel) -> None:
        agent.sendall(line(message))

    try:
        from agent.player.jpeg import develop, picture
        from agent.player.lens import Lens
    except ImportError as error:
        say(Spoilt(reason="shot_failed", detail=f"a library is missing ({error}); install framezero[agent]"))
        return
    lens, last = Lens(screen.name, screen.region), None
    say(Ready())
    for order in agent.makefile("rb"):
        take = Take.model_validate_json(order)
        if last is None or not take.again:
            try:
                last = picture(lens.look(lambda raw: say(Copied(raw=raw))), screen.rotate)
            except StageError as error:
                last = None
                say(Spoilt(reason="display_absent", detail=str(error)))
                continue
        jpeg, width, height = develop(last, take.width)
        say(
            Developed(
                jpeg=base64.b64encode(jpeg).decode("ascii"),
                width=width,
                height=height,
                wall_width=last.width,
                wall_height=last.height,
            )
        )


if __name__ == "__main__":
    main()
