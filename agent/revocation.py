"""What becomes of cues and programs whose keys a venue trusts no longer: pure.

A key that is gone takes back what it signed and what has not begun: at once, and on the disk as soon as the keys are
settled (a folder may be read in the midst of being changed, and what comes back then counts again). The one cue that
holds is let be, with its program: revoking a key never blanks a running show. The same is done after a restart, for
what the journal kept of keys that went, or of a time when unsigned cues counted.
"""

from agent.effects import Effect, ForgetCue, ForgetId, ForgetProgram, Note, Now
from agent.intake import Taken
from agent.ledger import Entry, Ledger
from agent.library import Library
from agent.messages import Cue, Play, Program, Refusal
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
        back = [entry for entry in self._cues.values() if trust.suffice("cue", entry.signers)]
        for entry in back:
            ledger.restore(self._cues.pop(entry.cue.cue))
        for key, taken in list(self._programs.items()):
            if trust.suffice("program", taken.signers):
                _give_back(library, self._programs.pop(key))
        effects = self._set_aside(ledger, library, _holding(ledger, shown, now), now)
        return [*effects, *self._strike()]

    def dated(self, ledger: Ledger, library: Library, now: Now) -> list[Effect]:
        """What was set aside before anybody knew the time: with the time it shows which cue of it holds."""
        if not self._undated or now.utc is None:
            return []
        self._undated = False
        entries = {entry.cue.cue: entry for entry in self._cues.values() if entry.restored}
        holding = Agenda([*ledger.agenda, *(entry.cue for entry in entries.values())]).wanted_at(now.utc)
        effects: list[Effect] = []
        if holding is not None and holding.cue in entries:
            ledger.restore(self._cues.pop(holding.cue))
            if isinstance(holding.do, Play) and (taken := self._programs.pop(program_key(holding), None)):
                _give_back(library, taken)
            effects.append(_goes_on(holding))
        return [*effects, *self._strike()]

    def _set_aside(self, ledger: Ledger, library: Library, holding: Cue | None, now: Now) -> list[Effect]:
        effects: list[Effect] = []
        for cue, memory in ledger.strangers():
            if self._settled and not self._trust.suffice("cue", memory.signers):
                ledger.drop(cue)
                effects.append(ForgetId(cue))
        for entry in list(ledger.entries()):
            if self._trust.suffice("cue", entry.signers):
                continue
            if holding is not None and entry.cue.cue == holding.cue:
                effects += [] if self._settled else [_goes_on(holding)]
                continue
            ledger.drop(entry.cue.cue)
            self._cues[entry.cue.cue] = entry
            self._undated |= entry.restored and now.utc is None
            effects += [
                Note("warning", "cue no longer counts: its key is gone", (("cue", entry.cue.cue),)),
                self._teller.ack(entry.cue.cue, "refused", now, GONE),
            ]
        kept = program_key(holding) if holding is not None and isinstance(holding.do, Play) else None
        for key in library:
            if key != kept and not self._trust.suffice("program", library.signers(key)):
                taken = library.pop(key)
                assert taken is not None, "it has signers"
                self._programs[key] = taken
                named = (("program", f"{key[0]}/{key[1]}"),)
                effects.append(Note("warning", "program no longer counts: its key is gone", named))
        return effects

    def _strike(self) -> list[Effect]:
        if not self._settled or self._undated:
            return []
        struck: list[Effect] = [forget for cue in self._cues for forget in (ForgetCue(cue), ForgetId(cue))]
        struck += [ForgetProgram(*key) for key in self._programs]
        self._cues.clear()
        self._programs.clear()
        return struck


def _give_back(library: Library, taken: Taken[Program]) -> None:
    """A program counts again, unless another body stands under its revision by now."""
    if library.digest((taken.message.program, taken.message.rev)) is None:
        library.put(taken)


def _holding(ledger: Ledger, shown: Cue | None, now: Now) -> Cue | None:
    return ledger.agenda.wanted_at(now.utc) if now.utc is not None else shown


def _goes_on(cue: Cue) -> Note:
    text = "the key of the running cue is gone; it goes on until another cue follows"
    return Note("warning", text, (("cue", cue.cue),))
