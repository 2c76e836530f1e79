"""What is to be cued, and why it cannot be: before a message is made of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.messages import Action
from agent.units import UtcUs


class CueError(Exception):
    """The cue cannot be sent; the text is the reason with the remedy. `usage`: the command was wrong.

    `choices` are what may have been meant, for people a line each.
    """

    def __init__(self, detail: str, *, usage: bool, choices: Sequence[str] = ()) -> None:
        super().__init__(f"{detail}: {', '.join(choices)}" if choices else detail)
        self.detail = detail
        self.usage = usage
        self.choices = tuple(choices)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be cued, before its instant is known; `expires` None means the usual life."""

    do: Action
    expires: UtcUs | None = None
    warnings: list[str] = field(default_factory=list)
