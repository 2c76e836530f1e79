"""The clock at work, on the event loop: polls every server politely, feeds the estimator, publishes the mapping."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import structlog

from agent.clock.estimate import ClockReport, Estimator
from agent.clock.kernel import raw_now_ns
from agent.clock.mapping import ClockState, Mapping
from agent.clock.ntp import Address, exchange, resolve
from agent.clock.sample import Sample
from agent.config import Clock, NtpServer
from agent.messages import Refusal

T = TypeVar("T")

TICK_S = 1.0
"""The published line is renewed so often while it still slews; silence is noticed as fast."""

_NO_NETWORK_S = 8.0

_log = structlog.get_logger(__name__)


class Pace:
    """When to ask a server next, in seconds: a burst, then slowly; slower still when it does not answer or says so.

    A stranger's server: 8 exchanges at 2 s, then 64 s ± 10 %, up to 1024 s. Our own: 16 at 1 s, then 4 s, up to 16 s.
    """

    def __init__(self, ours: bool) -> None:
        self._burst, self._burst_s = (16, 1.0) if ours else (8, 2.0)
        self._regular_s, self._longest_s = (4.0, 16.0) if ours else (64.0, 1024.0)
        self._answered = 0
        self._floor_s = 0.0
        self._wait_s = self._burst_s

    def after(self, code: str | None) -> float:
        """How long to wait after an exchange: `code` is its Refusal's, None for a sample."""
        if code is None:
            self._answered += 1
            self._wait_s = self._burst_s if self._answered < self._burst else self._regular_s
        elif code == "kiss_rate":
            # Obeyed for good, and doubled every time (RFC 5905, section 7.4).
            self._floor_s = 2 * max(self._wait_s, self._floor_s)
        else:
            # Where nothing was sent nobody needs to be spared: a network that comes back should be noticed soon.
            longest_s = _NO_NETWORK_S if code in ("dns", "network") else self._longest_s
            self._wait_s = min(self._wait_s * 2, longest_s)
        self._wait_s = max(self._wait_s, self._floor_s)
        return self._wait_s


class ClockService:
    """Keeps the clock of one player.

    `publish` is called on the event loop with each new report and mapping (None until there is one): after every
    sample, after every change of state, and each second while the mapping slews.
    """

    def __init__(self, config: Clock, publish: Callable[[ClockReport, Mapping | None], None]) -> None:
        self._servers = {f"{server.host}:{server.port}": server for server in config.servers}
        ours = {name: server.ours for name, server in self._servers.items()}
        self._estimator = Estimator(ours, config.correction_ms)
        self._publish = publish
        self._told: ClockReport | None = None
        self._rejected: dict[str, str] = {}

    async def run(self) -> None:
        """Poll until cancelled; all servers are asked at once at the start."""
        async with asyncio.TaskGroup() as tasks:
            for name, server in self._servers.items():
                tasks.create_task(self._poll(name, server), name=f"ntp {name}")
            while True:
                await asyncio.sleep(TICK_S)
                self._renew(news=False)

    async def _poll(self, name: str, server: NtpServer) -> None:
        pace = Pace(server.ours)
        addresses: list[Address] = []
        while True:
            outcome, addresses = await _in_thread(partial(_ask, name, server, addresses))
            if isinstance(outcome, Sample):
                self._rejected.pop(name, None)
                self._estimator.add(outcome)
                self._renew(news=True)
                wait_s = pace.after(None)
            else:
                self._reject(name, outcome)
                if outcome.code == "kiss_deny":
                    return
                # The name's next address; when all are used up the name is asked for again.
                addresses = addresses[1:]
                wait_s = pace.after(outcome.code)
            await asyncio.sleep(wait_s * (1 if wait_s < 8 else random.uniform(0.9, 1.1)))

    def _reject(self, name: str, refusal: Refusal) -> None:
        """Say once per server and reason what is wrong."""
        self._estimator.trouble(name, refusal.detail)
        if self._rejected.get(name) == refusal.code:
            return
        self._rejected[name] = refusal.code
        stop = "; it is not asked again until the agent restarts" if refusal.code == "kiss_deny" else ""
        _log.warning("clock.source_rejected", server=name, reason=refusal.code, detail=refusal.detail + stop)
        self._renew(news=True)

    def _renew(self, news: bool) -> None:
        settled = self._estimator.settled
        report, mapping = self._estimator.estimate(raw_now_ns())
        before = self._told
        changed = before is None or (before.state, before.agreeing) != (report.state, report.agreeing)
        if before is None or before.state is not report.state:
            say = _log.info if report.state is ClockState.SYNC else _log.warning
            say("clock.state", state=report.state, reason=report.reason, bound_us=report.bound_us)
        if news or changed or not settled:
            self._told = report
            self._publish(report, mapping)


def _ask(name: str, server: NtpServer, addresses: list[Address]) -> tuple[Sample | Refusal, list[Address]]:
    """One exchange with the first of the server's addresses, which are looked up where none is left. Blocks."""
    if not addresses:
        found = resolve(server.host, server.port)
        if isinstance(found, Refusal):
            return found, []
        addresses = found
    return exchange(addresses[0], name), addresses


async def _in_thread(work: Callable[[], T]) -> T:
    """Run something that blocks in a thread of its own.

    Not in the loop's executor: its threads may all be busy with films when a stamp has to be taken, and a resolver
    that hangs in one of them would hold up the end of the process. A daemon thread does neither.
    """
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

    threading.Thread(target=body, daemon=True, name="ntp").start()
    return await done
