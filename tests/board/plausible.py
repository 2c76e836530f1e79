"""A plausible board of 5, 25 or 1 000 venues, for whoever draws it: no broker, and no two venues alike."""

import math
import random
from collections.abc import Iterable

from agent.board.engine import Done, Order, Role
from agent.board.snapshot import (
    MOST_CARDS,
    Alarm,
    Board,
    BoundPoint,
    Broker,
    Cache,
    Card,
    Clock,
    Coming,
    CueLine,
    Deck,
    ErrorPoint,
    Fetch,
    Host,
    House,
    Next,
    PanicNow,
    Picture,
    Row,
    Said,
    StartPoint,
    Told,
    Totals,
    Why,
)
from agent.units import US_PER_S, UtcUs

CITIES = (
    ("shanghai-nanjing", "Asia/Shanghai"),
    ("hongkong-sogo", "Asia/Hong_Kong"),
    ("tokyo-shibuya", "Asia/Tokyo"),
    ("paris-opera", "Europe/Paris"),
    ("toronto-dundas", "America/Toronto"),
)
SHOWN_AT = UtcUs(1_748_865_600 * US_PER_S)  # 2025-06-02T12:00:00Z
IN_THE_SHOW = UtcUs(SHOWN_AT + 600 * US_PER_S)
CUE = "0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11"
TROUBLES = {  # by number of the venue, in every twenty
    3: "fetching",
    7: "clock",
    11: "silent",
    13: "offline",
    17: "hot",
}


def name_of(number: int) -> tuple[str, str]:
    city, zone = CITIES[number % len(CITIES)]
    return (city if number < len(CITIES) else f"{city}-{number // len(CITIES) + 1}"), zone


def _row(number: int, now: UtcUs, chance: random.Random) -> Row:
    venue, zone = name_of(number)
    trouble = TROUBLES.get(number % 20, "")
    away = trouble in ("silent", "offline")
    frame = (now - SHOWN_AT) * 30 // US_PER_S % 1798
    return Row(
        venue=venue,
        presence="silent" if trouble == "silent" else "offline" if trouble == "offline" else "online",
        heard_us=UtcUs(now - (47 if away else 1) * US_PER_S),
        zone=zone,
        groups=("asia",) if zone.startswith("Asia") else ("west",),
        state="" if trouble == "offline" else "playing",
        ready=None if away else trouble not in ("fetching", "clock"),
        reason={"fetching": "film_missing", "clock": "clock_bound +1"}.get(trouble, ""),
        program="winners-reel",
        rev=3,
        item=2,
        frame=frame,
        position_us=frame * 33_367,
        clock="HOLDOVER" if trouble == "clock" else "SYNC",
        bound_ms=48.2 if trouble == "clock" else round(chance.uniform(2, 12), 2),
        median_ms=None if away else round(chance.gauss(0.1, 0.2), 3),
        p99_ms=None if away else round(chance.uniform(0.4, 2.4), 3),
        missing=2 if trouble == "fetching" else 0,
        fetching=0.37 if trouble == "fetching" else None,
        dropped=0,
        late=number % 3,
        temp_c=84.0 if trouble == "hot" else round(chance.uniform(45, 62), 1),
        throttled=trouble == "hot",
        next=Next(UtcUs(now + 83 * US_PER_S), "play", CUE),
        alarm="warning" if trouble == "hot" else "critical" if trouble in ("silent", "offline", "clock") else "",
        unsigned=False,
        panic=False,
    )


def _card(row: Row, number: int, now: UtcUs, alarms: tuple[Alarm, ...]) -> Card:
    instants = [UtcUs(now - (120 - step) * 5 * US_PER_S) for step in range(120)]
    ready = row.ready is not False
    return Card(
        row=row,
        since_us=UtcUs(now - 3600 * US_PER_S),
        silence=""
        if row.presence == "online"
        else "no status for 47 s; is the agent running, and this host connected to its broker?",
        agent="1.2.0",
        display="1920x1080@60",
        decoder=("vaapi", "v4l2m2m", "no")[number % 3],
        reasons=()
        if ready
        else (Why(row.reason.split()[0], "koi.mp4 is being fetched, and not here yet; 4 minutes at this rate"),),
        clock=Clock(row.clock, row.bound_ms, (row.bound_ms or 0) * 0.03, 5, 5 if ready else 2, ""),
        cache=Cache(12, 48_318_382_080, row.missing, Fetch("koi.mp4", row.fetching) if row.fetching else None),
        host=Host(0.21, 180, 88.0, row.temp_c, row.throttled),
        brokers=(Broker("mqtts://cue-a.example:8883", True, ""), Broker("mqtts://cue-b.example:8883", ready, "")),
        reanchors=number % 2,
        latency_ms=33.4,
        pending=3,
        last_start=StartPoint(UtcUs(now - 200 * US_PER_S), row.venue, 0.21, row.bound_ms, False, row.program, CUE),
        errors=tuple(
            ErrorPoint(at, 0.15 * math.sin(at / 4e7 + number), 0.9 + 0.5 * math.sin(at / 9e7 + 2 * number))
            for at in instants
        ),
        bounds=tuple(BoundPoint(at, (row.bound_ms or 5) + math.sin(at / 8e7 + number)) for at in instants),
        alarms=tuple(alarm for alarm in alarms if alarm.venue == row.venue),
        picture=Picture(None, "", "" if number % 4 else "unserved: this version does not answer 'shot' yet", False),
    )


def _alarms(rows: Iterable[Row], now: UtcUs) -> tuple[Alarm, ...]:
    found = [
        Alarm(
            {"silent": "silent", "offline": "offline"}.get(row.presence, "clock_bound" if row.reason else "hot"),
            row.venue,
            row.alarm,
            UtcUs(now - 40 * US_PER_S),
            "no status for 47 s" if row.presence == "silent" else "the clock may be 48.2 ms wrong",
            "is the agent running, and its network up?",
        )
        for row in rows
        if row.alarm
    ]
    return tuple(sorted(found, key=lambda alarm: alarm.severity))[:100]


def _deck(now: UtcUs) -> Deck:
    names = ("Doors", "Opening black", "The winners' reel", "Spot: two hours to go", "Reel again", "Good night")
    return Deck(
        lines=tuple(
            CueLine(
                number=str(10 * (index + 1)),
                name=name,
                what=("stop", "black", "winners-reel r3, loop", "spot r1", "winners-reel r3, loop", "stop")[index],
                note="wait for Paris to call in" if index == 2 else "",
                venues=("*",),
                state=("over", "running", "standby", "", "", "")[index],
                cue=CUE if index < 2 else "",
                gone_us=UtcUs(now - 600 * US_PER_S) if index < 2 else None,
                at_us=UtcUs(now - 590 * US_PER_S) if index < 2 else None,
                by="anna@desk-1" if index < 2 else "",
            )
            for index, name in enumerate(names)
        ),
        standby=2,
        gap_until_us=None,
        refusal="",
        file="show.toml",
    )


def plausible(venues: int, now: UtcUs = IN_THE_SHOW, *, panic: bool = False) -> Board:
    """A board in the middle of a show, the same each time for the same instant."""
    chance = random.Random(now)
    rows = tuple(sorted((_row(number, now, chance) for number in range(venues)), key=lambda row: row.venue))
    alarms = _alarms(rows, now)
    cards = {row.venue: _card(row, number, now, alarms) for number, row in enumerate(rows)}
    ready = sum(row.ready is True for row in rows)
    not_ready = sum(row.ready is False for row in rows)
    return Board(
        now_us=now,
        show="bring-your-vision",
        title="Bring Your Vision",
        places={rows[0].venue: "Dundas Square, Metropolis"} if rows else {},
        house=House(-1_480, 8_900, known=True, venue="tokyo-shibuya"),
        brokers=(
            Broker("mqtts://cue-a.example:8883", True, "", UtcUs(now - 7200 * US_PER_S)),
            Broker("mqtts://cue-b.example:8883", False, "does not answer; check the network, or leave it out"),
        ),
        totals=Totals(
            venues,
            sum(row.presence == "online" for row in rows),
            sum(row.presence == "silent" for row in rows),
            sum(row.presence == "offline" for row in rows),
            ready,
            not_ready,
        ),
        rows=rows,
        cards=cards if venues <= MOST_CARDS else {},
        coming=(
            Coming(
                cue=CUE,
                at_us=UtcUs(now + 83_417_000),
                action="play",
                what="winners-reel r3, loop",
                label="30 The winners' reel",
                by="anna@desk-1",
                venues=("*",),
                told=tuple(
                    Told(row.venue, "accepted" if row.ready is not None else "", row.ready, row.reason, "", None, False)
                    for row in sorted(rows, key=lambda row: row.ready is True)
                ),
                ready=ready,
                wrong=venues - ready,
            ),
        ),
        deck=_deck(now),
        starts=tuple(
            StartPoint(
                UtcUs(now - back * 60 * US_PER_S),
                row.venue,
                round(chance.gauss(0.2, 0.3), 3),
                row.bound_ms,
                chance.random() < 0.02,
                row.program,
                CUE,
            )
            for back in range(90, 0, -3)
            for row in rows[:25]
        ),
        alarms=alarms,
        said=(
            Said(UtcUs(now - 30 * US_PER_S), "anna@desk-1", "GO 30 The winners' reel", ("*",), CUE, here=True),
            Said(UtcUs(now - 590 * US_PER_S), "ben@desk-2", "black", ("@asia",), "", here=False),
        ),
        panics=(PanicNow(CUE, "black", ("*",), tuple(row.venue for row in rows[:3]), UtcUs(now - 4_000_000), "anna"),)
        if panic
        else (),
    )


class PlausibleEngine:
    """An engine whose board only moves on in time, and that takes no orders but says them back."""

    def __init__(self, venues: int) -> None:
        self._venues = venues
        self.board = plausible(venues)
        self.orders: list[Order] = []

    def step(self, us: int = US_PER_S // 2) -> None:
        """Move on in time."""
        self.board = plausible(self._venues, UtcUs(self.board.now_us + us))

    def card(self, venue: str) -> Card | None:
        rows = {row.venue: (number, row) for number, row in enumerate(self.board.rows)}
        found = rows.get(venue)
        return _card(found[1], found[0], self.board.now_us, self.board.alarms) if found else None

    async def changed(self, since: Board) -> Board:
        while self.board is since:
            self.step()
        return self.board

    async def do(self, order: Order, role: Role) -> Done:
        if role == "guest":
            return Done(False, "a guest only looks; open the page with the operator's address")
        self.orders.append(order)
        return Done(True, f"{order.deed} sent")
