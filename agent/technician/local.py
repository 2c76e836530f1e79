"""The agent that runs on this player, reached through its local socket: it may be well, hang, or not be there.

That has to work at the worst moment, so it needs no sound agent.toml: where that cannot be read as a whole, its
`state_dir` is enough, and where not even that, the units' own places are known.
"""

import json
import socket
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.localsocket import address
from agent.localwire import MOST_REPLY_BYTES, SOCKET, Order, Reply
from agent.messages import Refusal, decode

CONFIG = Path("/etc/framezero/agent.toml")
RUNTIME = Path("/run/framezero")
ANSWER_S = 3.0
"""An order takes at most two (agent.localdesk); with the start of this program the answer is there within five."""
AGAIN_S = 0.1

Trouble = Literal["config", "denied", "absent", "deaf", "silent", "refused"]


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why there is no answer.

    `config`: nobody can tell where the agent would be. `denied`: not for this user. `absent`: no agent runs. `deaf`:
    one runs, without a socket. `silent`: it does not answer. `refused`: it does not take the order.
    """

    trouble: Trouble
    detail: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent of a configuration would be: its sockets, most likely first, and its state.

    `unread` says why the state is not known though there is a configuration.
    """

    sockets: tuple[Path, ...]
    state_dir: Path | None
    unit: str
    unread: NoAnswer | None = None


def find(config: Path, environ: Mapping[str, str]) -> Place | NoAnswer:
    """Where the agent of this configuration would listen."""
    name = config.parent.name if config.parent.parent == CONFIG.parent else ""
    unit = f"framezero@{name}" if name else "framezero"
    ours = config.name == CONFIG.name and (name or config.parent == CONFIG.parent)
    known = (RUNTIME / name / SOCKET,) if ours else ()
    named = environ.get("FRAMEZERO_STATE_DIR") or _state_dir(config)
    if isinstance(named, NoAnswer):
        return Place(known, None, unit, named) if known else named
    if named is None:  # a host on which no player was set up yet
        return Place(known, None, unit)
    return Place(tuple(dict.fromkeys([Path(named) / SOCKET, *known])), Path(named), unit)


def _state_dir(config: Path) -> str | NoAnswer | None:
    """What agent.toml says of it, whatever else is wrong there; None where the one of the unit is not there at all."""
    try:
        with config.open("rb") as file:
            named = tomllib.load(file).get("state_dir")
    except FileNotFoundError:
        absent = NoAnswer("config", f"{config} is not there; name the player's own with --config")
        return None if config == CONFIG else absent
    except PermissionError:
        return NoAnswer("denied", f"{config} is not for this user to read")
    except (OSError, ValueError, RecursionError) as error:
        return NoAnswer("config", f"{config} cannot be read: {error}")
    if not isinstance(named, str) or not named or "\0" in named:
        return NoAnswer("config", f"{config} names no state_dir, so nobody can tell whether an agent runs here")
    return named


def ask(place: Place, order: Order, seconds: float = ANSWER_S) -> Reply | NoAnswer:
    """Have the agent carry out an order."""
    end = time.monotonic() + seconds
    line = json.dumps(order.model_dump(mode="json", exclude_none=True)).encode() + b"\n"
    denied: NoAnswer | None = None
    for path in place.sockets:
        try:
            answer = _exchange(path, line, end)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            continue  # nobody listens there
        except PermissionError:
            denied = NoAnswer("denied", f"{path} is not for this user to open")
            continue
        except OSError as error:  # TimeoutError among them
            return NoAnswer("silent", f"the agent does not answer at {path}: {error}")
        return answer
    return denied or _absent(place)


def _absent(place: Place) -> NoAnswer:
    from agent.journal import holder  # it takes longer to load than all the rest, and is rarely needed

    try:
        pid = holder(place.state_dir) if place.state_dir is not None else None
    except PermissionError:
        return NoAnswer("denied", f"{place.state_dir} is not for this user to read")
    if pid is not None:
        return NoAnswer("deaf", f"an agent runs here (process {pid}), and cannot be reached: it has no socket")
    return place.unread or NoAnswer("absent", "no agent runs here")


def _exchange(path: Path, line: bytes, end: float) -> Reply | NoAnswer:
    """One line there and one back; again where the agent has too many callers. Raises OSError."""
    while True:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line_to, address(path) as name:
            line_to.settimeout(_left(end))
            line_to.connect(name)
            text = b""
            try:
                line_to.sendall(line)
                while not text.endswith(b"\n") and len(text) <= MOST_REPLY_BYTES:
                    line_to.settimeout(_left(end))
                    part = line_to.recv(65536)
                    if not part:
                        break
                    text += part
            except (ConnectionResetError, BrokenPipeError):
                text = b""
        if text:
            return _read(text)
        time.sleep(min(AGAIN_S, _left(end)))


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is up")
    return left


def _read(text: bytes) -> Reply | NoAnswer:
    reply = decode(Reply, text, MOST_REPLY_BYTES)
    if isinstance(reply, Reply):
        return reply
    refusal = decode(Refusal, text)
    said: Any = refusal if isinstance(refusal, Refusal) else reply
    return NoAnswer("refused", f"{said.code}: {said.detail}")
