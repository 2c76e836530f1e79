import random

from hypothesis import given
from hypothesis import strategies as st
from makers import T0, S, cue, uuid_of

from agent import schedule
from agent.units import UtcUs, format_utc

BLACK = {"action": "black"}
STOP = {"action": "stop"}


def at(seconds: float) -> UtcUs:
    return UtcUs(round(T0 + seconds * S))


def cancel(target: int) -> dict[str, str]:
    return {"action": "cancel", "cue": uuid_of(target)}


def test_nothing_known_is_the_slate() -> None:
    assert schedule.wanted_at([], at(0)) is None


def test_a_cue_holds_from_its_very_instant_until_it_expires() -> None:
    only = cue(1, at(10), BLACK, expires="2025-06-02T12:00:20.000000Z")
    assert schedule.wanted_at([only], UtcUs(at(10) - 1)) is None
    assert schedule.wanted_at([only], at(10)) is only
    assert schedule.wanted_at([only], UtcUs(at(20) - 1)) is only
    assert schedule.wanted_at([only], at(20)) is None


def test_an_older_cue_comes_back_when_the_spot_over_it_expires() -> None:
    loop, spot = cue(1, at(0)), cue(2, at(10), BLACK, expires="2025-06-02T12:00:15.000000Z")
    assert schedule.wanted_at([loop, spot], at(12)) is spot
    assert schedule.wanted_at([loop, spot], at(15)) is loop
    assert schedule.next_change([loop, spot], at(12)) == at(15)


def test_of_two_cues_at_one_instant_the_greater_id_wins() -> None:
    low, high = cue(1, at(0), BLACK), cue(2, at(0), STOP)
    assert schedule.wanted_at([high, low], at(1)) is high


def test_a_cancel_counts_from_its_own_instant_and_may_come_first() -> None:
    taken_back, cancelling = cue(1, at(0)), cue(2, at(5), cancel(1))
    assert schedule.wanted_at([cancelling, taken_back], at(4)) is taken_back
    assert schedule.wanted_at([cancelling, taken_back], at(5)) is None
    assert schedule.cancelled([cancelling, taken_back], at(5)) == {uuid_of(1)}
    assert schedule.next_change([cancelling, taken_back], at(0)) == at(5)


def test_pending_leaves_out_what_is_taken_back() -> None:
    cues = [cue(3, at(30)), cue(1, at(10)), cue(2, at(20)), cue(9, at(-1), cancel(2))]
    assert [c.cue for c in schedule.pending(cues, at(0))] == [uuid_of(1), uuid_of(3)]


def test_identify_changes_nothing() -> None:
    loop, over = cue(1, at(0)), cue(2, at(10), {"action": "identify", "seconds": 5})
    assert schedule.wanted_at([loop, over], at(12)) is loop
    assert schedule.wanted_at([over], at(12)) is None
    assert schedule.next_change([loop, over], at(5)) == loop.expires
    assert schedule.pending([loop, over], at(-1)) == [loop]


def test_a_change_that_changes_nothing_is_none() -> None:
    high = cue(2, at(0), STOP)
    hidden = cue(1, at(0), BLACK, expires="2025-06-02T12:00:30.000000Z")
    assert schedule.next_change([high, hidden], at(1)) == high.expires


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(1, 60), st.sampled_from(["play", "black", "cancel", "identify"])),
        max_size=8,
    ),
    st.integers(-5, 130),
    st.randoms(use_true_random=False),
)
def test_the_order_of_arrival_and_duplicates_change_nothing(
    rows: list[tuple[int, int, str]], second: int, rng: random.Random
) -> None:
    actions = {"play": None, "black": BLACK, "cancel": cancel(1), "identify": {"action": "identify", "seconds": 9}}
    cues = [
        cue(n + 1, at(begin), actions[kind], expires=format_utc(at(begin + life)))
        for n, (begin, life, kind) in enumerate(rows)
    ]
    shuffled = [*cues, *cues[:2]]
    rng.shuffle(shuffled)
    t = at(second)
    assert schedule.wanted_at(shuffled, t) == schedule.wanted_at(cues, t)
    assert schedule.next_change(shuffled, t) == schedule.next_change(cues, t)
    change = schedule.next_change(cues, t)
    if change is not None:
        assert change > t
        assert schedule.wanted_at(cues, UtcUs(change - 1)) == schedule.wanted_at(cues, t)
        assert schedule.wanted_at(cues, change) != schedule.wanted_at(cues, t)
