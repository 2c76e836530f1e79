"""Whether an X server on this host takes connections, by its socket alone: asked while a display is away."""

import re
import socket

SOCKETS = "/tmp/.X11-unix"
"""Where X servers listen, by the number of the display (X(7), DISPLAY NAMES)."""

_LOCAL = re.compile(r"(?:unix)?:(\d+)(?:\.\d+)?")


def is_away(display: str) -> bool:
    """Whether nobody listens for this display. False also for one on another host, which only a client could tell."""
    match = _LOCAL.fullmatch(display)
    if match is None:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            client.connect(f"{SOCKETS}/X{match[1]}")
        except BlockingIOError:  # somebody listens, and has many to greet
            return False
        except OSError:
            return True
    return False
