"""Which of the cues and programs that come count at this venue, and what of it is kept: pure.

What is refused is judged in agent.intake. Here stands what depends on all that came before: whether an id or a revision
is taken, and whether there is room.
"""

from dataclasses import replace
from hashlib import sha256

from agent.effects import AskAgain, Effect, ForgetCue, ForgetProgram, KeepCue, KeepId, KeepProgram, Note, Now
from agent.intake import Declined, Taken, Venue, expired, take_cue, take_program
from agent.ledger import MOST_CUES, Ledger
from agent.library import MOST_PROGRAMS, Library
from agent.messages import Cue, Refusal
from agent.promises import Promises
from agent.refusals import Refusals
from agent.stages import Stages
from agent.teller import Teller
from agent.trust import UNDATED, KeyId, Trust, unverified_body

JUDGED = Trust(require=False)
"""What the journal kept has been judged."""


class Reception:
    """Puts into one venue's ledger and library what counts, and answers what does not."""

    def __init__(
        self,
        venue: Venue,
        teller: Teller,
        ledger: Ledger,
        library: Library,
        promises: Promises,
        refusals: Refusals,
        stages: Stages,
    ) -> None:
        self._venue = venue
        self._teller = teller
        self._ledger = ledger
        self._library = library
        self._promises = promises
        self._refusals = refusals
        self._stages = stages
        self._undated = False

    def cue(self, payload: bytes, topic_id: str | None, trust: Trust, now: Now) -> list[Effect]:
        """Take a message of the topic `cue`, or of the one below it that names an id."""
        taken = take_cue(payload, topic_id, self._venue, trust, now)
        if isinstance(taken, Declined):
            if taken.refusal.code == UNDATED and topic_id is not None:
                return self._wait_for_time("cue", taken.cue, taken.refusal)
            return [] if self._holds_already(taken, payload) else self._decline(taken, payload, topic_id, now)
        cue, known = taken.message, self._ledger.digest(taken.message.cue)
        if known == taken.digest:
            return self._countersign(taken)
        if known is not None:
            return self._collide(taken, known, now)
        if not cue.names(self._venue.name, self._venue.groups):
            return self._remember(taken) if expired(cue, now.at_least) is None else []
        refusal = expired(cue, now.at_least)
        if refusal is None and self._ledger.full(cue):
            detail = f"{MOST_CUES} cues are known here already; let some expire, or name fewer venues"
            refusal = Refusal(code="full", detail=detail)
        if refusal is not None:
            return self._decline(Declined(cue.cue, refusal), payload, topic_id, now)
        return self._accept(taken)

    def _decline(self, declined: Declined, payload: bytes, topic_id: str | None, now: Now) -> list[Effect]:
        if not self._refusals.tell("cue", payload, now, where=topic_id or ""):
            return []
        cue, refusal = declined.cue, declined.refusal
        fields = (("cue", cue), ("reason", refusal.code), ("detail", refusal.detail))
        note = Note("warning", "cue refused", fields)
        # Under the id of a cue that counts here a refusal would be taken for that cue's.
        return [note] if self._ledger.get(cue) else [note, self._teller.ack(cue, "refused", now, refusal)]

    def _accept(self, taken: Taken[Cue]) -> list[Effect]:
        cue = taken.message
        self._ledger.put(cue, taken.digest, taken.signers)
        write = KeepCue(cue.cue, taken.body, cue.at, cue.expires, taken.signers)
        self._promises.ordered(write.key)
        return [write]

    def _countersign(self, taken: Taken[Cue]) -> list[Effect]:
        """The same body again, maybe by other keys: it goes on when those go that signed it first."""
        cue = taken.message
        memory = self._ledger.countersign(cue.cue, taken.signers)
        if memory is None:
            return []
        if self._ledger.get(cue.cue) is None:
            return [KeepId(cue.cue, memory.digest, memory.until, memory.signers)]
        return [KeepCue(cue.cue, taken.body, cue.at, cue.expires, memory.signers)]

    def _remember(self, taken: Taken[Cue]) -> list[Effect]:
        """No cue of this venue, but its id is taken."""
        cue = taken.message
        memory = self._ledger.recall(cue.cue, taken.digest, cue.expires, taken.signers)
        return [KeepId(cue.cue, memory.digest, memory.until, memory.signers)]

    def _collide(self, taken: Taken[Cue], known: str, now: Now) -> list[Effect]:
        """Of two bodies under one id the smaller hash counts, whichever came first, whom they name, and what expired.

        Only bodies with good signatures, for this show, get so far.
        """
        cue, effects = taken.message, list[Effect]()
        if self._refusals.tell("same id", min(known, taken.digest).encode(), now, where=max(known, taken.digest)):
            text = "two different cues under one id; the smaller hash counts"
            effects.append(Note("error", text, (("cue", cue.cue),)))
        if known < taken.digest:
            memory = self._ledger.recall(cue.cue, taken.digest, cue.expires, taken.signers)
            return [*effects, KeepId(cue.cue, known, memory.until, memory.signers)]
        ousted = self._ledger.get(cue.cue)
        if cue.names(self._venue.name, self._venue.groups) and expired(cue, now.at_least) is None:
            until = self._ledger.recall(cue.cue, taken.digest, cue.expires, taken.signers).until
            return [*effects, *self._accept(taken), KeepId(cue.cue, taken.digest, until, taken.signers)]
        effects += self._remember(taken)
        if ousted is not None:
            effects += [ForgetCue(cue.cue), self._stages.ousted(ousted, now)]
        return effects

    def _holds_already(self, declined: Declined, payload: bytes) -> bool:
        """Whether it is a cue that was taken while its key was trusted: it goes on, whatever a broker repeats."""
        known, body = self._ledger.get(declined.cue), unverified_body(payload)
        return known is not None and body is not None and known.digest == sha256(body).hexdigest()

    def _wait_for_time(self, what: str, which: str, refusal: Refusal) -> list[Effect]:
        first, self._undated = not self._undated, True
        return [Note("warning", f"{what} waits", ((what, which), ("detail", refusal.detail)))] if first else []

    def program(self, payload: bytes, topic: tuple[str, str], trust: Trust, now: Now) -> list[Effect]:
        """Take a message of the topic of a program's id and revision."""
        taken = take_program(payload, topic, self._venue, trust, now)
        where: tuple[tuple[str, str], ...] = (("program", "/".join(topic)[:80]),)
        if taken is None:
            return []
        if isinstance(taken, Refusal) and taken.code == UNDATED:
            return self._wait_for_time("program", "/".join(topic)[:80], taken)
        if isinstance(taken, Refusal):
            fields = (*where, ("reason", taken.code), ("detail", taken.detail))
            first = self._refusals.tell("program", payload, now, where="/".join(topic))
            return [Note("warning", "program refused", fields)] if first else []
        key = (taken.message.program, taken.message.rev)
        known = self._library.digest(key)
        if known == taken.digest:
            signers = self._library.countersign(key, taken.signers)
            return [KeepProgram(*key, taken.body, signers)] if signers else []
        if known is not None:
            self._library.contest(taken)
            text = "program refused: a published revision never changes; publish the next one"
            return [Note("error", text, where)] if self._refusals.tell("program", payload, now) else []
        effects: list[Effect] = []
        if self._library.full:
            spare = self._library.spare(key, set(self._ledger.agenda.programs()))
            if spare is None:
                full = Note("error", f"program refused: {MOST_PROGRAMS} revisions are known and needed here", where)
                return [full] if self._refusals.tell("program", payload, now, where="/".join(topic)) else []
            self._library.pop(spare)
            effects.append(ForgetProgram(*spare))
        self._library.put(taken)
        write = KeepProgram(*key, taken.body, taken.signers)
        self._promises.ordered(write.key)
        return [*effects, write, Note("info", "program known", where)]

    def restore_cue(self, cue_id: str, body: bytes, signers: frozenset[KeyId], now: Now) -> None:
        """What the journal kept was judged when it was accepted; only its form is looked at again."""
        cue = take_cue(body, cue_id, self._venue, JUDGED, now)
        if isinstance(cue, Taken) and expired(cue.message, now.at_least) is None:
            if cue.message.names(self._venue.name, self._venue.groups):
                self._ledger.put(cue.message, cue.digest, signers, restored=True)
            else:  # the venue is in other groups than before
                self._ledger.recall(cue.message.cue, cue.digest, cue.message.expires, signers)

    def restore_program(self, topic: tuple[str, str], body: bytes, signers: frozenset[KeyId], now: Now) -> None:
        """As for cues."""
        program = take_program(body, topic, self._venue, JUDGED, now)
        if isinstance(program, Taken):
            self._library.put(replace(program, signers=signers))

    def dated(self, now: Now) -> list[Effect]:
        """Once time servers answer: what had to wait for the time is worth another look."""
        if not self._undated or now.vouched is None:
            return []
        self._undated = False
        return [AskAgain()]
