"""The agent's sessions with all its brokers at once: each lives, fails and returns by itself.

The broker keeps a session for `SESSION_EXPIRY_S`, so that cues published while the player was away are delivered when
it is back. No failure of a broker ends a session's task: one log line with the remedy whenever the reason changes, and
another attempt after a jittered pause, for ever.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from agent.access import Access, BrokerError
from agent.config import Broker
from agent.connection import Connection, Will, connect
from agent.messages import MAX_DETAIL_CHARS, Refusal, decode, encode
from agent.outbox import Kind, Outbox, Outgoing
from agent.received import Received
from agent.rivals import Rivals
from agent.told import Presence

SESSION_EXPIRY_S = 8 * 86_400
KEEPALIVE_S = 10
HELLO_TOPIC = "cue/_hello"
HELLO_TIMEOUT_S = 5.0
HELLO_AGAIN_S = 300.0  # so often a subscription that worked is proved anew: an access list may have changed since
SUBSCRIBE_AGAIN_S = (30.0, 900.0)  # the first and the longest pause, where the hello is missing
RIVAL_LOOK_S = 5.0
STEADY_S = 10.0  # a connection that held so long ends a series of failures
GOODBYE_S = 1.0
SHOT_EXPIRES_S = 15  # a broker keeps a picture for nobody who is away longer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BrokerChange:
    """A broker came, went, or is of doubtful use: `detail` is then a sentence with the remedy, else empty."""

    url: str
    connected: bool
    detail: str


def backoff_s(failures: int, *, taken_over: bool, jitter: float) -> float:
    """Pause before the next attempt after so many failures in a row; `jitter` is drawn from [0, 1).

    Full jitter: a broker that returns to a fleet is met evenly over the whole pause, not by all at once. Two clients
    with one id would push each other out for ever: they wait longer, and never nothing, which spares broker and log.
    """
    if taken_over:
        return min(60.0, 5.0 * 2.0 ** min(failures, 10)) * (0.5 + jitter / 2)
    return min(20.0, 1.0 * 2.0 ** min(failures, 10)) * jitter


@dataclass(slots=True)
class _Site:
    """One broker as seen from here."""

    access: Access
    box: Outbox
    connected: bool = False
    detail: str = ""
    faults: dict[str, str] = field(default_factory=dict)  # what is amiss → a sentence
    lost: Counter[Kind] = field(default_factory=Counter)  # messages given up since it was last reached
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    hello: asyncio.Event = field(default_factory=asyncio.Event)
    announced: bool = False
    announced_before: bool = False  # in an earlier connection: the retained presence should be ours
    again: asyncio.Event = field(default_factory=asyncio.Event)


class Sessions:
    """Sessions with every configured broker.

    `on_message` is called at once for each message, with its topic below the root (duplicates are the reader's to
    drop); `on_change` whenever a broker comes, goes or turns out not to serve us; `on_taken` with the number of an
    as-run record that a broker has taken. None of them may block. `presence` is
    what the retained online message says; the will says the same with `online` false, and carries the same boot id.
    """

    def __init__(
        self,
        settings: Broker,
        presence: Presence,
        on_message: Callable[[Received], None],
        on_change: Callable[[BrokerChange], None],
        on_taken: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._root = settings.root
        self._presence = presence
        self._on_message = on_message
        self._on_change = on_change
        self._on_taken = on_taken
        self._presence_topic = f"venue/{presence.venue}/presence"
        self._rivals = Rivals(presence.boot)
        # '#' matches the level above as well: 'cue' and 'panic' by themselves would bring every message twice.
        self._topics = ["cue/#", "program/+/+", "panic/#", f"ask/{presence.venue}", "ask/all"]
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
                Outbox(),
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

    @property
    def rivalry(self) -> str:
        """What to do about a second agent of this venue's name, as long as there is one; else empty."""
        if not self._rivals.current(time.monotonic()):
            return ""
        return (
            "another client with the same id takes the session over: a second agent runs as venue "
            f"{self._presence.venue!r}; stop it, or give it a venue name of its own"
        )

    def publish(self, topic: str, payload: bytes, kind: Kind, seq: int | None = None) -> None:
        """Send to every broker with QoS 1, now or when it is back; never waits.

        A `state` is retained, and replaces an unsent one on the same topic; others are kept until taken (see `outbox`).
        An `answer`, a `page` or a `shot` is not worth sending later: it goes to the brokers that are there.
        """
        for site in self._sites:
            if kind in ("answer", "page", "shot") and not site.connected:
                continue
            for dropped in site.box.put(Outgoing(topic, payload, kind, seq)):
                if dropped.kind == "shot":  # a line too thin for pictures is no loss
                    continue
                site.lost[dropped.kind] += 1
                lost = site.lost[dropped.kind]
                if 10 ** (len(str(lost)) - 1) == lost:  # the first, the tenth, the hundredth …
                    log.error("outbox_full", url=site.access.url, kind=dropped.kind, lost=lost, topic=dropped.topic)
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
            group.create_task(self._watch_rival(), name="rival")

    async def _keep(self, site: _Site) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                # A task of its own: in Python 3.11 a group whose child fails leaves its task counted as cancelled.
                # The next timeout there, of a broker that accepts and does not answer, would be the end of the task.
                lost = await asyncio.create_task(self._session(site))
            except asyncio.CancelledError:
                # If it is not us who are cancelled: the brokers' group would let us go without a word, and for ever.
                if (task := asyncio.current_task()) is None or task.cancelling():
                    raise
                lost = BrokerError("the connection was given up")
            if lost.taken_over:
                self._rivals.pushed_out(time.monotonic())
                self._tell_of_rival()
            taken_over = bool(self.rivalry)
            steady = time.monotonic() - began >= STEADY_S and not taken_over
            failures = 0 if steady else failures + 1
            site.faults = {"link": f"{self.rivalry} ({lost})" if taken_over else str(lost)}
            self._tell(site, connected=False)
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
                await self._serve(site, connection, encode(offline.model_copy(update={"goodbye": True})))
        except* BrokerError as faults:
            lost = _first(faults)
        return lost or BrokerError("the connection ended")

    async def _serve(self, site: _Site, connection: Connection, goodbye: bytes) -> None:
        site.hello.clear()
        site.again.clear()
        site.faults.clear()
        site.announced_before = site.announced
        if site.lost:
            log.error("given up while the broker was away", url=site.access.url, lost=dict(site.lost))
            site.lost.clear()
        site.box.rewind()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(site, connection))
                # Always: whether the broker still has our session is not told by the library.
                await self._subscribe(site, connection)
                told = connection.send(f"{self._root}/{self._presence_topic}", encode(self._presence), retain=True)
                told.add_done_callback(partial(self._judged, site, self._presence_topic))
                site.announced = True
                group.create_task(self._send(site, connection))
                group.create_task(self._prove(site, connection))
                group.create_task(self._subscribe_again(site, connection))
        except asyncio.CancelledError:
            await self._say_offline(connection, goodbye)
            raise

    async def _subscribe_again(self, site: _Site, connection: Connection) -> None:
        while True:
            await site.again.wait()
            site.again.clear()
            await self._subscribe(site, connection)

    async def _subscribe(self, site: _Site, connection: Connection) -> None:
        refused = await connection.subscribe([f"{self._root}/{topic}" for topic in self._topics])
        # Ours as well, to see a second agent of this name; where a broker does not allow it, that is not a fault.
        await connection.subscribe([f"{self._root}/{self._presence_topic}"])
        names = ", ".join(refused)
        detail = f"the broker refuses the subscription to {names}; allow it in the broker's access list"
        self._fault(site, "subscription", detail if refused else "")

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
        found = decode(Presence, message.payload)
        if isinstance(found, Refusal):
            return
        now_s = time.monotonic()
        if message.retained:
            self._rivals.kept(found.boot, ours_before=site.announced_before, now_s=now_s)
        else:
            self._rivals.live(found.boot, online=found.online, now_s=now_s)
        self._tell_of_rival()

    async def _watch_rival(self) -> None:
        while True:
            await asyncio.sleep(RIVAL_LOOK_S)
            self._tell_of_rival()

    def _tell_of_rival(self) -> None:
        """A rival that came or went is told in our presence, once, and to the agent, for its status."""
        current = self._rivals.current(time.monotonic()) or None
        if current == self._presence.rival:
            return
        self._presence = self._presence.model_copy(update={"rival": current})
        if current:
            log.error("second_agent", boot=current, detail=self.rivalry)
        self.publish(self._presence_topic, encode(self._presence), "state")
        for site in self._sites:
            self._on_change(BrokerChange(site.access.url, site.connected, site.detail))

    async def _prove(self, site: _Site, connection: Connection) -> None:
        """A forbidden subscription is granted all the same; that the hello arrives proves ours, now and then anew."""
        first_s, most_s = SUBSCRIBE_AGAIN_S
        while True:
            patience_s = HELLO_TIMEOUT_S
            while not await _comes(site.hello, patience_s):
                self._fault(site, "hello", self._no_hello())
                await self._subscribe(site, connection)
                patience_s = min(max(first_s, 2 * patience_s), most_s)
            self._fault(site, "hello", "")
            await asyncio.sleep(HELLO_AGAIN_S)
            site.hello.clear()
            if await connection.subscribe([f"{self._root}/{HELLO_TOPIC}"]):
                return  # cue/# is allowed there and the hello by itself is not: it cannot be asked for again

    def _no_hello(self) -> str:
        return (
            f"{self._root}/{HELLO_TOPIC} did not arrive within {HELLO_TIMEOUT_S:g} s, so cues may not either; "
            "allow this user to read cue/# in the broker's access list, and publish the retained hello there"
        )

    async def _send(self, site: _Site, connection: Connection) -> None:
        while True:
            if (entry := site.box.take()) is None:
                await site.wake.wait()
                site.wake.clear()
                continue
            number, message = entry
            verdict = connection.send(
                f"{self._root}/{message.topic}",
                message.payload,
                retain=message.retain,
                expires_s=SHOT_EXPIRES_S if message.kind == "shot" else None,
            )
            verdict.add_done_callback(partial(self._answered, site, number, message))

    def _answered(self, site: _Site, number: int, message: Outgoing, verdict: "asyncio.Future[str]") -> None:
        site.wake.set()
        if verdict.cancelled():  # the connection ended first: it stays in the outbox
            return
        site.box.taken(number)  # also what was refused: it would be again
        if message.seq is not None and not verdict.result():
            self._on_taken(message.seq)
        self._judged(site, message.topic, verdict)

    def _judged(self, site: _Site, topic: str, verdict: "asyncio.Future[str]") -> None:
        """The broker has taken a message, or has not; said once per topic, since a status comes every second."""
        if not verdict.cancelled():
            why = verdict.result()
            self._fault(site, topic, f"{self._root}/{topic} is lost there: {why}" if why else "")

    async def _say_offline(self, connection: Connection, goodbye: bytes) -> None:
        """A clean goodbye suppresses the will, so what it would have said is published, and that it is a goodbye."""
        try:
            verdict = connection.send(f"{self._root}/{self._presence_topic}", goodbye, retain=True)
            await asyncio.wait([verdict], timeout=GOODBYE_S)
        except BrokerError as fault:
            log.info("goodbye_failed", detail=str(fault))

    def _fault(self, site: _Site, what: str, detail: str) -> None:
        """Something of a connected broker is amiss, or (with an empty detail) no longer; all that is amiss stands."""
        site.faults[what] = detail
        self._tell(site, connected=True)

    def _tell(self, site: _Site, *, connected: bool) -> None:
        """Log and tell a broker's state, each time it is another one."""
        detail = "; ".join(filter(None, site.faults.values()))[:MAX_DETAIL_CHARS]  # it travels in each status
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


async def _comes(event: asyncio.Event, patience_s: float) -> bool:
    try:
        async with asyncio.timeout(patience_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _first(faults: BaseExceptionGroup[BrokerError]) -> BrokerError:
    for fault in faults.exceptions:
        return _first(fault) if isinstance(fault, BaseExceptionGroup) else fault
    raise AssertionError("an exception group is never empty")
