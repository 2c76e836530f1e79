"""Whether the agent deserves its watchdog's food, and what it says of itself to systemd: pure."""

from dataclasses import dataclass

from agent.printable import printable
from agent.told import Status

ANSWERS_S = 15.0
"""So old may the last sign of the player's be, or of its replacement."""

_LINE_CHARS = 200
_ID_CHARS = 8


@dataclass(frozen=True, slots=True)
class Signs:
    """The last signs of life of the player and of who replaces it, by one monotonic clock in seconds.

    `heard_s`: when a player last said anything, or died, or another was last started or could not be. A display that is
    absent makes each player say so and end: an answer each time. `granted_s`: until when a player that was started and
    has not shown itself yet may take its time; its proxy kills it then.
    """

    heard_s: float
    granted_s: float = 0.0


def fed(signs: Signs, now_s: float) -> bool:
    """Whether the player answered, or is being replaced.

    It is not where nothing was heard of it and no other one was started for 15 s: a kill that does not come through, or
    a fault of ours. Only a new agent can help then.
    """
    return now_s <= max(signs.heard_s + ANSWERS_S, signs.granted_s)


def status_line(status: Status) -> str:
    """One line for `systemctl status`: what the wall does, by which cue, and whether it is ready for what comes."""
    parts: list[str] = [status.state]
    if status.program is not None:
        parts.append(f"{status.program} rev {status.rev}" + ("" if status.item is None else f" item {status.item + 1}"))
    if status.cue is not None:
        parts.append(f"cue {status.cue[:_ID_CHARS]}")
    if status.ready:
        parts.append("GO")
    else:
        first, more = status.reasons[0], len(status.reasons) - 1
        parts.append(f"NO-GO {first.code}" + (f" and {more} more" if more else "") + f": {first.detail}")
    return printable(" · ".join(parts), _LINE_CHARS)
