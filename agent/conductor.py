"""The brain of a venue: events in, effects out; it never reads a clock, draws a number, logs or waits."""

from dataclasses import dataclass
from functools import partial
from typing import assert_never

from agent import asks, identify, quiet
from agent.alarm import Alarm
from agent.asrun import Proof, vouched_us
from agent.clock.mapping import ClockState
from agent.effects import (
    AskAgain,
    Direct,
    Effect,
    Event,
    FilmHeard,
    Kept,
    KeysHeard,
    LocalOrdered,
    Note,
    Now,
    PlayerHeard,
    Received,
    Record,
    Restored,
    RestoredBlack,
    RestoredId,
    Ticked,
)
from agent.intake import Venue
from agent.ledger import Ledger
from agent.library import Library
from agent.localblack import AtTheWall, Standing, black_short
from agent.localwire import Use
from agent.messages import MAX_IDENTIFY_S, Refusal
from agent.planner import Billed, Film, World
from agent.player.wire import Adrift, Armed, Failed, Fired, Hello, Missed, Report, Running
from agent.promises import Promises
from agent.reception import JUDGED, Reception
from agent.refusals import Refusals
from agent.revocation import Revocation
from agent.scene import Scene, build_scene
from agent.schedule import program_key
from agent.stages import Shorts, Stages
from agent.teller import Teller
from agent.trust import KeyId, Trust
from agent.units import NS_PER_US, US_PER_S, UtcUs, format_utc
from agent.wall import Wall
from agent.wishes import Wishlist

STEP_US = 15_000
SET_BACK_US = 1_000_000
SOON_US = 30 * US_PER_S
"""A host whose own clock ran by the local time, say, is hours ahead until the time servers answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The clock's limits from the configuration; the slate's path ('' is the built-in one), what is amiss with it."""

    ready_error_us: int
    show_error_us: int
    slate: str
    slate_fault: Refusal | None = None


class Conductor:
    """One venue's cues, programs, films and player, and what follows from them."""

    def __init__(self, venue: Venue, boot: str, limits: Limits, trust: Trust) -> None:
        self._venue = venue
        self._trust = trust
        self._teller = Teller(venue.name, boot)
        self._limits = limits
        self._refusals = Refusals()
        self._promises = Promises()
        self._ledger = Ledger()
        self._library = Library()
        self._stages = Stages(self._teller, self._ledger, self._library, self._promises)
        self._reception = Reception(
            venue, self._teller, self._ledger, self._library, self._promises, self._refusals, self._stages
        )
        self._films: dict[str, Film] = {}
        self._films_heard = 0
        self._wishlist = Wishlist()
        self._wall = Wall()
        self._proof = Proof(venue.name)
        self._alarm = Alarm(venue, self._teller, self._refusals, self._promises)
        self._at_wall = AtTheWall(self._promises)
        self._asks = asks.Asks()
        self._overlays = identify.Overlays()
        self._slate = limits.slate
        self._slate_fault = limits.slate_fault
        self._offset_us: int | None = None
        self._revocation = Revocation(self._teller)

    def handle(self, event: Event, now: Now) -> list[Effect]:
        """Take one event; the effects are to be carried out in order."""
        effects: list[Effect] = []
        match event:
            case Received(topic, payload):
                effects += self._receive(topic, payload, now)
            case Restored(topic, body, signers):
                self._restore(topic, body, signers, now)
                return []  # what follows is said when all is restored
            case RestoredId(cue, digest, until, signers):
                self._ledger.recall(cue, digest, until, signers)
                return []
            case RestoredBlack(black):
                self._at_wall.restore(black)
                return []
            case LocalOrdered(black):
                effects += self._at_wall.order(black)
            case Kept():
                self._promises.heard(event)
            case KeysHeard(trust, settled):
                effects += self._keys_heard(trust, settled, now)
            case FilmHeard(sha256, path, refusal, contents):
                self._hear_film(sha256, Film(path, refusal, contents))
            case PlayerHeard(report):
                effects += self._player_said(report, now)
            case Ticked():
                pass
            case _:
                assert_never(event)
        cover = self._alarm.cover(self._wall, self._slate, black=self._at_wall.black is not None)
        effects += self._consequences(now)
        if cover:
            # Panic and local black wait for nothing, not even for the journal; nor does the plan that goes with it.
            effects.sort(key=lambda effect: not isinstance(effect, Direct))
        return [*cover, *effects]

    def deadline(self, now: Now) -> UtcUs | None:
        """The next instant at which something is due here; None while nothing is."""
        if now.utc is None:
            return None
        change = self._ledger.agenda.next_change(now.utc)
        instants = [billed.start.at for billed in self._wall.plan if billed.start.at > now.utc]
        return min([*instants, *([change] if change is not None else [])], default=None)

    def rests(self, now: Now) -> bool:
        """Whether nothing runs, is under way or is due soon: for so long a look at the clock is not pressing."""
        if now.utc is None or self._world(now).instead is not None or not self._wall.still:
            return False
        agenda, soon = self._ledger.agenda, now.utc + SOON_US
        overlay = next(agenda.overlays(UtcUs(now.utc - MAX_IDENTIFY_S * US_PER_S)), None)
        change = agenda.next_change(now.utc)
        due = [billed.start.at for billed in self._wall.plan]
        due += [overlay.at] if overlay is not None else []
        due += [change] if change is not None else []
        return min(due, default=soon) >= soon

    def snapshot(self, now: Now) -> Scene:
        """What this venue does now, and whether it is ready for what comes."""
        world = self._world(now)
        ahead = world.agenda.programs_pending(now.utc) if now.utc is not None else []
        shorts = [world.panic_short, world.local_short, self._clock_short(now), self._slate_fault]
        shorts += [self._stages.ready(world, key, self._films_heard) for key in ahead]
        shorts += [world.misfit(item) for item in self._wishlist.items]
        identifying = now.utc is not None and self._overlays.due(now.utc)
        return build_scene(world, self._wall, self._proof.tally, now.utc, self._wishlist.wishes, shorts, identifying)

    def uses(self, now: Now, within_s: int) -> list[Use]:
        """What the wall is in use for, or will be within so many seconds; empty where a restart disturbs nothing."""
        return quiet.uses(self._world(now), self._wall, now.utc, within_s)

    def standing(self) -> Standing:
        """How far the last order of somebody at the wall has got."""
        panic = self._alarm.holding
        fault = None if self._wall.player is not None else self._wall.fault
        return self._at_wall.standing(dark=self._alarm.dark, fault=fault, panic=panic.panic if panic else None)

    # --- messages -----------------------------------------------------------------------------

    def _receive(self, topic: str, payload: bytes, now: Now) -> list[Effect]:
        if not payload:
            return []
        match topic.split("/"):
            case ["cue"]:
                return self._reception.cue(payload, None, self._trust, now)
            case ["cue", "_hello"]:
                return []
            case ["cue", cue]:
                return self._reception.cue(payload, cue, self._trust, now)
            case ["program", program, rev]:
                return self._reception.program(payload, (program, rev), self._trust, now)
            case ["panic"] | ["panic", _]:
                return self._alarm.receive(payload, self._trust, now)
            case ["ask", _]:
                world = self._world(now)
                return self._asks.receive(payload, now, world, self._questions(world, now))
        if not self._refusals.tell("topic", b"", now, where=topic):
            return []
        return [Note("warning", "message ignored: this version does not serve its topic", (("topic", topic[:80]),))]

    def _keys_heard(self, trust: Trust, settled: bool, now: Now) -> list[Effect]:
        """Take another set of keys; with new ones in it, what was refused before is worth another look."""
        more = set(trust.keys) - set(self._trust.keys)
        self._trust = trust
        shown = self._wall.on_wall.cue if self._wall.on_wall else None
        effects = self._revocation.heard(trust, settled, self._ledger, self._library, shown, now)
        self._library.settle(partial(trust.suffice, "program"))
        if not more:
            return effects
        self._refusals.forget()
        return [*effects, AskAgain()]

    def _restore(self, topic: str, body: bytes, signers: frozenset[KeyId], now: Now) -> None:
        match topic.split("/"):
            case ["cue", cue]:
                self._reception.restore_cue(cue, body, signers, now)
            case ["program", program, rev]:
                self._reception.restore_program((program, rev), body, signers, now)
            case ["panic"]:
                self._alarm.restore(body, JUDGED, now)

    # --- the player ---------------------------------------------------------------------------

    def _player_said(self, report: Report, now: Now) -> list[Effect]:
        fault = self._wall.fault
        billed = self._wall.heard(report)
        self._overlays.heard(report)
        covered = self._alarm.heard(report, now)
        if covered:
            return covered
        entry = self._ledger.get(billed.cue.cue) if billed and billed.cue else None
        # A slate in a film's place is no start of the cue.
        told = entry if billed is not None and billed.short is None else None
        match report:
            case Hello():
                parts = (("mpv", report.mpv), ("display", report.display), ("profile", report.profile))
                up = Note("info", "player up", parts)
                return [up, *([Note("warning", "decoding", (("detail", report.note),))] if report.note else [])]
            case Failed(reason=reason, detail=detail):
                if self._wall.fault == fault:  # each further attempt fails in the same way
                    return []
                return [Note("error", "player down", (("reason", reason), ("detail", detail)))]
            case Armed():
                return self._stages.once(told, "armed", now)
            case Fired(observed_us=observed, error_us=error_us):
                bound_us = vouched_us(report.bound_us, now.clock)
                figures = (
                    ("error_us", error_us),
                    ("go_us", report.go_us),
                    ("bound_us", "unknown" if bound_us is None else bound_us),
                )
                film = self._film_of(billed)
                note = Note("info", "started", (("start", report.id), *([("film", film)] if film else []), *figures))
                if billed is None:
                    return [note]
                records = self._proof.fired(billed, report, now.clock, self._world(now))
                facts = {"due": billed.start.at, "observed": observed, "error_us": error_us, "bound_us": bound_us}
                shown = [Record(record) for record in records]
                started = self._stages.once(told, "started", now, None, **facts, joined=billed.piece.joined)
                return [note, *shown, *started]
            case Running() if now.utc is not None:
                records = self._proof.running(report, now.utc, now.bound_us, now.clock, self._world(now))
                return [Record(record) for record in records]
            case Adrift(error_us=error_us):
                off = (("start", report.id), ("error_us", error_us))
                return [Note("warning", "off its timeline; joined anew", off)]
            case Missed(reason=reason, detail=detail):
                if reason == "film_broken" and billed is not None:
                    self._unplayable(billed, detail)
                fields = (("start", report.id), ("reason", reason), ("detail", detail))
                missed = self._stages.once(told, "missed", now, Refusal(code=reason, detail=detail))
                return [Note("warning", "start missed", fields), *missed]
        return []

    def _film_of(self, billed: Billed | None) -> str:
        """What its program calls the film that was started, for the log; empty where it is none."""
        if billed is None or billed.cue is None or billed.piece.item is None:
            return ""
        program = self._library.programs.get(program_key(billed.cue))
        return program.items[billed.piece.item].name if program is not None else ""

    def _unplayable(self, billed: Billed, detail: str) -> None:
        """What mpv cannot play is not given to it again; readiness says why, and the built-in slate stands in."""
        if billed.start.kind == "slate":
            self._slate = ""
            self._slate_fault = Refusal(code="slate_broken", detail=f"display.slate: {detail}")
        elif billed.cue is not None and billed.piece.item is not None:
            program = self._library.programs[program_key(billed.cue)]
            item = program.items[billed.piece.item]
            encode = item.for_venue(self._venue.name, self._venue.groups)
            broken = Refusal(code="film_broken", detail=f"{item.name}: {detail}")
            self._hear_film(encode.sha256, Film(None, broken))

    def _hear_film(self, sha256: str, film: Film) -> None:
        if self._films.get(sha256) != film:
            self._films[sha256] = film
            self._films_heard += 1

    def _questions(self, world: World, now: Now) -> asks.Shorts:
        """What keeps this venue from being ready, whatever is played."""
        clock = self._clock_short(now)
        # A question of its own would be one that older tools do not know.
        display = (world.local_short, self._wall.fault, self._slate_fault)
        return [("panic", world.panic_short), ("clock", clock), *(("display", fault) for fault in display)]

    # --- consequences -------------------------------------------------------------------------

    def _consequences(self, now: Now) -> list[Effect]:
        effects: list[Effect] = []
        self._ledger.forget_expired(now.at_least)
        effects += self._revocation.dated(self._ledger, self._library, now)
        effects += [
            *self._refusals.summary(now),
            *self._alarm.tell(now, self._wall.fault, black_short(self._at_wall.black)),
        ]
        effects += self._reception.dated(now)
        # In a leap second UTC stands still; what runs is joined anew once, behind it.
        if now.utc is not None and not now.leaping:
            self._notice_step(now.utc, now.utc - now.raw // NS_PER_US)
        world = self._world(now)
        shorts = Shorts(world.hidden_short, self._clock_short(now), self._wall.fault)
        if now.utc is not None:
            self._stages.wake(world, now)
        effects += self._stages.accepted(world, shorts, self._films_heard, now)
        effects += self._wishlist.update(world, now.utc)
        if now.utc is not None:
            starts = self._wall.direct(world, now.utc)
            if starts is not None:
                effects.append(Direct(starts))
            if self._wall.player is not None:
                # A panic or a local black outranks every cue, and so whatever is laid over the picture.
                agenda = world.agenda if world.instead is None else None
                effects += self._overlays.orders(agenda, self._venue, now.utc)
            player = self._wall.player is not None
            effects += self._stages.settle(world, shorts, self._films_heard, player, now)
        return [*effects, *self._revocation.followed(self._ledger, self._library, now)]

    def _notice_step(self, utc: UtcUs, offset_us: int) -> None:
        """A clock that was stepped leaves the running film at the wrong instant; slewing it stays far below that."""
        step_us = 0 if self._offset_us is None else offset_us - self._offset_us
        if abs(step_us) > STEP_US:
            self._wall.reanchor()
        if step_us < -SET_BACK_US:
            self._ledger.rewind(utc)
        self._offset_us = offset_us

    def _world(self, now: Now) -> World:
        too_bad = now.bound_us is None or now.bound_us > self._limits.show_error_us
        return World(
            agenda=self._ledger.agenda,
            programs=self._library.programs,
            films=self._films,
            venue=self._venue.name,
            groups=self._venue.groups,
            slate=self._slate,
            clock_short=self._clock_short(now) if too_bad else None,
            # By the host's own clock a cue that runs elsewhere is joined, roughly; nothing begins by it.
            joining_from=now.utc if now.clock is ClockState.HOST else None,
            panic=self._alarm.holding,
            conflicts=self._library.conflicts,
            local_black=self._at_wall.black,
        )

    def _clock_short(self, now: Now) -> Refusal | None:
        if now.clock is ClockState.HOST:
            remedy = "running cues are joined by it, none starts; open UDP port 123 to the servers in clock.servers"
            return Refusal(code="clock_host", detail=f"{now.clock_reason}; {remedy}")
        if now.bound_us is None:
            return Refusal(code="clock_unsync", detail=f"no time yet: {now.clock_reason}")
        if now.utc is not None and now.utc < now.floor:
            detail = f"the time servers say {format_utc(now.utc)}, and {format_utc(now.floor)} has passed here already"
            return Refusal(code="clock_back", detail=f"{detail}; correct the servers in clock.servers")
        if now.clock in {ClockState.UNSYNC, ClockState.DEGRADED}:
            remedy = "name more servers in clock.servers, or open UDP port 123 to them"
            return Refusal(code="clock_sources", detail=f"{now.clock_reason}; {remedy}")
        if now.bound_us <= self._limits.ready_error_us:
            return None
        bound_ms, limit_ms = now.bound_us / 1000, self._limits.ready_error_us / 1000
        detail = f"the clock may be {bound_ms:.1f} ms wrong, more than {limit_ms:.1f}: {now.clock_reason}"
        return Refusal(code="clock_bound", detail=detail)
