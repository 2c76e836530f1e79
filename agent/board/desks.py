"""The desk as the page shows it: the cue list, what GO would do, and who has sent what. Pure."""

from agent.board.snapshot import CueLine, Deck, LineState, Said
from agent.board.venues import Moment
from agent.control import kept
from agent.control.claims import Contest
from agent.control.desk import Desk, Order
from agent.control.showfile import CueLine as Line
from agent.messages import Cue, Lift, Panic
from agent.printable import printable
from agent.units import US_PER_S, UtcUs

MOST_SAID = 100


class Desks:
    """One desk, drawn anew where it has changed."""

    def __init__(self, desk: Desk, file: str) -> None:
        self._desk = desk
        self._file = printable(file, 200)
        self.title = printable(desk.file.title)
        self.places = {
            place.id: printable(", ".join(filter(None, (place.name, place.city)))) for place in desk.file.venue
        }
        """What people call a venue, by its id."""
        self._said: tuple[tuple[object, ...], tuple[Said, ...]] = ((), ())
        self._deck = Deck()

    def deck(self, contest: Contest, running: frozenset[str], moment: Moment) -> Deck:
        """The list; `running` are the ids of the cues that run now."""
        desk = self._desk
        if not desk.lines:
            return self._deck
        last = desk.last(contest, moment.now_s)
        until_s = last.came_s + desk.gap_s if last is not None else 0.0
        refused = desk.may_go(desk.standby, contest, moment.now_us, moment.now_s)
        deck = Deck(
            lines=tuple(self._line(line, running, moment) for line in desk.lines),
            standby=desk.lines.index(desk.standby) if desk.standby is not None else None,
            gap_until_us=UtcUs(moment.base_us + round(until_s * US_PER_S)) if until_s > moment.now_s else None,
            refusal=printable(refused.detail) if refused is not None and refused.reason != "gap" else "",
            file=self._file,
        )
        if deck != self._deck:
            self._deck = deck
        return self._deck

    def said(self, moment: Moment) -> tuple[Said, ...]:
        """Who has sent what, the newest first."""
        history = self._desk.history
        causes = (len(history), history[-1].id if history else "", moment.base_us)
        if causes != self._said[0]:
            newest = list(history)[-MOST_SAID:]
            self._said = (causes, tuple(self._order(order, moment) for order in reversed(newest)))
        return self._said[1]

    def _line(self, line: Line, running: frozenset[str], moment: Moment) -> CueLine:
        desk = self._desk
        went = desk.went(line)
        cue = went.message if went is not None and isinstance(went.message, Cue) else None
        state: LineState = ""
        if line == desk.standby:
            state = "standby"
        elif cue is not None:
            state = "sent" if cue.at > moment.now_us else "running" if cue.cue in running else "over"
        return CueLine(
            number=line.id,
            name=printable(line.name),
            what=line.words,
            note=line.note,
            venues=tuple(line.venues),
            state=state,
            cue=cue.cue if cue is not None else "",
            gone_us=cue.issued if cue is not None else None,
            at_us=cue.at if cue is not None else None,
            by=printable(cue.by or "") if cue is not None else "",
        )

    def _order(self, order: Order, moment: Moment) -> Said:
        message = order.message
        match message:
            case Cue(cue=cue):
                what = f"GO {order.label}" if order.label in self._labels else order.label or kept.words(message)
            case Panic(panic=cue, to=to):
                what = f"PANIC to {to}"
            case Lift(lift=cue):
                what = "lift of the panic"
        came_us = UtcUs(moment.base_us + round(order.came_s * US_PER_S)) if order.live else message.issued
        return Said(
            utc_us=came_us,
            by=printable(order.by),
            what=printable(what),
            venues=tuple(message.venues),
            cue=cue,
            here=order.by == self._desk.me,
        )

    @property
    def _labels(self) -> set[str]:
        return {line.label for line in self._desk.lines}
