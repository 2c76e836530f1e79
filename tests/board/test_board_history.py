import math

from fake_venue import BOOT, status

from agent.board.history import MOST_STARTS, SLOT_S, SLOTS, History, Series
from agent.control.proof_record import Record
from agent.told import Ack, AsRun, ErrorSpread, ErrorWindow
from agent.units import UtcUs

NAN = math.nan
CUE = BOOT


def ack(due: int, venue: str = "paris") -> Ack:
    return Ack(cue=CUE, venue=venue, boot=BOOT, stage="started", time=None, due=UtcUs(due), error_us=210, bound_us=8200)


def test_a_slot_holds_the_worst_and_is_seen_when_it_is_over() -> None:
    series = Series()
    series.put(100.0, 0.1, 0.9, 8.0)
    series.put(101.0, -0.2, 1.5, 7.0)
    series.put(102.0, 0.1, 1.0, 9.0)
    assert series.points(0) == ((), ())
    series.put(105.0, 0.1, 0.9, 8.0)
    errors, bounds = series.points(1_000)
    assert [tuple(point) for point in errors] == [(100_001_000, -0.2, 1.5)]
    assert [tuple(point) for point in bounds] == [(100_001_000, 9.0)]
    series.put(106.0, 0.1, 3.0, 8.0)
    assert series.points(1_000)[0] is errors


def test_what_is_not_known_is_no_point() -> None:
    series = Series()
    series.put(100.0, NAN, NAN, 8.0)
    series.put(101.0, 0.1, 0.5, NAN)
    series.put(105.0, NAN, NAN, NAN)
    series.put(110.0, NAN, NAN, NAN)
    errors, bounds = series.points(0)
    assert (len(errors), len(bounds)) == (1, 1)


def test_ten_minutes_are_kept_and_older_ones_are_gone_even_after_a_silence() -> None:
    series = Series()
    for number in range(2 * SLOTS):
        series.put(number * SLOT_S, 0.0, 1.0, 8.0)
    assert len(series.points(0)[0]) == SLOTS - 1
    series.put(2 * SLOTS * SLOT_S + 3600, 0.0, 1.0, 8.0)
    assert series.points(0)[0] == ()


def test_a_status_counts_once_and_a_silent_venue_adds_nothing() -> None:
    history = History()
    told = status("paris", error_us=ErrorWindow(median=180, p99=900, window_s=60))
    history.note("paris", told, "online", 100.0)
    history.note("paris", told, "online", 105.0)
    assert history.points("paris", 0) == ((), ())
    history.note("paris", status("paris"), "online", 110.0)
    errors, bounds = history.points("paris", 0)
    assert [(point.median_ms, point.p99_ms) for point in errors] == [(0.18, 0.9)]
    assert [point.bound_ms for point in bounds] == [8.2]


def test_since_when_a_venue_is_as_it_is() -> None:
    history = History()
    history.note("paris", None, "online", 100.0)
    assert history.since_s("paris") is None
    history.note("paris", None, "silent", 112.0)
    history.note("paris", None, "silent", 130.0)
    assert history.since_s("paris") == 112.0
    history.keep([])
    assert history.since_s("paris") is None


def test_a_start_counts_once_whoever_tells_of_it() -> None:
    history = History()
    record = AsRun(
        venue="paris",
        kind="start",
        cue=CUE,
        program="reel",
        rev=3,
        item=0,
        sha256=None,
        due=UtcUs(5),
        observed=UtcUs(215),
        error_us=ErrorSpread(median=210, p95=210, p99=210, max=210),
        bound_us=8200,
        clock="SYNC",
    )
    history.started([Record.of(record), ack(5), ack(5, "tokyo"), ack(1)])
    assert [(start.due_us, start.venue, start.error_ms) for start in history.starts] == [
        (1, "paris", 0.21),
        (5, "paris", 0.21),
        (5, "tokyo", 0.21),
    ]
    last = history.last_start("paris")
    assert last is not None and (last.due_us, last.program) == (5, "reel")
    assert history.starts is history.starts


def test_starts_of_weeks_cost_no_memory() -> None:
    history = History()
    history.started(ack(due) for due in range(2 * MOST_STARTS))
    assert len(history.starts) == MOST_STARTS
    assert len(history._known) == MOST_STARTS
