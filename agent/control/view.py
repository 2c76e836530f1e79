"""What the venues have said, put together from all brokers. Pure: messages and times come in as arguments.

Who speaks is said by the topic, for a broker's access list holds a venue to the topics below its own name; a body that
names another venue is dropped.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice, takewhile
from typing import TypeVar

from agent.answered import Answer
from agent.control.claims import Claim, Contest
from agent.control.desk import OLD_US, Order
from agent.control.once import Once
from agent.control.presences import Presences, version_fault
from agent.control.replies import Replies
from agent.intake import panic_kind
from agent.messages import (
    MAX_ANSWER_BYTES,
    MAX_BODY_BYTES,
    Cue,
    Lift,
    Panic,
    Refusal,
    decode,
    decode_often,
)
from agent.printable import printable
from agent.programs import Program
from agent.received import Received
from agent.told import Ack, AsRun, Presence, Status
from agent.trust import Envelope, Kind, Opened, Trust, open_body, unverified_body
from agent.units import US_PER_S, UtcUs

M = TypeVar("M", Presence, Status, Ack, Answer, AsRun, Cue, Panic, Lift, Claim)
T = TypeVar("T", Presence, Status, Ack, Answer, AsRun)

SILENT_S = 12.0
ANYBODY = Trust(require=False)
"""The trust of a tool that is given no keys: it reads whatever a broker keeps, and the venues judge what counts."""
CLOCKS_AGREE_US = -2 * US_PER_S
ODD_KEPT = 20
"""Sentences on what could not be read: the newest, for somebody who floods the broker must not make a board deaf."""
MOST_RECORDS, FEWEST_RECORDS, ALL_RECORDS = 3000, 60, 60_000
"""Live as-run records that are kept of one venue (a day of minutes and more, or an hour), and of all together."""
SEEN_KEPT = 500_000
"""More than ten thousand venues say of a show; a copy by a second broker comes within seconds."""

REV_DIGITS = 15  # more than any revision has
ORDERS_KEPT = 2000
MOST_ACKS = 60_000
"""A tool that listens for weeks forgets the acks of the oldest cues: six cues to ten thousand venues have so many."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest status of a venue; `live_at_s` (monotonic) is when it came live, None if it was a retained one."""

    status: Status
    live_at_s: float | None


@dataclass(slots=True)
class Kept:
    """A cue that brokers keep, and `where`: url and topic of each place.

    `keyids` are the keys that have signed it, as far as this tool trusts any (`proved`); else the envelope's own word.
    """

    cue: Cue
    digest: str
    keyids: tuple[str, ...]
    proved: bool
    where: set[tuple[str, str]] = field(default_factory=set)


class View:
    """What venues tell and what brokers keep, as far as it is known; duplicates from further brokers are dropped.

    What is not signed as `trust` asks is passed over and said. Nothing is shown on a wall because of what stands here,
    but an operator's next cue may be reckoned from it.
    """

    def __init__(self, trust: Trust = ANYBODY) -> None:
        self.trust = trust
        self._presences = Presences()
        self._told_before = Once[bytes](SEEN_KEPT)  # hashes of acks and answers, with their topics
        self._recounts: dict[str, set[str]] = {}  # url → topics that it kept before, and has not brought again
        self._acks = 0
        self.statuses: dict[str, Heard] = {}
        self.acks: dict[str, list[Ack]] = {}  # id of the cue or panic → in the order in which they came
        self._replies = Replies()
        self.answers, self.pages = self._replies.answers, self._replies.pages
        self.asruns: dict[str, list[AsRun]] = {}  # venue → its newest records that came live, oldest `due` first
        self.programs: dict[tuple[str, int], bytes] = {}
        self.kept: dict[str, Kept] = {}
        self._panics: dict[tuple[str, str], Panic | Lift] = {}  # url, topic → the last one there
        self.contests: dict[str, Contest] = {}  # by show
        self.orders: deque[Order] = deque(maxlen=ORDERS_KEPT)  # cues, panics and lifts, each as it came first
        self.orders_seen = 0
        self._ordered = Once[str](SEEN_KEPT)
        self.odd_at: dict[str, float] = {}  # what could not be read, for people → when it came last (monotonic)
        self._odd_dropped = False
        self._now_s = 0.0
        self.unsigned: dict[str, set[str]] = {}  # topics of bare cues that `trust` passes over → urls that keep them
        self._passed_over: dict[str, set[str]] = {}  # the same of all cues that it passes over

    def take(self, message: Received, now_s: float, now: UtcUs | None = None) -> None:
        """Take in one message, its topic below the root, received at monotonic `now_s`, UTC `now` if it is known.

        UTC, which may be wrong, is only for what is far too old to be true.
        """
        self._now_s = now_s
        if self._recounts and message.url in self._recounts:
            self._recounts[message.url].discard(message.topic)
        match message.topic.split("/"):
            case ["cue", *_] if not message.payload:
                self._cleared(message.url, message.topic)
            case ["venue", venue, "presence"] if not message.payload:
                self._forget_presence(message.url, venue)
            case _ if not message.payload:  # nothing is kept there any more
                return
            case ["venue", venue, "presence"]:
                presence = self._told(Presence, venue, message)
                if presence is not None:
                    self._presences.take(message.url, presence)
            case ["venue", venue, "status"]:
                status = self._told(Status, venue, message)
                if status is not None:
                    self._take_status(venue, status, None if message.retained else now_s)
            case ["venue", venue, "ack"]:
                ack = self._told_once(Ack, venue, message)
                if ack is not None:
                    self._take_ack(ack)
            case ["venue", venue, "answer"]:
                answer = self._told_once(Answer, venue, message)
                if answer is not None:
                    self._replies.take(venue, answer, len(message.payload))
            case ["venue", venue, "asrun"]:
                record = self._told(AsRun, venue, message)
                if record is not None:
                    self._take_record(venue, record)
            case ["program", program, rev] if rev.isdecimal() and len(rev) <= REV_DIGITS:
                self._take_program((program, int(rev)), message)
            case ["cue", *_]:
                self._take_cue(message, now_s)
            case ["panic"] | ["panic", _]:
                self._take_panic(message, now_s)
            case ["desk", show, "go"]:
                self._take_claim(show, message, now_s, now)

    def _take_claim(self, show: str, message: Received, now_s: float, now: UtcUs | None) -> None:
        opened = self._open(("claim",), message)
        claim = self._read(Claim, message, opened.body) if opened else None
        if claim is None or claim.show != show:
            return
        if message.retained or (now is not None and now - claim.issued >= OLD_US):
            # Whoever recorded it may send it as often as they like: its signature is good for ever.
            self._say(f"{message.topic}: a claim of {claim.by} is an old one that was sent again; passed over")
            return
        self.contest(show).take(message.url, claim, now_s)

    def contest(self, show: str) -> Contest:
        """The claims to GO that desks of a show have made."""
        return self.contests.setdefault(show, Contest())

    def orders_after(self, seen: int) -> list[Order]:
        """The orders behind the first `seen` ones, as far as they are kept; count on with `orders_seen`."""
        new = self.orders_seen - seen
        return list(self.orders)[-new:] if new > 0 else []

    def _order(self, message: Received, opened: Opened, found: Cue | Panic | Lift, now_s: float) -> None:
        signers = tuple(sorted(opened.signers))
        order = Order(found, now_s, not message.retained, signers or _keyids(message.payload), bool(signers))
        if self._ordered.first(order.id):
            self.orders.append(order)
            self.orders_seen += 1

    def forget_answers(self, ask: str) -> None:
        """Whoever asked has what it wanted."""
        self._replies.forget(ask)

    def _take_cue(self, message: Received, now_s: float) -> None:
        opened = self._open(("cue",), message)
        cue = self._read(Cue, message, opened.body) if opened else None
        if opened is None or cue is None:
            return
        body = opened.body
        digest = sha256(body).hexdigest()
        known = self.kept.get(cue.cue)
        # Of two bodies under one id the venues take the one with the smaller hash.
        if known is None or digest < known.digest:
            signers = tuple(sorted(opened.signers))
            keyids = signers or _keyids(message.payload)
            self.kept[cue.cue] = Kept(cue, digest, keyids, bool(signers), known.where if known else set())
        self.kept[cue.cue].where.add((message.url, message.topic))
        self._order(message, opened, cue, now_s)

    def _take_program(self, key: tuple[str, int], message: Received) -> None:
        opened = self._open(("program",), message)
        if opened is None:
            return
        if self.programs.setdefault(key, opened.body) != opened.body:
            self._say(f"{message.topic} is another program at {message.url}: publish the next revision, and cue that")

    def _cleared(self, url: str, topic: str) -> None:
        """A broker keeps nothing under a topic any more."""
        for places in (self.unsigned, self._passed_over):
            if url in places.get(topic, ()):
                places[topic].discard(url)
                if not places[topic]:
                    del places[topic]
        if topic not in self._passed_over:
            for text in [text for text in self.odd_at if text.startswith(f"{topic} is passed over: ")]:
                del self.odd_at[text]
        for cue, kept in list(self.kept.items()):
            kept.where.discard((url, topic))
            if not kept.where:
                del self.kept[cue]

    def _forget_presence(self, url: str, venue: str) -> None:
        if self._presences.forget(url, venue):
            self.statuses.pop(venue, None)

    # --- a line that stays for weeks --------------------------------------------------------------

    def lost(self, url: str) -> None:
        """The connection to a broker is gone: what it said of presences is believed only where no other one speaks."""
        self._presences.lost(url)

    def back(self, url: str) -> None:
        """A broker is there, and brings what it keeps: what it kept before is to come again, or is gone (`recounted`).

        The first time there is nothing to come again.
        """
        self._presences.back(url)
        kept = {topic for found in self.kept.values() for place, topic in found.where if place == url}
        panics = {topic for place, topic in self._panics if place == url}
        presences = {f"venue/{venue}/presence" for venue in self._presences.told_by(url)}
        passed_over = {topic for topic, places in self._passed_over.items() if url in places}
        self._recounts[url] = kept | panics | presences | passed_over

    def recounted(self, url: str) -> None:
        """A broker has brought all that it keeps: what it has not brought again was taken away in the meantime."""
        for topic in self._recounts.pop(url, ()):
            match topic.split("/"):
                case ["venue", venue, "presence"]:
                    self._forget_presence(url, venue)
                case ["cue", *_]:
                    self._cleared(url, topic)
                case _:
                    self._panics.pop((url, topic), None)

    def expire(self, now: UtcUs) -> None:
        """Forget the cues that have expired: brokers do so without a word."""
        for cue, kept in list(self.kept.items()):
            if kept.cue.expires <= now:
                del self.kept[cue]

    def _take_ack(self, ack: Ack) -> None:
        self.acks.setdefault(ack.cue, []).append(ack)
        self._acks += 1
        while self._acks > MOST_ACKS and len(self.acks) > 1:
            self._acks -= len(self.acks.pop(next(iter(self.acks))))

    def _take_panic(self, message: Received, now_s: float) -> None:
        opened = self._open(("panic", "lift"), message)
        if opened is None:
            return
        found: Panic | Lift | None
        if panic_kind(opened) == "lift":
            found = self._read(Lift, message, opened.body)
        else:
            found = self._read(Panic, message, opened.body)
        if found is not None:
            self._panics[message.url, message.topic] = found
            self._order(message, opened, found, now_s)

    def _open(self, kinds: tuple[Kind, ...], message: Received) -> Opened | None:
        opened = open_body(message.payload, kinds, self.trust, None)
        if isinstance(opened, Refusal):
            passed = opened.code in ("signature", "role")
            self._say(f"{message.topic} {'is passed over' if passed else 'cannot be read'}: {opened.detail}")
            if passed and message.topic.startswith("cue/"):  # what comes on `cue` itself no broker keeps
                self._passed_over.setdefault(message.topic, set()).add(message.url)
                if unverified_body(message.payload) is None:
                    self.unsigned.setdefault(message.topic, set()).add(message.url)
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

    def _take_record(self, venue: str, record: AsRun) -> None:
        """Each once: the same record comes by every broker, and again after a restart."""
        kept = self.asruns.setdefault(venue, [])
        at = bisect_left(kept, record.due, key=lambda known: known.due)
        if any(known == record for known in takewhile(lambda known: known.due == record.due, islice(kept, at, None))):
            return
        kept.insert(at, record)
        most = max(FEWEST_RECORDS, min(MOST_RECORDS, ALL_RECORDS // len(self.asruns)))
        del kept[: max(0, len(kept) - most)]

    def _told_once(self, model: type[T], venue: str, message: Received) -> T | None:
        mark = sha256(message.topic.encode() + b"\0" + message.payload).digest()
        return self._told(model, venue, message) if self._told_before.first(mark) else None

    def _told(self, model: type[T], venue: str, message: Received) -> T | None:
        found = self._read(model, message)
        if found is not None and found.venue != venue:
            self._say(f"{message.topic} speaks as {found.venue!r}, which it is not; dropped. Who writes there?")
            return None
        return found

    def _read(self, model: type[M], message: Received, body: bytes | None = None) -> M | None:
        data = message.payload if body is None else body
        if model is Status:
            found = decode_often(model, data)
        else:
            found = decode(model, data, MAX_ANSWER_BYTES if model is Answer else MAX_BODY_BYTES)
        if isinstance(found, Refusal):
            self._say(f"{message.topic} cannot be read: {found.detail}")
            return None
        return found

    def _say(self, text: str) -> None:
        text = printable(text)
        self.odd_at.pop(text, None)
        self.odd_at[text] = self._now_s
        if len(self.odd_at) > ODD_KEPT:
            del self.odd_at[next(iter(self.odd_at))]
            self._odd_dropped = True

    @property
    def odd(self) -> list[str]:
        """What could not be read or is passed over, a sentence each, the newest last."""
        return [*self.odd_at, *(["and more before that"] if self._odd_dropped else [])]

    @property
    def warnings(self) -> list[str]:
        """What could not be read, as a command says it: cues that are passed over in one line, until they are gone."""
        told = [text for text in self.odd if text.split(" is passed over: ")[0] not in self._passed_over]
        if not self._passed_over:
            return told
        count = len(self._passed_over)
        what = "1 cue that brokers keep is" if count == 1 else f"{count} cues that brokers keep are"
        remedy = "; 'framezero cue list --clean' ends what nobody has signed" if self.unsigned else ""
        return [*told, f"{what} passed over, for no key of `trust` in the profile has signed it{remedy}"]

    @property
    def cues(self) -> dict[str, Cue]:
        """The cues that a broker keeps, by id."""
        return {key: kept.cue for key, kept in self.kept.items()}

    @property
    def panics(self) -> dict[str, Panic]:
        """The panics that a broker keeps and that lifts at the brokers have not ended everywhere, by id."""
        lifted: dict[str, set[str]] = {}
        for lift in self._panics.values():
            if isinstance(lift, Lift):
                lifted.setdefault(lift.lift, set()).update(lift.venues)
        kept = {message.panic: message for message in self._panics.values() if isinstance(message, Panic)}
        return {key: panic for key, panic in kept.items() if not covers(lifted.get(key, ()), panic.venues)}

    @property
    def presences(self) -> dict[str, Presence]:
        """Each venue once: online if it is so at any broker that is here, else at any that was."""
        return self._presences.once_each

    @property
    def presence_changes(self) -> int:
        """How often what is known of presences has changed."""
        return self._presences.changes

    def expected(self, patterns: Iterable[str]) -> list[str]:
        """The venues that a cue to these patterns should be answered by: those named, and those known that match."""
        return self._presences.expected(patterns)

    def unmatched(self, patterns: Iterable[str]) -> list[str]:
        """Those of the patterns (venues, `@groups`, `*`) that no known venue matches."""
        return self._presences.unmatched(patterns)

    def newest_rev(self, program: str) -> int | None:
        """The greatest revision of a program that a broker keeps."""
        return max((rev for name, rev in self.programs if name == program), default=None)

    def program(self, program: str, rev: int) -> Program | None:
        """A program as it is kept; None when it is not there or cannot be read."""
        found = decode(Program, self.program_body(program, rev))
        return found if isinstance(found, Program) else None

    def program_body(self, program: str, rev: int) -> bytes:
        """The exact body of a program as it is kept, without its envelope; empty when it is not there."""
        return self.programs.get((program, rev), b"")

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

    def other_versions(self) -> list[str]:
        """A warning for each venue that does not read the messages of this tool."""
        faults = {venue: version_fault(presence) for venue, presence in self.presences.items()}
        return [f"{venue}: {fault}" for venue, fault in faults.items() if fault]

    @property
    def venues(self) -> list[str]:
        """Every venue that left a trace."""
        return sorted(self.presences.keys() | self.statuses.keys())


def covers(patterns: Iterable[str], others: Iterable[str]) -> bool:
    """Whether a cancel or lift for these patterns reaches every venue that the others name, whoever they are."""
    wanted = set(patterns)
    return "*" in wanted or set(others) <= wanted


def _keyids(payload: bytes) -> tuple[str, ...]:
    envelope = decode(Envelope, payload)
    return () if isinstance(envelope, Refusal) else tuple(signature.keyid for signature in envelope.signatures)
