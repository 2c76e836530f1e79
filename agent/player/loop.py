"""The player's loop: decks, stage and the newest mapping; it fires starts at their instants."""

import os
import select
import socket
import zlib
from collections import deque
from typing import Literal, assert_never

from agent.clock.kernel import raw_now_ns
from agent.clock.mapping import Mapping
from agent.player.deck import Deck, DeckEvent
from agent.player.instant import FIRE_AHEAD_US, spin_for, wait_until
from agent.player.refresh import half_ns
from agent.player.stage import BLACK, DECKS, SLATE, Stage, open_stage
from agent.player.trim import Trim, trim_of, untrimmed
from agent.player.turns import Arm, Fire, Miss, Prepare, Release, Turn, Turns
from agent.player.urgency import hurry
from agent.player.watch import FrameWatch
from agent.player.wire import (
    ORDERS,
    Armed,
    Clock,
    Cover,
    Covered,
    Fired,
    Hello,
    Identify,
    Missed,
    Plan,
    Quit,
    Report,
    Running,
    Screen,
    Start,
    line,
)
from agent.units import NS_PER_US, MediaUs, RawNs, UtcUs

# When the visible film's last frame is nudged out, after its instant: soon, and once more should it be late itself.
NUDGES_US = (1_500, 4_000)
QUIET_US = 300_000
QUIET_SPREAD_US = 900_000
REPORT_EVERY_NS = 1_000_000_000


class Player:
    """Carries out the turns on real decks."""

    def __init__(self, screen: Screen, agent: socket.socket) -> None:
        self._screen = screen
        self._agent = agent
        self._inbox = b""
        self._clock: Mapping | None = None
        self._turns = Turns(FIRE_AHEAD_US)
        self._events: deque[DeckEvent] = deque()
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_w, False)
        self._stage: Stage = open_stage(screen)
        self._decks = [Deck(index, screen, self._stage.window(index), self._post) for index in range(DECKS)]
        # What is let go is seen so much later: the wall's latency, and on average half a refresh of the display.
        self._seen_after_ns = screen.latency_us * NS_PER_US + half_ns(self._stage.refresh_hz)
        self._visible: int | None = None
        self._on_wall: Start | None = None
        self._watch: FrameWatch | None = None
        self._trim: Trim | None = None
        self._report_due = RawNs(0)
        # Several players on one machine (a lab) would otherwise all load their next film in the same moment.
        self._quiet_us = QUIET_US + zlib.crc32(screen.name.encode()) % QUIET_SPREAD_US
        self._nudges: list[RawNs] = []
        self._spin_ns = spin_for(realtime=False)
        self._running = True

    # --- the loop -----------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the agent says quit or goes away."""
        realtime = hurry()
        self._spin_ns = spin_for(realtime)
        profile = self._decks[0].profile
        self._say(
            Hello(
                mpv=self._decks[0].version,
                display=self._stage.name,
                realtime=realtime,
                profile=profile.name,
                note=profile.note,
            )
        )
        display = self._stage.fileno()
        sources = [self._agent.fileno(), self._wake_r, *([display] if display is not None else [])]
        while self._running:
            readable, _, _ = select.select(sources, [], [], self._patience_s())
            if display in readable:
                self._stage.listen()
            if self._wake_r in readable:
                os.read(self._wake_r, 4096)
            if self._agent.fileno() in readable:
                self._hear()
            while self._events:
                self._deck_said(self._events.popleft())
            if self._clock is not None:
                self._take(self._turns.step(self._clock.utc_at(self._now())))
            self._nudge()
            self._end_trim()
            self._report()

    def _now(self) -> RawNs:
        """The raw counter as far as starts are concerned: what is fired now is seen later."""
        return RawNs(raw_now_ns() + self._seen_after_ns)

    def _patience_s(self) -> float:
        wake = self._turns.wake_at()
        own = [*self._nudges, *([self._report_due] if self._watch else []), *([self._trim.end] if self._trim else [])]
        limit = min([1.0, *(max(0.0, (due - raw_now_ns()) / 1e9) for due in own)])
        if wake is None or self._clock is None:
            return limit
        return min(limit, max(0.0, (self._clock.raw_at(wake) - self._now()) / 1e9))

    def _post(self, event: DeckEvent) -> None:
        self._events.append(event)
        if event.kind != "frame":
            os.write(self._wake_w, b"!")

    # --- the agent ----------------------------------------------------------------------------

    def _say(self, report: Report) -> None:
        try:
            self._agent.sendall(line(report))
        except OSError:
            self._running = False

    def _hear(self) -> None:
        data = self._agent.recv(1 << 20)
        if not data:
            self._running = False
        *lines, self._inbox = (self._inbox + data).split(b"\n")
        for text in lines:
            order = ORDERS.validate_json(text)
            match order:
                case Clock():
                    self._clock = order.mapping()
                case Plan():
                    self._turns.plan(order.starts)
                case Cover(what=what):
                    self._cover(what)
                case Identify():
                    pass
                case Quit():
                    self._running = False
                case _:
                    assert_never(order)

    def _cover(self, what: Literal["", "black", "slate"]) -> None:
        self._stage.cover(what or None)
        for deck in self._decks:
            deck.mute(bool(what))
        self._stage.settle()
        self._say(Covered(what=what))

    # --- decks --------------------------------------------------------------------------------

    def _idle(self) -> Deck:
        return self._decks[1 - (self._visible or 0)]

    def _deck_said(self, event: DeckEvent) -> None:
        deck = self._decks[event.deck]
        if event.entry != deck.entry:
            return
        if event.kind == "frame":
            if event.deck == self._visible and self._watch is not None:
                self._watch.saw(event.raw, event.position_s * 1e6)
        elif event.kind == "broken" and event.deck == self._visible and self._on_wall is not None:
            detail = f"mpv stopped in the middle of it: {event.detail}; publish another encode"
            self._say(Missed(id=self._on_wall.id, reason="film_broken", detail=detail))
        elif event.deck != self._visible:
            deck.be_ready()
            self._take(self._turns.ready() if event.kind == "ready" else self._turns.broken(event.detail))

    def _take(self, turns: list[Turn]) -> None:
        for turn in turns:
            match turn:
                case Prepare(start):
                    if self._needs_deck(start):
                        self._idle().prepare(start)
                    else:
                        self._take(self._turns.ready())
                case Release():
                    self._idle().clear()
                case Arm(start):
                    self._say(Armed(id=start.id))
                    self._plan_nudges(start)
                case Fire(start):
                    self._fire(start)
                case Miss(start, reason, detail):
                    self._say(Missed(id=start.id, reason=reason, detail=detail))

    def _needs_deck(self, start: Start) -> bool:
        return start.kind == "film" or (start.kind == "slate" and bool(start.path))

    def _fire(self, start: Start) -> None:
        assert self._clock is not None, "a start is planned only with a mapping"
        deck = self._idle() if self._needs_deck(start) else None
        due_raw = RawNs(self._clock.raw_at(start.at) - self._seen_after_ns)
        wait_until(due_raw, self._spin_ns)
        # The order to run goes first: the phase of the whole film hangs on it, and it must not wait for the display.
        if deck and not start.held:
            deck.go()
        gone_raw = raw_now_ns()
        self._stage.show(deck.index if deck else SLATE if start.kind == "slate" else BLACK)
        self._stage.settle()
        shown_raw = raw_now_ns()
        observed = self._clock.utc_at(RawNs(shown_raw + self._seen_after_ns))
        error_us = observed - start.at
        self._retire(deck)
        self._on_wall = start
        self._trim = self._watch = None
        if deck and start.kind == "film" and not start.held:
            go_us = (gone_raw - due_raw) // NS_PER_US
            self._trim = untrimmed(gone_raw) if deck.audible else trim_of(go_us, raw_now_ns())
            deck.speed(self._trim.speed)
            self._watch = FrameWatch(due_raw, start.position_us, self._trim, start.frame_us)
        self._report_due = RawNs(shown_raw + REPORT_EVERY_NS)
        self._turns.fired(start, UtcUs(observed + self._quiet_us))
        self._say(
            Fired(
                id=start.id,
                observed_us=observed,
                error_us=error_us,
                go_us=(gone_raw - due_raw) // NS_PER_US,
                bound_us=round(self._clock.bound_at_us(shown_raw)),
                decoder=deck.decoder if deck else "",
            )
        )

    def _retire(self, deck: Deck | None) -> None:
        """What was visible falls silent; `deck` is what is visible now."""
        if self._visible is not None:
            old = self._decks[self._visible]
            if deck is None:
                old.clear()
            else:
                old.hold()
        self._visible = deck.index if deck else None

    def _plan_nudges(self, following: Start) -> None:
        """See to it that the last frame before the armed start is seen (see Stage.nudge)."""
        if self._clock is None or self._on_wall is None or not self._watch:
            return
        last = UtcUs(round(following.at - self._on_wall.frame_us))
        raw = self._clock.raw_at(last) - self._seen_after_ns
        self._nudges = [RawNs(raw + after * NS_PER_US) for after in NUDGES_US]

    def _nudge(self) -> None:
        now = raw_now_ns()
        if self._visible is not None and any(due <= now for due in self._nudges):
            self._stage.nudge(self._visible)
        self._nudges = [due for due in self._nudges if due > now]

    def _end_trim(self) -> None:
        if self._trim is not None and self._visible is not None and raw_now_ns() >= self._trim.end:
            self._decks[self._visible].speed(1.0)
            self._trim = None

    def _report(self) -> None:
        if self._watch is None or self._on_wall is None or self._visible is None or raw_now_ns() < self._report_due:
            return
        self._report_due = RawNs(self._report_due + REPORT_EVERY_NS)
        start, watch = self._on_wall, self._watch
        position = start.position_us + (raw_now_ns() - watch.due_raw) // NS_PER_US
        middle, p99, window_s = watch.errors_us()
        self._say(
            Running(
                id=start.id,
                position_us=MediaUs(position),
                frame=int(position / start.frame_us) if start.frame_us else 0,
                median_us=middle,
                p99_us=p99,
                window_s=window_s,
                dropped=self._decks[self._visible].dropped,
                late=watch.late,
                decoder=self._decks[self._visible].decoder,
            )
        )
