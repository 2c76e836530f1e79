import random

from agent.player.trim import MPV_LATE_US, trim_of, untrimmed
from agent.player.watch import CALIBRATION_FRAMES, FrameWatch
from agent.units import RawNs

FRAME_US = 1e6 / 30


def watch(late_us: int = 0) -> FrameWatch:
    trim = trim_of(late_us - MPV_LATE_US, RawNs(0)) if late_us else untrimmed(RawNs(0))
    return FrameWatch(RawNs(0), 0, trim, FRAME_US)


def feed(frames: FrameWatch, numbers: range, late_us: float = 0.0, lead_us: float = 16_000) -> None:
    for number in numbers:
        due_us = number * FRAME_US
        frames.saw(RawNs(round((due_us - lead_us + late_us) * 1000)), due_us)


def test_before_any_frame_the_error_is_that_of_the_start() -> None:
    assert watch(500).errors_us() == (500, 500, 0)


def test_an_unknown_lead_is_taken_from_the_first_frames() -> None:
    for lead_us in (12_900, 38_700):
        frames = watch()
        feed(frames, range(300), lead_us=lead_us)
        median, p99, window_s = frames.errors_us()
        assert abs(median) <= 1
        assert abs(p99) <= 1
        assert window_s == 9


def test_the_held_frame_says_nothing_about_time() -> None:
    frames = watch()
    frames.saw(RawNs(5_000_000_000), 0.0)
    feed(frames, range(1, CALIBRATION_FRAMES + 1))
    assert abs(frames.errors_us()[0]) <= 1


def test_a_trim_that_works_ends_at_zero_and_one_that_does_not_is_seen() -> None:
    for works in (True, False):
        frames = watch(2000)
        for number in range(1, 300):
            due_us = number * FRAME_US
            raw = RawNs(round(due_us * 1000))
            late_us = frames.trim.left_us(raw) if works else 2000
            frames.saw(RawNs(round((due_us - 16_000 + late_us) * 1000)), due_us)
        median = frames.errors_us()[0]
        assert (abs(median) < 100) is works


def test_a_slip_is_seen_and_late_frames_are_counted() -> None:
    frames = watch()
    feed(frames, range(60))
    assert frames.late == 0
    feed(frames, range(60, 160), late_us=20_000)
    assert frames.late == 100
    assert frames.errors_us()[0] > 19_000


def test_jitter_leaves_the_median_where_it_is() -> None:
    rng = random.Random(1)
    frames = watch()
    for number in range(1, 900):
        due_us = number * FRAME_US
        frames.saw(RawNs(round((due_us - 16_000 + rng.gauss(0, 300)) * 1000)), due_us)
    median, p99, _ = frames.errors_us()
    assert abs(median) < 300
    assert 300 < p99 < 1500


def test_the_window_forgets() -> None:
    frames = watch()
    feed(frames, range(30 * 70))
    assert frames.errors_us()[2] <= 60
