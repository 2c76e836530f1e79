from dataclasses import replace

import pytest
from plausible import plausible

from agent.board import words
from agent.board.snapshot import Coming, Row, StartPoint, Told
from agent.units import UtcUs

BOARD = plausible(25)
ROW = next(row for row in BOARD.rows if row.ready and not row.alarm)


def told(venue: str, stage: str, **more: object) -> Told:
    return replace(Told(venue, stage, True, "", "", None, False), **more)  # type: ignore[arg-type]


def cue(*walls: Told) -> Coming:
    return replace(BOARD.coming[0], told=walls)


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (ROW, "GO"),
        (replace(ROW, ready=False), "NO-GO"),
        (replace(ROW, presence="silent", ready=None), "SILENT"),
        (replace(ROW, presence="offline", ready=None), "OFFLINE"),
        (replace(ROW, panic=True, ready=False), "PANIC"),
        (replace(ROW, ready=None), "UNKNOWN"),
    ],
)
def test_each_state_has_a_word(row: Row, word: str) -> None:
    assert words.verdict(row).word == word
    assert words.good(row) is (word == "GO")


def test_states_differ_by_their_shape_where_an_operator_would_act_differently() -> None:
    good, no_go = words.verdict(ROW), words.verdict(replace(ROW, ready=False))
    away, panic = words.verdict(replace(ROW, presence="silent")), words.verdict(replace(ROW, panic=True))
    assert len({good.shape, no_go.shape, away.shape, panic.shape}) == 4


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.214, "+0.21 ms"), (-0.5, "−0.50 ms"), (12.34, "+12.3 ms"), (-1234.0, "−1 234 ms"), (None, "–")],
)
def test_milliseconds_have_the_digits_that_they_are_worth(value: float | None, text: str) -> None:
    assert words.ms(value) == text


def test_a_clock_for_which_nobody_vouches_is_not_a_number() -> None:
    assert words.bound(None) == "nobody vouches"
    assert words.bound(8.21) == "±8.21 ms"


def test_a_start_is_told_with_how_well_its_clock_knew() -> None:
    seen = StartPoint(UtcUs(1), "paris", 0.214, 8.2, False, "reel", "c")
    assert words.start(seen) == "+0.21 ±8.20 ms"
    assert words.start(seen._replace(joined=True, bound_ms=None)) == "joined +0.21 ms"
    assert words.start(seen._replace(error_ms=None)) == "not seen"
    assert words.start(None) == "–"


def test_what_became_of_a_go_is_counted_and_measured() -> None:
    assert words.outcome(cue(told("a", "accepted"), told("b", ""))).endswith("/2 ready")
    assert words.outcome(cue(told("a", "armed"), told("b", "accepted"))) == "1/2 armed"
    found = cue(told("a", "started", error_ms=-0.2), told("b", "started", error_ms=0.64), told("c", "missed"))
    assert words.outcome(found) == "2/3 started, 0.84 ms apart"


def test_a_wall_that_joined_late_does_not_count_in_how_far_apart_the_walls_are() -> None:
    late = told("b", "started", error_ms=900.0, joined=True)
    assert words.outcome(cue(told("a", "started", error_ms=0.1), late)) == "2/2 started"
    assert words.stage(late).word == "joined late"


def test_a_wall_that_misses_is_named_with_the_remedy() -> None:
    found = cue(told("paris", "missed", detail="koi.mp4 is not here; publish it"), told("tokyo", "started"))
    (line,) = words.missed(found)
    assert line.startswith("paris MISSED")
    assert line.endswith(": koi.mp4 is not here; publish it")


def test_a_card_tells_its_cache_and_its_machine() -> None:
    cards = BOARD.cards.values()
    assert any("12 · 37% of koi.mp4" in words.cache(card) for card in cards)
    assert any("undervoltage" in words.machine(card) for card in cards)
    assert all("decoder" in words.machine(card) for card in cards)
