from hypothesis import given
from hypothesis import strategies as st

from agent.control.houseclock import Fix, HouseClock, Sighting, sighting
from agent.units import UtcUs

TRUE_BASE = 1_700_000_000_000_000


def seen(venue: str, base_us: int, error_us: int = 5_000, at_s: float = 100.0) -> Sighting:
    return Sighting(venue, base_us, error_us, at_s)


@given(there_ms=st.floats(0, 500), back_ms=st.floats(0, 500), bound_us=st.integers(0, 100_000), wrong=st.floats(-1, 1))
def test_an_exchange_never_promises_more_than_it_keeps(
    there_ms: float, back_ms: float, bound_us: int, wrong: float
) -> None:
    """However the way there and back differ, and however wrong the wall is within its bound."""
    sent_s, answered_s = 1000.0, 1000.0 + there_ms / 1000
    told = UtcUs(round(TRUE_BASE + answered_s * 1e6 + wrong * bound_us))
    found = sighting("paris", told, bound_us, sent_s, answered_s + back_ms / 1000)
    assert abs(found.base_us - TRUE_BASE) <= found.error_us + 2  # of roundings


def test_of_one_wall_the_best_exchange_counts_until_it_is_old() -> None:
    clock = HouseClock()
    assert clock.fix(100.0) is None
    clock.take(seen("paris", TRUE_BASE, 4_000))
    clock.take(seen("paris", TRUE_BASE + 30_000, 40_000, 110.0))
    fix = clock.fix(110.0)
    assert fix is not None and fix.base_us == TRUE_BASE
    assert fix.error_us == 4_000 + 1_000  # a crystal drifts
    clock.take(seen("paris", TRUE_BASE + 30_000, 40_000, 2000.0))
    fix = clock.fix(2000.0)
    assert fix is not None and fix.base_us == TRUE_BASE + 30_000


def test_a_wall_that_lies_is_outvoted() -> None:
    clock = HouseClock()
    clock.take(seen("liar", TRUE_BASE + 3_600_000_000, 1))
    for venue in ("paris", "tokyo"):
        clock.take(seen(venue, TRUE_BASE))
    fix = clock.fix(100.0)
    assert fix is not None and fix.base_us == TRUE_BASE
    assert not clock.disagreement


def test_where_no_majority_agrees_nobody_knows() -> None:
    clock = HouseClock()
    clock.take(seen("paris", TRUE_BASE))
    clock.take(seen("tokyo", TRUE_BASE + 60_000_000))
    assert clock.fix(100.0) is None
    assert clock.disagreement


def test_of_many_walls_a_few_are_remembered() -> None:
    clock = HouseClock()
    for number in range(100):
        clock.take(seen(f"wall-{number}", TRUE_BASE, 5_000, float(number)))
    assert len(clock._by_venue) == 8


def test_this_computer_s_clock_counts_unless_the_walls_know_that_it_is_wrong() -> None:
    fix = Fix(TRUE_BASE, 20_000, "paris")
    for off_us in (-20_000, 0, 20_000):
        assert fix.judge(UtcUs(TRUE_BASE + 7 + off_us), 7) == TRUE_BASE + 7 + off_us
    for off_us in (-300_000_000, -20_001, 20_001, 300_000_000):
        assert fix.judge(UtcUs(TRUE_BASE + 7 + off_us), 7) == TRUE_BASE + 7
