"""The player process, started by the agent as `python -m agent.player.process FD SCREEN`.

It is its own process so that neither a busy event loop delays a start nor a crashing GPU driver takes the agent
down; libX11 ends the whole process when the X server dies under mpv.
"""

import contextlib
import ctypes
import os
import signal
import socket
import sys
import traceback

from agent.loading import swiftly
from agent.player.stage import StageError
from agent.player.wire import Failed, Screen, line


def _flush_at_once() -> None:
    """Have Xlib send each request when it is made (XSynchronize(3), `_Xdebug`).

    mpv's x11 output leaves a flip in Xlib's buffer until its next turn (video/out/vo_x11.c, flip_page): the frame
    before a key frame came when that was decoded, and a film's last one when the next film was due.
    """
    with contextlib.suppress(OSError, ValueError):  # no libX11, no need
        ctypes.c_int.in_dll(ctypes.CDLL("libX11.so.6"), "_Xdebug").value = 1


def main() -> None:
    """Entry point; the socket's file descriptor and the screen as JSON are the arguments."""
    # The kernel ends this process when the agent dies, whatever kills it (prctl(2), PR_SET_PDEATHSIG is 1).
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    agent = socket.socket(fileno=int(sys.argv[1]))
    screen = Screen.model_validate_json(sys.argv[2])
    os.environ["DISPLAY"] = screen.name  # mpv has no option for it
    _flush_at_once()
    try:
        # python-mpv looks for libmpv when it is imported.
        with swiftly():
            from agent.player.loop import HungError, Player
    except OSError as error:
        agent.sendall(
            line(Failed(reason="libmpv_absent", detail=f"libmpv cannot be loaded; install libmpv2 ({error})"))
        )
        return
    try:
        Player(screen, agent).run()
    except StageError as error:
        agent.sendall(line(Failed(reason="display_absent", detail=str(error))))
    except HungError as error:
        agent.sendall(line(Failed(reason="player_hung", detail=f"{error}; the player is being replaced")))
    except Exception as error:
        # Whatever else it is, the agent must hear of it; the trace reaches the log with this process's output.
        traceback.print_exc()
        detail = f"the player failed ({type(error).__name__}: {error}); its output in the log says more"
        agent.sendall(line(Failed(reason="player_error", detail=detail)))
    # libmpv's own way out may block on a stuck core; there is nothing left to save.
    os._exit(0)


if __name__ == "__main__":
    main()
