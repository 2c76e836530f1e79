from agent.lab.skew import SkewWindow

MS = 1_000_000
S = 1_000_000_000


def window() -> SkewWindow:
    return SkewWindow(["tokyo", "paris"], 60 * S)


def show(found: SkewWindow, frames: range, lag_ms: float, begin: int = 0) -> None:
    """Both walls show these frames of clip 1 at 25 fps, Paris later."""
    for frame in frames:
        due = begin + frame * 40 * MS
        found.see("tokyo", due, (1, frame))
        found.see("paris", due + round(lag_ms * MS), (1, frame))


def test_the_skew_is_from_the_first_wall_to_the_last() -> None:
    found = window()
    show(found, range(50), 3)
    found.settle(3 * S)
    skew = found.skew()
    assert (skew.frames, skew.partial) == (50, 0)
    assert (skew.median, skew.p99, skew.max) == (3, 3, 3)
    assert skew.lag_ms == {"tokyo": -1.5, "paris": 1.5}


def test_a_frame_that_one_wall_left_out_is_partial_and_in_no_figure() -> None:
    found = window()
    found.see("tokyo", 0, (1, 0))
    found.see("paris", 1 * MS, (1, 0))
    found.see("tokyo", 40 * MS, (1, 1))
    found.see("tokyo", 80 * MS, (1, 2))
    found.see("paris", 82 * MS, (1, 2))
    found.settle(2 * S)
    skew = found.skew()
    assert (skew.frames, skew.partial, skew.max) == (2, 1, 2)


def test_the_same_frame_in_the_next_loop_is_another_showing() -> None:
    found = window()
    show(found, range(5), 1)
    show(found, range(5), 1, begin=3 * S)
    found.settle(5 * S)
    assert (found.skew().frames, found.skew().max) == (10, 1)


def test_a_wall_that_is_a_whole_loop_behind_is_not_called_close() -> None:
    found = window()
    found.see("tokyo", 0, (1, 0))
    found.see("paris", 600 * MS, (1, 0))
    found.settle(2 * S)
    assert (found.skew().frames, found.skew().partial) == (0, 2)


def test_a_look_into_a_picture_that_was_being_copied_is_no_frame() -> None:
    found = window()
    found.see("tokyo", 0, (1, 0))
    found.see("tokyo", 40 * MS, (1, 3))  # torn: 0.2 ms later it is whole
    found.see("tokyo", 40 * MS + 200_000, (1, 1))
    found.settle(S)
    assert found.standing["tokyo"].frame == (1, 1)
    found.settle(2 * S)
    assert found.skew().partial == 2


def test_a_wall_that_shows_nothing_is_told_so() -> None:
    found = window()
    found.see("tokyo", 0, (1, 0))
    found.see("tokyo", 40 * MS, None)
    found.settle(S)
    assert found.standing["tokyo"].frame is None
    assert found.skew().median is None


def test_only_the_window_counts() -> None:
    found = window()
    show(found, range(5), 100)
    show(found, range(5), 1, begin=50 * S)
    found.settle(100 * S)
    assert (found.skew().frames, found.skew().max) == (5, 1)
