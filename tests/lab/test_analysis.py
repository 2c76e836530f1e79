from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.lab import analysis
from agent.lab.analysis import Analysis
from agent.lab.programme import Item, Programme, Spot
from agent.lab.readings import Change, Gaps, Readings, Value

T0 = 1_748_865_600_000_000_000
MS = 1_000_000
SHOW = Programme(
    [Item("a", 1, Fraction(30), 60), Item("b", 2, Fraction(60), 120), Item("c", 3, Fraction(30000, 1001), 60)],
    due_ns=T0,
    loop=True,
    end_ns=T0 + 14_000 * MS,
)
GAPS = Gaps(0.2, 0.3, 0.9)
Edit = Callable[[Spot, int], list[Change]]


def value(spot: Spot) -> Value:
    return (SHOW.items[spot.item].clip or 0, spot.frame)


def wall(late_ms: float = 1.0, edit: Edit | None = None) -> list[Change]:
    """A wall that is late by a constant; `edit` may replace the changes of a frame (given its spot and instant)."""
    changes = [Change(T0 - 5000 * MS, None)]
    for spot in SHOW.spots(SHOW.end_ns or 0):
        ns = SHOW.due(spot) + round(late_ms * MS)
        changes += edit(spot, ns) if edit else [Change(ns, value(spot))]
    return [*changes, Change((SHOW.end_ns or 0) + MS, None)]


def analyse(gaps: Gaps | None = GAPS, **walls: list[Change]) -> Analysis:
    return analysis.analyse(Readings("barcode", walls, T0 - 5000 * MS, T0 + 15_000 * MS, gaps, True), SHOW)


def at(spot: Spot, *instead: Callable[[int], Change]) -> Edit:
    def edit(here: Spot, ns: int) -> list[Change]:
        return [make(ns) for make in instead] if here == spot else [Change(ns, value(here))]

    return edit


def test_constant_errors_and_skew() -> None:
    found = analyse(tokyo=wall(1.0), paris=wall(-0.5), toronto=wall(2.25))
    assert [d.first_frame_error_ms for d in found.displays] == [1.0, -0.5, 2.25]
    assert [d.median_error_ms for d in found.displays] == [1.0, -0.5, 2.25]
    assert [d.p99_error_ms for d in found.displays] == [1.0, 0.5, 2.25]
    assert found.skew.first == found.skew.at(50) == found.skew.at(100) == 2.75
    assert all(d.missed == d.repeated == d.torn == d.early == d.blank_ms == 0 for d in found.displays)
    assert [len(d.cuts) for d in found.displays] == [6, 6, 6]
    assert not any(cut.bad for d in found.displays for cut in d.cuts)
    assert found.loop_starts_s == pytest.approx([0, 6.002, 12.004])
    assert found.skew.partial == 0 and found.void is None and found.seconds == 14


def test_the_series_covers_every_frame_once() -> None:
    found = analyse(tokyo=wall(), paris=wall())
    assert len(found.skew.series) == len(list(SHOW.spots(SHOW.end_ns or 0))) == len(found.displays[0].errors)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-12, 12), min_size=2, max_size=5))
def test_skew_is_the_spread_of_the_errors(lates: list[float]) -> None:
    found = analyse(GAPS, **{f"v{n}": wall(late) for n, late in enumerate(lates)})
    assert found.skew.at(99) == pytest.approx(max(lates) - min(lates), abs=1e-5)
    for display, late in zip(found.displays, lates, strict=True):
        assert display.median_error_ms == pytest.approx(late, abs=1e-5)


def test_a_missed_frame_is_counted_and_in_no_skew() -> None:
    found = analyse(tokyo=wall(), paris=wall(edit=at(Spot(0, 1, 30))))
    assert [d.missed for d in found.displays] == [0, 1]
    assert found.skew.partial == 1
    assert not any(cut.bad for cut in found.displays[1].cuts)


def test_a_first_frame_that_never_came_makes_the_start_late_and_the_cut_bad() -> None:
    first = analyse(tokyo=wall(edit=at(Spot(0, 0, 0)))).displays[0]
    assert first.first_frame_error_ms == pytest.approx(1 + 1000 / 30, abs=1e-3)
    later = analyse(tokyo=wall(edit=at(Spot(1, 0, 0)))).displays[0]
    assert [cut.bad for cut in later.cuts] == [False, False, True, False, False, False]
    assert (later.cuts[2].loop, later.cuts[2].item, later.cuts[2].late_ms) == (1, 0, None)


def test_black_at_a_cut_is_bad() -> None:
    spot = Spot(0, 1, 0)
    edit = at(spot, lambda ns: Change(ns, None), lambda ns: Change(ns + 3 * MS, value(spot)))
    cut = analyse(tokyo=wall(edit=edit)).displays[0].cuts[0]
    assert cut.bad and cut.blank_ms == 3.0 and cut.late_ms == 4.0


def test_the_old_film_after_the_new_one_is_bad() -> None:
    new, old = Spot(0, 1, 0), Spot(0, 0, 59)
    edit = at(
        new,
        lambda ns: Change(ns, value(new)),
        lambda ns: Change(ns + 4 * MS, value(old)),
        lambda ns: Change(ns + 8 * MS, value(new)),
    )
    cut = analyse(tokyo=wall(edit=edit)).displays[0].cuts[0]
    assert cut.bad and cut.old_after_new and cut.repeated == 2


def test_a_frame_shown_again_is_repeated() -> None:
    spot = Spot(0, 0, 10)
    edit = at(
        spot,
        lambda ns: Change(ns, value(spot)),
        lambda ns: Change(ns + 5 * MS, value(Spot(0, 0, 9))),
        lambda ns: Change(ns + 10 * MS, value(spot)),
    )
    assert analyse(tokyo=wall(edit=edit)).displays[0].repeated == 2


def test_a_look_into_a_picture_half_copied_is_left_out() -> None:
    spot = Spot(0, 0, 10)
    edit = at(spot, lambda ns: Change(ns - MS // 5, (3, 12)), lambda ns: Change(ns, value(spot)))
    torn = analyse(tokyo=wall(edit=edit)).displays[0]
    assert (torn.torn, torn.repeated, torn.missed) == (1, 0, 0)
    assert torn.p99_error_ms == 1.0
    blink = at(
        spot,
        lambda ns: Change(ns, value(spot)),
        lambda ns: Change(ns + MS, None),
        lambda ns: Change(ns + MS + 9, value(spot)),
    )
    again = analyse(tokyo=wall(edit=blink)).displays[0]
    assert (again.torn, again.repeated, again.blank_ms) == (1, 0, 0)


def test_bits_of_two_frames_are_neither() -> None:
    # 31 is 011111 and 32 is 100000: read while the one is copied over the other they make 47, which is 101111.
    spot = Spot(0, 0, 32)
    half = at(spot, lambda ns: Change(ns - MS // 5, (1, 47)), lambda ns: Change(ns, value(spot)))
    torn = analyse(tokyo=wall(edit=half), paris=wall()).displays[0]
    assert (torn.torn, torn.repeated, torn.missed) == (1, 0, 0)
    assert max(abs(error) for _, error in torn.errors) == 1.0


def test_a_short_look_at_a_whole_picture_counts() -> None:
    spot, older = Spot(0, 0, 32), Spot(0, 0, 30)
    flash = at(
        spot,
        lambda ns: Change(ns, value(spot)),
        lambda ns: Change(ns + 5 * MS, value(older)),
        lambda ns: Change(ns + 5 * MS + MS // 2, value(spot)),
    )
    shown = analyse(tokyo=wall(edit=flash)).displays[0]
    assert (shown.torn, shown.repeated) == (0, 2)


def test_a_frame_that_stood_for_a_moment_only_was_shown() -> None:
    # 31 is 011111: its bits are those of 30 and of 33, but it stands between them in the film.
    def edit(spot: Spot, ns: int) -> list[Change]:
        if spot == Spot(0, 0, 31):
            return [Change(ns, value(spot)), Change(ns + MS // 2, value(Spot(0, 0, 33)))]
        return [] if spot == Spot(0, 0, 32) else [Change(ns, value(spot))]

    hurried = analyse(tokyo=wall(edit=edit)).displays[0]
    assert (hurried.torn, hurried.missed) == (0, 1)


def test_black_in_the_middle_of_a_film_is_counted() -> None:
    spot = Spot(0, 0, 10)
    edit = at(spot, lambda ns: Change(ns, None))
    assert analyse(tokyo=wall(edit=edit)).displays[0].blank_ms == pytest.approx(1000 / 30, abs=0.01)


def test_a_frozen_first_frame_before_the_instant_is_early() -> None:
    early = analyse(tokyo=[Change(T0 - 3000 * MS, (1, 0)), *wall()[2:]]).displays[0]
    assert early.early == 1
    assert early.first_frame_error_ms == -3000


def test_a_display_that_showed_nothing() -> None:
    found = analyse(tokyo=wall(), paris=[Change(T0 - 5000 * MS, None)], toronto=[])
    for dark in found.displays[1:]:
        assert dark.first_frame_error_ms is dark.median_error_ms is dark.p99_error_ms is dark.drift_ms_per_loop is None
        assert dark.missed == len(
            [s for s in SHOW.spots(SHOW.end_ns or 0) if SHOW.due(s) < (SHOW.end_ns or 0) - 100 * MS]
        )
        assert dark.loop_median_ms == [None, None, None]
    assert found.skew.first is found.skew.at(99) is None
    assert found.skew.partial == len(found.displays[0].errors)


def test_a_run_cut_short_is_judged_up_to_the_cut() -> None:
    stop = T0 + 3000 * MS
    short = [change for change in wall() if change.ns < stop]
    found = analysis.analyse(Readings("barcode", {"tokyo": short}, T0 - 5000 * MS, stop, GAPS, True), SHOW)
    (display,) = found.displays
    assert (display.missed, len(display.cuts), found.seconds) == (0, 1, 3)


def test_a_run_that_ended_before_its_first_frame() -> None:
    found = analysis.analyse(
        Readings("barcode", {"tokyo": wall()[:1]}, T0 - 9000 * MS, T0 - 1000 * MS, GAPS, True), SHOW
    )
    assert found.displays[0].missed == 0 and found.seconds == 0 and found.skew.series == []


def test_drift_from_loop_to_loop() -> None:
    drifting = wall(edit=lambda spot, ns: [Change(ns + spot.loop * 2 * MS, value(spot))])
    display = analyse(tokyo=drifting).displays[0]
    assert display.loop_median_ms == [1.0, 3.0, 5.0]
    assert display.drift_ms_per_loop == pytest.approx(2.0)


def test_a_wall_that_joins_late_says_so() -> None:
    joined = [wall()[0], *(change for change in wall() if change.ns > T0 + 7000 * MS)]
    display = analyse(tokyo=joined).displays[0]
    assert display.first_frame_error_ms == pytest.approx(7000, abs=40)
    assert display.median_error_ms == 1.0
    assert display.missed and display.missed > 200


def test_coarse_looks_void_the_run() -> None:
    assert analyse(gaps=Gaps(0.2, 1.01, 9), tokyo=wall()).void
    assert analyse(gaps=Gaps(0.2, 1.0, 9), tokyo=wall()).void is None
    assert analyse(gaps=None, tokyo=wall()).void
