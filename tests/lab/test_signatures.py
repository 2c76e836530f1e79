from fractions import Fraction

import pytest

from agent.lab import signatures
from agent.lab.analysis import Analysis
from agent.lab.programme import Item, Programme, Spot
from agent.lab.readings import Change, Gaps, Readings

T0 = 1_748_865_600_000_000_000
MS = 1_000_000
SHOW = Programme(
    [Item("own.mp4", None, Fraction(25), 100), Item("other.mp4", None, Fraction(30), 60)],
    due_ns=T0,
    loop=True,
    end_ns=T0 + 11_000 * MS,
)
GAPS = Gaps(0.2, 0.3, 0.9)


def name(spot: Spot) -> str:
    still = spot.item == 0 and 40 <= spot.frame < 60  # a scene that does not move
    return f"{spot.item}-{40 if still else spot.frame}"


def wall(late_ms: float, drop: Spot | None = None) -> list[Change]:
    changes = [Change(T0 - 5000 * MS, None), Change(T0 - 4000 * MS, "slate")]
    for spot in SHOW.spots(SHOW.end_ns or 0):
        if spot != drop and changes[-1].value != name(spot):
            changes.append(Change(SHOW.due(spot) + round(late_ms * MS), name(spot)))
    return [*changes, Change((SHOW.end_ns or 0) + MS, "slate")]


def analyse(**walls: list[Change]) -> Analysis:
    return signatures.analyse(Readings("signature", walls, T0 - 5000 * MS, T0 + 12_000 * MS, GAPS, True), SHOW)


def test_equal_pixels_give_the_skew_and_the_grid_the_error() -> None:
    found = analyse(tokyo=wall(1.0), paris=wall(3.5))
    assert found.skew.at(50) == found.skew.at(100) == found.skew.first == 2.5
    assert [d.median_error_ms for d in found.displays] == [1.0, 3.5]
    assert [d.first_frame_error_ms for d in found.displays] == [1.0, 3.5]
    assert found.skew.partial == found.skew.ambiguous == 0
    assert len(found.skew.series) == len(list(SHOW.spots(SHOW.end_ns or 0))) - 2 * 19
    assert all(d.missed is None and d.cuts == [] for d in found.displays)
    assert found.displays[0].loop_median_ms == [1.0, 1.0]


def test_a_picture_on_one_wall_only_is_in_no_skew() -> None:
    found = analyse(tokyo=wall(1.0), paris=wall(1.0, drop=Spot(0, 1, 7)))
    assert found.skew.partial == 1 and found.skew.at(100) == 0


def test_an_error_of_more_than_half_a_frame_folds() -> None:
    errors = analyse(tokyo=wall(30.0)).displays[0].errors
    assert errors[5][1] == pytest.approx(-10.0)


def test_a_picture_that_flickers_cannot_be_told_apart() -> None:
    flicker = [*wall(1.0)]
    place = next(index for index, change in enumerate(flicker) if change.value == "0-10")
    flicker.insert(place + 1, Change(flicker[place].ns + 60 * MS, "0-10"))
    flicker.insert(place + 1, Change(flicker[place].ns + 50 * MS, "x"))
    found = analyse(tokyo=sorted(flicker, key=lambda change: change.ns), paris=wall(1.0))
    assert found.skew.ambiguous == 1 and found.skew.partial == 1 and found.skew.at(100) == 0


def test_a_picture_half_copied_is_left_out() -> None:
    changes = wall(1.0)
    changes.insert(30, Change(changes[30].ns - MS // 4, "torn"))
    found = analyse(tokyo=changes, paris=wall(1.0))
    assert found.displays[0].torn == 1
    assert found.skew.partial == 0 and found.skew.at(100) == 0


def test_a_slate_within_the_show_is_no_picture_of_the_film() -> None:
    changes = wall(1.0)
    changes.insert(31, Change(changes[30].ns + 20 * MS, "slate"))
    found = analyse(tokyo=changes, paris=wall(1.0))
    assert found.displays[0].p99_error_ms == 1.0
    assert found.skew.partial == 0


def test_a_wall_that_kept_its_slate_showed_nothing() -> None:
    found = analyse(tokyo=wall(1.0), paris=wall(1.0)[:2])
    assert found.displays[1].first_frame_error_ms is None and found.displays[1].errors == []
    assert found.skew.first is found.skew.at(99) is None
