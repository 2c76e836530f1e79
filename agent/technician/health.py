"""Whether an agent's wall is as it should be and a broker is seen: the health check of its container.

    python -m agent.technician.health [--config /etc/framezero/agent.toml]

Asked again and again beside five players on two cores, so it is small: Python's own library, a twentieth of a second.
It asks the agent twice through its local socket. Exit status: 0 healthy, 1 not, with the reason in a line.
"""

import argparse
import json
import os
import socket
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SOCKET = "local.sock"
APART_S = 1.3
"""Between the two looks: the player tells its frame once a second."""

ANSWER_S = 3.0
MOVING = "playing"
STANDING = ("slate", "armed", "held", "black", "panic")
_DISPLAY_CODES = ("display_", "player_", "libmpv_")


def judge(first: Mapping[str, Any], second: Mapping[str, Any]) -> str | None:
    """What is wrong with a wall, by two of its agent's statuses shortly after one another; None: nothing."""
    state = second.get("state")
    for reason in second.get("reasons", ()):
        if str(reason.get("code", "")).startswith(_DISPLAY_CODES):
            return f"{reason['code']}: {reason.get('detail', '')}"
    if state == MOVING:
        # A still has no frame number and stands as meant; so does what was only just put on the wall.
        if second.get("frame_us") and _spot(first) == _spot(second):
            return f"no new frame for {APART_S:g} s, at frame {second.get('frame')}"
    elif state not in STANDING:
        return f"the wall is not as it should be: {state}"
    if not any(second.get("brokers", {}).values()):
        return "no broker is connected"
    return None


def _spot(status: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(status.get(key) for key in ("cue", "item", "frame", "position_us"))


def ask(path: Path) -> dict[str, Any]:
    """The status of the agent that listens there. Raises OSError, ValueError, KeyError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(ANSWER_S)
        line.connect(str(path))
        line.sendall(b'{"v":1,"want":"status"}\n')
        text = b""
        while not text.endswith(b"\n"):
            part = line.recv(65536)
            if not part:
                break
            text += part
    status: dict[str, Any] = json.loads(text)["status"]
    return status


def place(config: Path, environ: Mapping[str, str]) -> Path:
    """Where the agent listens. Raises OSError, ValueError, KeyError."""
    if named := environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        return Path(named) / SOCKET
    with config.open("rb") as file:
        return Path(tomllib.load(file)["state_dir"]) / SOCKET


def look(config: Path, environ: Mapping[str, str]) -> str | None:
    """What is wrong; None: nothing."""
    try:
        path = place(config, environ)
        first = ask(path)
        time.sleep(APART_S)
        return judge(first, ask(path))
    except OSError as error:
        return f"the agent does not answer: {error}"
    except (ValueError, KeyError) as error:
        return f"the agent's answer, or {config}, cannot be read: {error!r}"


def main(argv: Sequence[str] | None = None) -> int:
    """Look; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m agent.technician.health", description="Is the wall healthy?")
    parser.add_argument("--config", type=Path, default=Path("/etc/framezero/agent.toml"))
    given = parser.parse_args(argv)
    wrong = look(given.config, os.environ)
    sys.stdout.write(f"{wrong or 'healthy'}\n")
    return 0 if wrong is None else 1


if __name__ == "__main__":
    sys.exit(main())
