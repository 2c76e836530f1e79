"""From panics to their effects: the cover at once, the journal, the acks. Pure; agent.panic says which panic holds.

The player is told to cover the wall before anything else happens, the write to the journal included, for a disk may
take its time; what a disk fails to take is obeyed all the same. Under the cover the planner changes to black or to the
venue's own slate; once that slate is on the wall the cover is taken away, so that it is seen. The cover itself is a
slate that needs no file and no clock.

Acks carry the panic's id in `cue`: `accepted {ready}` when it is in the journal (or cannot be written: `ready` is then
false, and it follows once more when it is there), `started` when the display has done it (`observed` is then, by the
agent's clock, None without one), `superseded` when it came below a newer panic that says what is shown, `cancelled`
when it is lifted (`ready` false and a reason where another panic or a local black still holds, or the journal cannot
keep the lift), or `refused`.
"""

from dataclasses import dataclass
from typing import Literal

from agent.asrun import vouched_us
from agent.effects import Cover, Effect, KeepPanic, Note, Now
from agent.intake import Declined, Taken, Venue, take_panic
from agent.messages import Lift, Panic, Refusal, Uuid
from agent.panic import Panics
from agent.player.wire import Covered, Failed, Hello, Report
from agent.promises import Promises
from agent.refusals import Refusals
from agent.teller import Teller
from agent.trust import Trust
from agent.units import UtcUs
from agent.wall import Wall


@dataclass(slots=True)
class _Untold:
    """A panic or lift whose ack waits for the journal; `said`: that it is on no disk."""

    panic: Uuid
    lift: bool
    said: bool = False


class Alarm:
    """One venue's panics, and what its player has been told of them."""

    def __init__(self, venue: Venue, teller: Teller, refusals: Refusals, promises: Promises) -> None:
        self._venue = venue
        self._teller = teller
        self._refusals = refusals
        self._promises = promises
        self._untold: dict[str, _Untold] = {}
        self._panics = Panics()
        self._started: set[Uuid] = set()
        self._restored: set[Uuid] = set()
        self._hidden_at: dict[Uuid, UtcUs | None] = {}
        self._ordered: Literal["", "black", "slate"] = ""
        self._hidden_by: Literal["", "black", "slate"] = ""

    @property
    def holding(self) -> Panic | None:
        """The panic that says what is shown; None when all is well."""
        return self._panics.holding

    def receive(self, payload: bytes, trust: Trust, now: Now) -> list[Effect]:
        """Take a message of the topic `panic`."""
        taken = take_panic(payload, self._venue, trust, now)
        if taken is None:
            return []
        if isinstance(taken, Declined):
            if not self._refusals.tell("panic", payload, now):
                return []
            fields = (("panic", taken.cue), ("reason", taken.refusal.code), ("detail", taken.refusal.detail))
            return [Note("error", "panic refused", fields), self._teller.ack(taken.cue, "refused", now, taken.refusal)]
        if isinstance(taken.message, Lift):
            return self._lift(taken.message.lift, taken.body, taken.digest)
        return self._begin(taken.message, taken.body, taken.digest, now)

    def tell(self, now: Now, fault: Refusal | None, local: Refusal | None) -> list[Effect]:
        """The acks of panics and lifts that are on the disk by now, or will not get there.

        `fault` is the player's; `local` says who has the wall black, be a panic lifted or not.
        """
        effects: list[Effect] = []
        for key, untold in list(self._untold.items()):
            short = self._promises.short(key)
            if self._promises.waiting(key) or (short is not None and untold.said):
                continue
            untold.said = short is not None
            if short is None:
                del self._untold[key]
            if untold.lift or self._panics.lift_digest(untold.panic) is not None:
                effects.append(self._lifted(untold.panic, now, short, local))
            else:
                effects += self._accepted(untold.panic, now, fault or short)
        return [*effects, *self._started_now(now)] if effects else []

    def restore(self, body: bytes, trust: Trust, now: Now) -> None:
        """Take again what the journal kept; `trust` asks for no signature, since that was judged on receipt."""
        taken = take_panic(body, self._venue, trust, now)
        if not isinstance(taken, Taken):
            return
        if isinstance(taken.message, Lift):
            self._panics.lift(taken.message.lift, taken.digest)
        else:
            self._panics.begin(taken.message, taken.digest)
            self._restored.add(taken.message.panic)

    def heard(self, report: Report, now: Now) -> list[Effect]:
        """Take what the player says; another player process knows of no cover."""
        if isinstance(report, Hello | Failed):
            self._ordered, self._hidden_by = "", ""
        if isinstance(report, Covered) and report.what:
            self._hidden_by = report.what
        return self._started_now(now)

    def _started_now(self, now: Now) -> list[Effect]:
        """The ack of the panic that holds, once the wall is hidden as it says: maybe since an earlier one."""
        panic = self.holding
        if panic is None or self._hidden_by != panic.to or panic.panic in self._started:
            return []
        if self._promises.waiting(f"panic/{panic.panic}"):  # 'accepted' comes first
            self._hidden_at.setdefault(panic.panic, now.utc)
            return []
        self._started.add(panic.panic)
        observed = self._hidden_at.pop(panic.panic, now.utc)
        bound_us = None if now.bound_us is None else vouched_us(now.bound_us, now.clock)
        facts = {"observed": observed, "bound_us": bound_us, "joined": panic.panic in self._restored}
        return [self._teller.ack(panic.panic, "started", now, None, **facts)]

    @property
    def dark(self) -> bool:
        """Whether the player has covered the wall in black."""
        return self._hidden_by == "black"

    def cover(self, wall: Wall, slate: str, *, black: bool = False) -> list[Effect]:
        """What the player has to be told now; `slate` is the path of the venue's own one, `black` a local black."""
        what = "black" if black else self._wanted(wall, slate)
        # Without a player too: what carries the order out remembers it for the next one.
        if what == self._ordered:
            return []
        self._ordered = what
        return [Cover(what)]

    def _wanted(self, wall: Wall, slate: str) -> Literal["", "black", "slate"]:
        panic = self.holding
        if panic is None:
            self._hidden_by = ""
            return ""
        # The plan goes to the player right behind the cover: when it has covered the wall, no film can come any more.
        if panic.to == "slate" and self._hidden_by == "slate" and wall.on_wall is not None:
            start = wall.on_wall.start
            if (start.kind, start.path) == ("slate", slate):
                return ""
        return panic.to

    def _begin(self, panic: Panic, body: bytes, digest: str, now: Now) -> list[Effect]:
        known = self._panics.digest(panic.panic)
        if known == digest:
            return []
        effects: list[Effect] = []
        if known is not None:
            text = "two different panics under one id; the smaller hash counts"
            effects.append(Note("error", text, (("panic", panic.panic),)))
            if known < digest:
                return effects
        self._panics.begin(panic, digest)
        effects.append(self._keep(KeepPanic(panic.panic, "panic", body)))
        if self._panics.lift_digest(panic.panic) is None:
            effects.append(Note("warning", "panic", (("panic", panic.panic), ("to", panic.to))))
        return [*effects, *self._started_now(now)]

    def _keep(self, write: KeepPanic) -> KeepPanic:
        self._promises.ordered(write.key)
        self._untold[write.key] = _Untold(write.panic, write.kind == "lift")
        return write

    def _accepted(self, panic: Uuid, now: Now, short: Refusal | None) -> list[Effect]:
        effects: list[Effect] = [self._teller.ack(panic, "accepted", now, short, ready=short is None)]
        above = self.holding
        if above is not None and above.panic != panic:
            detail = f"panic {above.panic} was issued later and says what is shown; this one goes on below it"
            effects.append(self._teller.ack(panic, "superseded", now, Refusal(code="panic", detail=detail)))
        return effects

    def _lift(self, panic: Uuid, body: bytes, digest: str) -> list[Effect]:
        if self._panics.lift_digest(panic) == digest:
            return []
        self._panics.lift(panic, digest)
        note = Note("warning", "panic lifted", (("panic", panic),))
        return [self._keep(KeepPanic(panic, "lift", body)), note]

    def _lifted(self, panic: Uuid, now: Now, short: Refusal | None, local: Refusal | None) -> Effect:
        left = self.holding
        if left is None:
            short = local or short
            return self._teller.ack(panic, "cancelled", now, short, ready=short is None)
        detail = f"panic {left.panic} still holds; lift it too: framezero cue panic --lift {left.panic}"
        return self._teller.ack(panic, "cancelled", now, Refusal(code="panic", detail=detail), ready=False)
