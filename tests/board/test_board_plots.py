import re

from agent.board import plots
from agent.board.snapshot import BoundPoint, ErrorPoint, StartPoint
from agent.units import US_PER_S, UtcUs

NOW = UtcUs(1_748_865_600 * US_PER_S)


def ago(seconds: float) -> UtcUs:
    return UtcUs(NOW - round(seconds * US_PER_S))


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def start(venue: str, seconds: float, error_ms: float | None, bound_ms: float | None = 4.0) -> StartPoint:
    return StartPoint(ago(seconds), venue, error_ms, bound_ms, False, "reel", "c")


def test_late_is_above_zero_and_now_is_at_the_right_edge() -> None:
    drawn = plots.spark([ErrorPoint(ago(300), 0.4, 0.4), ErrorPoint(ago(290), -0.4, 0.4)], [], NOW)
    (x, late), (_, early) = points(drawn.median)
    assert x == plots.WIDTH / 2
    assert late < plots.HEIGHT / 2 < early
    assert points(plots.spark([ErrorPoint(NOW, 0, 0.1)], [], NOW).median)[0][0] == plots.WIDTH


def test_the_largest_error_is_within_the_plot_and_a_wide_bound_is_cut_at_its_edges() -> None:
    drawn = plots.spark([ErrorPoint(ago(10), 2.4, 3.1)], [BoundPoint(ago(10), 40.0)], NOW)
    assert drawn.limit_ms == 5
    assert [y for _, y in points(drawn.band)] == [0.0, float(plots.HEIGHT)]
    assert all(0 < y < plots.HEIGHT for _, y in points(drawn.spread))


def test_one_bad_second_does_not_flatten_the_other_minutes() -> None:
    told = [ErrorPoint(ago(s), 0.1, 800.0 if s == 300 else 0.6) for s in range(600, 0, -5)]
    drawn = plots.spark(told, [], NOW)
    assert drawn.limit_ms == 1
    assert min(y for _, y in points(drawn.spread)) == 0


def test_while_a_wall_tells_nothing_no_line_is_drawn() -> None:
    told = [ErrorPoint(ago(s), 0.1, 0.2) for s in (120, 115, 60, 55)]
    assert plots.spark(told, [], NOW).median.count("M") == 2


def test_what_is_older_than_ten_minutes_has_left_the_plot() -> None:
    drawn = plots.spark([ErrorPoint(ago(601), 90, 90)], [BoundPoint(ago(700), 90)], NOW)
    assert (drawn.median, drawn.spread, drawn.band) == ("", "", "")
    assert drawn.limit_ms == 0.5


def test_each_start_that_was_seen_is_a_dot_with_the_bound_as_a_bar() -> None:
    found = [start("tokyo", 60, 0.2), start("paris", 60, -0.3, None), start("tokyo", 5, None)]
    drawn = plots.starts(found, NOW)
    assert [(venue.venue, venue.dots.count("M"), venue.bars.count("M")) for venue in drawn.venues] == [
        ("paris", 1, 0),
        ("tokyo", 1, 1),
    ]
    assert drawn.since_us < ago(60)


def test_the_scale_of_the_starts_has_room_for_the_bounds_and_still_shows_small_errors() -> None:
    drawn = plots.starts([start("tokyo", 60, 0.2, 10.0)], NOW)
    assert [ms for ms, _ in drawn.ticks] == [20, 1, 0, -1, -20]
    (_, dot), *_ = points(drawn.venues[0].dots)
    assert 0 < dot < plots.HEIGHT / 2 - 3


def test_walls_that_start_together_do_not_hide_each_other() -> None:
    drawn = plots.starts([start(f"v{number}", 60, 0.0) for number in range(5)], NOW)
    assert len({venue.dots for venue in drawn.venues}) == 5


def test_no_starts_are_no_plot() -> None:
    assert plots.starts([], NOW).venues == ()
