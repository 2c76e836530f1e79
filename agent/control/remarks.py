"""Who sent a message, and what it is called: left out where a wall's agent would refuse it for that."""

from typing import TypeVar

from agent.control.tables import few
from agent.control.view import View
from agent.messages import Cue, Lift, Panic

M = TypeVar("M", Cue, Panic, Lift, Panic | Lift)


def understood(view: View, message: M) -> tuple[M, list[str]]:
    """The message as all of its walls read it, and a warning where it says less for the sake of older ones.

    It is to be called once for each message: under one id there must be one body. A wall that has never been seen at a
    broker, or not yet, is taken for one of today's.
    """
    known = (view.presences.get(venue) for venue in view.expected(message.venues))
    older = [presence.venue for presence in known if presence is not None and not presence.remarks]
    said = [name for name in ("by", "label") if getattr(message, name, None) is not None]
    if not older or not said:
        return message, []
    warning = f"sent without {' and '.join(said)}, which older agents refuse: {few(older)}; bring them to this version"
    return message.model_copy(update=dict.fromkeys(said)), [warning]
