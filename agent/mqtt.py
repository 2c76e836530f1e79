"""The agent's sessions with all its brokers at once: each lives, fails and returns by itself.

The broker keeps a session for `SESSION_EXPIRY_S`, so that cues published while the player was away are delivered when
it is back. No failure of a broker ends a session's task: one log line with the remedy whenever the reason changes, and
another attempt after a jittered pause, for ever.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from agent.config import Broker
from agent.connection import Access, BrokerError, Connection, Received, Will, connect
from agent.messages import Refusal, decode, encode
from agent.outbox import Outbox, Outgoing
from agent.told import Presence

SESSION_EXPIRY_S = 8 * 86_400
KEEPALIVE_S = 10
HELLO_TOPIC = "cue/_hello"
HELLO_TIMEOUT_S = 5.0
OUTBOX_LIMIT = 10_000
WINDOW = 16  # below the 20 that mosquitto lets be in flight
STEADY_S = 30.0  # a connection that held so long ends a series of failures
GOODBYE_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BrokerChange:
    """A broker came, went, or is of doubtful use: `detail` is then a sentence with the remedy, else empty."""

    url: str
    connected: bool
    detail: str


def backoff_s(failures: int, *, taken_over: bool, jitter: float) -> float:
    """Pause before the next attempt after so many failures in a row; `jitter` is drawn from [0, 1).

    Two clients with one id would push each other out for ever: they wait longer, which spares broker and log.
    """
    first, most = (5.0, 60.0) if taken_over else (0.5, 10.0)
    return min(most, first * 2.0 ** min(failures, 10)) * (0.5 + jitter)


@dataclass(slots=True)
class _Site:
    """One broker as seen from here."""

    access: Access
    box: Outbox
    connected: bool = False
    detail: str = ""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    hello: asyncio.Event = field(default_factory=asyncio.Event)
    refused: set[str] = field(default_factory=set)
    announced: bool = False
    announced_before: bool = False  # in an earlier connection: the retained presence should be ours
    rival: bool = False  # another agent uses our name, and with it our client id
    again: asyncio.Event = field(default_factory=asyncio.Event)


class Sessions:
    """Sessions with every configured broker.

    `on_message` is called at once for each message, with its topic below the root (duplicates are the reader's to
    drop); `on_change` whenever a broker comes, goes or turns out not to serve us. Both must not block. `presence` is
    what the retained online message says; the will says the same with `online` false, and carries the same boot id.
    """

    def __init__(
        self,
        settings: Broker,
        presence: Presence,
        on_message: Callable[[Received], None],
        on_change: Callable[[BrokerChange], None],
    ) -> None:
        self._root = settings.root
        self._presence = presence
        self._on_message = on_message
        self._on_change = on_change
        self._presence_topic = f"venue/{presence.venue}/presence"
        # 'cue/#' matches 'cue' as well; asking for both would bring every cue twice.
        self._topics = ["cue/#", "program/+/+", "panic", f"ask/{presence.venue}", "ask/all"]
        self._sites = [
            _Site(
                Access(
                    url=url,
                    username=settings.username or presence.venue,
                    password_file=settings.password_file,
                    ca=settings.ca,
                    cert=settings.cert,
                    key=settings.key,
                ),
                Outbox(OUTBOX_LIMIT),
            )
            for url in dict.fromkeys(settings.urls)
        ]

    @property
    def connected(self) -> dict[str, bool]:
        """Which brokers are connected now, by url: what a status says under `brokers`."""
        return {site.access.url: site.connected for site in self._sites}

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong with which broker, by url; a connected broker may be at fault as well."""
        return {site.access.url: site.detail for site in self._sites if site.detail}

    def publish(self, topic: str, payload: bytes, *, retain: bool, passing: bool = False) -> None:
        """Send to every broker with QoS 1, now or when it is back; never waits.

        Retained messages replace an unsent one on the same topic; others are kept until taken (see `outbox`). What is
        `passing` is not worth sending later, and takes no other's place: it goes to the brokers that are there.
        """
        for site in self._sites:
            if passing and not site.connected:
                continue
            dropped = site.box.put(Outgoing(topic, payload, retain))
            if dropped is not None:
                log.error("outbox_full", url=site.access.url, dropped=dropped.topic, limit=OUTBOX_LIMIT)
            site.wake.set()

    def ask_again(self) -> None:
        """Have all that the brokers keep sent once more: a subscription that is renewed brings it (MQTT 5, 3.8.4)."""
        for site in self._sites:
            site.again.set()

    async def run(self) -> None:
        """Keep all sessions until cancelled; then say goodbye as offline."""
        async with asyncio.TaskGroup() as group:
            for site in self._sites:
                group.create_task(self._keep(site), name=f"broker {site.access.url}")

    async def _keep(self, site: _Site) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            lost = await self._session(site)
            taken_over = lost.taken_over or site.rival
            steady = time.monotonic() - began >= STEADY_S and not taken_over
            failures = 0 if steady else failures + 1
            self._report(site, False, self._rivalry() if taken_over else str(lost))
            await asyncio.sleep(backoff_s(max(failures - 1, 0), taken_over=taken_over, jitter=random.random()))

    async def _session(self, site: _Site) -> BrokerError:
        """One connection from beginning to end; returns why it ended."""
        offline = self._presence.model_copy(update={"online": False})
        will = Will(f"{self._root}/{self._presence_topic}", encode(offline))
        lost: BrokerError | None = None
        try:
            # A new client for every attempt: aiomqtt's cannot be entered again after a cancelled one.
            async with connect(
                site.access,
                identifier=f"framezero-{self._presence.venue}",
                keepalive_s=KEEPALIVE_S,
                clean_start=False,
                session_expiry_s=SESSION_EXPIRY_S,
                will=will,
            ) as connection:
                await self._serve(site, connection, encode(offline))
        except* BrokerError as faults:
            lost = _first(faults)
        return lost or BrokerError("the connection ended")

    async def _serve(self, site: _Site, connection: Connection, offline: bytes) -> None:
        site.hello.clear()
        site.again.clear()
        site.refused.clear()
        site.rival = False
        site.announced_before = site.announced
        site.box.rewind()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(site, connection))
                # Always: whether the broker still has our session is not told by the library.
                await self._subscribe(site, connection)
                connection.send(f"{self._root}/{self._presence_topic}", encode(self._presence), retain=True)
                site.announced = True
                group.create_task(self._send(site, connection))
                group.create_task(self._listen_for_hello(site))
                group.create_task(self._subscribe_again(site, connection))
        except asyncio.CancelledError:
            await self._say_offline(connection, offline)
            raise

    async def _subscribe_again(self, site: _Site, connection: Connection) -> None:
        while True:
            await site.again.wait()
            site.again.clear()
            await connection.subscribe([f"{self._root}/{topic}" for topic in self._topics])

    async def _subscribe(self, site: _Site, connection: Connection) -> None:
        refused = await connection.subscribe([f"{self._root}/{topic}" for topic in self._topics])
        # Ours as well, to see a second agent of this name; where a broker does not allow it, that is not a fault.
        await connection.subscribe([f"{self._root}/{self._presence_topic}"])
        detail = ""
        if refused:
            detail = (
                f"the broker refuses the subscription to {', '.join(refused)}; allow it in the broker's access list"
            )
        self._report(site, True, detail)

    async def _receive(self, site: _Site, connection: Connection) -> None:
        prefix = f"{self._root}/"
        async for message in connection.messages():
            topic = message.topic.removeprefix(prefix)
            if topic == HELLO_TOPIC:
                site.hello.set()
            elif topic == self._presence_topic:
                self._look_for_rival(site, message)
            else:
                self._on_message(Received(topic, message.payload, message.retained, message.url))

    def _look_for_rival(self, site: _Site, message: Received) -> None:
        """Mosquitto 2.0.11 pushes a client out without saying so (MQTT 5 has reason 142): the boot ids tell it."""
        found = decode(Presence, message.payload)
        if isinstance(found, Refusal) or found.boot == self._presence.boot:
            return
        # Retained and from before our first word, it is our own last life; offline and live, its belated will.
        if site.announced_before if message.retained else found.online:
            site.rival = True
            self._report(site, True, self._rivalry())

    def _rivalry(self) -> str:
        return (
            "another client with the same id took the session over: a second agent runs as venue "
            f"{self._presence.venue!r}; give every player a venue name of its own"
        )

    async def _listen_for_hello(self, site: _Site) -> None:
        """A forbidden subscription is granted all the same; that this message arrives proves ours."""
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                await site.hello.wait()
        except TimeoutError:
            self._report(
                site,
                True,
                f"{self._root}/{HELLO_TOPIC} did not arrive within {HELLO_TIMEOUT_S:g} s, so cues may not either; "
                "allow this user to read cue/# in the broker's access list, and publish the retained hello there",
            )
            await site.hello.wait()
            self._report(site, True, "")

    async def _send(self, site: _Site, connection: Connection) -> None:
        flying: set[asyncio.Future[str]] = set()
        while True:
            entry = site.box.take() if len(flying) < WINDOW else None
            if entry is None:
                await site.wake.wait()
                site.wake.clear()
                continue
            number, message = entry
            verdict = connection.send(f"{self._root}/{message.topic}", message.payload, retain=message.retain)
            flying.add(verdict)
            verdict.add_done_callback(flying.discard)
            verdict.add_done_callback(partial(self._answered, site, number, message))

    def _answered(self, site: _Site, number: int, message: Outgoing, verdict: "asyncio.Future[str]") -> None:
        site.wake.set()
        if verdict.cancelled():  # the connection ended first: it stays in the outbox
            return
        site.box.taken(number)
        why = verdict.result()
        if why and message.topic not in site.refused:
            # Not sent again: it would be refused again. Said once per topic, since a status comes every second.
            site.refused.add(message.topic)
            self._report(site, True, f"{self._root}/{message.topic} is lost there: {why}")

    async def _say_offline(self, connection: Connection, offline: bytes) -> None:
        """A clean goodbye suppresses the will, so what it would have said is published."""
        try:
            verdict = connection.send(f"{self._root}/{self._presence_topic}", offline, retain=True)
            await asyncio.wait([verdict], timeout=GOODBYE_S)
        except BrokerError as fault:
            log.info("goodbye_failed", detail=str(fault))

    def _report(self, site: _Site, connected: bool, detail: str) -> None:
        """Log and tell a broker's state, each time it is another one."""
        if (site.connected, site.detail) == (connected, detail):
            return
        site.connected, site.detail = connected, detail
        url = site.access.url
        if not connected:
            log.warning("broker_lost", url=url, detail=detail)
        elif detail:
            log.error("broker_fault", url=url, detail=detail)
        else:
            log.info("broker_connected", url=url)
        self._on_change(BrokerChange(url, connected, detail))


def _first(faults: BaseExceptionGroup[BrokerError]) -> BrokerError:
    for fault in faults.exceptions:
        return _first(fault) if isinstance(fault, BaseExceptionGroup) else fault
    raise AssertionError("an exception group is never empty")
