"""The operator's hands: standby, GO, hold, resume, black, stop, panic. It is drawn for operators only."""

from collections.abc import Awaitable, Callable
from typing import Any

from agent.board import words
from agent.board.engine import Deed, Done, Order
from agent.board.parts import Bit, HoldFire, Press
from agent.board.snapshot import Board, CueLine, Deck, PanicNow
from agent.units import US_PER_S, UtcUs

Do = Callable[[Order], Awaitable[Done]]
HOLD_S = 1.0
LATE_US = 3 * US_PER_S
"""A press that took longer than that to get here is not what the operator means any more."""
SAID_US = 20 * US_PER_S
"""What became of a press is large for so long, and small until the next one."""

_TRANSPORT: tuple[tuple[Deed, str, str], ...] = (
    ("hold", "Hold", "h"),
    ("resume", "Resume", "r"),
    ("black", "Black", "b"),
    ("stop", "Stop", "s"),
)


class DeckPanel:
    """Standby, large, with GO below it; what was refused stands between them until the next press."""

    def __init__(self, do: Do, now: Callable[[], UtcUs]) -> None:
        self._do = do
        self._now = now
        self._drawn: Deck | None = None
        self._said_us: UtcUs | None = None
        self._chosen: int | None = None  # the line that was chosen here, until the page shows that it stands by
        self._chosen_us: UtcUs | None = None
        self._lifts: dict[str, HoldFire] = {}
        with Bit("fz-panel fz-deck", tag="section", aria_label="standby and GO"):
            with Bit("fz-panel-head"):
                self._head = Bit("fz-label", "STANDBY", "h2")
                self._file = Bit("fz-file", tag="span")
                up = Press("fz-small", "▲", lambda args: self._step(args, -1), "ArrowUp")
                up.attribute("aria-label", "standby: the line before")
                down = Press("fz-small", "▼", lambda args: self._step(args, +1), "ArrowDown")
                down.attribute("aria-label", "standby: the next line")
            self._name = Bit("fz-standby", aria_live="polite")
            self._what = Bit("fz-standby-what")
            self._note = Bit("fz-note")
            # The hands stand fast at the foot of the window: nothing that comes or goes moves GO from under a finger.
            with Bit("fz-hands"):
                self._said = Bit("fz-said", role="alert", aria_live="assertive")
                self._said.shown(False)
                self._lift_place = Bit("fz-lifts")
                self._go = Press("fz-go", "", self._pressed_go, " ")
                with self._go:
                    Bit("fz-go-word", "GO", "span")
                    self._go_hint = Bit("fz-go-hint", tag="span")
                with Bit("fz-transport"):
                    for deed, label, key in _TRANSPORT:
                        self._button(deed, label, key)
                self._panic = HoldFire("PANIC", "hold 1 s: all walls black", HOLD_S, "p", self._fired)
                self._panic.classes("fz-panic")

    def draw(self, board: Board) -> None:
        """Show what is in standby."""
        self._draw_lifts(board.panics)
        if self._said_us is not None and board.now_us - self._said_us > SAID_US:
            self._said_us = None
            self._said.kind("past")
        if self._chosen_us is not None and board.now_us >= self._chosen_us:
            self._chosen = self._chosen_us = None
        deck = board.deck
        gap = deck.gap_until_us is not None and deck.gap_until_us > board.now_us
        self._go.kind("gap" if gap else "refused" if deck.refusal else "")
        if gap and deck.gap_until_us is not None:
            self._go_hint.say(f"wait {(deck.gap_until_us - board.now_us) / US_PER_S:.1f} s")
        else:
            # What goes stands on the button, too: alarms may push the standby out of a low window.
            line = _standing(deck)
            self._go_hint.say(deck.refusal or (f"{line.number} {line.name}" if line else "nothing stands by"))
        self._go_hint.kind("" if gap or deck.refusal else "idle")
        if deck is self._drawn:
            return
        self._drawn = deck
        line = _standing(deck)
        self._file.say(deck.file)
        self._go.attribute("data-line", None if deck.standby is None else str(deck.standby))
        self._head.say("STANDBY" if line is None else f"STANDBY {line.number}")
        nothing = "the list is over" if deck.lines else "no cue list"
        self._name.say(line.name if line else nothing)
        self._what.say(line.what + _whom(line) if line else "" if deck.lines else "start the board with a show file")
        self._note.say(line.note if line else "")
        self._note.shown(bool(line and line.note))

    def say(self, done: Done) -> None:
        """Tell what became of a press, in words that cannot be overlooked."""
        self._said.say(f"{'●' if done.good else '✕ NOT SENT:'} {done.text}")
        self._said.kind("good" if done.good else "bad")
        self._said.shown(True)
        self._said_us = self._now()

    async def do(self, args: dict[str, Any], order: Order) -> None:
        """Do what was pressed at the instant that `args` names, unless that is long ago."""
        pressed = args.get("at_us")
        if not isinstance(pressed, int) or not pressed:
            self.say(Done(False, "this page has not measured the time yet; press again"))
            return
        late = self._now() - pressed
        if late > LATE_US:
            self.say(
                Done(
                    False, f"the press came {words.span(late)} late, over a bad line; press again if it is still meant"
                )
            )
            return
        self.say(await self._do(order))

    async def standby(self, args: dict[str, Any], line: int) -> None:
        """Put a line in standby."""
        deck = self._drawn
        if deck is None or not 0 <= line < len(deck.lines) or line == self._pointed(deck):
            return
        self._chosen, self._chosen_us = line, None
        await self.do(args, Order("standby", line=line))
        self._chosen_us = self._now()

    def _pointed(self, deck: Deck) -> int | None:
        """The line that will stand by once the page has caught up with what was chosen here."""
        return deck.standby if self._chosen is None else self._chosen

    def _button(self, deed: Deed, label: str, key: str) -> None:
        button = Press("", "", lambda args: self.do(args, Order(deed)), key)
        with button:
            Bit("", label, "span")
            Bit("fz-key", key.upper(), "kbd")

    async def _pressed_go(self, args: dict[str, Any]) -> None:
        seen = str(args.get("line") or "")
        # The line that the operator saw: if somebody else has moved standby meanwhile, that must not be what goes.
        now = self._drawn.standby if self._drawn else None
        if self._chosen is not None and self._chosen != now:
            self.say(Done(False, "the line that you chose did not stand by yet as you pressed; look, and press again"))
            return
        if seen.isdecimal() and int(seen) != now:
            self.say(Done(False, "standby was moved by somebody else as you pressed; look again"))
            return
        await self.do(args, Order("go", line=now))

    async def _step(self, args: dict[str, Any], by: int) -> None:
        deck = self._drawn
        if deck is None or not deck.lines:
            return
        at = self._pointed(deck)
        at = len(deck.lines) if at is None else at
        await self.standby(args, max(0, min(len(deck.lines) - 1, at + by)))

    async def _fired(self, args: dict[str, Any]) -> None:
        # However late it comes, a panic is meant.
        self.say(await self._do(Order("panic")))

    def _draw_lifts(self, panics: tuple[PanicNow, ...]) -> None:
        # A button that is being held is never made anew under the finger: only its words change.
        if [panic.panic for panic in panics] != list(self._lifts):
            self._lift_place.clear()
            with self._lift_place:
                self._lifts = {
                    panic.panic: HoldFire("LIFT THE PANIC", "", HOLD_S, "l", self._lifter(panic.panic))
                    for panic in panics
                }
            for button in self._lifts.values():
                button.classes("fz-lift")
        for panic in panics:
            self._lifts[panic.panic].hint(f"hold 1 s: {_names(panic)} rejoin in sync")

    def _lifter(self, panic: str) -> Callable[[dict[str, Any]], Awaitable[None]]:
        async def lift(args: dict[str, Any]) -> None:
            await self.do(args, Order("lift", panic=panic))

        return lift


class CueList:
    """The lines of the show file; a press on one puts it in standby, where there are hands."""

    def __init__(self, hands: DeckPanel | None) -> None:
        self._hands = hands
        self._drawn: Deck | None = None
        self._lines: list[_Line] = []
        with Bit("fz-panel fz-list-panel", tag="section", aria_label="cue list"):
            with Bit("fz-panel-head"):
                Bit("fz-label", "CUE LIST", "h2")
                self._count = Bit("fz-count", tag="span")
            self._list = Bit("fz-list", tag="ol")

    def draw(self, deck: Deck) -> None:
        """Show the list."""
        if deck is self._drawn:
            return
        self._drawn = deck
        over = sum(line.state in ("over", "running") for line in deck.lines)
        self._count.say(f"{over} of {len(deck.lines)} sent" if deck.lines else "no show file")
        if len(self._lines) != len(deck.lines):
            self._list.clear()
            with self._list:
                self._lines = [_Line(index, self._hands) for index in range(len(deck.lines))]
        for index, (place, line) in enumerate(zip(self._lines, deck.lines, strict=True)):
            place.draw(line, index == deck.standby)


_LINE_MARKS = {
    "": (" ", ""),
    "standby": ("▶", "info"),
    "sent": ("◐", "info"),
    "running": ("●", "good"),
    "over": ("✓", "dim"),
    "refused": ("✕", "bad"),
}


class _Line:
    def __init__(self, index: int, hands: DeckPanel | None) -> None:
        with Bit("", tag="li"):
            if hands is None:
                self.row = Bit("fz-line")
            else:
                self.row = Press("fz-line", "", lambda args: hands.standby(args, index))
            with self.row:
                self.mark = Bit("fz-line-mark", tag="span")
                self.number = Bit("fz-line-number", tag="span")
                self.name = Bit("fz-line-name", tag="span")
                self.sent = Bit("fz-line-sent", tag="span")
                self.what = Bit("fz-line-what", tag="span")

    def draw(self, line: CueLine, standby: bool) -> None:
        shape, kind = _LINE_MARKS["standby" if standby else line.state]
        self.row.kind(f"{kind} {'standby' if standby else ''}".strip())
        self.row.attribute("aria-current", "step" if standby else None)
        self.mark.say(shape)
        self.number.say(line.number)
        self.name.say(line.name)
        self.what.say(line.what + _whom(line))
        when = "" if line.gone_us is None else f"{words.clock_time(line.gone_us)} {line.by}"
        self.sent.say(when)


def _whom(line: CueLine) -> str:
    return "" if line.venues == ("*",) else f" → {', '.join(line.venues)}"


def _names(panic: PanicNow) -> str:
    return f"{len(panic.venues)} walls" if len(panic.venues) != 1 else panic.venues[0]


def _standing(deck: Deck) -> CueLine | None:
    """The line that GO would send."""
    return deck.lines[deck.standby] if deck.standby is not None else None
