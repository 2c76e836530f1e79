"""What becomes of cues and programs whose keys a venue trusts no longer: pure.

A key that is gone takes back what it signed and what has not begun: at once, and on the disk as soon as the keys are
settled (a folder may be read in the midst of being changed, and what comes back then counts again). The one cue that
holds is let be, with its program, until another one follows: revoking a key never blanks a running show. So is a
cancel that has begun: nothing that was taken off a wall comes back to it because a key goes. The same is done after a
restart, for what the journal kept of keys that went. What nobody ever signed is let be in no case: it is
of a time when unsigned messages counted, and they do not any more.

When something is struck the brokers are asked again for all that they keep: under its id, or its revision, there may be
what people who are trusted have sent, and what lost to it.
"""

from agent.effects import AskAgain, Effect, ForgetCue, ForgetId, ForgetProgram, KeepId, Note, Now
from agent.intake import Taken
from agent.ledger import Entry, Ledger
from agent.library import Library
from agent.messages import Cancel, Cue, Play, Refusal
from agent.programs import Program
from agent.schedule import Agenda, ProgramKey, program_key
from agent.teller import Teller
from agent.trust import Trust

GONE = Refusal(
    code="signature",
    detail="the key that signed it is trusted at this venue no longer; send it again, signed with one that is",
)


class Revocation:
    """One venue's cues and programs that no trusted key answers for, set aside until that is sure."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._trust = Trust()
        self._settled = False
        self._cues: dict[str, Entry] = {}
        self._programs: dict[ProgramKey, Taken[Program]] = {}
        self._undated = False
        self._let_be: str | None = None
        self._from_journal: frozenset[ProgramKey] | None = None

    def heard(
        self,
        trust: Trust,
        settled: bool,
        ledger: Ledger,
        library: Library,
        shown: Cue | None,
        now: Now,
    ) -> list[Effect]:
        """Set aside, or give back, what these keys make of it; `shown` is the cue that is on the wall."""
        self._trust, self._settled = trust, settled
        if self._from_journal is None:
            self._from_journal = frozenset(library)
        effects: list[Effect] = []
        for entry in list(self._cues.values()):
            if trust.suffice("cue", entry.signers):
                entry.told.discard("accepted")  # it was refused meanwhile
                effects += self._give_cue_back(entry, ledger)
        for key, taken in list(self._programs.items()):
            if trust.suffice("program", taken.signers):
                _give_back(library, self._programs.pop(key))
        effects += self._set_aside(ledger, library, _holding(ledger, shown, now), now)
        return [*effects, *self._strike(ledger, library)]

    def dated(self, ledger: Ledger, library: Library, now: Now) -> list[Effect]:
        """What was set aside at a restart, before anybody vouched for the time: now it shows which cue holds."""
        if not self._undated or now.vouched is None:
            return []
        self._undated = False
        entries = {entry.cue.cue: entry for entry in self._cues.values() if entry.restored and entry.signers}
        holding = Agenda([*ledger.agenda, *(entry.cue for entry in entries.values())]).wanted_at(now.vouched)
        effects: list[Effect] = []
        if holding is not None and holding.cue in entries:
            effects += self._give_cue_back(entries[holding.cue], ledger)
            self._let_be = holding.cue
            effects.append(_goes_on(holding))
        if holding is not None and isinstance(holding.do, Play) and program_key(holding) in (self._from_journal or ()):
            taken = self._programs.get(program_key(holding))
            if taken is not None and taken.signers:
                _give_back(library, self._programs.pop(program_key(holding)))
                self._let_be = holding.cue
        # What the host's own clock took for running is looked at again too.
        effects += self._set_aside(ledger, library, holding, now)
        return [*effects, *self._strike(ledger, library)]

    def followed(self, ledger: Ledger, library: Library, now: Now) -> list[Effect]:
        """When another cue holds than the one that was let be, that is over too: it does not come back."""
        if self._let_be is None or now.utc is None:
            return []
        holding = ledger.agenda.wanted_at(now.utc)
        if holding is not None and holding.cue == self._let_be:
            return []
        over, self._let_be = self._let_be, None
        return [*self._set_aside(ledger, library, holding, now, over), *self._strike(ledger, library)]

    def _set_aside(
        self, ledger: Ledger, library: Library, holding: Cue | None, now: Now, over: str | None = None
    ) -> list[Effect]:
        """`over` has had its last ack."""
        effects = self._strike_strangers(ledger)
        for entry in list(ledger.entries()):
            cue = entry.cue.cue
            if self._trust.suffice("cue", entry.signers) or _cancel_begun(entry, now):
                continue
            if holding is not None and cue == holding.cue and entry.signers:
                self._let_be = cue
                effects += [] if self._settled else [_goes_on(holding)]
                continue
            ledger.drop(cue)
            self._cues[cue] = entry
            self._undated |= entry.restored and now.vouched is None
            effects.append(Note("warning", "cue no longer counts: its key is gone", (("cue", cue),)))
            effects += [self._teller.ack(cue, "refused", now, GONE)] if cue != over else []
        return [*effects, *self._set_programs_aside(library, holding, now)]

    def _strike_strangers(self, ledger: Ledger) -> list[Effect]:
        if not self._settled:
            return []
        struck = [cue for cue, memory in ledger.strangers() if not self._trust.suffice("cue", memory.signers)]
        for cue in struck:
            ledger.drop(cue)
        return [*(ForgetId(cue) for cue in struck), *([AskAgain()] if struck else [])]

    def _set_programs_aside(self, library: Library, holding: Cue | None, now: Now) -> list[Effect]:
        effects: list[Effect] = []
        kept = program_key(holding) if holding is not None and isinstance(holding.do, Play) else None
        for key in library:
            if self._trust.suffice("program", library.signers(key)):
                continue
            if holding is not None and key == kept and library.signers(key):
                self._let_be = holding.cue
                continue
            taken = library.pop(key)
            assert taken is not None, "it has signers"
            self._programs[key] = taken
            self._undated |= key in (self._from_journal or ()) and now.vouched is None
            named = (("program", f"{key[0]}/{key[1]}"),)
            effects.append(Note("warning", "program no longer counts: its key is gone", named))
        return effects

    def _give_cue_back(self, entry: Entry, ledger: Ledger) -> list[Effect]:
        """A cue counts again. Where its id is taken by now it is compared as it comes again: new keys ask for all."""
        del self._cues[entry.cue.cue]
        return [] if ledger.restore(entry) else _struck(entry.cue.cue, ledger)

    def _strike(self, ledger: Ledger, library: Library) -> list[Effect]:
        """Strike what is set aside; what has come under its id or revision since is on the disk, and stays there."""
        if not self._settled or self._undated or not (self._cues or self._programs):
            return []
        struck = [effect for cue in self._cues for effect in _struck(cue, ledger)]
        struck += [ForgetProgram(*key) for key in self._programs if library.digest(key) is None]
        self._cues.clear()
        self._programs.clear()
        return [*struck, AskAgain()]


def _give_back(library: Library, taken: Taken[Program]) -> None:
    """A program counts again, unless another body stands under its revision by now."""
    if library.digest((taken.message.program, taken.message.rev)) is None:
        library.put(taken)


def _struck(cue: str, ledger: Ledger) -> list[Effect]:
    """A body that was set aside goes from the disk; another one that has come under its id since stays there."""
    memory = ledger.memory(cue)
    forget: list[Effect] = [] if ledger.get(cue) else [ForgetCue(cue)]
    return [*forget, KeepId(cue, memory.digest, memory.until, memory.signers) if memory else ForgetId(cue)]


def _holding(ledger: Ledger, shown: Cue | None, now: Now) -> Cue | None:
    return ledger.agenda.wanted_at(now.utc) if now.utc is not None else shown


def _cancel_begun(entry: Entry, now: Now) -> bool:
    """Where nobody vouches for the time it has: to bring something back is worse than to leave it out."""
    if not isinstance(entry.cue.do, Cancel) or not entry.signers:
        return False
    return now.vouched is None or entry.cue.at <= now.vouched


def _goes_on(cue: Cue) -> Note:
    text = "the key of the running cue is gone; it goes on until another cue follows"
    return Note("warning", text, (("cue", cue.cue),))
