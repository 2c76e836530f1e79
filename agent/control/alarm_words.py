"""One thing that is wrong, as an operator is told it, and the words that all of them share. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from agent.control.alarm_rules import Code
from agent.told import Status
from agent.units import UtcUs

Severity = Literal["warning", "critical"]
EVERYTHING = "*"
NAMED = 5


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that is wrong; `about` tells apart what has one code at one venue (a cue, a broker, a panic).

    It is an alarm once it has lasted for `after_s`. `hides` are codes at the same venue (of all venues, where it has
    none) that follow from this: they are no alarms of their own.
    """

    code: Code
    venue: str | None
    severity: Severity
    text: str
    remedy: str
    about: str = ""
    after_s: float = 0.0
    since: UtcUs | None = None
    hides: frozenset[str] = field(default=frozenset())


Standing = Callable[[Code, str | None], bool]


def few(names: list[str]) -> str:
    """Some venues by name, and how many more."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def doing(status: Status) -> str:
    """What a wall does, in two words; the slate in the place of a film is no program."""
    films = status.program is not None and status.state in ("playing", "held")
    return f"{status.state} {status.program}" if films else status.state
