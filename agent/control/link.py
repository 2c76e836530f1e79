"""An operator's line to all brokers at once, for the length of one command or for the weeks of a board."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from agent.access import Access, BrokerError
from agent.connection import Connection, connect
from agent.control.signing import UNSIGNED, Pen
from agent.control.view import ANYBODY, View
from agent.received import Received
from agent.trust import Trust
from agent.units import UtcUs

HELLO_TOPIC = "cue/_hello"
HELLO_TIMEOUT_S = 2.0
QUIET_S = 0.25
LONGEST_QUIET_S = 1.0  # statuses of many venues never pause
STRAGGLER_S = 2.0
FLEET_S = 30.0  # for the retained messages of the largest fleet
RETRY_S = 2.0
END_S = 3.0  # longer than a goodbye
MESSAGES_AT_ONCE = 50  # then others have their turn: a page is to answer while a thousand venues talk
ANSWER_TIMEOUT_S = 10.0


class NoBrokerError(Exception):
    """None of the brokers can be used; `faults` says why, one line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whether one broker took a message; if not, `detail` says why, with the remedy."""

    url: str
    taken: bool
    detail: str


def untaken(deliveries: list[Delivery]) -> list[str]:
    """A warning for each broker that did not take a message, or not wherever it should stand."""
    return [f"{delivery.url}: {delivery.detail}" for delivery in deliveries if delivery.detail]


def deliveries_json(deliveries: list[Delivery]) -> list[dict[str, Any]]:
    """What the brokers said to a message, for `--json`."""
    return [{"url": found.url, "taken": found.taken, "detail": found.detail} for found in deliveries]


def utc_now() -> UtcUs:
    """UTC by this host's clock: good enough to give instants, and said to be so."""
    return UtcUs(time.time_ns() // 1000)


class Link:
    """A session with a random client id and a clean start at every broker; use it as an async context manager.

    What arrives is in `view`. It is connected once one broker is (the others get a little longer); what is wrong with
    the others is in `faults`, and they are tried again until the end. Raises NoBrokerError on entry when all fail.
    `pen` signs what is sent, `trust` judges what brokers keep.

    In a `hurry` the others are not waited for on entry: `stragglers` does that later. Who is `patient` waits for none,
    and is connected when it comes: a page that is open for weeks says so meanwhile.
    """

    def __init__(
        self,
        brokers: list[Access],
        root: str,
        topics: Sequence[str],
        *,
        hurry: bool = False,
        patient: bool = False,
        pen: Pen = UNSIGNED,
        trust: Trust = ANYBODY,
    ) -> None:
        self.view = View(trust)
        self.faults: dict[str, str] = {}
        self.pen = pen
        self.now: Callable[[], UtcUs] = utc_now
        """The time by which what is sent here is reckoned; see `agent.control.housetime`."""
        self._brokers = brokers
        self._root = root
        self._topics = topics
        self._hurry = hurry
        self._patient = patient
        self._identifier = f"framezero-control-{secrets.token_hex(6)}"
        self._live: dict[str, Connection] = {}
        self._tried: set[str] = set()
        self._hellos: Counter[str] = Counter()
        # What the venues' cues are subscribed to brings a hello of its own, in the midst of them.
        self._hellos_due = 1 + sum(topic.startswith("cue/") for topic in topics)
        self._arrived_s = 0.0
        self._kept_s = 0.0  # when the last retained message came
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._keep(access)) for access in self._brokers]
        if self._patient:
            return self
        try:
            everyone = len(self._brokers)
            await self._until(lambda: bool(self._live) or len(self._tried) == everyone, None)
            if not self._hurry:
                await self.stragglers()
            if not self._live:
                raise NoBrokerError([f"{url}: {detail}" for url, detail in self.faults.items()])
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    @property
    def quiet_s(self) -> float:
        """For how long no message has come."""
        return time.monotonic() - self._arrived_s

    async def stragglers(self) -> None:
        """Give the brokers that have neither answered nor failed yet a little longer."""
        await self._until(lambda: len(self._tried) == len(self._brokers), STRAGGLER_S)
        for access in self._brokers:
            if access.url not in self._tried:
                self.faults[access.url] = "does not answer; check the network, or leave it out"

    @property
    def brokers(self) -> dict[str, bool]:
        """Which brokers are connected now, by url."""
        return {access.url: access.url in self._live for access in self._brokers}

    async def settle(self, within_s: float | None = None) -> list[str]:
        """Wait until what the brokers keep has arrived; returns warnings.

        The hello is subscribed to last, so that the retained messages of the other topics come before it; where it is
        missing, a time without any message has to do. At most `within_s`; without that, as long as retained messages
        still come: those of thousands of venues take some seconds.
        """
        began_s = time.monotonic()
        end_s = began_s + (within_s if within_s is not None else HELLO_TIMEOUT_S + LONGEST_QUIET_S)
        while self._ungreeted():
            heard_s = max(began_s, self._kept_s) if within_s is None else began_s
            patience_s = min(heard_s + HELLO_TIMEOUT_S, began_s + FLEET_S, *([] if within_s is None else [end_s]))
            if patience_s <= time.monotonic():
                break
            await self._until(lambda: not self._ungreeted(), patience_s - time.monotonic())
        until_s = min(time.monotonic() + LONGEST_QUIET_S, end_s)
        while (rest_s := min(self._arrived_s + QUIET_S, until_s) - time.monotonic()) > 0:  # noqa: ASYNC110 - no event
            await asyncio.sleep(rest_s)  # tells that nothing more comes
        return self.doubts

    @property
    def doubts(self) -> list[str]:
        """A warning for each broker from which the hello has not arrived."""
        return [
            f"{url}: {self._root}/{HELLO_TOPIC} did not arrive, so answers of venues may not either; publish it "
            "retained at the broker, and allow this user to read it"
            for url in sorted(self._ungreeted())
        ]

    def _ungreeted(self) -> list[str]:
        return [url for url in self._live if self._hellos[url] < self._hellos_due]

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = True,
        expires_s: int | None = None,
        patience_s: float = ANSWER_TIMEOUT_S,
    ) -> list[Delivery]:
        """Publish with QoS 1 to every broker that is there; the message is out if one has taken it.

        A broker that has not answered within `patience_s` may have it, or get it yet.
        """
        found = [Delivery(url, False, detail) for url, detail in self.faults.items() if url not in self._live]
        verdicts: dict[str, asyncio.Future[str]] = {}
        for url, connection in list(self._live.items()):
            try:
                verdicts[url] = connection.send(f"{self._root}/{topic}", payload, retain=retain, expires_s=expires_s)
            except BrokerError as error:
                found.append(Delivery(url, False, str(error)))
        if verdicts:
            await asyncio.wait(verdicts.values(), timeout=patience_s)
        for url, verdict in verdicts.items():
            if verdict.cancelled() or not verdict.done():
                found.append(Delivery(url, False, self.faults.get(url, "the broker did not answer; check the network")))
            else:
                found.append(Delivery(url, not verdict.result(), verdict.result()))
        return sorted(found, key=lambda delivery: delivery.url)

    async def clear(self, topic: str) -> list[Delivery]:
        """Have every broker keep nothing under a topic any more; one that is away is told as one that did not."""
        known = {found.url: found for found in await self.publish(topic, b"")}
        away = "is away; what it keeps there comes back with it: do this again then"
        return [known.get(url, Delivery(url, False, away)) for url in sorted(self.brokers)]

    async def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for something to come true of the view; False when it has not in time, or all brokers are gone."""
        return await self._until(lambda: condition() or not self._live, timeout_s) and condition()

    async def _until(self, condition: Callable[[], bool], timeout_s: float | None) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def _keep(self, access: Access) -> None:
        while True:
            try:
                await self._session(access)
            except BrokerError as error:
                self.faults[access.url] = str(error)
            finally:
                if self._live.pop(access.url, None) is not None:
                    self.view.lost(access.url)
                self._tried.add(access.url)
                self._news.set()
            await asyncio.sleep(RETRY_S)

    async def _session(self, access: Access) -> None:
        async with connect(access, identifier=self._identifier) as connection:
            prefix = f"{self._root}/"
            refused = await connection.subscribe([prefix + topic for topic in self._topics])
            if refused:
                raise BrokerError(
                    f"the broker refuses the subscription to {', '.join(refused)}; allow it in its access list"
                )
            await connection.subscribe([prefix + HELLO_TOPIC])
            self.faults.pop(access.url, None)
            self._arrived_s = time.monotonic()
            self._live[access.url] = connection
            self._hellos[access.url] = 0
            self.view.back(access.url)
            self._tried.add(access.url)
            self._news.set()
            taken = 0
            async for message in connection.messages():
                taken += 1
                if taken % MESSAGES_AT_ONCE == 0:
                    await asyncio.sleep(0)
                self._arrived_s = time.monotonic()
                if message.retained:
                    self._kept_s = self._arrived_s
                topic = message.topic.removeprefix(prefix)
                if topic == HELLO_TOPIC:
                    self._hellos[access.url] += 1
                    if self._hellos[access.url] == self._hellos_due:
                        self.view.recounted(access.url)
                else:
                    received = Received(topic, message.payload, message.retained, message.url)
                    # Only a claim is judged by its age, and for a thousand messages a second the time costs something.
                    claimed = self.now() if topic.startswith("desk/") else None
                    self.view.take(received, self._arrived_s, claimed)
                self._news.set()

    async def _end(self) -> None:
        # Again and again: whatever a library below makes of one cancellation, the command ends.
        while left := [task for task in self._tasks if not task.done()]:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=END_S)
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result
