from zoneinfo import ZoneInfo

import pytest
from makers import T0, S

from agent.clock.mapping import ClockState
from agent.player.layout import lines_of
from agent.player.wire import Identify
from agent.player.wording import JOINED, RED, Words, words
from agent.units import UtcUs, parse_utc


def said(
    second: int = T0,
    zone: str = "Asia/Tokyo",
    state: ClockState = ClockState.SYNC,
    bound_us: float = 2300.0,
    **changes: object,
) -> Words:
    order = {"venue": "tokyo-shibuya", "zone": zone, "at": T0, "until": T0 + 60 * S, **changes}
    return words(Identify.model_validate(order), UtcUs(second), ZoneInfo(zone), state, bound_us)


def texts(found: Words) -> list[str]:
    return [line.text.replace(JOINED, " ") for line in lines_of(found)]


def test_it_says_which_wall_this_is_and_what_time_it_is_here_and_in_utc() -> None:
    assert texts(said()) == [
        "TOKYO-SHIBUYA",
        "12:00:00",
        "UTC",
        "21:00:00",
        "JST",
        "UNTIL 12:01:00 UTC",
        "CLOCK ± 3 MS",
    ]


@pytest.mark.parametrize(
    ("utc", "zone", "local"),
    [
        ("2025-06-02T12:00:00Z", "Europe/Paris", ["14:00:00", "CEST"]),
        ("2025-10-26T00:59:59Z", "Europe/Paris", ["02:59:59", "CEST"]),
        ("2025-10-26T01:00:00Z", "Europe/Paris", ["02:00:00", "CET"]),
        ("2025-06-02T12:00:00Z", "America/Toronto", ["08:00:00", "EDT"]),
        ("2025-01-02T04:59:59Z", "America/Toronto", ["23:59:59", "EST"]),
        ("2025-06-02T12:00:00Z", "Asia/Dubai", ["16:00:00", "UTC+04"]),
        ("2025-06-02T12:00:00Z", "Asia/Kathmandu", ["17:45:00", "UTC+0545"]),
    ],
)
def test_local_time_follows_the_zone_and_its_summer(utc: str, zone: str, local: list[str]) -> None:
    assert texts(said(parse_utc(utc), zone))[3:5] == local


@pytest.mark.parametrize(
    ("before_us", "note"),
    [
        (12 * S, "PLAY WINNERS-REEL IN 00:12"),
        (61 * S, "PLAY WINNERS-REEL IN 01:01"),
        (3600 * S, "PLAY WINNERS-REEL IN 1:00:00"),
        (27 * 3600 * S + 62 * S, "PLAY WINNERS-REEL IN 27:01:02"),
        (1, "PLAY WINNERS-REEL IN 00:01"),
        (11 * S + S // 2, "PLAY WINNERS-REEL IN 00:12"),
        (0, "UNTIL 12:01:00 UTC"),
        (-5 * S, "UNTIL 12:01:00 UTC"),
    ],
)
def test_the_countdown_is_never_negative(before_us: int, note: str) -> None:
    assert texts(said(next_at=T0 + before_us, next_what="play winners-reel"))[5] == note


@pytest.mark.parametrize(
    ("state", "bound_us", "note"),
    [
        (ClockState.SYNC, 1, "CLOCK ± 1 MS"),
        (ClockState.SYNC, 2000, "CLOCK ± 2 MS"),
        (ClockState.SYNC, 2001, "CLOCK ± 3 MS"),
        (ClockState.HOLDOVER, 12_000, "CLOCK HOLDOVER ± 12 MS"),
        (ClockState.DEGRADED, 999_001, "CLOCK DEGRADED ± 1 S"),
        (ClockState.HOST, 1, "CLOCK NOT SYNCED"),
        (ClockState.UNSYNC, 1, "CLOCK NOT SYNCED"),
    ],
)
def test_the_clocks_bound_is_a_line_for_the_technician(state: ClockState, bound_us: float, note: str) -> None:
    found = said(state=state, bound_us=bound_us)
    assert texts(found)[6] == note
    assert (found.notes[1].colour == RED) == (note == "CLOCK NOT SYNCED")


def test_words_of_one_shape_differ_at_the_end_of_their_lines_only() -> None:
    one = said(T0 + 1 * S, bound_us=900.0, next_at=T0 + 12 * S, next_what="play winners-reel-2")
    other = said(T0 + 9 * S, bound_us=123_000.0, next_at=T0 + 12 * S, next_what="play winners-reel-2")
    for a, b in zip(lines_of(one), lines_of(other), strict=True):
        assert a.reserve == b.reserve
        assert len(a.text) <= len(a.reserve)
    assert one.notes[0].text[:23] == other.notes[0].text[:23] == f"PLAY WINNERS-REEL-2 IN{JOINED}"
