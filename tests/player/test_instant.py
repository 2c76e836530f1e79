import pytest

from agent.clock.kernel import raw_now_ns
from agent.player.instant import SPIN_NS, SPIN_REALTIME_NS, spin_for, wait_until
from agent.units import RawNs


@pytest.mark.parametrize("spin_ns", [SPIN_REALTIME_NS, SPIN_NS])
def test_no_start_is_early(spin_ns: int) -> None:
    for ahead_ns in (100_000, 2_000_000, 7_000_000):
        due = RawNs(raw_now_ns() + ahead_ns)
        wait_until(due, spin_ns)
        assert raw_now_ns() >= due


def test_an_instant_that_has_passed_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.player.instant.select.select", lambda *_: pytest.fail("it slept"))
    wait_until(RawNs(raw_now_ns() - 1), SPIN_NS)


def test_it_sleeps_up_to_the_spin_and_never_through_the_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [RawNs(1_000_000_000)]
    slept: list[float] = []

    def tick() -> RawNs:
        now[0] = RawNs(now[0] + 100)
        return now[0]

    def sleep(_read: object, _write: object, _error: object, seconds: float) -> None:
        slept.append(seconds)
        now[0] = RawNs(now[0] + round(seconds * 1e9) // 2)  # woken early, once

    monkeypatch.setattr("agent.player.instant.raw_now_ns", tick)
    monkeypatch.setattr("agent.player.instant.select.select", sleep)
    wait_until(RawNs(1_010_000_000), SPIN_NS)
    assert 1_010_000_000 <= now[0] < 1_010_001_000
    assert slept[0] == pytest.approx(0.0085, abs=1e-6)
    assert sum(slept) <= 0.0085 * 2


def test_without_realtime_the_spin_is_longer() -> None:
    assert spin_for(realtime=False) == SPIN_NS > spin_for(realtime=True) == SPIN_REALTIME_NS
