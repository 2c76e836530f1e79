"""This instant by the newest mapping, and how far from it something is."""

import pytest

from agent import present
from agent.clock.mapping import ClockState, Mapping
from agent.clock.orders import EARLIEST_UTC
from agent.clock.report import ClockReport
from agent.effects import Rest
from agent.present import Present
from agent.units import NS_PER_US, RawNs, UtcUs

RAW = RawNs(5_000_000_000)
UTC = UtcUs(1_748_865_600_000_000)
S = 1_000_000


def known(state: ClockState = ClockState.SYNC) -> Present:
    """At RAW it is UTC, within 700 µs, and each second 2 µs less sure."""
    made = Present()
    made.report = ClockReport(state, "two agree", 700.0, 0.0, 2.0, 2, 2, (), floor=UtcUs(7))
    made.mapping = Mapping(RAW, UTC * NS_PER_US, 0.0, 2e-6, 700.0, state, "two agree")
    return made


@pytest.fixture(autouse=True)
def counter(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ten seconds after RAW, and the host's own clock is 3 s ahead."""
    monkeypatch.setattr(present, "raw_now_ns", lambda: RawNs(RAW + 10 * S * NS_PER_US))
    monkeypatch.setattr(present, "real_now_ns", lambda: (UTC + 13 * S) * NS_PER_US)


def test_before_the_clock_has_said_anything_no_time_is_known() -> None:
    now = Present().now()
    assert (now.utc, now.bound_us, now.clock, now.floor) == (None, None, ClockState.UNSYNC, EARLIEST_UTC)
    assert Present().left_s(UTC) is None
    assert Present().rest_s(Rest(UtcUs(0), UtcUs(2 * UTC)), "film") == 0.0
    assert Present().host_offset_us(now) is None


def test_now_is_the_mappings_word_at_this_reading_of_the_counter_or_at_another() -> None:
    now = known().now()
    assert (now.utc, now.bound_us, now.clock, now.clock_reason, now.floor) == (
        *(UTC + 10 * S, 720, ClockState.SYNC, "two agree"),
        UtcUs(7),
    )
    assert (known().now(RAW).utc, known().now(RAW).bound_us) == (UTC, 700)
    assert known().host_offset_us(now) == 3 * S


def test_for_the_hosts_own_clock_nobody_vouches() -> None:
    now = known(ClockState.HOST).now()
    assert (now.utc, now.bound_us, now.vouched) == (UTC + 10 * S, None, None)
    assert known(ClockState.HOST).host_offset_us(now) is None


def test_a_deadline_is_as_far_as_the_mapping_says() -> None:
    assert known().left_s(None) is None
    assert known().left_s(UtcUs(UTC + 12 * S)) == pytest.approx(2.0)
    assert known().left_s(UTC) == pytest.approx(-10.0)


@pytest.mark.parametrize(
    ("since_s", "until_s", "but", "rest_s"),
    [(5, 14, "", 4.0), (5, 14, "other", 4.0), (5, 14, "film", 0.0), (11, 14, "", 0.0), (5, 10, "", 0.0)],
    ids=["within", "another one is to come", "it is the one to come", "not yet", "over"],
)
def test_work_on_films_rests_around_a_start(since_s: int, until_s: int, but: str, rest_s: float) -> None:
    rest = Rest(UtcUs(UTC + since_s * S), UtcUs(UTC + until_s * S), but)
    assert known().rest_s(rest, "film") == pytest.approx(rest_s)
