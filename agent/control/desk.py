"""The desk: a cue list with its standby, the least time between two GOs, and who has sent what. Pure.

All desks of a show draw the same from the same messages: a cue carries the label of its line, and so the standby of
every desk moves on when anybody presses GO. Times with `_s` are monotonic and of this computer, by which alone the gap
is measured: the clocks of several operators' computers need not agree.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from agent.control.claims import PATIENCE_S, Contest
from agent.control.once import Once
from agent.control.showfile import CueLine, ShowFile, instant_of
from agent.messages import Cancel, Cue, Identify, Lift, Panic, Play
from agent.units import US_PER_S, UtcUs

SOMEBODY = "somebody"
HISTORY = 500
KNOWN = 100_000
"""More messages than a show ever has: one that was forgotten and came again would move the standby."""
DAILY_US = 12 * 3600 * US_PER_S
"""So long after its instant a cue for a time of day is still that of its line; then the line is for the next day."""

CLAIM_COUNTS_S = 5.0
"""For so long a claim keeps others waiting whose cue does not come: its desk was beaten, or has died."""

OLD_US = 3600 * US_PER_S
"""What was written so long ago and comes now is no GO of anybody: it was sent again, by whomever. Longer than clocks of
operators differ whose cues could be of any use."""

Why = Literal["gap", "busy", "end", "sent", "rival", "cue", "no_broker", "untaken"]
"""Why a desk does not do what was pressed: another GO less than the gap ago · a GO of its own under way · no line
stands by · a timed cue that is out already · another desk pressed at the same time and goes first · the cue cannot be
made, such as for a program that is not known · no broker is connected · none has taken it.
"""


@dataclass(frozen=True, slots=True)
class Order:
    """A cue, panic or lift as it came first. `live`: it was sent while we listened; else a broker had kept it.

    `keyids` are the keys that have signed it; `proved`: we trust them, else it is the envelope's own word.
    """

    message: Cue | Panic | Lift
    came_s: float
    live: bool
    keyids: tuple[str, ...] = ()
    proved: bool = False

    @property
    def id(self) -> str:
        """What is unique to it."""
        match self.message:
            case Cue(cue=key) | Panic(panic=key):
                return key
            case Lift(lift=key, issued=issued):
                return f"lift of {key} at {issued}"

    @property
    def by(self) -> str:
        """Who sent it: in the sender's own word, else by the key that signed it."""
        return self.message.by or (f"key {self.keyids[0]}" if self.keyids else SOMEBODY)

    @property
    def label(self) -> str:
        """What the sender calls it; empty where it is not called anything."""
        return (self.message.label or "") if isinstance(self.message, Cue) else ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What was pressed is not done: why, for machines and for people, and `by` whom it was prevented, if by anybody."""

    reason: Why
    detail: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Went:
    """A GO, or a claim to one, that keeps others waiting for the gap."""

    id: str
    by: str
    label: str
    came_s: float


class Desk:
    """One operator's desk for one show; `me` is what the others see, such as `anna@control-hk`.

    `show` is the show that it plays to: that of the file, or of its rehearsal.
    """

    def __init__(self, file: ShowFile, me: str, *, rehearsing: bool = False) -> None:
        self.file = file
        self.me = me
        self.rehearsing = rehearsing
        self.show = file.rehearsal.show if rehearsing and file.rehearsal is not None else file.show
        self.lines: tuple[CueLine, ...] = tuple(file.cue)
        self.history: deque[Order] = deque(maxlen=HISTORY)
        """What everybody has sent to this show, in the order in which it came."""
        self.busy = False
        """A GO of this desk waits for the others."""
        self.sending = False
        """Timed lines are on their way from this desk."""
        self._standby = 0
        self._by_label = {line.label: line for line in self.lines}
        self._sent: dict[str, Order] = {}  # line → the newest cue that was sent for it
        self._cancelled: set[str] = set()
        self._moves: set[str] = set()  # cues of ours that are no GO
        self._went: dict[str, Went] = {}
        self._mine: set[str] = set()
        self._known = Once[str](KNOWN)
        self._placed = False

    # --- the list -----------------------------------------------------------------------------

    @property
    def gap_s(self) -> float:
        """So long after a GO a further one is refused."""
        return self.file.min_gap / US_PER_S

    @property
    def standby(self) -> CueLine | None:
        """The line that GO sends; None behind the last one."""
        return self.lines[self._standby] if self._standby < len(self.lines) else None

    def line(self, line_id: str) -> CueLine | None:
        """The line of an id."""
        return next((line for line in self.lines if line.id == line_id), None)

    def stand_by(self, line_id: str) -> bool:
        """Choose the line that stands by; False where there is none of this id."""
        line = self.line(line_id)
        if line is not None:
            self._standby = self.lines.index(line)
        return line is not None

    def move(self, steps: int) -> None:
        """Move the standby by so many lines, at most to the first one or behind the last one."""
        self._standby = max(0, min(len(self.lines), self._standby + steps))

    def sent(self, line: CueLine, now: UtcUs) -> Cue | None:
        """The newest cue that anybody sent for a line and that counts still: not expired, not taken back."""
        order = self.went(line)
        if order is None or not isinstance(order.message, Cue) or now >= order.message.expires:
            return None
        return order.message

    def went(self, line: CueLine) -> Order | None:
        """The newest cue that anybody sent for a line and that was not taken back, over or not."""
        order = self._sent.get(line.id)
        return None if order is None or order.id in self._cancelled else order

    def ahead(self, line: CueLine, now: UtcUs) -> Cue | None:
        """The cue of a timed line that is out, and whose instant is still to come."""
        cue = self.sent(line, now) if line.at is not None else None
        return cue if cue is not None and cue.at > now else None

    def unsent(self, now: UtcUs) -> list[CueLine]:
        """The timed lines still to come that nobody has sent yet as the file has them, in their order."""
        return [
            line
            for line in self.lines
            if line.at is not None
            and instant_of(line.at, now) > now
            and ((cue := self.sent(line, now)) is None or not self._as_written(line, line.at, cue, now))
        ]

    def otherwise(self, line: CueLine, now: UtcUs) -> Cue | None:
        """The cue of a timed line that is out, is still to come, and is not what the file says (any more)."""
        cue = self.ahead(line, now)
        return None if cue is None or line.at is None or self._as_written(line, line.at, cue, now) else cue

    def _as_written(self, line: CueLine, at: str, cue: Cue, now: UtcUs) -> bool:
        """Whether a cue is what its line says: the file may have been changed since it was sent."""
        if cue.at != instant_of(at, now) and (instant_of(at, cue.issued) != cue.at or now - cue.at > DAILY_US):
            return False
        do = cue.do
        if do.action != line.action or cue.venues != line.venues:
            return False
        if isinstance(line.lasts, int) and cue.expires - cue.at != line.lasts:
            return False
        if isinstance(do, Play):
            pinned = self.file.pinned(line)
            written = (line.program, pinned or do.rev, line.loop, line.from_us)
            return (do.program, do.rev, do.loop, do.from_us) == written
        return not isinstance(do, Identify) or do.seconds == line.seconds

    # --- what is heard ------------------------------------------------------------------------

    def take(self, orders: Iterable[Order], now: UtcUs) -> None:
        """Take in what was sent by anybody, this desk included, in the order in which it came; each counts once."""
        for order in orders:
            if order.message.show != self.show or not self._known.first(order.id):
                continue
            self.history.append(order)
            if isinstance(order.message, Cue):
                self._take_cue(order, order.message, now)
        if not self._placed:
            self._place(now)

    def _take_cue(self, order: Order, cue: Cue, now: UtcUs) -> None:
        if isinstance(cue.do, Cancel):
            self._cancelled.add(cue.do.cue)
            return
        line = self._by_label.get(order.label)
        fresh = order.live and now - cue.issued < OLD_US
        # What came while the connection was lost is found retained: it moves the standby, and keeps nobody waiting.
        newer = all(cue.issued > known.message.issued for known in self._sent.values())
        missed = self._placed and not order.live and newer
        if line is not None:
            known = self._sent.get(line.id)
            # What comes live is the newest, whatever the clocks of other operators say.
            if known is None or fresh or (known.message.issued, known.id) <= (cue.issued, cue.cue):
                self._sent[line.id] = order
        if fresh and not isinstance(cue.do, Identify) and order.id not in self._moves:
            self._keep(Went(order.id, order.by, order.label, order.came_s))
        # A timed cue that is sent ahead moves nothing, unless it was its turn.
        if line is not None and (fresh or missed) and (line.at is None or line == self.standby):
            self._placed = True
            self._standby = self._behind(line, now)

    def _behind(self, line: CueLine, now: UtcUs) -> int:
        """The place of the next line that somebody still has to press."""
        places = range(self.lines.index(line) + 1, len(self.lines))
        return next((place for place in places if self.ahead(self.lines[place], now) is None), len(self.lines))

    def _place(self, now: UtcUs) -> None:
        """A desk that is opened during a show stands by where the others do: behind the newest cue of the list."""
        begun = [
            (order.message.issued, place)
            for place, line in enumerate(self.lines)
            if (order := self.went(line)) and not self.ahead(line, now)
        ]
        if begun:
            self._standby = self._behind(self.lines[max(begun)[1]], now)

    def placed(self) -> None:
        """From now on the standby moves only with what is pressed: all that the brokers keep has been heard."""
        self._placed = True

    # --- GO -----------------------------------------------------------------------------------

    def may_go(self, line: CueLine | None, contest: Contest, now: UtcUs, now_s: float) -> Refused | None:
        """Why GO is refused now; None where it is not, as far as this desk has heard."""
        if line is None:
            return Refused("end", "the list is at its end; choose a line first")
        if self.busy:
            return Refused("busy", "the GO before is still waiting for the other desks", self.me)
        if (cue := self.ahead(line, now)) is not None:
            other = self.otherwise(line, now)
            remedy = "t sends it as the file has it now" if other else f"framezero cue cancel {cue.cue} takes it back"
            return Refused("sent", f"cue {line.id} is out and waits for its instant; {remedy}", cue.by)
        went = self.last(contest, now_s)
        if went is None or now_s - went.came_s >= self.gap_s:
            return None
        who = "you" if went.id in self._mine else went.by
        # Never the whole gap in words that it was not: 1.96 s are not 2.0.
        ago_s = max(0.0, min(now_s - went.came_s, self.gap_s - 0.1))
        did = f"pressed GO {went.label!r}" if went.label in self._by_label else f"sent {went.label or 'a cue'}"
        detail = f"{who} {did} {ago_s:.1f} s ago; {self.gap_s:g} s have to lie between two GOs"
        return Refused("gap", detail, went.by)

    def may_send_timed(self, contest: Contest, now_s: float) -> Refused | None:
        """Why the timed lines are not sent now: that is under way already, at this desk or at another one."""
        if self.sending:
            return Refused("busy", "the timed cues are being sent already", self.me)
        for key, claim in contest.claims.items():
            if key not in self._mine and now_s - contest.came_s[key] < PATIENCE_S:
                return Refused(
                    "gap", f"{claim.by} sends {claim.label or 'a cue'} just now; look, then press again", claim.by
                )
        return None

    def last(self, contest: Contest, now_s: float) -> Went | None:
        """The newest GO, or claim to one, that anybody has made while this desk listened.

        Of claims whose cue is not here yet only those count that may still go: not those that came at once after
        another, for they were beaten, and not for long, for the cue follows at once. One that comes later within the
        gap is of a desk that reckons the gap from another moment, as lines are not equally long: it goes.
        """
        began = contest.came_s
        cues = [replace(went, came_s=min(went.came_s, began.get(key, went.came_s))) for key, went in self._went.items()]
        claims = [
            Went(key, claim.by, claim.label or "", began[key])
            for key, claim in contest.claims.items()
            if key not in self._went and key not in self._mine and now_s - began[key] < CLAIM_COUNTS_S
        ]
        newest: Went | None = None
        at_once_s = min(self.gap_s, PATIENCE_S)
        for went in sorted([*cues, *claims], key=lambda went: went.came_s):
            if newest is None or went.id in self._went or went.came_s - newest.came_s >= at_once_s:
                newest = went
        return newest

    def pressed(self, cue: str) -> None:
        """GO was pressed here, for a cue of this id: from now on it is under way, and its claim is our own."""
        self.busy = True
        self._mine.add(cue)

    def sends(self, claim: str) -> None:
        """The timed lines are being sent from here, under a claim of this id, until `sending` is false again."""
        self.sending = True
        self._mine.add(claim)

    def granted(self, cue: str, label: str, pressed_s: float) -> None:
        """The other desks let this one's GO go; the gap begins with its press."""
        self._keep(Went(cue, self.me, label, pressed_s))

    def moved(self, cue: str) -> None:
        """A cue of this desk that is no GO, such as hold: the next GO need not wait for it."""
        self._moves.add(cue)

    def _keep(self, went: Went) -> None:
        self._went.setdefault(went.id, went)
        if len(self._went) > HISTORY:
            del self._went[next(iter(self._went))]
