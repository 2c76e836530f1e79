from hypothesis import given
from hypothesis import strategies as st

from agent.cache.room import Claim, Held, Shortfall, Space, make_room

HELD = st.lists(
    st.builds(Held, st.uuids().map(str), st.integers(0, 50), st.sampled_from(Claim), st.integers(0, 5)),
    max_size=12,
    unique_by=lambda one: one.name,
)
SPACES = st.builds(Space, st.integers(0, 200), st.integers(0, 60), st.integers(0, 200), st.integers(1, 250))


def lacks(size: int, space: Space) -> int:
    return max(size + space.reserve - space.free, size + space.used - space.quota)


@given(HELD, st.integers(0, 100), st.sampled_from(Claim), SPACES)
def test_what_goes_is_enough_no_more_and_never_what_is_pinned(
    held: list[Held], size: int, claim: Claim, space: Space
) -> None:
    going = make_room(size, claim, held, space)
    may_go = [one for one in held if one.claim is Claim.NOBODY or one.claim < claim]
    if isinstance(going, Shortfall):
        assert lacks(size, space) - sum(one.size for one in may_go) == going.size > 0
        return
    assert all(one in may_go for one in going)
    assert not any(one.claim is Claim.CUED for one in going)
    freed = sum(one.size for one in going)
    assert freed >= lacks(size, space)
    assert not going or freed - going[-1].size < lacks(size, space), "nothing goes without need"
    # Whoever stays has a stronger claim, or was used as lately, than all that go.
    stays = [one for one in may_go if one.size and one not in going]
    assert all((gone.claim, gone.used) <= (one.claim, one.used) for gone in going for one in stays)


@given(HELD, st.integers(1, 100), SPACES)
def test_what_is_nice_to_have_pushes_out_nothing_that_anybody_wants(held: list[Held], size: int, space: Space) -> None:
    going = make_room(size, Claim.NICE, held, space)
    assert isinstance(going, Shortfall) or all(one.claim is Claim.NOBODY for one in going)


def test_the_least_recently_used_goes_and_the_limit_that_forbids_is_named() -> None:
    held = [Held("new", 10, Claim.NOBODY, 9), Held("old", 10, Claim.NOBODY, 1), Held("nice", 10, Claim.NICE, 0)]
    full = Space(free=100, reserve=0, used=100, quota=100)
    assert [one.name for one in make_room(10, Claim.NICE, held, full)] == ["old"]  # type: ignore[union-attr]
    assert [one.name for one in make_room(11, Claim.NICE, held, full)] == ["old", "new"]  # type: ignore[union-attr]
    assert make_room(25, Claim.NICE, held, full) == Shortfall(5, "quota")
    assert [one.name for one in make_room(25, Claim.CUED, held, full)] == ["old", "new", "nice"]  # type: ignore[union-attr]
    assert make_room(10, Claim.CUED, [], Space(free=100, reserve=95, used=0, quota=100)) == Shortfall(5, "reserve")
    assert make_room(5, Claim.CUED, held, Space(free=100, reserve=95, used=0, quota=100)) == []
