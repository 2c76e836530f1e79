"""What the alarms are concluded from: plain facts, gathered by whoever listens to the brokers. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from agent.messages import Cue
from agent.told import Ack, Presence, Status
from agent.units import US_PER_S, UtcUs

WINDOW_S = 60.0
"""What rises is counted over so long."""
SPACED_S = 5.0


@dataclass(frozen=True, slots=True)
class Sight:
    """One venue as it is seen from here.

    `heard_s` is when its newest status came live (monotonic; None: it is a retained one), `silent` and `gone` as the
    view judges them, `version_fault` why the two ends do not understand each other (else empty).
    """

    venue: str
    presence: Presence | None
    status: Status | None
    heard_s: float | None
    silent: bool
    gone: bool
    version_fault: str = ""

    def utc(self, now: UtcUs, now_s: float) -> UtcUs:
        """The time at the venue, by its own clock where it is heard live: this host's may be off."""
        if self.status is None or self.status.time is None or self.heard_s is None:
            return now
        return UtcUs(self.status.time + round((now_s - self.heard_s) * US_PER_S))

    @property
    def groups(self) -> tuple[str, ...]:
        """The venue's groups, as far as they are known."""
        return tuple(self.presence.groups) if self.presence else ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known at a moment: `now` is UTC by this host's clock, `now_s` monotonic.

    `acks` are those that came since the last look. `cues` are those that brokers keep. `brokers` are this tool's own
    lines (connected or not), `broker_faults` what is wrong there. `odd` are sentences on what could not be read or was
    passed over, each with when it came last (monotonic), the newest last.
    """

    now: UtcUs
    now_s: float
    sights: Sequence[Sight]
    cues: Mapping[str, Cue] = field(default_factory=dict)
    acks: Sequence[Ack] = ()
    brokers: Mapping[str, bool] = field(default_factory=dict)
    broker_faults: Mapping[str, str] = field(default_factory=dict)
    odd: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Point:
    at_s: float
    boot: str
    late: int
    dropped: int
    reanchors: int
    film: str
    done: int


@dataclass(slots=True)
class Trail:
    """How one venue's counters went over the last minute."""

    points: deque[_Point] = field(default_factory=deque)
    _newest: Status | None = None

    def take(self, status: Status, now_s: float) -> None:
        """Take in a status as of now; the same one again says nothing new."""
        if status is self._newest:
            return
        self._newest = status
        fetching = status.cache.fetching
        point = _Point(
            now_s,
            status.boot,
            status.late,
            status.dropped,
            status.reanchors,
            fetching.name if fetching else "",
            fetching.done if fetching else 0,
        )
        if len(self.points) > 1 and point.at_s - self.points[-2].at_s < SPACED_S:
            self.points[-1] = point
        else:
            self.points.append(point)
        while self.points and now_s - self.points[0].at_s > WINDOW_S:
            self.points.popleft()

    def risen(self, counter: str) -> int:
        """By how much `late`, `dropped` or `reanchors` rose; they begin again at 0 with each cue and each agent."""
        total = 0
        for before, after in pairwise(self.points):
            was, is_now = getattr(before, counter), getattr(after, counter)
            total += is_now - was if is_now >= was and before.boot == after.boot else is_now
        return total

    def bytes_per_s(self) -> float | None:
        """How fast the download under way goes; None while that cannot be told."""
        if not self.points or not self.points[-1].film:
            return None
        last = self.points[-1]
        same = [point for point in self.points if point.film == last.film and point.done <= last.done]
        lasted_s = last.at_s - same[0].at_s
        return (last.done - same[0].done) / lasted_s if lasted_s >= SPACED_S else None


@dataclass(slots=True)
class Fate:
    """What became of one cue at one venue, as far as its acks tell; `at_s` is when the last of them came."""

    started: Ack | None = None
    missed: Ack | None = None
    refused: Ack | None = None
    ended: bool = False
    at_s: float = 0.0


@dataclass(slots=True)
class Past:
    """What has to be remembered from look to look.

    `since` is when the looking began, `blind_s` when there was last no broker (monotonic).
    """

    since: UtcUs
    blind_s: float = float("-inf")
    trails: dict[str, Trail] = field(default_factory=dict)
    fates: dict[tuple[str, str], Fate] = field(default_factory=dict)  # of a cue at a venue
    _tidied_s: float = 0.0

    def take(self, facts: Facts, keep_s: float) -> None:
        """Take in what has come since the last look; what is older than `keep_s` and of no cue that is kept goes."""
        if facts.brokers and not any(facts.brokers.values()):
            self.blind_s = facts.now_s
        for sight in facts.sights:
            if sight.status is not None and not sight.silent:
                self.trails.setdefault(sight.venue, Trail()).take(sight.status, facts.now_s)
        for ack in facts.acks:
            fate = self.fates.setdefault((ack.cue, ack.venue), Fate())
            fate.at_s = facts.now_s
            match ack.stage:
                case "started":
                    fate.started = ack
                case "missed":
                    fate.missed = ack
                case "refused":
                    fate.refused = ack
                case "cancelled" | "superseded":
                    fate.ended = True
        if facts.now_s - self._tidied_s > keep_s:
            self._tidied_s = facts.now_s
            self.fates = {
                key: fate
                for key, fate in self.fates.items()
                if key[0] in facts.cues or facts.now_s - fate.at_s <= keep_s
            }
