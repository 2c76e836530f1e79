"""What the wall shows, what the player has been told to show next, and how the two are kept together: pure."""

from dataclasses import dataclass, field
from itertools import islice

from agent.messages import Refusal
from agent.planner import STARTS_AHEAD, Billed, Outlook, World
from agent.player.wire import Adrift, Armed, Failed, Fired, Hello, Missed, Report, Running, Start
from agent.units import UtcUs

JOIN_LEAD_FIRST_US = 700_000
JOIN_LEAD_MOST_US = 8_000_000
HANDED_KEPT = 16
UNANSWERED_US = 1_000_000
_STARTING = Refusal(code="player_starting", detail="the player process is starting")


@dataclass(slots=True)
class Wall:
    """The player as the agent knows it.

    `plan` holds the starts that the player was handed and has not answered: it answers each one whose instant comes,
    with Fired or Missed.
    """

    player: Hello | None = None
    fault: Refusal | None = _STARTING
    on_wall: Billed | None = None
    running: Running | None = None
    armed: str | None = None
    decoder: str | None = None
    plan: tuple[Billed, ...] = ()
    _begun: str | None = None
    _stale: bool = False
    _handed: dict[str, Billed] = field(default_factory=dict)
    _done: list[str] = field(default_factory=list)
    _join: Billed | None = None
    _join_lead_us: int = JOIN_LEAD_FIRST_US

    def heard(self, report: Report) -> Billed | None:
        """Take what the player says; the start that it is about, if it is about one that was handed over."""
        match report:
            case Hello():
                self._begin_anew(report, None)
            case Failed(reason=reason, detail=detail):
                self._begin_anew(None, Refusal(code=reason, detail=detail))
            case Running(id=start_id):
                if self.on_wall is not None and self.on_wall.start.id == start_id:
                    self.running = report
                    self.decoder = report.decoder or self.decoder  # hardware may give up in mid-film
            case Adrift(id=start_id):
                if self.on_wall is not None and self.on_wall.start.id == start_id and not self._stale:
                    self.reanchor()
            case Armed(id=start_id):
                self.armed = start_id
                return self._handed.get(start_id)
            case Fired(id=start_id):
                billed = self._answered(start_id)
                if billed is not None:
                    self.on_wall, self.running, self._stale = billed, None, False
                    if billed.short is None:
                        self._begun = billed.cue.cue if billed.cue else None
                    self._join_lead_us = JOIN_LEAD_FIRST_US
                self.decoder = report.decoder or self.decoder
                return billed
            case Missed(id=start_id):
                # The next attempt gets more time to prepare.
                self._join_lead_us = min(self._join_lead_us * 2, JOIN_LEAD_MOST_US)
                return self._answered(start_id)
        return None

    def _begin_anew(self, player: Hello | None, fault: Refusal | None) -> None:
        self.player, self.fault = player, fault
        self.on_wall = self.running = self.armed = self._join = None
        self.plan, self._done = (), []

    def _answered(self, start_id: str) -> Billed | None:
        self._done = [*self._done[1 - HANDED_KEPT :], start_id]
        self.plan = tuple(billed for billed in self.plan if billed.start.id != start_id)
        if self.armed == start_id:
            self.armed = None
        if self._join is not None and self._join.start.id == start_id:
            self._join = None
        return self._handed.get(start_id)

    @property
    def still(self) -> bool:
        """Whether what is on the wall does not run, and nothing else is to be joined."""
        if self.on_wall is None or self._stale or self._join is not None:
            return False
        return self.on_wall.start.kind != "film"

    def reanchor(self) -> None:
        """What is on the wall may stand at the wrong instant: have it joined anew."""
        self._stale, self._join = True, None

    def direct(self, world: World, t: UtcUs) -> tuple[Start, ...] | None:
        """The player's new plan; None where the one that it has still stands, or where there is no player."""
        if self.player is None:
            return None
        # A cue that has begun goes on, however bad the clock is now, and over the player's death too.
        outlook = Outlook(world, self._begun)
        # An answer takes milliseconds; what is not answered by then was lost, and must not hold up the rest.
        due = [billed for billed in self.plan if t - UNANSWERED_US < billed.start.at <= t]
        join = None if due else self._joining(outlook, t)
        starts = [join] if join else []
        upcoming = outlook.upcoming(join.start.at if join else t)
        # The clock may have been slewed back behind an instant at which the player has already fired.
        news = (billed for billed in upcoming if billed.start.id not in self._done)
        starts += islice(news, STARTS_AHEAD - len(starts))
        plan = (*due, *starts)
        if [billed.start for billed in plan] == [billed.start for billed in self.plan]:
            return None
        self.plan = plan
        # Lately handed ones are remembered: the player may be firing one in the moment in which it leaves the plan.
        current = {billed.start.id: billed for billed in plan}
        before = {key: billed for key, billed in self._handed.items() if key not in current}
        self._handed = {**dict(list(before.items())[-HANDED_KEPT:]), **current}
        return tuple(billed.start for billed in plan)

    def _joining(self, outlook: Outlook, t: UtcUs) -> Billed | None:
        """The start that brings a wall that shows something else to what is expected; once planned it stays."""
        if self.on_wall is not None and not self._stale and self.on_wall.key == outlook.expected(t).key:
            self._join = None
        elif self._join is None or outlook.expected(self._join.start.at).key != self._join.key:
            self._join = outlook.join(t, self._join_lead_us)
        if self._join is not None and self._join.start.id in self._done:
            self._join = None  # missed just now; a moment later the next frame is joined instead
        return self._join
