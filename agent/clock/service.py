"""The clock at work, on the event loop: does what the keeper asks for, and publishes the mapping."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import TypeVar, assert_never

import structlog

from agent.clock.chrony import ask_chrony
from agent.clock.hands import Hands
from agent.clock.keeper import Keeper
from agent.clock.kernel import asleep_ns, instant_now, leap_seconds_list, raw_now_ns, wander
from agent.clock.leap import read_table
from agent.clock.mapping import ClockState, Mapping
from agent.clock.memory import Memory
from agent.clock.ntp import exchange, resolve
from agent.clock.orders import Ask, AskChrony, LookUp, Past, Peer, Reading, Settings, Task
from agent.clock.report import ClockReport
from agent.clock.stamp import Instant
from agent.config import Clock
from agent.effects import Note
from agent.messages import Refusal
from agent.units import NS_PER_US, RawNs

T = TypeVar("T")

TICK_S = 1.0
"""The kernel is looked at so often, and the published line renewed while it still slews."""

CURRENT_S = 60.0
LEARNT_S = 3600.0

_log = structlog.get_logger(__name__)


def settings_of(config: Clock, salt: str) -> Settings:
    """What the keeper has to know, from the configuration and from this host."""
    table = leap_seconds_list()
    crystal, known_by = wander()
    if config.wander_ppm is not None:
        crystal, known_by = config.wander_ppm * 1e-6, "clock.wander_ppm"
    _log.info("clock.crystal", wander_ppm=round(crystal * 1e6, 3), known_by=known_by)
    return Settings(
        peers=tuple(Peer(f"{s.host}:{s.port}", s.host, s.port, s.ours) for s in config.servers),
        correction_ms=config.correction_ms,
        wander=crystal,
        smear=all(server.smear for server in config.servers),
        chrony=config.chrony,
        leaps=read_table(table) if table else None,
        salt=salt,
    )


class ClockService:
    """Keeps the clock of one player.

    `publish` is called on the event loop with each new report and mapping (None until there is one): after every
    sample, after every change of state, and each second while the mapping slews. With a `memory` it goes on where an
    earlier agent stopped; `salt` (the boot's or the venue's name) tells its pauses from those of other players.
    """

    def __init__(
        self,
        config: Clock,
        publish: Callable[[ClockReport, Mapping | None], None],
        memory: Memory | None = None,
        salt: str = "",
    ) -> None:
        self._publish = publish
        self._memory = memory
        past, faults = memory.recall() if memory else (Past(), [])
        for fault in faults:
            _log.warning("clock.memory", reason=fault.code, detail=fault.detail)
        self._keeper = Keeper(settings_of(config, salt), past, _reading())
        self._told: ClockReport | None = None
        self._news = asyncio.Event()
        self._hands = Hands("clock")
        self._looked: RawNs | None = None
        self._sleeps_until = RawNs(0)
        self._tasks: set[asyncio.Task[None]] = set()
        self._unkept: str | None = None
        self._kept_current: RawNs | None = None
        self._kept_learnt: RawNs | None = None

    async def run(self) -> None:
        """Work until cancelled; all servers are asked at once at the start."""
        try:
            while True:
                orders = self._keeper.wake(_reading())
                self._do(orders)
                # Who only asks has learnt nothing; what an answer says has been looked at when it came.
                if self._look_in_s() <= 0.0 or any(isinstance(order, Note) for order in orders):
                    self._look()
                patience_s = self._patience_s()
                self._sleeps_until = RawNs(raw_now_ns() + round(patience_s * 1e9))
                # Not wait_for, which in Python 3.11 can swallow a cancellation that comes together with the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await self._news.wait()
                self._news.clear()
        finally:
            for task in self._tasks:
                task.cancel()
            self._hands.end()
            report, mapping, _ = self._keeper.look(_reading())
            self._keep(report, mapping, last=True)

    def _patience_s(self) -> float:
        deadline = self._keeper.deadline()
        look_in_s = max(0.0, self._look_in_s())
        if deadline is None:
            return look_in_s
        return min(look_in_s, max(0.0, (deadline - raw_now_ns()) / 1e9))

    def _look_in_s(self) -> float:
        """When the next look is due, a second after the last one; negative: so long ago."""
        return TICK_S - (raw_now_ns() - self._looked) / 1e9 if self._looked is not None else 0.0

    # --- what the keeper asks for -------------------------------------------------------------

    def _do(self, orders: list[Task]) -> None:
        for order in orders:
            match order:
                case Ask(name, address, epoch):
                    self._start(partial(exchange, address, name), partial(self._keeper.heard, name, epoch))
                case LookUp(name, host, port):
                    self._start(partial(resolve, host, port), partial(self._keeper.found, name))
                case AskChrony(name, epoch):
                    self._start(partial(ask_chrony, name), partial(self._keeper.heard, name, epoch))
                case Note(level, text, fields):
                    getattr(_log, level)(text, **dict(fields))
                case _:
                    assert_never(order)

    def _start(self, work: Callable[[], T], heard: Callable[[T | Refusal, RawNs], list[Task]]) -> None:
        """Have something that blocks done elsewhere, and tell the keeper what came of it."""

        async def carry_out() -> None:
            outcome: T | Refusal
            try:
                outcome = await self._in_thread(work)
            except Exception as error:
                # A fault of ours, but one source less is better than no clock.
                _log.exception("clock.question_failed")
                outcome = Refusal(code="internal", detail=f"asking it failed: {error}")
            self._do(heard(outcome, raw_now_ns()))
            self._look(news=True)
            deadline = self._keeper.deadline()
            if deadline is not None and deadline < self._sleeps_until:
                self._news.set()

        task = asyncio.get_running_loop().create_task(carry_out(), name="clock question")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Of the keeper, not of the question: the source is not asked again, and somebody should know why.
            _log.error("clock.answer_failed", exc_info=error)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run something that blocks in a thread of its own. Raises what it raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(outcome: T | Exception) -> None:
            if done.cancelled():
                return
            if isinstance(outcome, Exception):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

        def body() -> None:
            outcome: T | Exception
            try:
                outcome = work()
            except Exception as error:
                outcome = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, outcome)

        self._hands.take(body)
        return await done

    # --- what is known ------------------------------------------------------------------------

    def _look(self, news: bool = False) -> None:
        settled = self._keeper.settled
        now = _reading()
        self._looked = now.at.raw
        report, mapping, orders = self._keeper.look(now)
        before = self._told
        changed = before is None or (before.state, before.agreeing) != (report.state, report.agreeing)
        self._do(orders)
        self._told = report
        if news or changed or not settled:
            self._publish(report, mapping)
        if changed or self._kept_current is None or (now.at.raw - self._kept_current) / 1e9 >= CURRENT_S:
            self._keep(report, mapping)

    def _keep(self, report: ClockReport, mapping: Mapping | None, last: bool = False) -> None:
        """Write down what is known: each minute and at the end; the crystal's rate each hour."""
        if self._memory is None:
            return
        now, past = instant_now(), self._keeper.past()
        self._kept_current = now.raw
        faults = [self._memory.keep_current(past, report, now.raw, host_ahead_us(mapping, now))]
        in_sync = report.state is ClockState.SYNC
        due = self._kept_learnt is None or (now.raw - self._kept_learnt) / 1e9 >= LEARNT_S
        if in_sync and (due or last):
            self._kept_learnt = now.raw
            faults.append(self._memory.keep_learnt(past))
        self._tell_unkept(next(filter(None, faults), None))

    def _tell_unkept(self, fault: Refusal | None) -> None:
        """A disk that cannot be written does not stop the clock; it is said once."""
        if fault is not None and self._unkept != fault.detail:
            _log.warning("clock.memory", reason=fault.code, detail=fault.detail)
        self._unkept = fault.detail if fault else None


def host_ahead_us(mapping: Mapping | None, now: Instant) -> int | None:
    """How far the host's own clock is ahead of UTC; None where nobody knows UTC better."""
    if mapping is None or mapping.state is ClockState.HOST:
        return None
    return now.real_ns // NS_PER_US - mapping.utc_at(now.raw)


def _reading() -> Reading:
    return Reading(instant_now(), asleep_ns())
