"""The terminal desk at work: keys become what an operator does, and the page is drawn anew some times a second."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.live import Live

from agent.control import operate
from agent.control.alarm_rules import Rules
from agent.control.alarms import Alarms
from agent.control.desk import SOMEBODY, Desk, Refused
from agent.control.deskpage import draw
from agent.control.deskwalls import Scene, last_cue, why
from agent.control.keyboard import keys
from agent.control.link import Link, utc_now
from agent.control.operate import Gone
from agent.control.poll import Row
from agent.control.readiness import Question, Readiness
from agent.control.sights import Lookout
from agent.control.spans import show_clock, show_span
from agent.control.status import Wall, clock_warning, walls
from agent.control.tables import few
from agent.messages import Cue, Lift, Panic
from agent.units import US_PER_S

DRAW_S = 0.25
SOON_US = 15 * US_PER_S
"""So close to an instant the countdown is drawn ten times a second."""

CONFIRM_S = 2.0
OFF_US = 200_000
AFTER_FAULT_S = 5.0
HELD_S = 0.7
"""A key that is held down repeats after at most so long, and then more often: that is one press."""

BAD, GOOD, DOUBT = "bold red", "bold green", "bold yellow"

_SECOND = {"b": "black", "s": "stop", "p": "panic", "q": "quit"}
"""What takes the picture away, or the desk, wants a second key."""


@dataclass(frozen=True, slots=True)
class _Armed:
    what: str
    until_s: float


class DeskRun:
    """One operator at one terminal; `run` ends when the operator leaves, or the terminal does."""

    def __init__(self, link: Link, desk: Desk, console: Console, rules: Rules, warnings: Sequence[str] = ()) -> None:
        self._link = link
        self._desk = desk
        self._console = console
        self._readiness = Readiness(link, desk.show)
        rules = desk.file.alarms or rules
        expected = [] if desk.rehearsing else [place.id for place in desk.file.venue]
        self._alarms = Alarms(rules.model_copy(update={"venues": [*dict.fromkeys([*rules.venues, *expected])]}))
        self._lookout = Lookout(link.view, desk.show, self._alarms.rules.venues)
        self._looked_s = 0.0
        self._armed: _Armed | None = None
        self._held: list[Panic] = []  # that a number lifts
        self._message = ("; ".join(warnings), DOUBT)
        self._drawn, self._drawn_s = self._message, time.monotonic()
        self._seen = 0
        self._space_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Draw and obey until the end. The link has settled."""
        self._listen()
        self._desk.placed()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._ended.set)
        try:
            with keys() as pressed, Live(console=self._console, auto_refresh=False, screen=True) as live:
                await self._work(pressed, live)
        except OSError:
            if os.isatty(sys.stdin.fileno()):
                raise  # else the terminal is gone, and nobody looks any more
        finally:
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)
            # What was pressed last is not taken back by leaving.
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, pressed: "asyncio.Queue[str | None]", live: Live) -> None:
        loop = asyncio.get_running_loop()
        asking, reading = loop.create_task(self._ask()), loop.create_task(self._read(pressed))
        try:
            while not self._ended.is_set():
                self._listen()
                self._look()
                width, height = self._console.size
                live.update(draw(self._scene(), width, height), refresh=True)
                await self._pause()
        finally:
            for task in (asking, reading):
                task.cancel()
            await asyncio.gather(asking, reading, return_exceptions=True)

    async def _ask(self) -> None:
        """Ask the walls all the time; where that fails what they said before is not held up as new."""
        while True:
            try:
                await self._readiness.keep(self._question)
            except Exception as error:
                self._readiness = Readiness(self._link, self._desk.show)
                self._at_fault(error)
            await asyncio.sleep(AFTER_FAULT_S)

    async def _pause(self) -> None:
        order, now = last_cue(self._desk), self._link.now()
        soon = order is not None and isinstance(order.message, Cue) and 0 < order.message.at - now < SOON_US
        self._news.clear()
        try:
            async with asyncio.timeout(0.1 if soon or self._armed else DRAW_S):
                await self._news.wait()
        except TimeoutError:
            pass

    def _listen(self) -> None:
        self._seen = operate.listen(self._link, self._desk, self._seen)

    def _look(self) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s >= 1:
            self._looked_s = now_s
            facts = self._lookout.facts(self._link.now(), now_s, self._link.brokers, self._link.faults)
            self._alarms.look(facts)

    # --- what is drawn ------------------------------------------------------------------------

    def _question(self) -> Question | None:
        line = self._desk.standby
        if line is None:
            return None
        named = [] if self._desk.rehearsing else [place.id for place in self._desk.file.expected(line)]
        return Question(line.program, self._desk.file.pinned(line), (*line.venues, *named))

    def _ours(self, venue: str) -> bool:
        """Whether a venue plays this show, or should."""
        presence = self._link.view.presences.get(venue)
        if presence is not None and presence.show == self._desk.show:
            return True
        return not self._desk.rehearsing and self._desk.file.place(venue) is not None

    def _walls(self) -> list[Wall]:
        found = [wall for wall in walls(self._link, self._link.now(), time.monotonic()) if self._ours(wall.venue)]
        known = {wall.venue for wall in found}
        expected = [] if self._desk.rehearsing else [place.id for place in self._desk.file.venue]
        missing = [Wall(venue, None, None, True, None) for venue in expected if venue not in known]
        order = {place.id: number for number, place in enumerate(self._desk.file.venue)}
        return sorted([*found, *missing], key=lambda wall: (order.get(wall.venue, len(order)), wall.venue))

    def _clock(self) -> str:
        """That this computer's clock is off: what is sent here is right all the same where the walls tell the time."""
        off_us = utc_now() - self._link.now()
        if abs(off_us) < OFF_US:
            return self._clock_doubt()
        side = "ahead of" if off_us > 0 else "behind"
        return (
            f"this computer's clock is {show_span(abs(off_us))} {side} the walls'; set it: what is sent from this desk "
            "is for the right instant all the same, but what is sent by other commands is not"
        )

    def _clock_doubt(self) -> str:
        return clock_warning(walls(self._link, self._link.now(), time.monotonic()))

    def _panics(self) -> list[Panic]:
        ours = (found for found in self._link.view.panics.values() if found.show == self._desk.show)
        return sorted(ours, key=lambda panic: panic.issued, reverse=True)

    def _rows(self) -> list[Row]:
        return [row for row in self._readiness.rows if self._ours(row.venue)]

    def _scene(self) -> Scene:
        now_s = time.monotonic()
        if self._armed is not None and now_s >= self._armed.until_s:
            self._armed = None
        if self._message is not self._drawn:
            self._drawn, self._drawn_s = self._message, now_s
        order = last_cue(self._desk)
        went = self._desk.last(self._link.view.contest(self._desk.show), now_s)
        return Scene(
            desk=self._desk,
            now=self._link.now(),
            now_s=now_s,
            walls=self._walls(),
            rows=self._rows(),
            asked=self._readiness.about == self._question(),
            acks=self._link.view.acks.get(order.id, []) if order else [],
            clock=self._clock(),
            brokers=self._link.brokers,
            faults=self._link.faults,
            alarms=self._alarms.current,
            armed=self._armed.what if self._armed else "",
            message=self._message,
            message_age_s=now_s - self._drawn_s,
            panics=self._panics(),
            gap_left_s=max(0.0, self._desk.gap_s - (now_s - went.came_s)) if went else 0.0,
        )

    # --- what is pressed ----------------------------------------------------------------------

    async def _read(self, pressed: "asyncio.Queue[str | None]") -> None:
        while True:
            key = await pressed.get()
            if key is None:
                self._ended.set()
            else:
                self._press(key)
            self._news.set()

    def _press(self, key: str) -> None:
        now_s = time.monotonic()
        armed, self._armed = self._armed, None
        if armed is not None and now_s < armed.until_s:
            if key == "y":
                self._second(armed.what)
                return
            self._message = (f"{armed.what}: not done", "")
            # Whoever asks for another thing wants that: a panic is not to wait for a key that was pressed by mistake.
            if key not in _SECOND:
                return
        else:
            self._message = ("", "")
        if key in _SECOND:
            self._armed = _Armed(_SECOND[key], now_s + CONFIRM_S)
            return
        link, desk = self._link, self._desk
        held, self._held = self._held, []
        if key.isdecimal() and 0 < int(key) <= len(held):
            self._do(operate.lift(link, desk, held[int(key) - 1].panic))
            return
        match key:
            case "space":
                again, self._space_s = now_s - self._space_s < HELD_S, now_s
                if again:
                    self._message = ("GO once: the key was held down, or bounced", DOUBT)
                else:
                    self._do(operate.go(link, desk), self._unready())
            case "up" | "k":
                desk.move(-1)
            case "down" | "j":
                desk.move(1)
            case "home":
                desk.move(-len(desk.lines))
            case "end":
                desk.move(len(desk.lines))
            case "h":
                self._do(operate.hold(link, desk))
            case "r":
                self._do(operate.resume(link, desk))
            case "l":
                self._lift()
            case "i":
                self._do(operate.identify(link, desk))
            case "t":
                self._start(self._timed())

    def _lift(self) -> None:
        """Lift the panic that holds; where two operators have raised one each, a number says which."""
        held = self._panics()[:9]
        if len(held) < 2:
            self._do(operate.lift(self._link, self._desk))
            return
        self._held = held
        told = [f"{number} {_raised(panic)}" for number, panic in enumerate(held, 1)]
        self._message = (f"{len(held)} panics hold; press the number of the one to lift: {' · '.join(told)}", DOUBT)

    def _second(self, what: str) -> None:
        match what:
            case "black":
                self._do(operate.black(self._link, self._desk))
            case "stop":
                self._do(operate.stop(self._link, self._desk))
            case "panic":
                self._do(operate.panic(self._link, self._desk))
            case _:
                self._ended.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._at_fault(error)

    def _at_fault(self, error: BaseException) -> None:
        said = f"✗ the desk itself is at fault ({type(error).__name__}: {error}); who sent what tells whether it is out"
        self._message = (said, BAD)
        self._news.set()

    def _unready(self) -> str:
        """What GO goes in spite of: a clock that is off, walls that have told that they are not ready; else empty."""
        bad = [row for row in self._rows() if row.verdict != "go"]
        clock = self._clock_doubt()
        if self._readiness.about != self._question() or not bad:
            return clock
        names = few([f"{self._name(row.venue)} {why(row)}" for row in bad])
        unready = f"{len(bad)} of {len(self._rows())} walls were not ready: {names}"
        return f"{clock}; {unready}" if clock else unready

    def _name(self, venue: str) -> str:
        place = self._desk.file.place(venue)
        return (place.city if place is not None else "") or venue

    def _do(self, work: Coroutine[Any, Any, Gone | Refused], in_spite_of: str = "") -> None:
        async def done() -> None:
            outcome = await work
            if in_spite_of and isinstance(outcome, Gone):
                outcome = replace(outcome, warnings=[in_spite_of, *outcome.warnings])
            self._tell(outcome)

        self._start(done())

    async def _timed(self) -> None:
        found = await operate.send_timed(self._link, self._desk)
        if refused := next((one for one in found if isinstance(one, Refused)), None):
            self._tell(refused)
            return
        text = f"timed cues sent ahead: {len(found)}" if found else "no timed cue is left to send"
        doubts = list(dict.fromkeys(doubt for one in found if isinstance(one, Gone) for doubt in one.warnings))
        self._message = (f"! {text}, but: {'; '.join(doubts)}", DOUBT) if doubts else (text, GOOD)
        self._news.set()

    def _tell(self, outcome: Gone | Refused) -> None:
        match outcome:
            case Refused(detail=detail):
                self._message = (f"✗ {detail}", BAD)
            case Gone(message=message, warnings=warnings):
                text = _sent(message)
                self._message = (f"! {text}, but: {'; '.join(warnings)}", DOUBT) if warnings else (f"✓ {text}", GOOD)
        self._news.set()


def _raised(panic: Panic) -> str:
    where = "" if panic.venues == ["*"] else f" on {few(panic.venues)}"
    return f"to {panic.to}{where} by {panic.by or SOMEBODY}, raised {show_clock(panic.issued)}"


def _sent(message: Cue | Panic | Lift) -> str:
    match message:
        case Cue(label=label, do=do):
            return f"sent: {label or do.action}"
        case Panic(to=to):
            return f"PANIC to {to}; l lifts it"
        case Lift():
            return "the panic is lifted"
