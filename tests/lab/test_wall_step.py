"""REALTIME stepped in mid-film on a real agent: the pixels stay. tests/long/wallstep is the long form."""

from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
import wallstep
from wallstep import CONTROL, STEPPED, Effect, Evidence, Stretch

from agent.lab import faketime

SECONDS = 18.0
ATTEMPTS = 3
MOVED_ATTEMPTS = 2
"""A machine that is busy elsewhere moves pixels now and then; a player that reads the wall clock does so each time."""


@pytest.mark.needs("mosquitto", "chronyd", "Xvfb", "faketime", "ffmpeg", "setpriv")
@pytest.mark.skipif(faketime.library() is None, reason="libfaketime is not installed")
def test_the_pixels_stand_when_the_wall_clock_steps(tmp_path: Path) -> None:
    moved = 0
    for attempt in range(ATTEMPTS):
        verdict = wallstep.run(tmp_path / str(attempt), SECONDS, lambda _: None)
        moved += verdict.status == wallstep.MOVED
        if verdict.status == wallstep.GOOD or moved == MOVED_ATTEMPTS:
            break
    assert verdict.void is None
    assert verdict.faults == []
    stepped = [one for one in verdict.effects if one.venue == STEPPED]
    assert [one.to_s for one in stepped] == list(wallstep.STEPS_S)
    # Enough frames for the figures to mean something.
    assert all(one.after.due - one.after.missed > 100 for one in stepped)


STOOD = Stretch(due=150, missed=0, median_ms=0.1, p99_ms=0.5, first_second_ms=0.1)


@pytest.mark.parametrize(
    ("after", "named"),
    [
        (STOOD, None),
        (replace(STOOD, median_ms=2.0, first_second_ms=-1.8), None),
        (replace(STOOD, median_ms=2.2), r"the pixels moved by \+2\.10 ms"),
        (replace(STOOD, first_second_ms=-2.0), r"the pixels of the next second moved by -2\.10 ms"),
        (replace(STOOD, missed=3), None),
        (replace(STOOD, missed=4), "4 of 150 frames missed, 0 before"),
    ],
)
def test_what_moves_is_named(after: Stretch, named: str | None) -> None:
    found = wallstep.faults([Effect(STEPPED, 2.0, STOOD, after), Effect(CONTROL, 2.0, STOOD, STOOD)])
    assert len(found) == (named is not None)
    if named:
        with pytest.raises(AssertionError, match=named):
            raise AssertionError(found[0])


def test_frames_that_both_walls_lose_are_the_machines() -> None:
    lost = replace(STOOD, missed=10)
    assert wallstep.faults([Effect(STEPPED, 2.0, STOOD, lost), Effect(CONTROL, 2.0, STOOD, lost)]) == []


def evidence(real_jumps_s: list[float], monotonic_jump_s: float = 0.0) -> Evidence:
    raw = [number * 100_000_000 for number in range(len(real_jumps_s))]
    real = [round(offset * 1e9) for offset in accumulate(real_jumps_s)]
    return Evidence(raw, real, [0] * (len(raw) - 1) + [round(monotonic_jump_s * 1e9)])


def test_a_witness_tells_steps_of_realtime_from_all_others() -> None:
    seen = evidence([0, 0, 2.0, 0.0001, -2.0, 0])
    assert [(raw, round(jump)) for raw, jump in seen.steps()] == [(200_000_000, 2), (400_000_000, -2)]
    assert seen.steady()
    assert evidence([0, 0.2, 0]).steps() == []
    assert not evidence([0, 0, 0], monotonic_jump_s=2.0).steady()
