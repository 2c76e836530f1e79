"""Which start the two decks work on next: pure, driven by the plan and the time.

The visible deck plays; the other one prepares the next start of the plan, from at most `PREPARE_AHEAD_US` before
its instant. A start that is not ready at its instant is missed and said to be: the wall keeps its picture
and the agent, which knows the timeline, plans a join.
"""

from dataclasses import dataclass

from agent.player.wire import Start
from agent.units import UtcUs

PREPARE_AHEAD_US = 10_000_000
# The plan may arrive in the very moment of a start; so late it still counts as in time.
GRACE_US = 2_000
# A film that stands decoded is better late than not at all: its lateness is known, told and trimmed away.
LATE_US = 250_000


@dataclass(frozen=True, slots=True)
class Prepare:
    """Load this start on the idle deck."""

    start: Start


@dataclass(frozen=True, slots=True)
class Release:
    """The idle deck's start is no longer wanted."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Say that the start is armed."""

    start: Start


@dataclass(frozen=True, slots=True)
class Fire:
    """Reveal this start at its instant, which is near."""

    start: Start


@dataclass(frozen=True, slots=True)
class Miss:
    """The instant has passed."""

    start: Start
    reason: str
    detail: str


Turn = Prepare | Release | Arm | Fire | Miss


class Turns:
    """The state of the idle deck against the plan."""

    def __init__(self, fire_ahead_us: int) -> None:
        self._fire_ahead_us = fire_ahead_us
        self._plan: list[Start] = []
        self._done: list[str] = []
        self._loading: Start | None = None
        self._armed = False
        self._quiet_until = UtcUs(0)

    def fire_ahead(self, us: int) -> None:
        """The armed start is taken in hand so long before its instant."""
        self._fire_ahead_us = us

    def plan(self, starts: list[Start]) -> None:
        """A newer plan; starts that were made or missed stay so, whatever it says."""
        self._plan = [start for start in starts if start.id not in self._done]

    def ready(self) -> list[Turn]:
        """The idle deck has decoded its frame."""
        if self._loading is None or self._armed:
            return []
        self._armed = True
        return [Arm(self._loading)]

    def broken(self, detail: str) -> list[Turn]:
        """The idle deck cannot play what it was given."""
        if self._loading is None:
            return []
        start = self._loading
        self._finish(start)
        return [Miss(start, "film_broken", f"mpv cannot play it: {detail}; publish another encode")]

    def fired(self, start: Start, quiet_until: UtcUs) -> None:
        """The start is on the wall; nothing loads before `quiet_until`, so that its first frames are undisturbed."""
        self._finish(start)
        self._quiet_until = quiet_until

    def _finish(self, start: Start) -> None:
        self._done = [*self._done[-15:], start.id]
        self._plan = [other for other in self._plan if other.id != start.id]
        if self._loading is not None and self._loading.id == start.id:
            self._loading, self._armed = None, False

    def step(self, now: UtcUs) -> list[Turn]:
        """What has to be done now."""
        turns: list[Turn] = []
        while self._plan and now > self._plan[0].at + (LATE_US if self._is_armed(self._plan[0]) else GRACE_US):
            missed = self._plan[0]
            turns.append(Miss(missed, *self._why(missed)))
            self._finish(missed)
        head = self._plan[0] if self._plan else None
        if self._loading is not None and (head is None or head.id != self._loading.id):
            self._loading, self._armed = None, False
            turns.append(Release())
        if head is None:
            return turns
        if self._loading is None and now >= self._prepare_at(head):
            self._loading = head
            turns.append(Prepare(head))
        elif self._armed and now >= head.at - self._fire_ahead_us:
            turns.append(Fire(head))
        return turns

    def _is_armed(self, start: Start) -> bool:
        return self._armed and self._loading is not None and self._loading.id == start.id

    def _why(self, start: Start) -> tuple[str, str]:
        if self._is_armed(start):
            return "too_late", "the player was held up at its instant; the wall joins it"
        return "not_prepared", "the film was not decoded in time; the wall joins it"

    def wake_at(self) -> UtcUs | None:
        """When `step` has to be called next; None when nothing is planned."""
        if not self._plan:
            return None
        head = self._plan[0]
        if self._loading is None:
            return self._prepare_at(head)
        return UtcUs(head.at - self._fire_ahead_us if self._armed else head.at + GRACE_US + 1)

    def next_at(self) -> UtcUs | None:
        """The instant of the next start; None when nothing is planned."""
        return self._plan[0].at if self._plan else None

    def _prepare_at(self, head: Start) -> UtcUs:
        # A start that is very near is prepared at once, however quiet it should be.
        quiet = min(self._quiet_until, head.at - 1_000_000)
        return UtcUs(max(head.at - PREPARE_AHEAD_US, quiet))
