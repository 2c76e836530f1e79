"""From panics to their effects: the cover at once, the journal, the acks. Pure; agent.panic says which panic holds.

The player is told to cover the wall before anything else happens, the write to the journal included, for a disk may
take its time. Under the cover the planner changes to black or to the venue's own slate; once that slate is on the
wall the cover is taken away, so that it is seen. The cover itself is a slate that needs no file and no clock.

Acks carry the panic's id in `cue`: `accepted {ready}` when it is in the journal, `started` when the display has done
it (`observed` is then, by the agent's clock, None without one), `superseded` when it came below a newer panic that
says what is shown, `cancelled` when it is lifted (`ready` false and a reason where another panic still holds), or
`refused`.
"""

from collections.abc import Callable
from typing import Literal

from agent.asrun import vouched_us
from agent.effects import Cover, Effect, KeepPanic, Note, Now
from agent.intake import Declined, Taken, Venue, take_panic
from agent.messages import Lift, Panic, Refusal, Uuid
from agent.panic import Panics
from agent.player.wire import Covered, Failed, Hello, Report
from agent.teller import Teller
from agent.trust import Trust
from agent.wall import Wall


class Alarm:
    """One venue's panics, and what its player has been told of them.

    `first_refusal` says whether a payload is refused for the first time: a retained one comes with each reconnect.
    """

    def __init__(self, venue: Venue, teller: Teller, first_refusal: Callable[[str, bytes], bool]) -> None:
        self._venue = venue
        self._teller = teller
        self._first_refusal = first_refusal
        self._panics = Panics()
        self._started: set[Uuid] = set()
        self._restored: set[Uuid] = set()
        self._ordered: Literal["", "black", "slate"] = ""
        self._hidden_by: Literal["", "black", "slate"] = ""

    @property
    def holding(self) -> Panic | None:
        """The panic that says what is shown; None when all is well."""
        return self._panics.holding

    def receive(self, payload: bytes, trust: Trust, now: Now, fault: Refusal | None) -> list[Effect]:
        """Take a message of the topic `panic`; `fault` is what keeps the player from showing anything."""
        taken = take_panic(payload, self._venue, trust, now)
        if taken is None:
            return []
        if isinstance(taken, Declined):
            if not self._first_refusal("panic", payload):
                return []
            fields = (("panic", taken.cue), ("reason", taken.refusal.code), ("detail", taken.refusal.detail))
            return [Note("error", "panic refused", fields), self._teller.ack(taken.cue, "refused", now, taken.refusal)]
        if isinstance(taken.message, Lift):
            return self._lift(taken.message.lift, taken.body, taken.digest, now)
        return self._begin(taken.message, taken.body, taken.digest, now, fault)

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
        self._started.add(panic.panic)
        bound_us = None if now.bound_us is None else vouched_us(now.bound_us, now.clock)
        facts = {"observed": now.utc, "bound_us": bound_us, "joined": panic.panic in self._restored}
        return [self._teller.ack(panic.panic, "started", now, None, **facts)]

    def cover(self, wall: Wall, slate: str) -> list[Effect]:
        """What the player has to be told now; `slate` is the path of the venue's own one."""
        what = self._wanted(wall, slate)
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

    def _begin(self, panic: Panic, body: bytes, digest: str, now: Now, fault: Refusal | None) -> list[Effect]:
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
        effects.append(KeepPanic(panic.panic, "panic", body))
        if self._panics.lift_digest(panic.panic) is not None:
            return [*effects, self._lifted(panic.panic, now)]
        ready = self._teller.ack(panic.panic, "accepted", now, fault, ready=fault is None)
        effects += [Note("warning", "panic", (("panic", panic.panic), ("to", panic.to))), ready]
        above = self.holding
        if above is not None and above.panic != panic.panic:
            detail = f"panic {above.panic} was issued later and says what is shown; this one goes on below it"
            effects.append(self._teller.ack(panic.panic, "superseded", now, Refusal(code="panic", detail=detail)))
        return [*effects, *self._started_now(now)]

    def _lift(self, panic: Uuid, body: bytes, digest: str, now: Now) -> list[Effect]:
        if self._panics.lift_digest(panic) == digest:
            return []
        self._panics.lift(panic, digest)
        note = Note("warning", "panic lifted", (("panic", panic),))
        return [KeepPanic(panic, "lift", body), note, self._lifted(panic, now)]

    def _lifted(self, panic: Uuid, now: Now) -> Effect:
        left = self.holding
        if left is None:
            return self._teller.ack(panic, "cancelled", now, None, ready=True)
        detail = f"panic {left.panic} still holds; lift it too: framezero cue panic --lift {left.panic}"
        return self._teller.ack(panic, "cancelled", now, Refusal(code="panic", detail=detail), ready=False)
