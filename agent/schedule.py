"""Cues → the one cue that a venue shows at an instant, and when that changes.

The state at t is the cue with the greatest `(at, cue)` among those with `at ≤ t < expires` that no cancel with
`at ≤ t` names; none means the slate. So neither the order of arrival nor duplicates can change it.
"""

from collections.abc import Iterable

from agent.messages import Cancel, Cue, Identify
from agent.units import UtcUs

STATELESS = (Cancel, Identify)
"""Actions that no wall can be in: they are never the cue that holds, and none is superseded by another."""


def _counts(cue: Cue, t: UtcUs) -> bool:
    return cue.at <= t < cue.expires


def cancelled(cues: Iterable[Cue], t: UtcUs) -> set[str]:
    """Ids of the cues that are taken back at an instant."""
    return {cue.do.cue for cue in cues if isinstance(cue.do, Cancel) and _counts(cue, t)}


def wanted_at(cues: Iterable[Cue], t: UtcUs) -> Cue | None:
    """The cue that holds at an instant; None means the slate."""
    cues = list(cues)
    gone = cancelled(cues, t)
    holding = (c for c in cues if not isinstance(c.do, STATELESS) and _counts(c, t) and c.cue not in gone)
    return max(holding, key=lambda cue: (cue.at, cue.cue), default=None)


def next_change(cues: Iterable[Cue], t: UtcUs) -> UtcUs | None:
    """The first instant after `t` at which another cue holds; None when nothing more is known to change.

    Only a cue or cancel that begins, the end of a cancel, and the end of the cue that holds can change anything.
    """
    cues = list(cues)
    current = wanted_at(cues, t)
    instants = {cue.at for cue in cues} | {cue.expires for cue in cues if isinstance(cue.do, Cancel) or cue is current}
    ahead = sorted(instant for instant in instants if instant > t)
    return next((instant for instant in ahead if wanted_at(cues, instant) != current), None)


def pending(cues: Iterable[Cue], t: UtcUs) -> list[Cue]:
    """Cues that are still to come, change what is shown and are not taken back, soonest first."""
    cues = list(cues)
    gone = cancelled(cues, t)
    ahead = (c for c in cues if not isinstance(c.do, STATELESS) and c.at > t and c.cue not in gone)
    return sorted(ahead, key=lambda cue: (cue.at, cue.cue))
