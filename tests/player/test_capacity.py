from collections.abc import Sequence

import pytest

from agent.player.capacity import ANSWERS, WARM_FRAMES, Measured, Sighting, Unmeasured, pace


def frames_of_a_quarter_second(seen: Sequence[Sighting]) -> int:
    found = pace(seen, 25)
    assert found is not None
    frames, seconds = found
    assert seconds == pytest.approx(0.25)
    return frames


def test_frames_are_counted_by_their_own_times_behind_the_first_ones() -> None:
    seen = [(100 + n / 200, n / 25) for n in range(61)]
    assert frames_of_a_quarter_second(seen) == 60 - WARM_FRAMES


def test_a_picture_that_was_not_seen_counts_all_the_same() -> None:
    seen = [(100 + n / 200, n / 25) for n in range(61) if n % 3 == 0 or n == 10]
    assert frames_of_a_quarter_second(seen) == 60 - WARM_FRAMES


def test_a_slow_first_picture_does_not_count() -> None:
    slow = [(95.0, 0.0), *((100 + n / 200, n / 25) for n in range(1, 61))]
    assert frames_of_a_quarter_second(slow) == 60 - WARM_FRAMES


@pytest.mark.parametrize("seen", [[], [(0.0, 0.0)], [(0.0, 0.0), (1.0, 0.04)], [(n / 9, 5.0) for n in range(40)]])
def test_too_few_pictures_are_no_measure(seen: list[tuple[float, float]]) -> None:
    assert pace(seen, 25) is None


def test_answers_travel_as_lines() -> None:
    measured = Measured(
        codec="h264", width=1, height=1, frames=50, seconds=0.5, at_s=0, decoder="software", elsewhere=0
    )
    assert measured.fps == 100
    for answer in (measured, Unmeasured(code="broken", detail="x")):
        assert ANSWERS.validate_json(answer.model_dump_json()) == answer
