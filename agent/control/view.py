"""What the venues have said, put together from all brokers. Pure: messages and times come in as arguments."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from agent.connection import Received
from agent.intake import panic_kind
from agent.messages import Cue, Lift, Panic, Program, Refusal, decode
from agent.told import Ack, Presence, Status
from agent.trust import Kind, Opened, Trust, open_body
from agent.units import US_PER_S, UtcUs

M = TypeVar("M", Presence, Status, Ack, Cue, Panic, Lift)

SILENT_S = 12.0
ANYBODY = Trust(require=False)
"""A tool's trust: it reads whatever a broker keeps, and whether that counts is judged by the venues."""
CLOCKS_AGREE_US = -2 * US_PER_S


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest status of a venue; `live_at_s` (monotonic) is when it came live, None if it was a retained one."""

    status: Status
    live_at_s: float | None


class View:
    """What venues tell and what brokers keep, as far as it is known; duplicates from further brokers are dropped.

    Signatures are not looked at: nothing is shown on a wall because of what stands here.
    """

    def __init__(self) -> None:
        self._presences: dict[str, dict[str, Presence]] = {}  # venue → url → presence there
        self._acks_seen: set[bytes] = set()
        self.statuses: dict[str, Heard] = {}
        self.acks: list[Ack] = []
        self.programs: dict[tuple[str, int], bytes] = {}
        self._cues: dict[str, tuple[str, Cue]] = {}  # id → sha256 of the body, and what it says
        self._panics: dict[str, Panic | Lift] = {}  # url → the last one there
        self.odd: list[str] = []  # what could not be read, for people

    def take(self, message: Received, now_s: float) -> None:
        """Take in one message, its topic below the root, received at monotonic `now_s`."""
        if not message.payload:  # nothing is kept there any more
            return
        match message.topic.split("/"):
            case ["venue", venue, "presence"]:
                presence = self._read(Presence, message)
                if presence is not None:
                    self._presences.setdefault(venue, {})[message.url] = presence
            case ["venue", venue, "status"]:
                status = self._read(Status, message)
                if status is not None:
                    self._take_status(venue, status, None if message.retained else now_s)
            case ["venue", _, "ack"]:
                if message.payload in self._acks_seen:
                    return
                self._acks_seen.add(message.payload)
                ack = self._read(Ack, message)
                if ack is not None:
                    self.acks.append(ack)
            case ["program", program, rev] if rev.isdecimal():
                self.programs[program, int(rev)] = message.payload
            case ["cue", *_]:
                self._take_cue(message)
            case ["panic"]:
                self._take_panic(message)

    def _take_cue(self, message: Received) -> None:
        opened = self._open(("cue",), message)
        cue = self._read(Cue, message, opened.body) if opened else None
        if opened is None or cue is None:
            return
        body = opened.body
        digest = sha256(body).hexdigest()
        known = self._cues.get(cue.cue)
        # Of two bodies under one id the venues take the one with the smaller hash.
        if known is None or digest < known[0]:
            self._cues[cue.cue] = (digest, cue)

    def _take_panic(self, message: Received) -> None:
        opened = self._open(("panic", "lift"), message)
        if opened is None:
            return
        found: Panic | Lift | None
        if panic_kind(opened) == "lift":
            found = self._read(Lift, message, opened.body)
        else:
            found = self._read(Panic, message, opened.body)
        if found is not None:
            self._panics[message.url] = found

    def _open(self, kinds: tuple[Kind, ...], message: Received) -> Opened | None:
        opened = open_body(message.payload, kinds, ANYBODY, None)
        if isinstance(opened, Refusal):
            self.odd.append(f"{message.topic} cannot be read: {opened.detail}")
            return None
        return opened

    def _take_status(self, venue: str, status: Status, live_at_s: float | None) -> None:
        known = self.statuses.get(venue)
        if known is not None and live_at_s is None:
            if known.live_at_s is not None or (status.time or 0) < (known.status.time or 0):
                return
        elif known is not None and known.status.boot == status.boot and (status.time or 0) < (known.status.time or 0):
            return  # a slower broker brought an older one
        self.statuses[venue] = Heard(status, live_at_s)

    def _read(self, model: type[M], message: Received, body: bytes | None = None) -> M | None:
        found = decode(model, message.payload if body is None else body)
        if isinstance(found, Refusal):
            self.odd.append(f"{message.topic} cannot be read: {found.detail}")
            return None
        return found

    @property
    def cues(self) -> dict[str, Cue]:
        """The cues that a broker keeps, by id."""
        return {key: cue for key, (_, cue) in self._cues.items()}

    @property
    def panics(self) -> dict[str, Panic]:
        """The panics that a broker keeps and no broker's lift names, by id: of each broker the last one at most."""
        lifted = {message.lift for message in self._panics.values() if isinstance(message, Lift)}
        kept = {message.panic: message for message in self._panics.values() if isinstance(message, Panic)}
        return {key: panic for key, panic in kept.items() if key not in lifted}

    @property
    def presences(self) -> dict[str, Presence]:
        """Each venue once: online if it is so at any broker."""
        return {
            venue: max(found.values(), key=lambda presence: presence.online)
            for venue, found in sorted(self._presences.items())
        }

    def expected(self, patterns: Iterable[str]) -> list[str]:
        """The venues that a cue to these patterns should be answered by: those named, and those known that match."""
        wanted = list(patterns)
        named = {pattern for pattern in wanted if pattern[0] not in "*@"}
        matching = {
            venue
            for venue, presence in self.presences.items()
            if "*" in wanted or any(f"@{group}" in wanted for group in presence.groups)
        }
        return sorted(named | matching)

    def unmatched(self, patterns: Iterable[str]) -> list[str]:
        """Those of the patterns (venues, `@groups`, `*`) that no known venue matches."""
        known = {"*"} if self.presences else set()
        for venue, presence in self.presences.items():
            known |= {venue, *(f"@{group}" for group in presence.groups)}
        return [pattern for pattern in dict.fromkeys(patterns) if pattern not in known]

    def newest_rev(self, program: str) -> int | None:
        """The greatest revision of a program that a broker keeps."""
        return max((rev for name, rev in self.programs if name == program), default=None)

    def program(self, program: str, rev: int) -> Program | None:
        """A program as it is kept; None when it is not there or cannot be read."""
        payload = self.programs.get((program, rev))
        opened = open_body(payload, ("program",), ANYBODY, None) if payload is not None else None
        found = decode(Program, opened.body) if isinstance(opened, Opened) else None
        return found if isinstance(found, Program) else None

    def gone(self, venue: str) -> bool:
        """Whether a venue has said goodbye, or its brokers for it, since its last status (a will can come late)."""
        presence, heard = self.presences.get(venue), self.statuses.get(venue)
        if presence is None or presence.online:
            return False
        return heard is None or heard.status.boot == presence.boot

    def silent(self, venue: str, now: UtcUs, now_s: float) -> bool:
        """Whether nothing has been heard of a venue for 12 s, or it has gone since.

        A live status counts by when it came. A retained one counts by its own time, and only while that fits this
        host's clock: one from the future tells that the clocks differ, not that the venue lives.
        """
        heard = self.statuses.get(venue)
        if heard is None or self.gone(venue):
            return True
        if heard.live_at_s is not None:
            return now_s - heard.live_at_s > SILENT_S
        if heard.status.time is None:
            return True
        return not CLOCKS_AGREE_US <= now - heard.status.time <= SILENT_S * US_PER_S

    @property
    def venues(self) -> list[str]:
        """Every venue that left a trace."""
        return sorted(self._presences.keys() | self.statuses.keys())


RANK = {"accepted": 1, "armed": 2, "started": 3}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one venue made of a cue: `verdict` is ok, no-go, bad, late or silent; `ack` is the one that says so.

    `reached`: it came as far as was wanted, be it ready or not.
    """

    venue: str
    verdict: str
    ack: Ack | None
    reached: bool = False


def judge(about: str, venue: str, acks: Iterable[Ack], wanted: str) -> Answer:
    """Judge a venue by its acks to the cue or panic of an id, in the order in which they came.

    ok: the wanted stage was reached · no-go: it is not ready, though it may have armed · bad: refused, missed or
    overtaken before that · late: it answered, but not as far as wanted · silent: no answer. `cancelled` is wanted of a
    panic that is lifted: no-go is then a venue in which another one still holds.
    """
    ours = [ack for ack in acks if ack.cue == about and ack.venue == venue]
    if wanted == "cancelled":
        return _judge_lift(venue, ours)
    best: Ack | None = None
    unready: Ack | None = None
    for ack in ours:
        if ack.stage == "accepted":
            unready = ack if ack.ready is False else None
        if ack.stage in RANK:
            # A further 'accepted' follows when readiness changes, so of equal stages the later counts.
            if best is None or RANK[ack.stage] >= RANK[best.stage]:
                best = ack
        elif best is None or RANK[best.stage] < RANK[wanted]:
            return Answer(venue, "bad", ack)
    if best is None:
        return Answer(venue, "silent", None)
    reached = RANK[best.stage] >= RANK[wanted]
    if unready is not None and best.stage != "started":
        return Answer(venue, "no-go", unready, reached)
    return Answer(venue, "ok" if reached else "late", best, reached)


def _judge_lift(venue: str, acks: Iterable[Ack]) -> Answer:
    answer = Answer(venue, "silent", None)
    for ack in acks:
        if ack.stage == "cancelled":
            answer = Answer(venue, "no-go" if ack.ready is False else "ok", ack, True)
        elif ack.stage == "refused":
            answer = Answer(venue, "bad", ack)
    return answer
