"""One venue as the page shows it: its row in the table, and its card. Pure.

A row is made anew only when something of the venue has changed, so that a thousand of them are looked at each second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.board.history import History
from agent.board.snapshot import (
    Alarm,
    Broker,
    Cache,
    Card,
    Clock,
    Fetch,
    Host,
    Next,
    Picture,
    Presence,
    Row,
    Severity,
    Why,
)
from agent.control.presences import version_fault
from agent.control.view import Heard, View
from agent.printable import printable
from agent.told import CacheStatus, HostStatus, Status
from agent.told import Presence as Told
from agent.units import US_PER_S, UtcUs

NO_PICTURE = Picture(None, "", "", asked=False)
OFFLINE = "offline: its connection to the broker has ended; is the player running, and its network up?"
NEVER = "expected, and never heard of at these brokers: is its agent set up for them, and its name spelt so?"
NO_STATUS = "it is there, but has told no status; is its agent starting?"
SILENT = "no status any more, though no broker says that it has gone; is its line cut, or its agent stuck?"


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is: UTC by the house clock, UTC by this computer's own, and monotonic.

    `base_us` is house UTC at monotonic zero. It is rounded, so that it changes seldom.
    """

    now_us: UtcUs
    own_us: UtcUs
    now_s: float

    @property
    def base_us(self) -> int:
        """House UTC at monotonic zero, to the tenth of a second."""
        exact = self.now_us - round(self.now_s * US_PER_S)
        return round(exact / 100_000) * 100_000


@dataclass(slots=True)
class _Made:
    presence: Told | None
    heard: Heard | None
    state: Presence
    alarm: Severity
    base_us: int
    row: Row


class Venues:
    """The rows and cards of all venues of a show (empty: of any) in a view, and of those that are expected."""

    def __init__(self, view: View, history: History, show: str, expected: Sequence[str]) -> None:
        self._view = view
        self._show = show
        self._expected = {venue: place for place, venue in enumerate(expected)}
        self.others: list[tuple[str, str]] = []
        """Venues that play another show, each with its show: a broker may serve several."""
        self._sorted: tuple[object, list[str]] = (None, [])
        self._history = history
        self._made: dict[str, _Made] = {}
        self._cards: dict[str, tuple[Card, tuple[object, ...]]] = {}
        self._rows: tuple[Row, ...] = ()

    def rows(self, moment: Moment, alarms: Mapping[str, Severity]) -> tuple[Row, ...]:
        """A row a venue, by name; what has not changed is the same object, and so is the whole."""
        view, base_us = self._view, moment.base_us
        presences = view.presences
        rows, same = [], True
        for venue in self._known():
            presence, heard = presences.get(venue), view.statuses.get(venue)
            state = self._presence(venue, moment)
            self._history.note(venue, heard.status if heard else None, state, moment.now_s)
            alarm = alarms.get(venue, "")
            made = self._made.get(venue)
            if (
                made is None
                or made.heard is not heard
                or made.presence is not presence
                or made.state != state
                or made.alarm != alarm
                or made.base_us != base_us
            ):
                row = _row(venue, presence, heard, state, alarm, base_us)
                made = self._made[venue] = _Made(presence, heard, state, alarm, base_us, row)
                same = False
            rows.append(made.row)
        if same and len(rows) == len(self._rows):
            return self._rows
        if len(rows) < len(self._made):
            self._forget({row.venue for row in rows})
        self._rows = tuple(rows)
        return self._rows

    def card(self, venue: str, moment: Moment, alarms: Sequence[Alarm], picture: Picture) -> Card | None:
        """Everything about a venue that has a row."""
        made = self._made.get(venue)
        if made is None:
            return None
        errors, bounds = self._history.points(venue, moment.base_us)
        mine = tuple(alarm for alarm in alarms if alarm.venue == venue)
        start, since_s = self._history.last_start(venue), self._history.since_s(venue)
        # Of what has not changed the objects are the same; alarms and pictures are small.
        basis = (made.row, errors, bounds, start, since_s)
        known = self._cards.get(venue)
        if known is not None and known[0].alarms == mine and known[0].picture == picture:
            before = known[1]
            if all(one is other for one, other in zip(basis, before, strict=True)):
                return known[0]
        since_us = UtcUs(made.base_us + round(since_s * US_PER_S)) if since_s is not None else None
        status = made.heard.status if made.heard else None
        card = Card(
            row=made.row,
            since_us=since_us,
            silence=_silence(made.state, made.presence, status),
            agent=printable(made.presence.agent) if made.presence else "",
            display=printable(status.display or "") if status else "",
            decoder=printable(status.decoder or "") if status else "",
            reasons=(*self._other_show(made.presence), *_reasons(made.presence, status, made.state)),
            clock=_clock(status) if status else None,
            cache=_cache(status.cache) if status else None,
            host=_host(status.host) if status else None,
            brokers=_brokers(status) if status else (),
            reanchors=status.reanchors if status else 0,
            latency_ms=status.latency_us / 1000 if status else 0.0,
            pending=status.pending if status else 0,
            last_start=start,
            errors=errors,
            bounds=bounds,
            alarms=mine,
            picture=picture,
        )
        self._cards[venue] = (card, basis)
        return card

    def _other_show(self, presence: Told | None) -> tuple[Why, ...]:
        if presence is None or not self._show or presence.show == self._show:
            return ()
        detail = f"it is set up for the show {presence.show!r}, and refuses the cues of this one; mend its agent.toml"
        return (Why("show", printable(detail)),)

    def _known(self) -> list[str]:
        view = self._view
        causes = (view.presence_changes, len(view.statuses), len(view.presences))
        if causes != self._sorted[0]:
            found = {venue: presence.show for venue, presence in view.presences.items()}
            self.others = [
                (venue, show)
                for venue, show in found.items()
                if self._show and show != self._show and venue not in self._expected
            ]
            here = {*view.venues, *self._expected} - {venue for venue, _ in self.others}
            self._sorted = (
                causes,
                sorted(here, key=lambda venue: (self._expected.get(venue, len(self._expected)), venue)),
            )
        return self._sorted[1]

    def _presence(self, venue: str, moment: Moment) -> Presence:
        if self._view.gone(venue) or (venue not in self._view.presences and venue not in self._view.statuses):
            return "offline"
        return "silent" if self._view.silent(venue, moment.now_us, moment.now_s) else "online"

    def _forget(self, kept: set[str]) -> None:
        for venue in self._made.keys() - kept:
            del self._made[venue]
            self._cards.pop(venue, None)
        self._history.keep(kept)


def _row(venue: str, presence: Told | None, heard: Heard | None, state: Presence, alarm: Severity, base_us: int) -> Row:
    status = heard.status if heard else None
    heard_us: UtcUs | None = None
    if heard is not None:
        live_at_s = heard.live_at_s
        heard_us = heard.status.time if live_at_s is None else UtcUs(base_us + round(live_at_s * US_PER_S))
    error = status.error_us if status else None
    fetching = status.cache.fetching if status else None
    return Row(
        venue=printable(venue),
        presence=state,
        heard_us=heard_us,
        zone=printable(presence.timezone, 60) if presence else "",
        groups=tuple(presence.groups) if presence else (),
        state=status.state if status else "",
        ready=status.ready if status and state == "online" else None,
        reason=_reason(status) if status and state == "online" else "",
        program=status.program or "" if status else "",
        rev=status.rev if status else None,
        item=status.item if status else None,
        frame=status.frame if status else None,
        position_us=status.position_us if status else None,
        clock=printable(status.clock.state, 20) if status else "",
        bound_ms=_ms(status.clock.bound_us) if status else None,
        median_ms=_ms(error.median) if error else None,
        p99_ms=_ms(error.p99) if error else None,
        missing=status.cache.missing if status else 0,
        fetching=_fraction(fetching.done, fetching.size) if fetching else None,
        dropped=status.dropped if status else 0,
        late=status.late if status else 0,
        temp_c=status.host.temp_c if status else None,
        throttled=status.host.throttled if status else None,
        next=Next(status.next.at, printable(status.next.action), status.next.cue) if status and status.next else None,
        alarm=alarm,
        unsigned=bool(presence and presence.unsigned) or bool(status and status.unsigned),
        panic=bool(status and status.panic),
    )


def _ms(us: int | None) -> float | None:
    return None if us is None else us / 1000


def _fraction(done: int, size: int) -> float:
    return min(1.0, max(0.0, done / size)) if size > 0 else 0.0


def _reason(status: Status) -> str:
    if status.ready:
        return ""
    if not status.reasons:
        return "no reason given"
    more = f" +{len(status.reasons) - 1}" if len(status.reasons) > 1 else ""
    return printable(status.reasons[0].code, 40) + more


def _silence(state: Presence, presence: Told | None, status: Status | None) -> str:
    if state == "online":
        return ""
    if presence is None and status is None:
        return NEVER
    if state == "offline":
        return OFFLINE
    return SILENT if status is not None else NO_STATUS


def _reasons(presence: Told | None, status: Status | None, state: Presence) -> tuple[Why, ...]:
    found = []
    if presence is not None and (fault := version_fault(presence)):
        found.append(Why("version", printable(fault)))
    if presence is not None and presence.rival is not None and state == "online":
        found.append(Why("rival", "a second agent runs under this venue's name; stop one of them"))
    if status is not None and state == "online" and not status.ready:
        found += [Why(printable(reason.code, 40), printable(reason.detail)) for reason in status.reasons]
    if status is not None and state == "online" and status.self_test is not None:
        faults = [one for one in status.self_test.findings if one.verdict == "fault"]
        found += [Why("self-test", printable(f"{one.what} → {one.mend}")) for one in faults]
    return tuple(found)


def _clock(status: Status) -> Clock:
    clock = status.clock
    return Clock(
        printable(clock.state, 20),
        _ms(clock.bound_us),
        clock.frames,
        clock.sources,
        clock.agreeing,
        printable(clock.reason),
    )


def _cache(cache: CacheStatus) -> Cache:
    under_way = cache.fetching
    fetching = Fetch(printable(under_way.name, 120), _fraction(under_way.done, under_way.size)) if under_way else None
    return Cache(cache.films, cache.bytes, cache.missing, fetching)


def _host(host: HostStatus) -> Host:
    return Host(host.cpu, host.mem_mb, host.disk_free_gb, host.temp_c, host.throttled)


def _brokers(status: Status) -> tuple[Broker, ...]:
    return tuple(
        Broker(printable(url, 200), up, printable(status.broker_faults.get(url, "")))
        for url, up in sorted(status.brokers.items())
    )
