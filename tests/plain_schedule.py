"""What contracts say of the state of a venue at an instant, word for word, and slow: the measure of agent.schedule."""

from collections.abc import Iterable

from agent.messages import Cancel, Cue
from agent.schedule import STATELESS
from agent.units import UtcUs


def cancelled(cues: Iterable[Cue], t: UtcUs) -> set[str]:
    """Ids of the cues that are taken back at an instant."""
    return {cue.do.cue for cue in cues if isinstance(cue.do, Cancel) and cue.at <= t < cue.expires}


def wanted_at(cues: Iterable[Cue], t: UtcUs) -> Cue | None:
    """The cue that holds at an instant; None means the slate."""
    cues = list(cues)
    gone = cancelled(cues, t)
    holding = (c for c in cues if not isinstance(c.do, STATELESS) and c.at <= t < c.expires and c.cue not in gone)
    return max(holding, key=lambda cue: (cue.at, cue.cue), default=None)


def next_change(cues: Iterable[Cue], t: UtcUs) -> UtcUs | None:
    """The first instant after `t` at which another cue holds: something begins or ends at it."""
    cues = list(cues)
    current = wanted_at(cues, t)
    instants = sorted({instant for cue in cues for instant in (cue.at, cue.expires) if instant > t})
    return next((instant for instant in instants if wanted_at(cues, instant) != current), None)


def pending(cues: Iterable[Cue], t: UtcUs) -> list[Cue]:
    """Cues that are still to come, change what is shown and are not taken back at their instant, soonest first."""
    cues = list(cues)
    ahead = (c for c in cues if not isinstance(c.do, STATELESS) and c.at > t and c.cue not in cancelled(cues, c.at))
    return sorted(ahead, key=lambda cue: (cue.at, cue.cue))
