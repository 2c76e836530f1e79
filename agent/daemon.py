"""The composition root of the agent: real clock, brokers, cache, journal and player around the conductor."""

import asyncio
import contextlib
import os
import signal
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from agent import __version__, asks, shots
from agent.answered import Answer
from agent.beside import beside
from agent.book import Book
from agent.cache.fetch import Fetcher, FilmState, Wanted
from agent.cache.probe import Probe
from agent.cache.store import Store
from agent.cache.upkeep import Upkeep
from agent.clock.mapping import Mapping
from agent.clock.memory import Memory, runtime_dir
from agent.clock.report import ClockReport
from agent.clock.serve import serve
from agent.clock.service import ClockService
from agent.commits import Commits
from agent.conductor import Conductor, Limits
from agent.config import Config
from agent.display import screen_of, slate_fault
from agent.effects import (
    Acknowledge,
    AskAgain,
    Cover,
    Direct,
    Effect,
    Event,
    Fetch,
    FilmHeard,
    ForgetCue,
    ForgetId,
    ForgetProgram,
    KeepCue,
    KeepId,
    KeepLocal,
    KeepPanic,
    KeepProgram,
    KeysHeard,
    Note,
    Now,
    Overlay,
    PlayerHeard,
    Recall,
    Received,
    Record,
    Reply,
    Rest,
    Restored,
    RestoredBlack,
    RestoredId,
    Shoot,
    Ticked,
)
from agent.figures import Family, Showings, families
from agent.host import Host
from agent.intake import Venue
from agent.journal import Journal
from agent.keywatch import KeyWatch
from agent.localdesk import LocalDesk
from agent.messages import WIRE_VERSIONS, Refusal
from agent.metrics import Metrics
from agent.mqtt import BrokerChange, Sessions
from agent.outbox import Kind
from agent.player.camera import Camera
from agent.player.proxy import PlayerProxy
from agent.player.wire import Report, Running, Start
from agent.present import Present
from agent.received import Received as Message
from agent.scribe import Scribe
from agent.selftest import SelfTester
from agent.shots import Moment, Print
from agent.status import Surroundings, build_status
from agent.systemd import Supervised, notifier
from agent.ticker import Ticker
from agent.told import Presence, Status
from agent.trust import Trust
from agent.units import RawNs
from agent.voice import Voice
from agent.wishes import NO_REST

log = structlog.get_logger()

TIDY_S = 600.0

T = TypeVar("T")


class CannotStartError(Exception):
    """The agent cannot run at all with this state or cache directory; the text names the remedy."""


class Daemon:
    """One agent. Everything here runs on one event loop; the conductor is called from nowhere else."""

    def __init__(self, config: Config, file: Path | None = None) -> None:
        """`file`: where the configuration came from, for the self-test; None: there is none."""
        self._config = config
        self._boot = str(uuid.uuid4())
        venue = Venue(config.venue, tuple(config.groups), config.show, config.timezone)
        self._keys = KeyWatch(config.trust, self._on_keys)
        amiss = slate_fault(config.display.slate)
        limits = Limits(
            ready_error_us=round(config.clock.ready_error_ms * 1000),
            show_error_us=round(config.clock.show_error_ms * 1000),
            slate="" if amiss else config.display.slate,
            slate_fault=amiss,
        )
        self._conductor = Conductor(venue, self._boot, limits, self._keys.trust)
        self._present = Present()
        self._ticker = Ticker(self._left_s, lambda: self._conductor.rests(self._now()), lambda: self._handle(Ticked()))
        self._journal = _usable(Journal.open(config.state_dir))
        self._commits = Commits(self._journal, self._handle)
        self._voice = Voice(
            config.venue, self._boot, self._publish, now=self._now, status=self._newest, judged=self._judged
        )
        book = Book(config.state_dir)
        self._scribe = Scribe(book, self._voice.record, self._voice.pages, lambda: self._now().vouched)
        self._rest = NO_REST
        store, look = Store(config.cache.dir), Probe().look
        store.open()  # what is amiss with it stands in the status: a wall whose agent does not start stays dark
        self._fetcher = Fetcher(store, config.cache, self._on_film, look=look, rest_s=self._rest_s)
        self._upkeep = Upkeep(
            store,
            self._fetcher,
            utc=lambda: self._now().vouched,
            zone=config.timezone,
            look=look,
            rest_s=self._rest_s,
        )
        self._sessions = Sessions(config.broker, self._presence(), self._on_message, self._on_broker, self._scribe.told)
        runtime = runtime_dir(config.state_dir, os.environ)
        self._local = LocalDesk(
            config,
            runtime,
            self._conductor,
            now=self._now,
            status=self._status,
            connected=lambda: self._sessions.connected,
            handle=self._handle,
        )
        memory = Memory(config.state_dir, runtime)
        self._clock = ClockService(config.clock, self._on_clock, memory, salt=self._boot)
        screen = screen_of(config.display)
        self._player = PlayerProxy(screen, self._on_player)
        watched = config.display.output != "null"
        self._camera = Camera(screen, self._moment, self._on_shot) if watched else None
        self._host = Host(config.cache.dir)
        self._showings = Showings()
        self._metrics = Metrics(config.metrics, config.venue, self._figures)
        self._told: Status | None = None
        systemd = notifier(os.environ, os.getpid())
        self._supervised = Supervised(systemd, lambda: self._player.signs, lambda: self._told)
        self._selftest = SelfTester(file, lambda: self._now().utc, self._rest_s, self._voice.changed)

    def _presence(self) -> Presence:
        return Presence(
            venue=self._config.venue,
            online=True,
            boot=self._boot,
            agent=__version__,
            messages=list(WIRE_VERSIONS),
            groups=self._config.groups,
            show=self._config.show,
            timezone=self._config.timezone,
            unsigned=not self._config.trust.require,
            remarks=True,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        log.info("agent starts", venue=self._config.venue, version=__version__, boot=self._boot)
        if not self._config.trust.require:
            log.warning("unsigned cues are accepted", remedy="set trust.require = true; false is for labs only")
        try:
            self._restore()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._player.run(), name="player")
                tasks.create_task(self._clock.run(), name="clock")
                tasks.create_task(self._sessions.run(), name="brokers")
                tasks.create_task(self._fetcher.run(), name="films")
                tasks.create_task(self._upkeep.run(), name="upkeep")
                tasks.create_task(self._ticker.run(), name="tick")
                tasks.create_task(self._voice.run(), name="status")
                tasks.create_task(self._tidy(), name="journal")
                tasks.create_task(beside("as-run", self._scribe.run), name="as-run")
                tasks.create_task(beside("figures", self._metrics.run), name="figures")
                tasks.create_task(beside("local socket", self._local.socket.run), name="local socket")
                if self._camera is not None:
                    tasks.create_task(beside("camera", self._camera.run), name="camera")
                tasks.create_task(self._keys.run(), name="keys")
                tasks.create_task(beside("self-test", self._selftest.run), name="self-test")
                if self._config.clock.listen:
                    tasks.create_task(self._serve_time(self._config.clock.listen), name="clock server")
                tasks.create_task(self._supervised.run(), name="systemd")  # the last: by its turn all others have begun
        finally:
            self._commits.commit()
            self._journal.close()
            self._scribe.close()
            log.info("agent ends", venue=self._config.venue)

    async def _serve_time(self, listen: str) -> None:
        try:
            await serve(listen, lambda: self._present.mapping)
        except OSError as error:
            # A convenience for measuring; the show goes on without it.
            log.error("clock.listen cannot be used", listen=listen, error=str(error), remedy="name a free address")

    def _restore(self) -> None:
        if (black := self._journal.local_black()) is not None:
            self._handle(RestoredBlack(black))
        for panic in self._journal.panics():
            self._handle(Restored("panic", panic.payload))
        for program in self._journal.programs():
            topic = f"program/{program.program}/{program.rev}"
            self._handle(Restored(topic, program.payload, frozenset(program.signers.split())))
        for cue in self._journal.cues():
            self._handle(Restored(f"cue/{cue.cue}", cue.payload, frozenset(cue.signers.split())))
        for row in self._journal.ids():
            self._handle(RestoredId(row.cue, row.sha256, row.until, frozenset(row.signers.split())))
        self._on_keys(self._keys.trust, settled=False)

    # --- events -------------------------------------------------------------------------------

    def _now(self) -> Now:
        return self._present.now()

    def _handle(self, event: Event) -> None:
        now = self._now()
        effects = self._conductor.handle(event, now)
        routine = isinstance(event, Ticked) or (isinstance(event, PlayerHeard) and isinstance(event.report, Running))
        if effects or not routine:
            # Enough to replay what happened here as a test.
            log.debug("handled", now=now, handled=event, effects=effects)
            self._ticker.moved()
        for effect in effects:
            self._carry_out(effect)
        self._voice.changed()

    def _on_message(self, message: Message) -> None:
        try:
            self._handle(Received(message.topic, message.payload))
        except Exception:
            # A fault of ours; but nobody may end a running film by finding it from outside.
            log.exception("message dropped: it broke the agent's reading of it", topic=message.topic)

    def _on_broker(self, _change: BrokerChange) -> None:
        self._voice.changed()

    def _on_clock(self, report: ClockReport, mapping: Mapping | None) -> None:
        self._present.report, self._present.mapping = report, mapping
        if mapping is not None:
            self._player.clock(mapping)
        self._handle(Ticked())

    def _on_film(self, sha256: str, state: FilmState) -> None:
        self._handle(FilmHeard(sha256, str(state.path) if state.path else None, state.reason, state.contents))

    def _on_keys(self, trust: Trust, settled: bool) -> None:
        self._handle(KeysHeard(trust, settled=settled))

    def _on_player(self, report: Report) -> None:
        self._handle(PlayerHeard(report))

    # --- effects ------------------------------------------------------------------------------

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case KeepCue() | ForgetCue() | KeepId() | ForgetId() | KeepProgram() | ForgetProgram():
                self._commits.add(effect)
            case KeepPanic() | KeepLocal():
                self._commits.add(effect)
            case Acknowledge(ack):
                self._voice.ack(ack)
                self._showings.acknowledge(ack)
            case Record(asrun):
                self._scribe.record(asrun)
                self._showings.record(asrun)
            case Reply():
                self._voice.answer(effect)
            case Recall(ask):
                if (busy := self._scribe.ask(ask)) is not None:
                    self._voice.answer(Reply(ask.ask, ask.want, busy))
            case Shoot():
                if self._camera is not None:
                    self._camera.shoot(effect)
                else:
                    self._on_shot(effect, shots.NO_DISPLAY)
            case Fetch(films):
                self._fetcher.want([Wanted(film.sha256, film.size, film.urls, film.name, film.cued) for film in films])
            case Rest():
                self._rest = effect
            case Direct(starts):
                if self._sound(starts):
                    self._player.plan(starts)
            case Cover(what):
                self._player.cover(what)
            case Overlay(order):
                self._player.identify(order)
            case AskAgain():
                self._sessions.ask_again()
            case Note(level, text, fields):
                getattr(log, level)(text, **dict(fields))

    def _rest_s(self, sha256: str) -> float:
        """For how many seconds more work on a film has to rest. Called from threads too."""
        return self._present.rest_s(self._rest, sha256)

    def _sound(self, starts: Sequence[Start]) -> bool:
        """Whether all files are as they were when their hash was verified; one that is not has replanned by now."""
        films = [Path(start.path).name for start in starts if start.kind == "film"]
        return all(self._fetcher.check(sha256) is None for sha256 in films)

    # --- time passing -------------------------------------------------------------------------

    def _left_s(self) -> float | None:
        """In how many seconds something is due; None where nothing is, or nobody knows."""
        return self._present.left_s(self._conductor.deadline(self._now()))

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            fault = self._journal.forget_expired(self._now().at_least)
            if fault is not None:
                log.error("expired cues cannot be struck from the journal", reason=fault.code, detail=fault.detail)

    # --- what is told -------------------------------------------------------------------------

    def _publish(self, topic: str, payload: bytes, kind: Kind, seq: int | None = None) -> None:
        self._sessions.publish(topic, payload, kind, seq)

    def _judged(self, reply: Reply) -> Answer:
        return asks.answer(reply, self._status(), self._faults(), self._config.cache.reserve_gb)

    def _moment(self, raw: RawNs) -> Moment:
        """What is on the wall, for a display that was copied at this instant: some milliseconds ago."""
        return Moment(self._present.now(raw), self._conductor.snapshot(self._now()))

    def _on_shot(self, order: Shoot, outcome: tuple[Print, Moment] | Refusal) -> None:
        self._voice.shot(order, outcome, round(self._config.display.latency_ms * 1000))

    def _newest(self) -> Status:
        """A new status; the next scrape gets its figures."""
        self._told = self._status()
        self._metrics.refresh()
        return self._told

    def _status(self) -> Status:
        now = self._now()
        pids = [os.getpid(), *filter(None, [self._player.pid, self._camera.pid if self._camera else None])]
        surroundings = Surroundings(
            venue=self._config.venue,
            boot=self._boot,
            unsigned=not self._config.trust.require,
            latency_us=round(self._config.display.latency_ms * 1000),
            clock=self._present.report,
            offset_host_us=self._present.host_offset_us(now),
            cache=self._fetcher.snapshot(),
            host=self._host.read(pids),
            brokers=self._sessions.connected,
            broker_faults=self._sessions.faults,
            faults=self._faults(),
            warnings=(*self._metrics.faults, *filter(None, [self._scribe.fault, self._local.socket.fault])),
            self_test=self._selftest.result,
        )
        return build_status(self._conductor.snapshot(now), now, surroundings)

    def _figures(self) -> Iterable[Family]:
        return families(self._told or self._status(), self._showings, __version__)

    def _faults(self) -> tuple[Refusal, ...]:
        """What is amiss around the conductor."""
        return (
            *self._keys.faults,
            *self._broker_faults(),
            *filter(None, [self._commits.fault]),
            *self._fetcher.faults,
        )

    def _broker_faults(self) -> list[Refusal]:
        """A broker that is connected and does not serve us is worse than one that is away: it looks well."""
        connected, faults = self._sessions.connected, self._sessions.faults
        rivalry = self._sessions.rivalry
        second = [Refusal(code="identity", detail=rivalry)] if rivalry else []
        return second + [Refusal(code="broker", detail=detail) for url, detail in faults.items() if connected[url]]


def _usable(outcome: T | Refusal) -> T:
    if isinstance(outcome, Refusal):
        raise CannotStartError(outcome.detail)
    return outcome


async def run_until_signal(config: Config, file: Path | None = None) -> None:
    """Run the agent until SIGINT or SIGTERM. Raises CannotStartError before anything is shown."""
    task = asyncio.ensure_future(Daemon(config, file).run())
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
