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
