import pytest

from agent.player.trim import trim_of, untrimmed
from agent.player.watch import CALIBRATION_FRAMES, EVERY, FIRST_LOOKS, FrameWatch
from agent.units import RawNs

FRAME_US = 1e6 / 30


def watch(late_us: int = 0, *, has_eye: bool = True, frame_us: float = FRAME_US) -> FrameWatch:
    trim = trim_of(late_us, RawNs(0)) if late_us else untrimmed(0, RawNs(0))
    return FrameWatch(RawNs(0), 0, frame_us, trim, has_eye, RawNs(0))


def due_us(number: int) -> float:
    return number * FRAME_US


def raw(us: float) -> RawNs:
    return RawNs(round(us * 1000))


def play(frames: FrameWatch, numbers: range, late_us: float = 0, lead_us: float = 16_000) -> None:
    for number in numbers:
        frames.queued(raw(due_us(number) + late_us - lead_us), due_us(number))
        frames.flipped(raw(due_us(number) + late_us))


def test_the_eye_says_when_and_mpv_says_what() -> None:
    frames = watch()
    play(frames, range(1, 4), late_us=250, lead_us=12_345)
    assert frames.take() == [(raw(due_us(n) + 250), due_us(n)) for n in (1, 2, 3)]
    assert frames.take() == []
    assert (frames.frames, frames.dropped) == (3, 0)


def test_behind_the_first_ones_every_third_frame_is_looked_at_and_walls_look_at_different_ones() -> None:
    looked = []
    for salt in range(EVERY):
        frames = watch()
        frames.salt = salt
        play(frames, range(1, 31))
        numbers = [round(seen.position_us / FRAME_US) for seen in frames.take()]
        assert numbers[:FIRST_LOOKS] == list(range(1, FIRST_LOOKS + 1))
        looked.append(set(numbers[FIRST_LOOKS:]))
        assert frames.frames == 30
    assert set.union(*looked) == set(range(FIRST_LOOKS + 1, 31))
    assert not set.intersection(*looked)


def test_the_eye_is_open_from_a_frames_queueing_to_its_flip_only() -> None:
    frames = watch()
    assert not frames.looking
    frames.queued(RawNs(0), due_us(1))
    assert frames.looking
    frames.flipped(raw(due_us(1)))
    assert not frames.looking


def test_the_frame_that_it_began_with_and_pictures_drawn_again_are_no_frames() -> None:
    frames = watch()
    frames.queued(RawNs(5_000), 0.0)
    frames.flipped(RawNs(6_000))
    play(frames, range(1, 2))
    frames.flipped(raw(due_us(1) + 900))
    assert [seen.position_us for seen in frames.take()] == [due_us(1)]


def test_frames_that_the_decoder_left_out_are_counted() -> None:
    frames = watch()
    play(frames, range(1, 3))
    play(frames, range(5, 7))
    assert (frames.frames, frames.dropped) == (4, 2)


def test_a_film_without_a_rate_has_no_missing_frames() -> None:
    frames = watch(frame_us=0.0)
    play(frames, range(1, 3))
    play(frames, range(30, 32))
    assert frames.dropped == 0


@pytest.mark.parametrize("lead_us", [12_900, 38_700])
def test_without_an_eye_the_unknown_lead_is_taken_from_the_first_frames(lead_us: int) -> None:
    frames = watch(has_eye=False)
    for number in range(1, 300):
        late_us = 0 if number < 100 else 4_000
        frames.queued(raw(due_us(number) - lead_us + late_us), due_us(number))
    errors_us = [seen.raw / 1000 - seen.position_us for seen in frames.take()]
    assert max(map(abs, errors_us[CALIBRATION_FRAMES:99])) < 1
    assert errors_us[150] == pytest.approx(4_000, abs=1)


def test_without_an_eye_a_trim_that_works_is_not_taken_for_an_error() -> None:
    frames = watch(2000, has_eye=False)
    for number in range(1, 60):
        at_us = due_us(number) - 16_000
        frames.queued(raw(at_us + frames.trim.left_us(raw(at_us))), due_us(number))
    errors_us = [seen.raw / 1000 - seen.position_us for seen in frames.take()]
    assert abs(errors_us[-1]) < 100


def test_every_frame_is_a_sign_of_life_whether_it_is_looked_at_or_not() -> None:
    frames = watch()
    for number in range(1, 20):
        frames.queued(raw(due_us(number)), due_us(number))
        assert frames.alive_raw == raw(due_us(number))
    frames.flipped(raw(due_us(90)))
    assert frames.alive_raw == raw(due_us(19))


def test_while_something_is_drawn_over_the_film_mpvs_word_counts_with_the_lead_that_was_seen() -> None:
    frames = watch()
    play(frames, range(1, 8), lead_us=14_000)
    frames.take()
    frames.blind = True
    for number in range(8, 40):
        frames.queued(raw(due_us(number) - 14_000 + 700), due_us(number))
        assert not frames.looking
        frames.flipped(raw(due_us(number) - 9_000))  # the panel's own pixels
    errors_us = [seen.raw / 1000 - seen.position_us for seen in frames.take()]
    assert len(errors_us) == 32
    assert all(abs(error - 700) < 1 for error in errors_us)
    assert (frames.frames, frames.dropped) == (39, 0)
