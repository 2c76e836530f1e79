"""What each venue made of a cue, a panic or a cancel, judged by its acks. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.control.view import View
from agent.told import Ack

RANK = {"accepted": 1, "armed": 2, "started": 3}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one venue made of a cue: `verdict` is ok, no-go, bad, late or silent; `ack` is the one that says so.

    `reached`: it came as far as was wanted, be it ready or not.
    """

    venue: str
    verdict: str
    ack: Ack | None
    reached: bool = False


def judge(venue: str, acks: Iterable[Ack], wanted: str) -> Outcome:
    """Judge a venue by its acks to one cue or panic, in the order in which they came.

    ok: the wanted stage was reached · no-go: it is not ready, though it may have armed · bad: refused, missed or
    overtaken before that · late: it answered, but not as far as wanted · silent: no answer. `cancelled` is wanted of a
    panic that is lifted, and of a cue that is taken back: see `_judge_end`.
    """
    if wanted == "cancelled":
        return _judge_end(venue, acks)
    best: Ack | None = None
    unready: Ack | None = None
    for ack in acks:
        if ack.stage == "accepted":
            unready = ack if ack.ready is False else None
        if ack.stage in RANK:
            # A further 'accepted' follows when readiness changes, so of equal stages the later counts.
            if best is None or RANK[ack.stage] >= RANK[best.stage]:
                best = ack
        elif best is None or RANK[best.stage] < RANK[wanted]:
            return Outcome(venue, "bad", ack)
    if best is None:
        return Outcome(venue, "silent", None)
    reached = RANK[best.stage] >= RANK[wanted]
    if unready is not None and best.stage != "started":
        return Outcome(venue, "no-go", unready, reached)
    return Outcome(venue, "ok" if reached else "late", best, reached)


def _judge_end(venue: str, acks: Iterable[Ack]) -> Outcome:
    """The end of a panic or of a cue: no-go is a venue in which another panic still holds."""
    outcome = Outcome(venue, "silent", None)
    for ack in acks:
        if ack.stage == "cancelled":
            outcome = Outcome(venue, "no-go" if ack.ready is False else "ok", ack, True)
        elif ack.stage == "refused":
            outcome = Outcome(venue, "bad", ack)
    return outcome


class Count:
    """What the expected venues have made of a cue or panic so far.

    Each ack is looked at once, so that ten thousand venues cost no more than ten thousand acks.
    """

    def __init__(self, view: View, about: str, patterns: Sequence[str], wanted: str) -> None:
        self._view = view
        self._about = about
        self._patterns = patterns
        self._wanted = wanted
        self._read = 0
        self._known = -1
        self._acks: dict[str, list[Ack]] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._open: set[str] = set()

    def settled(self) -> bool:
        """Whether no expected venue will change its mind soon: bad does not become better, what is not ready may."""
        self._update()
        return bool(self._outcomes) and not self._open

    @property
    def outcomes(self) -> list[Outcome]:
        """One for each venue that is expected or has answered."""
        self._update()
        return [outcome for _, outcome in sorted(self._outcomes.items())]

    @property
    def awaited(self) -> list[str]:
        """The venues that have not come as far as is wanted, and still may."""
        self._update()
        return sorted(self._open)

    @property
    def total(self) -> int:
        """How many venues there are to come so far."""
        self._update()
        return len(self._outcomes)

    def _update(self) -> None:
        acks = self._view.acks.get(self._about, [])
        fresh = {ack.venue for ack in acks[self._read :]}
        for ack in acks[self._read :]:
            self._acks.setdefault(ack.venue, []).append(ack)
        self._read = len(acks)
        if self._known != self._view.presence_changes:
            self._known = self._view.presence_changes
            fresh |= set(self._view.expected(self._patterns)) - self._outcomes.keys()
        for venue in fresh:
            outcome = judge(venue, self._acks.get(venue, ()), self._wanted)
            self._outcomes[venue] = outcome
            if outcome.reached or outcome.verdict == "bad":
                self._open.discard(venue)
            else:
                self._open.add(venue)
