from hypothesis import given
from hypothesis import strategies as st

from agent.clock.vote import hull, weighted_median


def test_one_interval_is_its_own_hull() -> None:
    found = hull([(1.0, 2.0)])
    assert found and (found.lo, found.hi, found.agreeing) == (1.0, 2.0, (0,))


def test_two_that_contradict_each_other_have_no_majority() -> None:
    assert hull([(0.0, 1.0), (2.0, 3.0)]) is None


def test_two_against_two_have_no_majority() -> None:
    assert hull([(0.0, 1.0), (0.5, 1.5), (10.0, 11.0), (10.5, 11.5)]) is None


def test_touching_is_agreeing() -> None:
    found = hull([(0.0, 1.0), (1.0, 2.0)])
    assert found and (found.lo, found.hi) == (1.0, 1.0)


def test_with_three_sources_a_liar_cannot_cut_the_truth_off() -> None:
    # All three overlap in [8, 10], but the truth is 0, where the two honest ones overlap as well.
    found = hull([(-10.0, 10.0), (-10.0, 10.0), (8.0, 28.0)])
    assert found and found.lo <= 0 <= found.hi


def test_a_falseticker_is_named() -> None:
    found = hull([(0.0, 2.0), (1.0, 3.0), (0.5, 2.5), (100.0, 101.0)])
    assert found and found.agreeing == (0, 1, 2)
    assert 0.0 <= found.lo <= found.hi <= 3.0


def test_two_liars_among_five_are_outvoted() -> None:
    found = hull([(0.0, 2.0), (1.0, 3.0), (0.5, 2.5), (100.0, 101.0), (-50.0, -40.0)])
    assert found and found.agreeing == (0, 1, 2) and (found.lo, found.hi) == (1.0, 2.0)


def test_three_liars_among_five_are_not_followed_when_they_disagree() -> None:
    assert hull([(0.0, 2.0), (1.0, 3.0), (200.0, 201.0), (100.0, 101.0), (-50.0, -40.0)]) is None


# --- weighted median ----------------------------------------------------------------------------


def test_with_equal_weights_it_is_the_median() -> None:
    assert weighted_median([(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)]) == 2.0
    assert weighted_median([(1.0, 1.0), (2.0, 1.0)]) == 1.5
    assert weighted_median([(7.0, 0.1)]) == 7.0


def test_who_weighs_more_draws_it_nearer() -> None:
    assert 1.0 < weighted_median([(1.0, 3.0), (2.0, 1.0), (3.0, 1.0)]) < 2.0


def test_nobody_outweighs_all_others_together() -> None:
    # A liar next door, whose interval is a thousand times narrower than the others'.
    assert weighted_median([(0.0, 1.0), (0.1, 1.0), (80.0, 1000.0)]) < 80.0


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0.01, 100)), min_size=1, max_size=9))
def test_it_lies_among_the_values_whatever_the_order(values: list[tuple[float, float]]) -> None:
    found = weighted_median(values)
    assert min(values)[0] <= found <= max(values)[0]
    assert weighted_median(values[::-1]) == found
