import random

from hypothesis import given
from hypothesis import strategies as st
from makers import T0, S, panic, uuid_of

from agent.messages import Panic
from agent.panic import Panics


def held(*steps: tuple[str, int] | Panic) -> str | None:
    panics = Panics()
    for step in steps:
        if isinstance(step, Panic):
            panics.begin(step, f"digest of {step}")
        else:
            panics.lift(uuid_of(step[1]), "digest")
    return panics.holding.panic if panics.holding else None


def test_a_panic_holds_until_its_own_lift() -> None:
    assert held() is None
    assert held(panic(1)) == uuid_of(1)
    assert held(panic(1), ("lift", 2)) == uuid_of(1)
    assert held(panic(1), ("lift", 1)) is None


def test_a_lift_that_comes_first_counts_and_what_is_lifted_never_comes_back() -> None:
    assert held(("lift", 1), panic(1)) is None
    assert held(panic(1), ("lift", 1), panic(1)) is None


def test_of_two_the_one_issued_later_says_what_is_shown_and_the_other_goes_on_below() -> None:
    older, newer = panic(2, issued=T0), panic(1, "slate", issued=T0 + S)
    assert held(older, newer) == held(newer, older) == uuid_of(1)
    assert held(older, newer, ("lift", 1)) == uuid_of(2)
    assert held(older, newer, ("lift", 2)) == uuid_of(1)
    assert held(panic(1), panic(2)) == uuid_of(2), "issued in one microsecond, the greater id counts"


def test_of_two_bodies_under_one_id_the_smaller_hash_counts_in_either_order() -> None:
    for order in ("ab", "ba"):
        panics = Panics()
        for digest in order:
            panics.begin(panic(1, {"a": "slate", "b": "black"}[digest]), digest)
        assert panics.holding is not None
        assert (panics.holding.to, panics.digest(uuid_of(1))) == ("slate", "a")


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.integers(0, 2), st.sampled_from(["black", "slate"]))),
    st.randoms(use_true_random=False),
)
def test_the_order_of_arrival_and_duplicates_change_nothing(
    rows: list[tuple[bool, int, int, str]], rng: random.Random
) -> None:
    steps = [("lift", number) if lifts else panic(number, to, T0 + second * S) for lifts, number, second, to in rows]
    shuffled = [*steps, *steps[:3]]
    rng.shuffle(shuffled)
    assert held(*shuffled) == held(*steps)
