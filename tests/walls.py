"""A venue in memory: the real conductor and the real turns of the player, with decks that are always ready in time.

The fake decks answer as `agent.player.loop` does; tests/player/test_process.py holds the real one to the same
conversation.
"""

from collections import deque
from dataclasses import replace
from typing import Any

from makers import ANYBODY, T0, S, cue_body, item_body, now_at, program_body, uuid_of

from agent.clock.mapping import ClockState
from agent.conductor import Conductor, Limits
from agent.effects import (
    Acknowledge,
    Cover,
    Direct,
    Effect,
    Event,
    Fetch,
    FilmHeard,
    Kept,
    Now,
    Overlay,
    PlayerHeard,
    Received,
    Ticked,
    Write,
)
from agent.intake import Venue
from agent.messages import Refusal
from agent.player.turns import Arm, Fire, Miss, Prepare, Release, Turn, Turns
from agent.player.wire import Armed, Covered, Fired, Hello, Identify, Missed, Report, Start
from agent.told import Ack
from agent.trust import Trust
from agent.units import EPOCH, RawNs, UtcUs

LOOP = {"action": "play", "program": "reel", "rev": 1, "loop": True}
HELLO = Hello(mpv="mpv 0.35.1", display="320x180", realtime=True)
STEP_US = 10_000
AHEAD_US = 5_000


class FakeWall:
    """Plays a venue forward in steps of 10 ms; `shown` is every start with its instant, `covers` every cover.

    `broken` names the paths that mpv cannot play; a `deaf` player hears of no new plan. The journal answers at once,
    unless `disk` is false; `disk_fault` is what it then says.
    """

    def __init__(
        self,
        name: str = "paris",
        *,
        films: bool = True,
        prepare_us: int = 50_000,
        slate: str = "",
        trust: Trust = ANYBODY,
    ) -> None:
        venue = Venue(name, ("west",), "reel-show")
        self.conductor = Conductor(venue, uuid_of(99), Limits(30_000, 500_000, slate), trust)
        self.t = UtcUs(T0 - 30 * S)
        self.bound_us: int | None = 1000
        self.effects: list[Effect] = []
        self.shown: list[tuple[int, Start]] = []
        self.covers: list[str] = []
        self.cover = ""
        self.overlays: list[Identify] = []
        self._films = films
        self._told: set[str] = set()
        self._prepare_us = prepare_us
        self._ready_at: int | None = None
        self._turns = Turns(AHEAD_US)
        self.alive = False
        self.broken: set[str] = set()
        self.deaf = False
        self._events: deque[Event] = deque()
        self.disk = True
        self.disk_fault: Refusal | None = None
        self.clock = ClockState.SYNC
        self.leaping = False
        self.floor = EPOCH
        self._stepped_us = 0

    @property
    def acks(self) -> list[Ack]:
        return [effect.ack for effect in self.effects if isinstance(effect, Acknowledge)]

    def stages(self, number: int = 1) -> list[str]:
        return [ack.stage for ack in self.acks if ack.cue == uuid_of(number)]

    def start_player(self) -> None:
        self._turns, self._ready_at, self.alive = Turns(AHEAD_US), None, True
        self.give(PlayerHeard(HELLO))

    def now(self) -> Now:
        now = now_at(self.t if self.bound_us is not None else None, self.bound_us, self.clock)
        if self.clock is ClockState.HOST:
            now = replace(now, bound_us=None)
        return replace(now, raw=RawNs((self.t - self._stepped_us) * 1000), leaping=self.leaping, floor=self.floor)

    def step_clock(self, us: int) -> None:
        """UTC jumps against the raw counter."""
        self._stepped_us += us
        self.t = UtcUs(self.t + us)

    def receive(self, topic: str, payload: bytes) -> None:
        self.give(Received(topic, payload))

    def give(self, event: Event) -> None:
        """Have the conductor handle an event, and then what the world around it says to the effects."""
        self._events.append(event)
        if len(self._events) == 1:  # else its turn comes after the one that is under way
            while self._events:
                self._handle(self._events[0])
                self._events.popleft()

    def _handle(self, event: Event) -> None:
        effects = self.conductor.handle(event, self.now())
        self.effects += effects
        writes = tuple(effect.key for effect in effects if isinstance(effect, Write))
        if writes and self.disk:
            self.give(Kept(writes, self.disk_fault))
        answers: list[Report] = []  # what the player says comes after all that it was told at once
        for effect in effects:
            if isinstance(effect, Direct) and self.alive and not self.deaf:
                self._turns.plan(list(effect.starts))
            elif isinstance(effect, Cover):
                self.cover = effect.what  # the proxy keeps it for the next player
                if self.alive:
                    self.covers.append(effect.what)
                    answers.append(Covered(what=effect.what))
            elif isinstance(effect, Overlay):
                assert self.alive, "an overlay for nobody is lost"
                self.overlays.append(effect.order)
            elif isinstance(effect, Fetch) and self._films:
                news = [film.sha256 for film in effect.films if film.sha256 not in self._told]
                self._told.update(news)  # as the cache does: what is known is not told again
                for sha256 in news:
                    self.give(FilmHeard(sha256, f"/films/{sha256}", None))
        for answer in answers:
            self.give(PlayerHeard(answer))

    def until(self, t: int) -> None:
        while self.t < t:
            self.t = UtcUs(self.t + STEP_US)
            if self.alive:
                if self._ready_at is not None and self.t >= self._ready_at:
                    self._ready_at = None
                    self._take(self._turns.ready())
                self._take(self._turns.step(self.t))
            self.give(Ticked())

    def _take(self, turns: list[Turn]) -> None:
        for turn in turns:
            report: Report
            match turn:
                case Prepare(start) if start.path in self.broken:
                    self._take(self._turns.broken("unrecognized file format"))
                    continue
                case Prepare(start):
                    self._ready_at = self.t + (self._prepare_us if start.path else 0)
                    continue
                case Release():
                    self._ready_at = None
                    continue
                case Arm(start):
                    report = Armed(id=start.id)
                case Fire(start):
                    self._turns.fired(start, self.t)
                    self.shown.append((start.at, start))
                    report = Fired(
                        id=start.id, observed_us=start.at, error_us=0, go_us=0, bound_us=1000, decoder="software"
                    )
                case Miss(start, reason, detail):
                    report = Missed(id=start.id, reason=reason, detail=detail)
            self.give(PlayerHeard(report))

    def films_shown(self) -> list[tuple[float, str, int]]:
        """Seconds after T0, kind (or the film's first letter) and first position in ms of each start."""
        return [
            (round((at - T0) / S, 3), start.path[7:8] or start.kind, start.position_us // 1000)
            for at, start in self.shown
        ]


def playing_wall(**options: Any) -> FakeWall:
    """A wall in the middle of a long film, 2 s after its start."""
    wall = FakeWall(**options)
    wall.start_player()
    wall.receive("program/reel/1", program_body([item_body("a", 90_000)]))
    wall.receive("cue", cue_body(do=LOOP))
    wall.until(T0 + 2 * S)
    wall.effects.clear()
    return wall
