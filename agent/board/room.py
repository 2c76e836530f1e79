"""The control room: what is heard, remembered and judged, put together as what the page draws. Pure.

It is asked four times a second. What costs something for a thousand venues is made anew only when its causes change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agent.board.history import History
from agent.board.snapshot import (
    MOST_CARDS,
    Alarm,
    Board,
    Broker,
    Card,
    Coming,
    Deck,
    House,
    PanicNow,
    Picture,
    Row,
    Said,
    Severity,
    Told,
    Totals,
)
from agent.board.venues import NO_PICTURE, Moment, Venues
from agent.control import kept
from agent.control.proof_record import Record
from agent.control.view import View
from agent.messages import Cancel
from agent.printable import printable
from agent.told import Ack, AsRun
from agent.units import US_PER_S, UtcUs

MOST_COMING = 20
JUDGED_US = US_PER_S
"""So often the kept cues are judged, if nothing has come in between."""

ANSWERED_US = 3 * US_PER_S
"""A venue that has not answered a cue by then is one with which something is wrong."""

MOST_NEW = 5
"""A wall tells no more as-run records between two looks."""

_BAD_STAGES = ("refused", "missed")


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around the venues at a moment; see `Board`."""

    house: House
    brokers: tuple[Broker, ...]
    stale_since_us: UtcUs | None
    alarms: tuple[Alarm, ...] = ()
    deck: Deck = field(default_factory=Deck)
    said: tuple[Said, ...] = ()
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    rehearsing: bool = False
    title: str = ""
    places: Mapping[str, str] = field(default_factory=dict)


class Room:
    """The room of one show, over a view that takes in messages all the time.

    Venues that are `expected` stand first, in this order, and have a row even where they have never left a trace.
    """

    def __init__(self, view: View, history: History, show: str, expected: Sequence[str] = ()) -> None:
        self._view = view
        self._history = history
        self._show = show
        self._venues = Venues(view, history, show, expected)
        self._coming: tuple[Coming, ...] = ()
        self._judged: tuple[object, ...] = ()
        self._last: tuple[Moment, Around] | None = None
        self._acks_read: dict[str, int] = {}
        self._newest: dict[str, AsRun] = {}

    def look(self, moment: Moment, around: Around) -> Board:
        """Everything at this moment."""
        self._last = (moment, around)
        self._note_starts()
        rows = self._venues.rows(moment, _worst(around.alarms))
        cards = {}
        if len(rows) <= MOST_CARDS:
            for row in rows:
                card = self.card(row.venue)
                if card is not None:
                    cards[row.venue] = card
        return Board(
            now_us=moment.now_us,
            show=self._show,
            title=around.title,
            house=around.house,
            brokers=around.brokers,
            stale_since_us=around.stale_since_us,
            totals=_totals(rows),
            rows=rows,
            places=around.places,
            cards=cards,
            coming=self._look_ahead(moment),
            deck=around.deck,
            starts=self._history.starts,
            alarms=around.alarms,
            said=around.said,
            panics=self._panics(),
            warnings=around.warnings,
            rehearsing=around.rehearsing,
        )

    @property
    def others(self) -> list[tuple[str, str]]:
        """The venues of other shows, each with its show: they have no row here."""
        return self._venues.others

    def card(self, venue: str) -> Card | None:
        """One venue as of the last look."""
        if self._last is None:
            return None
        moment, around = self._last
        return self._venues.card(venue, moment, around.alarms, around.pictures.get(venue, NO_PICTURE))

    def _note_starts(self) -> None:
        fresh: list[Ack | Record] = []
        for venue, records in self._view.asruns.items():
            if records and records[-1] is not self._newest.get(venue):
                self._newest[venue] = records[-1]
                fresh += map(Record.of, records[-MOST_NEW:])
        for cue, acks in self._view.acks.items():
            read = self._acks_read.get(cue, 0)
            if len(acks) > read:
                fresh += acks[read:]
                self._acks_read[cue] = len(acks)
        for cue in self._acks_read.keys() - self._view.acks.keys():
            del self._acks_read[cue]
        self._history.started(fresh)

    def _look_ahead(self, moment: Moment) -> tuple[Coming, ...]:
        view = self._view
        causes = (
            moment.now_us // JUDGED_US,
            view.presence_changes,
            sum(map(len, view.acks.values())),
            tuple(view.kept),
        )
        if causes != self._judged:
            self._judged = causes
            found = tuple(
                self._one(entry, moment.now_us)
                for entry in kept.entries(view, ["*"], self._show or None, moment.now_us)
                if {"pending", "running"} & entry.by_state.keys() and not isinstance(entry.cue.do, Cancel)
            )[:MOST_COMING]
            if found != self._coming:
                self._coming = found
        return self._coming

    def _one(self, entry: kept.Entry, now_us: UtcUs) -> Coming:
        cue = entry.cue
        newest: dict[str, Ack] = {}
        for answer in self._view.acks.get(cue.cue, ()):
            # Superseded by what lay over it for a while: it runs again, and how it started is still what became of it.
            if answer.stage != "superseded" or answer.venue not in newest:
                newest[answer.venue] = answer
        overdue = now_us - cue.issued > ANSWERED_US
        told, ready, wrong = [], 0, 0
        for venue, state in entry.states.items():
            if venue == "*" or state not in ("pending", "running"):
                continue
            ack = newest.get(venue)
            is_wrong = _is_wrong(ack) if ack else overdue and not self._vouched(venue, cue.cue)
            wrong += is_wrong
            ready += not is_wrong and (ack is None or ack.ready is not False)
            told.append((not is_wrong, _told(venue, ack)))
        told.sort(key=lambda pair: (pair[0], pair[1].venue))
        return Coming(
            cue=cue.cue,
            at_us=cue.at,
            action=cue.do.action,
            what=printable(kept.words(cue)),
            label=printable(cue.label or "", 120),
            by=printable(cue.by or "", 120),
            venues=tuple(cue.venues),
            told=tuple(one for _, one in told),
            ready=ready,
            wrong=wrong,
        )

    def _vouched(self, venue: str, cue: str) -> bool:
        """Whether a venue's status names the cue: its answer may have come before the board did."""
        heard = self._view.statuses.get(venue)
        if heard is None:
            return False
        status = heard.status
        return status.cue == cue or (status.next is not None and status.pending > 0)

    def _panics(self) -> tuple[PanicNow, ...]:
        showing: dict[str, list[str]] = {}
        raised: dict[str, UtcUs | None] = {}
        for venue, heard in self._view.statuses.items():
            if heard.status.panic is not None:
                showing.setdefault(heard.status.panic, []).append(venue)
                raised[heard.status.panic] = heard.status.panic_issued
        kept_now = self._view.panics
        found = []
        for panic_id in dict.fromkeys([*kept_now, *showing]):
            panic = kept_now.get(panic_id)
            if panic is not None and self._show and panic.show != self._show:
                continue
            found.append(
                PanicNow(
                    panic=printable(panic_id, 60),
                    to=panic.to if panic else "",
                    patterns=tuple(panic.venues) if panic else (),
                    venues=tuple(sorted(showing.get(panic_id, ()))),
                    since_us=panic.issued if panic else raised.get(panic_id),
                    by=printable((panic.by or "") if panic else "", 120),
                )
            )
        return tuple(found)


def _told(venue: str, ack: Ack | None) -> Told:
    if ack is None:
        return Told(venue, "", None, "", "", None, joined=False)
    return Told(
        venue=venue,
        stage=ack.stage,
        ready=ack.ready,
        reason=printable(ack.reason or "", 40),
        detail=printable(ack.detail or ""),
        error_ms=ack.error_us / 1000 if ack.error_us is not None else None,
        joined=bool(ack.joined),
    )


def _is_wrong(ack: Ack) -> bool:
    return ack.stage in _BAD_STAGES or ack.ready is False


def _worst(alarms: Sequence[Alarm]) -> dict[str, Severity]:
    found: dict[str, Severity] = {}
    for alarm in alarms:
        if alarm.venue is not None and found.get(alarm.venue) != "critical":
            found[alarm.venue] = alarm.severity
    return found


def _totals(rows: Sequence[Row]) -> Totals:
    online = silent = offline = ready = not_ready = 0
    for row in rows:
        online += row.presence == "online"
        silent += row.presence == "silent"
        offline += row.presence == "offline"
        ready += row.ready is True
        not_ready += row.ready is False
    return Totals(len(rows), online, silent, offline, ready, not_ready)
