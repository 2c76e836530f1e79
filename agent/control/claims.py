"""Which of several desks goes that press GO at once: the order in which brokers pass on their claims decides. Pure.

A desk publishes a claim, and waits until the brokers bring it back among those of the others. A broker delivers the
messages of a topic to everybody in one order (MQTT 5, section 4.6), so that all desks see the same claim first. Where
two brokers have two orders, the smaller id goes first. Nothing here looks at anybody's clock of the day: a computer
whose clock is wrong neither wins nor loses by it.
"""

from collections.abc import Collection
from dataclasses import dataclass

from pydantic import Field

from agent.messages import Brief, Remark, Show, Uuid, Version, WireTime

PATIENCE_S = 1.0
"""So long a claim is waited for; then the show goes on without the broker that does not bring it back."""

KEPT = 200


class Claim(Brief):
    """A desk is about to send a cue by GO, and asks the other desks of its show to keep still meanwhile.

    It is for operators' tools alone: no venue reads it, and nothing on a wall hangs on it.
    """

    v: Version
    claim: Uuid
    """The id of the cue that follows where the claim is granted."""
    show: Show
    issued: WireTime
    """When it was written; nothing is reckoned from it."""
    by: Remark
    """Who pressed, such as `anna@control-hk`."""
    label: Remark | None = Field(default=None)
    """What the cue list calls the cue."""


def topic(show: str) -> str:
    """Where the desks of a show make their claims, below the root."""
    return f"desk/{show}/go"


@dataclass(frozen=True, slots=True)
class Granted:
    """The claim goes first. `unheard` are the brokers that did not bring it back: desks that have only those in common
    with this one may not know of it.
    """

    unheard: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Beaten:
    """Another claim goes first."""

    by: Claim


class Contest:
    """The claims of one show as they came, from each broker in its order. Times are monotonic, of this computer."""

    def __init__(self) -> None:
        self._orders: dict[str, dict[str, int]] = {}  # url → claim → its place there
        self._count = 0
        self.claims: dict[str, Claim] = {}
        self.came_s: dict[str, float] = {}
        """When each claim came first from any broker."""

    def take(self, url: str, claim: Claim, now_s: float) -> None:
        """Take in a claim that a broker has brought."""
        order = self._orders.setdefault(url, {})
        self._count += 1
        order.setdefault(claim.claim, self._count)
        self.claims.setdefault(claim.claim, claim)
        self.came_s.setdefault(claim.claim, now_s)
        if len(self.claims) > KEPT:
            oldest = next(iter(self.claims))
            del self.claims[oldest], self.came_s[oldest]
            for known in self._orders.values():
                known.pop(oldest, None)

    def judge(
        self, mine: str, pressed_s: float, asked: Collection[str], doubtful: Collection[str], *, over: bool
    ) -> Granted | Beaten | None:
        """What has become of the own claim, pressed at `pressed_s`; None as long as more has to be heard.

        `asked` are the brokers that have taken it, `doubtful` those of which that is not known; `over`: patience is.
        Rivals are the claims that came first after the press, for with an earlier one this desk would not have pressed.
        """
        unheard = tuple(sorted({*doubtful, *(url for url in asked if mine not in self._orders.get(url, {}))}))
        rivals = [self.claims[key] for key, came_s in self.came_s.items() if key != mine and came_s >= pressed_s]
        waiting = False
        for rival in rivals:
            beaten = self._beaten(mine, rival.claim, asked, unheard, over=over)
            if beaten:
                return Beaten(rival)
            waiting = waiting or beaten is None
        if not over and (waiting or any(url in unheard for url in asked)):
            return None
        return Granted(unheard)

    def _beaten(
        self, mine: str, rival: str, asked: Collection[str], unheard: Collection[str], *, over: bool
    ) -> bool | None:
        first, second = False, False  # whether the rival is the first of the two at some broker, and the second
        everywhere = True
        for url in asked:
            order = self._orders.get(url, {})
            if rival not in order:
                everywhere = False
            elif mine not in order or order[rival] < order[mine]:
                first = True
            else:
                second = True
        if (first and second) or (over and unheard and not first):
            return rival < mine
        if first:
            return True if everywhere or over else None
        return False
