from dataclasses import replace

from plausible import plausible

from agent.board.log import ALIKE, MOST_ALARMS, alarm_lines
from agent.board.snapshot import Alarm, Board, Broker
from agent.units import UtcUs

BOARD = replace(plausible(5), brokers=(), alarms=())


def alarm(venue: str, code: str = "silent", severity: str = "critical", text: str = "") -> Alarm:
    return Alarm(code, venue, severity, UtcUs(1), text or f"{venue} is silent", "call the venue")  # type: ignore[arg-type]


def with_alarms(*alarms: Alarm) -> Board:
    return replace(BOARD, alarms=alarms)


def test_nothing_wrong_is_nothing_said() -> None:
    assert alarm_lines(BOARD) == []


def test_a_wall_is_named_once_with_what_and_what_to_do() -> None:
    (line,) = alarm_lines(with_alarms(alarm("paris", text="paris: 15 late frames")))
    assert (line.whom, line.text, line.remedy) == ("paris", "15 late frames", "call the venue")


def test_the_same_cause_at_many_walls_is_one_line_that_names_the_first() -> None:
    (line,) = alarm_lines(with_alarms(*(alarm(f"v{number}") for number in range(50))))
    assert line.whom == "50 WALLS"
    assert line.text == f"v0 is silent; and so v1, v2 and {50 - ALIKE} more"


def test_what_is_critical_stands_before_what_is_not_and_the_rest_is_counted() -> None:
    lines = alarm_lines(
        with_alarms(*(alarm("v", f"warning-{number}", "warning") for number in range(9)), alarm("v", "silent"))
    )
    assert lines[0].kind == "bad"
    assert lines[MOST_ALARMS].text == f"{10 - MOST_ALARMS} more alarms"


def test_a_panic_stands_above_all() -> None:
    board = replace(plausible(5, panic=True), alarms=(alarm("paris"),))
    assert alarm_lines(board)[0].whom == "PANIC"


def test_without_a_broker_the_board_says_that_it_shows_the_past_and_why() -> None:
    away = Broker("mqtt://a", False, "does not answer; check the network")
    (line,) = alarm_lines(replace(BOARD, brokers=(away,), stale_since_us=UtcUs(5)))
    assert "the last that was heard" in line.text
    assert "does not answer" in line.remedy
