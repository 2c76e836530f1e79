"""What an operator's long-lived tool hears, as the facts that its alarms are concluded from."""

from collections import Counter
from collections.abc import Iterable, Mapping

from agent.control.alarms import Facts, Sight
from agent.control.presences import version_fault
from agent.control.view import View
from agent.told import Ack
from agent.units import UtcUs


def sight_of(view: View, venue: str, now: UtcUs, now_s: float) -> Sight:
    """One venue as the view has it at this moment."""
    presence, heard = view.presences.get(venue), view.statuses.get(venue)
    return Sight(
        venue=venue,
        presence=presence,
        status=heard.status if heard else None,
        heard_s=heard.live_at_s if heard else None,
        silent=view.silent(venue, now, now_s),
        gone=view.gone(venue),
        version_fault=version_fault(presence) if presence else "",
    )


class Lookout:
    """Takes the facts from a view again and again, with the acks that have come in between.

    Walls that play another show than `show` are none of its facts (None: all are); those of `expected` are always.
    """

    def __init__(self, view: View, show: str | None, expected: Iterable[str] = ()) -> None:
        self._view = view
        self._show = show
        self._expected = frozenset(expected)
        self._read: Counter[str] = Counter()

    def facts(self, now: UtcUs, now_s: float, brokers: Mapping[str, bool], broker_faults: Mapping[str, str]) -> Facts:
        """All that is known now: UTC by this host's clock, and monotonic."""
        view = self._view
        others = {
            venue
            for venue, presence in view.presences.items()
            if self._show is not None and presence.show != self._show and venue not in self._expected
        }
        return Facts(
            now=now,
            now_s=now_s,
            sights=[sight_of(view, venue, now, now_s) for venue in view.venues if venue not in others],
            cues=view.cues,
            acks=[ack for ack in self._fresh() if ack.venue not in others],
            brokers=brokers,
            broker_faults=broker_faults,
            odd=dict(view.odd_at),
        )

    def _fresh(self) -> list[Ack]:
        found = []
        for cue, acks in self._view.acks.items():
            read = self._read[cue]
            if len(acks) != read:
                # Fewer than before: the view had forgotten this cue meanwhile.
                found += acks[read if read < len(acks) else 0 :]
                self._read[cue] = len(acks)
        for cue in self._read.keys() - self._view.acks.keys():
            del self._read[cue]
        return found
