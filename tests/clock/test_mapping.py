from hypothesis import given
from hypothesis import strategies as st

from agent.clock.mapping import ClockState, Mapping
from agent.units import RawNs, UtcUs

UTC0_NS = 1_748_865_600_000_000_000
WEEK_NS = 7 * 86_400_000_000_000


def mapping(freq: float = 50e-6, rho: float = 1e-6) -> Mapping:
    return Mapping(RawNs(5_000), UTC0_NS, freq, rho, 800.0, ClockState.SYNC, "test")


def test_a_fast_crystal_is_counted_out() -> None:
    slow = mapping(freq=-50e-6)
    assert slow.utc_at(RawNs(5_000 + 10_000_000_000)) == UTC0_NS // 1000 + 10_000_000 - 500


def test_the_bound_grows_by_rho_on_both_sides() -> None:
    assert mapping().bound_at_us(RawNs(5_000)) == 800
    assert mapping().bound_at_us(RawNs(5_000 + 1_000_000_000)) == 801
    assert mapping().bound_at_us(RawNs(5_000 - 1_000_000_000)) == 801


@given(st.integers(-WEEK_NS, WEEK_NS), st.floats(-2e-4, 2e-4))
def test_there_and_back_is_the_same_microsecond(elapsed_ns: int, freq: float) -> None:
    utc = UtcUs((UTC0_NS + elapsed_ns) // 1000)
    assert abs(mapping(freq).utc_at(mapping(freq).raw_at(utc)) - utc) <= 1


# --- leap seconds -------------------------------------------------------------------------------

MIDNIGHT = UtcUs(1_798_761_600_000_000)
S = 1_000_000


def leaping(seconds: int) -> Mapping:
    """A second before a leap second, at raw 0."""
    at = UtcUs(MIDNIGHT + min(0, seconds) * S)
    return Mapping(RawNs(0), (at - S) * 1000, 0.0, 0.0, 0.0, ClockState.SYNC, "", at, seconds)


def test_utc_stands_still_in_a_second_more_and_no_instant_comes_twice() -> None:
    mapping = leaping(1)
    seen = [mapping.utc_at(RawNs(raw_ms * 1_000_000)) - MIDNIGHT for raw_ms in (900, 1000, 1500, 1999, 2000, 2100)]
    assert seen == [-100_000, 0, 0, 0, 0, 100_000]
    assert [mapping.stands_still(RawNs(ms * 1_000_000)) for ms in (999, 1000, 1999, 2000)] == [False, True, True, False]


def test_a_start_inside_the_second_is_moved_behind_it() -> None:
    mapping = leaping(1)
    assert mapping.raw_at(UtcUs(MIDNIGHT - 1)) == 999_999_000
    assert mapping.raw_at(MIDNIGHT) == 2_000_000_000
    assert mapping.raw_at(UtcUs(MIDNIGHT + 500_000)) == 2_500_000_000


def test_a_second_left_out_is_jumped_over() -> None:
    mapping = leaping(-1)
    assert mapping.utc_at(RawNs(999_999_000)) == MIDNIGHT - S - 1
    assert mapping.utc_at(RawNs(1_000_000_000)) == MIDNIGHT
    # What is due in the second that there is not happens at the jump.
    assert mapping.raw_at(UtcUs(MIDNIGHT - S // 2)) == mapping.raw_at(MIDNIGHT) == 1_000_000_000
    assert not mapping.stands_still(RawNs(1_000_000_000))


@given(st.sampled_from([1, -1]), st.integers(-3 * S, 3 * S))
def test_there_and_back_around_a_leap_second_is_the_same_or_the_first_instant_after(seconds: int, us: int) -> None:
    mapping, utc = leaping(seconds), UtcUs(MIDNIGHT + us)
    back = mapping.utc_at(mapping.raw_at(utc))
    assert back == utc or (seconds < 0 and -S <= us < 0 and back == MIDNIGHT)
