from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.lab.programme import Item, Programme, Spot

T0 = 1_748_865_600_000_000_000
ITEMS = [
    Item("a", 1, Fraction(30000, 1001), 90),
    Item("b", 2, Fraction(60), 180),
    Item("c", 3, Fraction(25), 75),
]


def programme(loop: bool = True, end_ns: int | None = None) -> Programme:
    return Programme(ITEMS, due_ns=T0, loop=loop, end_ns=end_ns)


spots = st.integers(0, 2).flatmap(
    lambda item: st.builds(Spot, st.integers(0, 40_000), st.just(item), st.integers(0, ITEMS[item].frames - 1))
)
near = st.integers(-1_000_000_000, 1_000_000_000)


@given(spots, near)
def test_a_reading_near_its_instant_finds_its_spot(spot: Spot, late_ns: int) -> None:
    show = programme()
    ns = show.due(spot) + late_ns
    assert show.nearest(ITEMS[spot.item].clip or 0, spot.frame, ns) == spot


@given(spots)
def test_nothing_accumulates_over_a_day(spot: Spot) -> None:
    exact = (
        spot.loop * (Fraction(90 * 1001, 30000) + 3 + 3)
        + (0, Fraction(90 * 1001, 30000), Fraction(90 * 1001, 30000) + 3)[spot.item]
    )
    assert abs(programme().due(spot) - T0 - (exact + spot.frame / ITEMS[spot.item].fps) * 10**9) <= Fraction(1, 2)


@given(spots, st.integers(-8_000_000, 8_000_000))
def test_the_grid_knows_every_instant(spot: Spot, late_ns: int) -> None:
    show = programme()
    error = show.grid_error_ns(show.due(spot) + late_ns)
    assert error is not None and abs(error - late_ns) <= 2


def test_half_a_frame_before_the_start_is_its_first_frame_earlier_is_nothing() -> None:
    show = programme()
    assert show.grid_error_ns(T0 - 5_000_000) == -5_000_000
    assert show.grid_error_ns(T0 - 20_000_000) is None


def test_a_program_without_loop_ends_by_itself() -> None:
    show = programme(loop=False)
    assert show.end_ns == show.due(Spot(0, 2, 74)) + 40_000_000
    assert list(show.pieces(T0 + 10**12)) == [(0, 0), (0, 1), (0, 2)]
    assert show.grid_error_ns(show.end_ns) is None
    assert show.nearest(1, 0, T0 + 9_000_000_000) == Spot(0, 0, 0)


def test_an_earlier_end_counts() -> None:
    assert programme(loop=False, end_ns=T0 + 5).end_ns == T0 + 5
    assert programme(loop=True).end_ns is None


def test_spots_stop_at_the_instant() -> None:
    show = programme()
    assert list(show.spots(show.due(Spot(0, 0, 2)))) == [Spot(0, 0, 0), Spot(0, 0, 1)]
    assert list(show.spots(T0)) == []
    many = list(show.spots(show.due(Spot(1, 1, 0))))
    assert len(many) == 90 + 180 + 75 + 90 and many == sorted(many)


def test_strangers_are_not_in_the_programme() -> None:
    assert programme().nearest(9, 0, T0) is None
    assert programme().nearest(1, 90, T0) is None
    assert programme().error_ms(9, 0, T0) is None


def test_the_error_of_one_reading() -> None:
    assert programme().error_ms(2, 6, programme().due(Spot(2, 1, 6)) - 1_500_000) == -1.5


def test_the_same_film_twice_is_told_apart_by_time() -> None:
    show = Programme([ITEMS[1], ITEMS[2], ITEMS[1]], due_ns=T0, loop=False)
    assert show.nearest(2, 10, T0 + 1_000_000_000) == Spot(0, 0, 10)
    assert show.nearest(2, 10, T0 + 6_000_000_000) == Spot(0, 2, 10)


def test_no_film_is_no_programme() -> None:
    with pytest.raises(ValueError, match="at least one film"):
        Programme([], due_ns=T0, loop=False)
