"""Asks → answers: pure. What an operator wants to know is told at once, and nobody can keep a venue busy by asking.

An ask is judged in this order: known already (a second broker brings each one again), too many, form, age. At most
`RATE_PER_S` a second are looked at; what is beyond that is dropped with one line in the log. An ask that is refused is
answered too, as far as its id can be read, so that whoever asks is not left with a silence.

What a poll is about is one program: films of other programs that are missing do not make it no-go.
"""

from collections.abc import Sequence
from hashlib import sha256

from pydantic import ConfigDict

from agent.answered import Answer, Poll, PolledFilms, Question, Reason
from agent.effects import Effect, Note, Now, Recall, Reply, Shoot
from agent.messages import Ask, Model, Refusal, Uuid, decode
from agent.planner import World
from agent.shots import DEFAULT_WIDTH, Pace
from agent.told import Fetching, Status
from agent.units import US_PER_S, format_utc

RATE_PER_S = 5
MAX_ASK_BYTES = 4096
MAX_AGE_US = 60 * US_PER_S
REMEMBERED = 256
REASONS_TOLD = 12
NAMES_TOLD = 8
DETAIL_CHARS = 300
_QUESTIONS: dict[str, Question] = {
    "trust": "trust",
    "broker": "broker",
    "identity": "broker",
    "disk_error": "disk",
    "disk_denied": "disk",
    "disk_full": "disk",
}
_GB = 1_000_000_000
_NS_PER_S = 1_000_000_000

Shorts = Sequence[tuple[Question, Refusal | None]]


class _Named(Model):
    """As much of a message as an answer needs."""

    model_config = ConfigDict(extra="ignore")

    ask: Uuid


class Asks:
    """The asks of one venue, as they come in."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}  # ids, and hashes of messages, in the order in which they came
        self._allowance = float(RATE_PER_S)
        self._counted_ns = 0
        self._flooded = False
        self._pace = Pace()

    def receive(self, payload: bytes, now: Now, world: World, shorts: Shorts) -> list[Effect]:
        """Take a message of a topic below `ask`; `shorts` keep the venue from being ready, whatever is played."""
        mark = sha256(payload).hexdigest()
        if mark in self._seen:
            return []
        if not self._admit(now.raw):  # not remembered: it may come again, by another broker, in a quieter moment
            if self._flooded:
                return []
            self._flooded = True
            return [Note("warning", f"asks dropped: more than {RATE_PER_S} a second; who is asking?")]
        self._remember(mark)
        if len(payload) > MAX_ASK_BYTES:
            size = Refusal(code="size", detail=f"{len(payload)} bytes; an ask has at most {MAX_ASK_BYTES}")
            return [_note(size)]
        ask = decode(Ask, payload)
        if isinstance(ask, Refusal):
            named = decode(_Named, payload)
            return [_note(ask), *([] if isinstance(named, Refusal) else [Reply(named.ask, None, ask)])]
        if ask.ask in self._seen:
            return []
        self._remember(ask.ask)
        if (old := _age_refusal(ask, now)) is not None:
            return [_note(old), Reply(ask.ask, ask.want, old)]
        if ask.want == "asrun":
            return [Recall(ask)]
        if ask.want == "shot":
            if (crowd := self._pace.admit(now.raw)) is not None:
                return [Reply(ask.ask, ask.want, crowd)]
            return [Shoot(ask.ask, ask.width or DEFAULT_WIDTH)]
        films, reasons = _films(ask, world)
        general = (_reason(question, short) for question, short in shorts if short is not None)
        return [Reply(ask.ask, ask.want, None, films, (*reasons, *general))]

    def _remember(self, mark: str) -> None:
        self._seen[mark] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _admit(self, raw_ns: int) -> bool:
        """Whether the rate leaves room for one more; after a quiet second the next flood is said again."""
        gained = (raw_ns - self._counted_ns) * RATE_PER_S / _NS_PER_S
        self._counted_ns = raw_ns
        self._allowance = min(float(RATE_PER_S), self._allowance + gained)
        if self._allowance < 1.0:
            return False
        if self._allowance >= RATE_PER_S:
            self._flooded = False
        self._allowance -= 1.0
        return True


def _note(refusal: Refusal) -> Note:
    return Note("warning", "ask refused", (("reason", refusal.code), ("detail", refusal.detail)))


def _age_refusal(ask: Ask, now: Now) -> Refusal | None:
    """By a clock that somebody vouches for only; the asking host's may be off as well."""
    if ask.issued is None or now.utc is None or now.bound_us is None or abs(now.utc - ask.issued) <= MAX_AGE_US:
        return None
    detail = f"issued {format_utc(ask.issued)}, and here it is {format_utc(now.utc)}; ask again, and look at the clock"
    return Refusal(code="old", detail=f"{detail} of the host that asks")


def _films(ask: Ask, world: World) -> tuple[PolledFilms | None, tuple[Reason, ...]]:
    """How far the films of the named program are here, and why they are not all there."""
    if ask.program is None:
        return None, ()
    known = [rev for name, rev in world.programs if name == ask.program]
    rev = ask.rev if ask.rev is not None else max(known, default=None)
    program = world.programs.get((ask.program, rev)) if rev is not None else None
    if program is None or rev is None:
        which = f"{ask.program} rev {rev}" if rev is not None else ask.program
        detail = f"program {which} is not known here; publish it with 'framezero publish'"
        return None, (_reason("films", Refusal(code="program_unknown", detail=detail)),)
    sizes: dict[str, int] = {}
    missing: dict[str, str] = {}
    reasons: dict[str, Reason] = {}
    for item in program.items:
        encode, film = world.encode_of(item), world.film(item)
        sizes[encode.sha256] = encode.size
        if film.path is None:
            missing.setdefault(encode.sha256, item.name)
            if film.refusal is not None:
                reasons.setdefault(film.refusal.code, _reason("films", film.refusal))
    if (conflict := world.conflicts.get((ask.program, rev))) is not None:
        reasons.setdefault(conflict.code, _reason("films", conflict))
    films = PolledFilms(
        program=ask.program,
        rev=rev,
        films=len(sizes),
        present=len(sizes) - len(missing),
        bytes=sum(sizes.values()),
        bytes_present=sum(size for key, size in sizes.items() if key not in missing),
        fetching=None,
        missing=list(missing.values()),
    )
    return films, tuple(reasons.values())


def answer(reply: Reply, status: Status, faults: Sequence[Refusal], reserve_gb: float) -> Answer:
    """The message that answers an ask, at most 64 KiB; `faults` are the shell's, as they stand in the status.

    `reserve_gb` of the disk are never filled with films.
    """
    poll = None
    if reply.refused is None:
        films = reply.films and reply.films.model_copy(update={"fetching": _progress(reply.films, status)})
        others = (_reason(_QUESTIONS.get(fault.code, "agent"), fault) for fault in faults)
        reasons = [*reply.reasons, *_disk(films, status, reserve_gb), *others]
        poll = Poll(
            go=not reasons,
            reasons=reasons[:REASONS_TOLD],
            films=films and films.model_copy(update={"missing": films.missing[:NAMES_TOLD]}),
            clock=status.clock.model_copy(update={"per_source": []}),
            state=status.state,
            cue=status.cue,
            next=status.next,
            pending=status.pending,
            panic=status.panic,
            display=status.display,
            decoder=status.decoder,
            disk_free_gb=status.host.disk_free_gb,
            brokers=status.brokers,
            unsigned=status.unsigned,
        )
    return Answer(
        ask=reply.ask,
        venue=status.venue,
        boot=status.boot,
        time=status.time,
        want=reply.want,
        refused=reply.refused,
        poll=poll,
    )


def _reason(question: Question, refusal: Refusal) -> Reason:
    return Reason(question=question, code=refusal.code, detail=refusal.detail[:DETAIL_CHARS])


def _progress(films: PolledFilms, status: Status) -> Fetching | None:
    """The download under way, if it is one of these; the cache tells it by its name."""
    under_way = status.cache.fetching
    return under_way if under_way is not None and under_way.name in films.missing else None


def _disk(films: PolledFilms | None, status: Status, reserve_gb: float) -> list[Reason]:
    """Whether what is still missing can fit at all, be every other film pushed out for it.

    A download under way is partly on the disk already.
    """
    free_gb = status.host.disk_free_gb
    if films is None or free_gb is None:
        return []
    rest_gb = (films.bytes - films.bytes_present - (films.fetching.done if films.fetching else 0)) / _GB
    others_gb = max(0, status.cache.bytes - films.bytes_present) / _GB
    if rest_gb <= 0 or rest_gb <= free_gb + others_gb - reserve_gb:
        return []
    detail = (
        f"{rest_gb:.1f} GB are still to come; {free_gb:.1f} GB are free, other films hold {others_gb:.1f} GB, and "
        f"{reserve_gb:g} GB are reserved: delete something on that disk or lower cache.reserve_gb"
    )
    return [_reason("disk", Refusal(code="disk", detail=detail))]
