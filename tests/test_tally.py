from agent.player.wire import Running
from agent.tally import MINUTE_US, Count, Tally, spread_of
from agent.units import MediaUs, UtcUs

T = UtcUs(1_000_000_000)
S = 1_000_000


def second(errors_us: list[int], dropped: int = 0, late: int = 0, trims: int = 2) -> Running:
    return Running(
        id="a",
        position_us=MediaUs(0),
        frame=0,
        errors_us=errors_us,
        frames=len(errors_us),
        dropped=dropped,
        late=late,
        trims=trims,
    )


def test_a_minute_is_counted_and_then_begins_anew() -> None:
    tally = Tally(Count(T))
    for number in range(1, 61):
        tally.heard(second([100, -300], dropped=1), UtcUs(T + number * S))
        done = tally.lap(UtcUs(T + number * S))
        assert (done is not None) is (number == 60)
    assert done is not None
    assert (done.since, done.frames, done.dropped, done.trims) == (T, 120, 60, 120)
    spread = done.spread()
    assert spread is not None
    assert (spread.median, spread.p95, spread.max) == (-100, 300, 300)
    assert (tally.minute.since, tally.minute.frames) == (T + MINUTE_US, 0)


def test_at_the_end_there_is_less_than_a_minute() -> None:
    tally = Tally(Count(T))
    tally.heard(second([5]), UtcUs(T + S))
    tally.reanchored()
    done = tally.lap(UtcUs(T + 2 * S), end=True)
    assert done is not None
    assert (done.frames, done.reanchors) == (1, 1)


def test_the_window_is_the_last_minute_over_all_films_and_the_counts_are_the_cues() -> None:
    tally = Tally(Count(T))
    assert tally.window() is None
    for number in range(1, 101):
        tally.heard(second([9_000 if number <= 30 else 40], late=number <= 30), UtcUs(T + number * S))
    window = tally.window()
    assert window is not None
    assert (window.median, window.p99, window.window_s) == (40, 40, 60)
    assert tally.late == 30


def test_percentiles_are_of_the_absolute_errors() -> None:
    assert spread_of([]) is None
    spread = spread_of([-1000, *[10] * 98, 500])
    assert spread is not None
    assert (spread.median, spread.p95, spread.p99, spread.max) == (10, 10, 1000, 1000)
