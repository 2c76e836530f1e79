"""What a page sees of what is heard, without a broker and without a page."""

import uuid
from typing import Any

from fake_venue import BOOT, presence, status

from agent.board.history import History
from agent.board.room import Around, Room
from agent.board.snapshot import MOST_CARDS, NO_TIME, Alarm, Board
from agent.board.venues import Moment
from agent.control.cue import build
from agent.control.draft import Draft
from agent.control.view import View
from agent.messages import Cue, Panic, Play, Refusal, encode
from agent.received import Received
from agent.told import Ack, ErrorWindow, NextCue, SelfTest
from agent.units import US_PER_S, UtcUs

NOW = UtcUs(1_700_000_000 * US_PER_S)
URL = "mqtt://broker"
AROUND = Around(NO_TIME, (), None)


class Hall:
    """A room, and the time in it."""

    def __init__(self) -> None:
        self.view = View()
        self.history = History()
        self.room = Room(self.view, self.history, "demo")
        self.now_s = 1000.0

    def hear(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        self.view.take(Received(topic, payload, retained, URL), self.now_s)

    def venue(self, name: str, **more: Any) -> None:
        self.hear(f"venue/{name}/presence", encode(presence(name)))
        self.status(name, **more)

    def status(self, name: str, **more: Any) -> None:
        self.hear(f"venue/{name}/status", encode(status(name, at=self.now, **more)))

    @property
    def now(self) -> UtcUs:
        return UtcUs(NOW + round((self.now_s - 1000) * US_PER_S))

    def look(self, around: Around = AROUND) -> Board:
        return self.room.look(Moment(self.now, self.now, self.now_s), around)


def cue_at(at: UtcUs, issued: UtcUs = NOW) -> Cue:
    play = Play(action="play", program="reel", rev=3)
    return build(Draft(play), show="demo", venues=["*"], at=at, now=issued)


def test_a_venue_s_row_and_card_say_what_it_told() -> None:
    hall = Hall()
    following = NextCue(cue=str(uuid.uuid4()), at=UtcUs(NOW + 5), action="play")
    hall.venue("paris", ready=False, error_us=ErrorWindow(median=180, p99=900, window_s=60), next=following)
    board = hall.look()
    (row,) = board.rows
    assert (row.venue, row.presence, row.ready, row.reason) == ("paris", "online", False, "film_missing")
    assert (row.median_ms, row.p99_ms, row.bound_ms, row.clock) == (0.18, 0.9, 8.2, "SYNC")
    assert row.next is not None and row.next.at_us == NOW + 5
    assert row.heard_us == NOW
    card = board.cards["paris"]
    assert card.row is row
    assert [(why.code, why.detail) for why in card.reasons] == [("film_missing", "koi.mp4 is not here; wait for it")]
    assert (board.totals.venues, board.totals.online, board.totals.not_ready) == (1, 1, 1)


def test_what_has_not_changed_is_the_same_object() -> None:
    hall = Hall()
    hall.venue("paris")
    hall.venue("tokyo")
    before = hall.look()
    hall.now_s += 0.5
    again = hall.look()
    assert again.rows is before.rows
    assert again.cards["paris"] is before.cards["paris"]
    hall.status("tokyo")
    after = hall.look()
    assert after.rows[0] is before.rows[0]
    assert after.rows[1] is not before.rows[1]
    assert after.cards["paris"] is before.cards["paris"]
    assert after.cards["tokyo"] is not before.cards["tokyo"]


def test_a_cut_line_shows_with_words_and_since_when() -> None:
    hall = Hall()
    hall.venue("paris")
    hall.look()
    hall.now_s += 11.5
    assert hall.look().rows[0].presence == "online"
    hall.now_s += 1
    board = hall.look()
    card = board.cards["paris"]
    assert (card.row.presence, card.row.ready) == ("silent", None)
    assert "line cut" in card.silence
    assert card.since_us == hall.now
    assert board.totals.silent == 1
    hall.hear("venue/paris/presence", encode(presence("paris", online=False)), retained=True)
    card = hall.look().cards["paris"]
    assert card.row.presence == "offline" and card.silence.startswith("offline")


def test_a_venue_of_another_show_has_no_row_unless_it_is_expected() -> None:
    hall = Hall()
    hall.room = Room(hall.view, hall.history, "demo", ("tokyo",))
    for name in ("paris", "tokyo"):
        told = presence(name).model_copy(update={"show": "other"})
        hall.hear(f"venue/{name}/presence", encode(told))
        hall.status(name)
    board = hall.look()
    assert [row.venue for row in board.rows] == ["tokyo"]
    assert hall.room.others == [("paris", "other")]
    assert board.cards["tokyo"].reasons[0].code == "show"


def test_what_a_player_found_of_itself_stands_on_its_card_as_far_as_a_show_would_suffer() -> None:
    hall = Hall()
    some = [
        {"area": "files", "verdict": verdict, "code": "c", "what": f"a {verdict}\x1b[2J", "mend": "chmod 640 f"}
        for verdict in ("fault", "warning")
    ]
    test = {"time": None, "good": 7, "warnings": 1, "faults": 1, "findings": some}
    hall.venue("paris", ready=True, reasons=[], self_test=SelfTest.model_validate(test))
    [why] = hall.look().cards["paris"].reasons
    assert (why.code, why.detail) == ("self-test", "a fault → chmod 640 f")


def test_expected_venues_stand_first_and_in_their_order() -> None:
    hall = Hall()
    hall.room = Room(hall.view, hall.history, "demo", ("tokyo", "atlantis", "paris"))
    for name in ("paris", "berlin", "tokyo"):
        hall.venue(name)
    assert [row.venue for row in hall.look().rows] == ["tokyo", "atlantis", "paris", "berlin"]


def test_texts_from_outside_are_printable() -> None:
    hall = Hall()
    nasty = "\x1b[2J\u202eevil\n<b>"
    hall.venue("paris", ready=False, reasons=[Refusal(code=nasty, detail=nasty)], decoder=nasty, display=nasty)
    card = hall.look().cards["paris"]
    for text in (card.reasons[0].detail, card.row.reason, card.decoder, card.display):
        assert text.isprintable() and "evil" in text


def test_of_too_many_venues_a_card_is_made_when_it_is_asked_for() -> None:
    hall = Hall()
    for number in range(MOST_CARDS + 1):
        hall.venue(f"wall-{number}")
    board = hall.look()
    assert len(board.rows) == MOST_CARDS + 1 and board.cards == {}
    card = hall.room.card("wall-7")
    assert card is not None and card.row.venue == "wall-7"
    assert hall.room.card("atlantis") is None


def test_alarms_colour_their_venue() -> None:
    hall = Hall()
    hall.venue("paris")
    alarms = (
        Alarm("disk", "paris", "warning", NOW, "t", "r"),
        Alarm("silent", "paris", "critical", NOW, "t", "r"),
        Alarm("disk", None, "warning", NOW, "t", "r"),
    )
    board = hall.look(Around(NO_TIME, (), None, alarms))
    assert board.rows[0].alarm == "critical"
    assert board.cards["paris"].alarms == alarms[:2]


def test_the_next_cue_says_who_is_ready_and_who_is_not() -> None:
    hall = Hall()
    for venue in ("paris", "tokyo", "toronto"):
        hall.venue(venue, next=None, pending=0)
    cue = cue_at(UtcUs(NOW + 60 * US_PER_S))
    hall.hear(f"cue/{cue.cue}", encode(cue), retained=True)

    def ack(venue: str, **more: Any) -> None:
        told = Ack(cue=cue.cue, venue=venue, boot=BOOT, time=None, **more)
        hall.hear(f"venue/{venue}/ack", encode(told))

    ack("paris", stage="accepted", ready=True)
    ack("tokyo", stage="accepted", ready=False, reason="film_missing", detail="koi.mp4 is not here")
    (coming,) = hall.look().coming
    assert (coming.what, coming.at_us, coming.ready, coming.wrong) == ("play reel r3", cue.at, 2, 1)
    hall.now_s += 4
    (coming,) = hall.look().coming
    assert (coming.ready, coming.wrong) == (1, 2)  # toronto has had its time to answer
    assert [one.venue for one in coming.told] == ["tokyo", "toronto", "paris"]
    ack("toronto", stage="missed", reason="late")
    (coming,) = hall.look().coming
    assert {one.venue: one.stage for one in coming.told}["toronto"] == "missed"


def test_what_lay_over_a_cue_for_a_while_does_not_hide_how_it_started() -> None:
    hall = Hall()
    hall.venue("paris", next=None, pending=0)
    cue = cue_at(NOW)
    hall.hear(f"cue/{cue.cue}", encode(cue), retained=True)
    for stage, error_us in (("started", 180), ("superseded", None)):
        told = Ack(cue=cue.cue, venue="paris", boot=BOOT, time=None, stage=stage, error_us=error_us)  # type: ignore[arg-type]
        hall.hear("venue/paris/ack", encode(told))
    (coming,) = hall.look().coming
    assert [(told.stage, told.error_ms) for told in coming.told] == [("started", 0.18)]


def test_a_cue_that_is_over_is_not_coming() -> None:
    hall = Hall()
    hall.venue("paris")
    old, new = cue_at(UtcUs(NOW - 60 * US_PER_S)), cue_at(UtcUs(NOW - 5 * US_PER_S))
    for cue in (old, new):
        hall.hear(f"cue/{cue.cue}", encode(cue), retained=True)
    assert [coming.cue for coming in hall.look().coming] == [new.cue]


def test_starts_come_from_acks() -> None:
    hall = Hall()
    hall.venue("paris")
    told = Ack(
        cue=BOOT, venue="paris", boot=BOOT, stage="started", time=None, due=NOW, observed=NOW, error_us=210, joined=True
    )
    hall.hear("venue/paris/ack", encode(told))
    board = hall.look()
    assert [(start.venue, start.error_ms, start.joined) for start in board.starts] == [("paris", 0.21, True)]
    assert board.cards["paris"].last_start == board.starts[0]
    assert hall.look().starts is board.starts


def test_a_panic_is_seen_with_who_shows_it() -> None:
    hall = Hall()
    panic = Panic(v=1, panic=str(uuid.uuid4()), show="demo", venues=["*"], issued=NOW, to="black")
    hall.hear("panic", encode(panic), retained=True)
    hall.venue("paris", panic=panic.panic, panic_issued=NOW, state="panic")
    hall.venue("tokyo")
    (found,) = hall.look().panics
    assert (found.panic, found.to, found.patterns, found.venues) == (panic.panic, "black", ("*",), ("paris",))
