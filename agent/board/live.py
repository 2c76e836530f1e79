"""The board below the page: one line to the brokers that stays, and all that is concluded from what it brings."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from agent.board import deeds
from agent.board.desks import Desks
from agent.board.engine import Done, Order, Role
from agent.board.history import History
from agent.board.pictures import BESIDE, Pictures
from agent.board.room import Around, Room
from agent.board.snapshot import NO_TIME, Alarm, Board, Broker, Card, House
from agent.board.venues import Moment
from agent.control import collect, operate
from agent.control.alarm_rules import Rules
from agent.control.alarms import Alarm as Raised
from agent.control.alarms import Alarms
from agent.control.desk import Desk
from agent.control.houseclock import Fix
from agent.control.housetime import HouseTime
from agent.control.link import Link, utc_now
from agent.control.notify import Notifier, targets_of
from agent.control.sights import Lookout
from agent.control.times import show_span
from agent.printable import printable
from agent.units import US_PER_S, UtcUs

BEAT_S = 0.25
"""What a wall says is on the page at most so much later, and a little for the way."""

ALARM_S = 1.0
EXPIRE_S = 60.0
SETTLED_S = 5.0
OFF_US = 200_000
"""An operator's clock that is farther off is named: commands beside the board give instants by it."""

BACKFILL_US = 6 * 3600 * US_PER_S
BACKFILL_PATIENCE_S, BACKFILL_AGAIN_S = 5.0, 60.0
AFTER_FAULT_S = 5.0
WATCHED_S = 10.0
"""For so long after somebody has looked pictures are taken: where no page is open they would be for nobody."""

LEAST_TURN_S = 0.8
"""With two at once some 2.5 pictures a second, or 150 kB, come over the operator's line at most."""

MOST_NAMED = 5
GUEST = "a guest only looks; open the page with the operator's address"
READ_ONLY = "this board only shows (--read-only): nothing is sent from it"
TOPICS = ("venue/+/presence", "venue/+/status", "venue/+/ack", "venue/+/asrun")


def topics(show: str) -> list[str]:
    """What a board listens to."""
    return list(dict.fromkeys([*TOPICS, *operate.topics(show)]))


class Step(Protocol):
    """Something of ours that is done again and again."""

    __name__: str

    def __call__(self) -> Awaitable[None]:
        """Do it once."""


@dataclass(frozen=True, slots=True)
class Choices:
    """How a board is to be: `pictures_s` 0 takes none by itself, `expected` are venues that are to be there."""

    read_only: bool = False
    pictures_s: float = 10.0
    file: str = ""
    expected: tuple[str, ...] = ()
    rules: Rules = field(default_factory=Rules)


class Live:
    """An engine for the page (see `agent.board.engine`), over a link that `patient`ly comes and goes."""

    def __init__(self, link: Link, desk: Desk, choices: Choices) -> None:
        self.pictures = Pictures()
        self._link = link
        self._desk = desk
        self._choices = choices
        self._history = History()
        self._room = Room(link.view, self._history, desk.show, choices.expected)
        self._desks = Desks(desk, choices.file)
        self._house = HouseTime(link, desk.show)
        link.now = self._house.now
        self._fix: Fix | None = None
        self._lookout = Lookout(link.view, desk.show, frozenset(choices.expected))
        self._alarms = Alarms(choices.rules.model_copy(update={"venues": sorted(choices.expected)}))
        # What becomes of what is sent stands on the page, so there is nobody else to tell.
        self._notifier = Notifier(targets_of(choices.rules), desk.show, lambda said: None)
        self._raised: tuple[Alarm, ...] = ()
        self._seen = 0
        self._lines: dict[str, tuple[bool, UtcUs]] = {}  # url → whether it is up, and since when
        self._stale_since_us: UtcUs | None = None
        self._began_s = time.monotonic()
        self._faults: dict[str, str] = {}  # of ours, by the step that has them
        self._watched_s = -WATCHED_S
        self._beaten = asyncio.Event()
        self._board = Board(self.clock()[0], desk.show)

    # --- for the page -----------------------------------------------------------------------------

    @property
    def board(self) -> Board:
        """The newest one."""
        return self._board

    def card(self, venue: str) -> Card | None:
        """Everything about one venue."""
        return self._room.card(venue)

    async def changed(self, since: Board) -> Board:
        """Wait for another one than `since`."""
        self._watched_s = time.monotonic()
        while self._board is since:
            await self._beaten.wait()
        return self._board

    async def do(self, order: Order, role: Role) -> Done:
        """Do it, or say why not."""
        if role != "operator":
            return Done(False, GUEST)
        if self._choices.read_only:
            return Done(False, READ_ONLY)
        if order.deed == "picture":
            refused = [printable(why) for venue in order.venues if (why := await self._picture(venue))]
            return Done(not refused, "; ".join(refused) or "a picture has come")
        return await deeds.do(self._link, self._desk, order)

    def clock(self) -> tuple[UtcUs, int | None]:
        """True UTC as far as it is known here, and within how many microseconds (None: nobody has said)."""
        if self._fix is None:
            return utc_now(), None
        return UtcUs(self._fix.base_us + time.monotonic_ns() // 1000), self._fix.error_us

    # --- what goes on -----------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen, judge and ask until the block ends."""
        steps: list[tuple[Step, float]] = [
            (self._beat_once, BEAT_S),
            (self._look_for_alarms, ALARM_S),
            (self._expire, EXPIRE_S),
        ]
        tasks = [asyncio.create_task(self._forever(step, period_s)) for step, period_s in steps]
        tasks.append(asyncio.create_task(self._forever(self._house.keep, 0.0)))
        tasks.append(asyncio.create_task(self._forever(self._backfill, 0.0)))
        tasks.append(asyncio.create_task(self._forever(self._notifier.run, ALARM_S)))
        if self._choices.pictures_s > 0:
            tasks += [asyncio.create_task(self._forever(self._take_picture, 0.0)) for _ in range(BESIDE)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _forever(self, step: Step, period_s: float) -> None:
        """One fault of ours does not end the watch over five walls: it is said on the page, and in the log whole."""
        while True:
            try:
                await step()
                self._faults.pop(step.__name__, None)
            except Exception as error:
                logging.getLogger(__name__).exception("the board")
                said = f"the board itself is at fault ({type(error).__name__}: {error}); see its log"
                self._faults[step.__name__] = printable(said)
                await asyncio.sleep(AFTER_FAULT_S)
            await asyncio.sleep(period_s)

    async def _beat_once(self) -> None:
        self._beat()

    def _beat(self) -> None:
        now_s = time.monotonic()
        self._fix = self._house.fix
        moment = Moment(self.clock()[0], utc_now(), now_s)
        self._seen = operate.listen(self._link, self._desk, self._seen)
        if now_s - self._began_s > SETTLED_S:
            self._desk.placed()
        running = frozenset(coming.cue for coming in self._board.coming if coming.at_us <= moment.now_us)
        around = Around(
            house=self._house_now(moment),
            brokers=self._brokers(moment),
            stale_since_us=self._stale_since_us,
            alarms=self._raised,
            deck=self._desks.deck(self._link.view.contest(self._desk.show), running, moment),
            said=self._desks.said(moment),
            pictures=self.pictures.told,
            warnings=self._warnings(moment),
            rehearsing=self._desk.rehearsing,
            title=self._desks.title,
            places=self._desks.places,
        )
        self._board = self._room.look(moment, around)
        beaten, self._beaten = self._beaten, asyncio.Event()
        beaten.set()

    def _house_now(self, moment: Moment) -> House:
        if self._fix is None:
            return NO_TIME
        return House(moment.now_us - moment.own_us, self._fix.error_us, known=True, venue=printable(self._fix.venue))

    def _brokers(self, moment: Moment) -> tuple[Broker, ...]:
        found, link = [], self._link
        for url, up in link.brokers.items():
            if self._lines.get(url, (None, None))[0] is not up:
                self._lines[url] = (up, moment.now_us)
            found.append(Broker(printable(url, 200), up, printable(link.faults.get(url, "")), self._lines[url][1]))
        if any(broker.up for broker in found):
            self._stale_since_us = None
        elif self._stale_since_us is None:
            self._stale_since_us = moment.now_us
        return tuple(found)

    def _warnings(self, moment: Moment) -> tuple[str, ...]:
        found = list(self._faults.values())
        off_us = moment.own_us - moment.now_us
        if self._fix is not None and abs(off_us) > OFF_US + self._fix.error_us:
            side = "ahead of" if off_us > 0 else "behind"
            found.append(
                f"this computer's clock is {show_span(abs(off_us))} {side} the walls'; set it: what is sent from "
                "this page is for the right instant all the same, but what is sent by other commands is not"
            )
        if others := self._room.others:
            named = ", ".join(f"{venue} ({show})" for venue, show in others[:MOST_NAMED])
            more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
            found.append(printable(f"not shown, for they play another show: {named}{more}"))
        if self._house.disagreement:
            found.append("the walls do not agree on the time; look at their clocks: framezero status --clock")
        if moment.now_s - self._began_s > SETTLED_S:
            found += self._link.doubts
        found += [f"alarms do not reach {name}: {fault}" for name, fault in self._notifier.faults.items()]
        return tuple(found + self._link.view.odd)

    async def _look_for_alarms(self) -> None:
        now_us, now_s = self._link.now(), time.monotonic()
        if now_s - self._began_s < SETTLED_S:
            return
        changes = self._alarms.look(self._lookout.facts(now_us, now_s, self._link.brokers, self._link.faults))
        self._notifier.tell(changes, now_us)
        off_us = self.clock()[0] - now_us
        self._raised = tuple(_alarm(raised, off_us) for raised in self._alarms.current)

    async def _expire(self) -> None:
        # An hour late: a cue that has just expired is still something that somebody looks for.
        self._link.view.expire(UtcUs(self.clock()[0] - 3600 * US_PER_S))

    # --- what is asked ----------------------------------------------------------------------------

    async def _backfill(self) -> None:
        """Each wall's starts of the last hours, from its own book: when it comes on line, or later where that fails."""
        due_s: dict[str, float] = {}  # when each is asked
        while True:
            online, now_s = self._online(), time.monotonic()
            due_s = {venue: due_s.get(venue, now_s) for venue in online}
            venue = next((venue for venue in online if due_s[venue] <= now_s), None)
            if venue is None or now_s - self._began_s < SETTLED_S:
                await asyncio.sleep(SETTLED_S)
                continue
            now = self.clock()[0]
            since = UtcUs(now - BACKFILL_US)
            got = await collect.fetch(self._link, [venue], since, now, BACKFILL_PATIENCE_S, lambda *_: None)
            self._history.started(got[venue].records)
            due_s[venue] = now_s + BACKFILL_AGAIN_S if got[venue].fault else inf

    def _online(self) -> list[str]:
        return [row.venue for row in self._board.rows if row.presence == "online"]

    async def _take_picture(self) -> None:
        """The next wall in turn, while a page is open: each every `pictures_s`, more seldom where there are many."""
        online = self._online()
        venue = self.pictures.next_in_turn(online)
        watched = time.monotonic() - self._watched_s < WATCHED_S
        if venue is None or not watched or not any(self._link.brokers.values()):
            await asyncio.sleep(BEAT_S)
            return
        began_s = time.monotonic()
        await self._picture(venue)
        turn_s = max(LEAST_TURN_S, self._choices.pictures_s * BESIDE / len(online))
        await asyncio.sleep(max(0.0, turn_s - (time.monotonic() - began_s)))

    async def _picture(self, venue: str) -> str:
        return await self.pictures.ask(self._link, venue)


def _alarm(raised: Raised, off_us: int) -> Alarm:
    return Alarm(
        code=raised.code,
        venue=raised.venue,
        severity=raised.severity,
        since_us=UtcUs(raised.since + off_us),
        text=printable(raised.text),
        remedy=printable(raised.remedy),
    )
