"""The desk as the page shows it: the lines' marks over an evening, without a broker and without a page."""

from makers import T0, cue

from agent.board.desks import Desks
from agent.board.venues import Moment
from agent.control.claims import Contest
from agent.control.desk import Desk, Order
from agent.control.showfile import parse_show
from agent.units import US_PER_S, UtcUs

LIST = b"""
show = "reel-show"
title = "Reel Week"
[[venue]]
id = "tokyo"
name = "Shibuya crossing"
city = "Tokyo"
[[venue]]
id = "paris"
city = "Paris"
[[venue]]
id = "kyoto"
[[cue]]
id = "1"
name = "Line-up"
action = "identify"
seconds = 20
[[cue]]
id = "2"
name = "Black"
action = "black"
"""


def moment(after_s: float) -> Moment:
    now = UtcUs(T0 + round(after_s * US_PER_S))
    return Moment(now, now, 100 + after_s)


def states(desks: Desks, after_s: float, running: frozenset[str] = frozenset()) -> list[str]:
    return [line.state for line in desks.deck(Contest(), running, moment(after_s)).lines]


def test_a_line_keeps_its_mark_when_its_cue_has_expired() -> None:
    desk = Desk(parse_show(LIST, "show.toml"), "anna")
    desks = Desks(desk, "show.toml")
    assert states(desks, 0) == ["standby", ""]
    lineup = cue(1, T0 + 2 * US_PER_S, do={"action": "identify", "seconds": 20}, label="1 Line-up", by="ben@paris")
    desk.take([Order(lineup, 100.5, True)], UtcUs(T0))
    assert states(desks, 1) == ["sent", "standby"]
    assert states(desks, 3, frozenset([lineup.cue])) == ["running", "standby"]
    assert states(desks, 10 * 86_400) == ["over", "standby"]
    last = desks.deck(Contest(), frozenset(), moment(10 * 86_400)).lines[0]
    assert (last.by, last.gone_us) == ("ben@paris", lineup.issued)


def test_the_file_says_what_people_call_the_show_and_its_venues() -> None:
    desks = Desks(Desk(parse_show(LIST, "show.toml"), "anna"), "show.toml")
    assert desks.title == "Reel Week"
    assert desks.places == {"tokyo": "Shibuya crossing, Tokyo", "paris": "Paris", "kyoto": ""}
