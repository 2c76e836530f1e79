from clock_simulation import Oscillator, exchange

from agent.clock.envelope import Origin, Rate
from agent.clock.history import HISTORY, LONGEST_S, STALE_OURS_S, STALE_S, History
from agent.messages import Refusal

CLOCK = Oscillator(0.0)


def fill(history: History, count: int, every_s: float) -> float:
    for i in range(count):
        history.add(exchange(CLOCK, "s", i * every_s, 5, 5), Rate())
    return (count - 1) * every_s


def test_it_is_bounded_by_number_and_by_age() -> None:
    many = History(ours=True)
    fill(many, 500, 4.0)
    assert len(many.samples) == HISTORY
    slow = History(ours=False)
    last_s = fill(slow, 60, 1024.0)
    oldest_s = last_s - (CLOCK.raw(last_s) - slow.samples[0].t1_raw) / 1e9
    assert 0 <= last_s - oldest_s <= LONGEST_S
    assert len(slow.samples) == 8


def test_a_source_votes_until_it_has_been_silent_for_long() -> None:
    for ours, stale_s in ((False, STALE_S), (True, STALE_OURS_S)):
        history = History(ours)
        assert not history.live(CLOCK.raw(0.0))
        last_s = fill(history, 5, 2.0)
        assert history.live(CLOCK.raw(last_s + stale_s - 1))
        assert not history.live(CLOCK.raw(last_s + stale_s + 1))
        history.barred = Refusal(code="same_server", detail="the same server as another")
        assert not history.live(CLOCK.raw(last_s))


def test_a_new_sample_is_seen_in_the_envelope() -> None:
    history = History(ours=True)
    first = exchange(CLOCK, "s", 0.0, 5, 9)
    history.add(first, Rate())
    origin = Origin(first.t1_raw, first.t2_utc_ns - first.t1_raw)
    before = history.view(origin).interval(2.0, Rate(), 1e-6)
    history.add(exchange(CLOCK, "s", 2.0, 3, 3), Rate())
    after = history.view(origin).interval(2.0, Rate(), 1e-6)
    assert before[0] < after[0] < after[1] < before[1]


def test_after_a_leap_second_the_servers_stamps_count_from_the_new_utc() -> None:
    history = History(ours=True)
    fill(history, 3, 2.0)
    before = history.last
    history.shift(-1_000_000_000)
    assert before.t2_utc_ns - history.last.t2_utc_ns == before.t3_utc_ns - history.last.t3_utc_ns == 1_000_000_000
    assert history.last.delay_ns == before.delay_ns
