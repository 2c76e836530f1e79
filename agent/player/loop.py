"""The player's loop: decks, stage, eye and the newest mapping; it fires starts at their instants."""

import os
import select
import socket
import zlib
from collections import deque
from typing import Literal, assert_never

from agent.clock.kernel import raw_now_ns
from agent.clock.mapping import Mapping
from agent.player.deck import Deck, DeckEvent
from agent.player.eye import open_eye
from agent.player.instant import FIRE_AHEAD_US, spin_for, wait_until
from agent.player.overlay import Overlay
from agent.player.refresh import half_ns
from agent.player.servo import Anchors, Servo
from agent.player.showing import Showing
from agent.player.stage import BLACK, DECKS, SLATE, Stage, StageError, open_stage
from agent.player.trim import MOST, TRIM_US, Lateness, Trim, trim_of, untrimmed
from agent.player.turns import Arm, Fire, Miss, Prepare, Release, Turn, Turns
from agent.player.urgency import INSTANT, PRIORITY, hurry
from agent.player.watch import FrameWatch
from agent.player.wire import (
    ORDERS,
    Adrift,
    Armed,
    Beat,
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

QUIET_US = 300_000
QUIET_SPREAD_US = 900_000
REPORT_EVERY_NS = 1_000_000_000
BEAT_EVERY_NS = 200_000_000
# A select takes no longer than a beat; behind this the whole process was stopped, or starved.
HELD_UP_NS = 2 * BEAT_EVERY_NS
# So long before a window is raised the eye is opened, which takes a round trip to the display.
OPEN_NS = 1_000_000
# A raised window is seen within a millisecond or two; behind this the display is taken to say nothing.
SIGHT_US = 10_000


class HungError(Exception):
    """Mpv does not move any more; the text names the film."""


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
        self._eye = open_eye(screen.name) if screen.output == "x11" else None
        self._decks = [Deck(index, screen, self._stage.window(index), self._post) for index in range(DECKS)]
        # What is let go is seen so much later: the wall's latency, and on average half a refresh of the display.
        self._seen_after_ns = screen.latency_us * NS_PER_US + half_ns(self._stage.refresh_hz)
        self._overlay = Overlay(self._stage.easel(), self._seen_after_ns // NS_PER_US, self._turns.next_at)
        self._visible: int | None = None
        self._on_wall: Start | None = None
        self._showing: Showing | None = None
        # What keeps the time of a film that sounds is the sound device's crystal.
        self._servos = {False: Servo(), True: Servo()}
        self._anchors = Anchors()
        self._lateness = Lateness()
        self._report_due = RawNs(0)
        self._beat_due = RawNs(0)
        # Several players on one machine (a lab) would otherwise all load their next film in the same moment.
        self._salt = zlib.crc32(screen.name.encode())
        self._quiet_us = QUIET_US + self._salt % QUIET_SPREAD_US
        self._spin_ns = spin_for(realtime=False)
        self._realtime = self._looking = False
        self._running = True

    # --- the loop -----------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the agent says quit or goes away. Raises StageError, HungError."""
        try:
            self._serve()
        except ConnectionError as error:
            raise StageError(f"the display {self._screen.name!r} has gone; start the X server again") from error

    def _serve(self) -> None:
        realtime = self._realtime = hurry()
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
            looking = self._look_out()
            before = raw_now_ns()
            readable, _, _ = select.select([*sources, *looking], [], [], self._patience_s())
            if raw_now_ns() - before > HELD_UP_NS and self._showing is not None:
                # mpv was held up as we were, and has yet to give a sign of life.
                self._showing.watch.alive_raw = raw_now_ns()
            if looking and looking[0] in readable:
                self._look()
            if display in readable:
                self._stage.listen()
            if self._wake_r in readable:
                os.read(self._wake_r, 4096)
            if self._agent.fileno() in readable:
                self._hear()
            while self._events:
                self._deck_said(self._events.popleft())
            if self._clock is not None:
                self._overlay.step(raw_now_ns(), self._clock)
                self._take(self._turns.step(self._clock.utc_at(self._now())))
            self._steer()
            self._report()

    def _now(self) -> RawNs:
        """The raw counter as far as starts are concerned: what is fired now is seen later."""
        return RawNs(raw_now_ns() + self._seen_after_ns)

    def _patience_s(self) -> float:
        wake = self._turns.wake_at()
        own = [self._beat_due]
        if self._showing is not None:
            own += [self._report_due, self._showing.wake_raw()]
        if (overlay := self._overlay.wake_raw()) is not None:
            own.append(overlay)
        limit = max(0.0, (min(own) - raw_now_ns()) / 1e9)
        if wake is None or self._clock is None:
            return limit
        return min(limit, max(0.0, (self._clock.raw_at(wake) - self._now()) / 1e9))

    def _post(self, event: DeckEvent) -> None:
        self._events.append(event)
        os.write(self._wake_w, b"!")

    def _look_out(self) -> list[int]:
        """Open the eye for the one frame that is to be looked at; for so long nothing may come before this thread."""
        looking = self._eye is not None and self._showing is not None and self._showing.watch.looking
        if looking != self._looking:
            self._looking = looking
            if self._realtime:
                hurry(priority=INSTANT if looking else PRIORITY)
            if looking and self._eye is not None:
                self._eye.open()
        return [self._eye.fileno()] if looking and self._eye is not None else []

    def _look(self) -> None:
        assert self._eye is not None and self._showing is not None, "looked only at a film"
        self._showing.watch.flipped(self._eye.look())

    # --- the agent ----------------------------------------------------------------------------

    def _say(self, report: Report) -> None:
        if isinstance(report, Beat | Running) and not select.select([], [self._agent], [], 0)[1]:
            return  # an agent that has stood still for long must not hold up a start
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
                    self._overlay.order(order)
                case Quit():
                    self._running = False
                case _:
                    assert_never(order)

    def _cover(self, what: Literal["", "black", "slate"]) -> None:
        self._stage.cover(what or None)
        self._stage.settle()
        self._say(Covered(what=what))
        # Only now: a stuck libmpv would not give the order back.
        for deck in self._decks:
            deck.mute(bool(what))

    # --- decks --------------------------------------------------------------------------------

    def _idle(self) -> Deck:
        return self._decks[1 - (self._visible or 0)]

    def _deck_said(self, event: DeckEvent) -> None:
        deck = self._decks[event.deck]
        if event.entry != deck.entry:
            return
        if event.kind == "frame":
            if event.deck == self._visible and self._showing is not None:
                self._showing.watch.blind = self._overlay.up
                self._showing.watch.queued(event.raw, event.position_s * 1e6)
        elif event.kind == "end":
            if event.deck == self._visible and self._showing is not None:
                self._showing.ended = True
        elif event.kind == "broken" and event.deck == self._visible and self._on_wall is not None:
            detail = f"mpv stopped in the middle of it: {event.detail}; publish another encode"
            self._say(Missed(id=self._on_wall.id, reason="film_broken", detail=detail))
            self._showing = None
        elif event.deck != self._visible:
            deck.be_ready()
            self._take(self._turns.ready() if event.kind == "ready" else self._turns.broken(event.detail))

    def _take(self, turns: list[Turn]) -> None:
        for turn in turns:
            match turn:
                case Prepare(start):
                    if self._needs_deck(start):
                        rate = self._clock.freq if self._clock else 0.0
                        self._stage.keep(self._idle().index, True)
                        self._idle().prepare(start, self._servos[start.sound].speed(rate))
                    else:
                        self._take(self._turns.ready())
                case Release():
                    self._idle().clear()
                case Arm(start):
                    self._say(Armed(id=start.id))
                    # A sound device holds back a film by more than what is usually enough.
                    late_us = self._lateness.run_us(self._idle().audible) if self._needs_deck(start) else 0.0
                    self._turns.fire_ahead(FIRE_AHEAD_US + round(late_us))
                case Fire(start):
                    self._fire(start)
                case Miss(start, reason, detail):
                    self._say(Missed(id=start.id, reason=reason, detail=detail))

    def _needs_deck(self, start: Start) -> bool:
        return start.kind == "film" or (start.kind == "slate" and bool(start.path))

    def _fire(self, start: Start) -> None:
        """Let the film run and show it, each so much before the instant as it is known to come late."""
        assert self._clock is not None, "a start is planned only with a mapping"
        deck = self._idle() if self._needs_deck(start) else None
        sound = deck is not None and deck.audible
        due_raw = RawNs(self._clock.raw_at(start.at) - self._seen_after_ns)
        go_raw = RawNs(due_raw - round(self._lateness.run_us(sound) * NS_PER_US))
        show_raw = RawNs(due_raw - round(self._lateness.show_us(deck is not None) * NS_PER_US))
        if self._realtime:
            hurry(priority=INSTANT)
        gone_raw, sight = go_raw, None
        # Where both are due at once the order to run goes first: the phase of the whole film hangs on it.
        for order_raw, order in sorted([(go_raw, "go"), (show_raw, "show")]):
            if order == "show" and self._eye is not None:
                # Opened so late, it can hardly take a frame of the film before for this one.
                wait_until(RawNs(order_raw - OPEN_NS), self._spin_ns)
                self._eye.open()
            elif order == "go" and order_raw > show_raw and self._eye is not None:
                # It may be seen before the film has to run: stamped later, it would be ordered ever earlier.
                sight = self._eye.watch(order_raw, self._spin_ns)
            wait_until(order_raw, self._spin_ns)
            if order == "show":
                self._stage.show(deck.index if deck else SLATE if start.kind == "slate" else BLACK)
            elif deck and not start.held:
                deck.go()
                gone_raw = raw_now_ns()
        shown_raw, seen = self._sight(sight, due_raw)
        observed = self._clock.utc_at(RawNs(shown_raw + self._seen_after_ns))
        error_us = observed - start.at
        if seen:
            self._lateness.shown(deck is not None, error_us)
        self._leave()
        self._retire(deck)
        self._on_wall = start
        go_us = (gone_raw - go_raw) // NS_PER_US
        if deck and start.kind == "film" and not start.held:
            self._begin(start, deck, due_raw, go_us, sound)
        self._report_due = RawNs(shown_raw + REPORT_EVERY_NS)
        self._turns.fired(start, UtcUs(observed + self._quiet_us))
        self._say(
            Fired(
                id=start.id,
                observed_us=observed,
                error_us=error_us,
                go_us=go_us,
                bound_us=round(self._clock.bound_at_us(shown_raw)),
                decoder=deck.decoder if deck else "",
                seen=seen,
            )
        )

    def _sight(self, seen: RawNs | None, due_raw: RawNs) -> tuple[RawNs, bool]:
        """When the picture that was just sent to the front was seen, and whether the display said so itself."""
        now = raw_now_ns()
        if seen is None and self._eye is not None:
            seen = self._eye.wait(RawNs(max(now, due_raw) + SIGHT_US * NS_PER_US))
        if self._realtime:
            hurry()
        if seen is not None:
            return seen, True
        self._stage.settle()
        return (raw_now_ns() if self._eye is None else now), False

    def _begin(self, start: Start, deck: Deck, due_raw: RawNs, go_us: int, sound: bool) -> None:
        now = raw_now_ns()
        # What half a second cannot take out is the servo's, or the other deck's.
        far = abs(go_us) > MOST * TRIM_US
        trim: Trim = untrimmed(go_us, now) if sound or far else trim_of(go_us, now)
        assert self._clock is not None, "a start is fired only with a mapping"
        servo = self._servos[sound]
        deck.speed(servo.speed(self._clock.freq, trim.extra))
        watch = FrameWatch(due_raw, start.position_us, start.frame_us, trim, self._eye is not None, now, self._salt)
        self._showing = Showing(start, watch, trim, servo, self._anchors, sound, self._seen_after_ns // NS_PER_US)

    def _leave(self) -> None:
        """What was on the wall until now: its last figures, and what it taught."""
        if self._showing is not None and self._clock is not None:
            self._showing.gather(self._clock)
            if (learnt_us := self._showing.learnt()) is not None:
                self._lateness.ran(self._showing.sound, learnt_us)
            self._tell()
        self._showing = None

    def _retire(self, deck: Deck | None) -> None:
        """What was visible falls silent; `deck` is what is visible now."""
        if self._visible is not None:
            old = self._decks[self._visible]
            if deck is None:
                old.clear()
            else:
                old.hold()
        self._visible = deck.index if deck else None

    # --- what runs ----------------------------------------------------------------------------

    def _steer(self) -> None:
        """Keep the film on its timeline. Raises HungError."""
        showing, now = self._showing, raw_now_ns()
        if showing is None or self._visible is None or self._clock is None:
            return
        if showing.hung(now):
            raise HungError(f"mpv has shown no frame of {showing.start.path} for almost a second")
        if now < showing.wake_raw():
            return
        speed = showing.step(now, self._clock)
        if speed is not None:
            self._stage.keep(self._visible, False)
            self._decks[self._visible].speed(speed)
        if (learnt_us := showing.learnt()) is not None:
            self._lateness.ran(showing.sound, learnt_us)
        if showing.adrift_us is not None:
            self._say(Adrift(id=showing.start.id, error_us=showing.adrift_us))
            showing.adrift_us = None

    def _report(self) -> None:
        now = raw_now_ns()
        if now >= self._beat_due:
            self._beat_due = RawNs(now + BEAT_EVERY_NS)
            if self._visible is not None:
                self._decks[self._visible].touch()
            self._say(Beat())
        if self._showing is not None and now >= self._report_due:
            self._report_due = RawNs(now + REPORT_EVERY_NS)
            self._tell()

    def _tell(self) -> None:
        showing, clock = self._showing, self._clock
        assert showing is not None and clock is not None and self._visible is not None, "told only of a film that runs"
        start = showing.start
        position = start.position_us + clock.utc_at(self._now()) - start.at
        deck = self._decks[self._visible]
        showing.left_out(deck.dropped)
        errors, frames, dropped, late, trims = showing.told()
        self._say(
            Running(
                id=start.id,
                position_us=MediaUs(position),
                frame=int(position / start.frame_us) if start.frame_us else 0,
                errors_us=errors,
                frames=frames,
                dropped=dropped,
                late=late,
                trims=trims,
                decoder=deck.decoder,
            )
        )
