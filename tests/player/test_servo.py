import random
from itertools import pairwise

import pytest

from agent.player.servo import (
    ADRIFT_US,
    MOST,
    MOST_DRIFT,
    MOST_SOUND,
    PAUSE_MOST_S,
    SMALL_US,
    STEADY_TICKS,
    TICK_S,
    TICK_SOUND_S,
    Anchors,
    Servo,
)
from agent.units import RawNs


def run(
    servo: Servo, late_us: float, drift: float, seconds: float, *, sound: bool = False, noise_us: float = 0
) -> float:
    """Play against a crystal that is `drift` slow; how late the film is at the end."""
    rng = random.Random(1)
    tick_s = TICK_SOUND_S if sound else TICK_S
    speed = servo.speed(0.0)
    for _ in range(round(seconds / tick_s)):
        late_us += tick_s * 1e6 * (drift - (speed - 1))
        speed = servo.correct(0.0, late_us + rng.gauss(0, noise_us), sound=sound)
        assert abs(speed - 1 - servo.drift) <= (MOST_SOUND if sound else MOST) + 1e-12, "somebody would see it"
    return late_us


@pytest.mark.parametrize("drift", [-200e-6, 0, 50e-6, 200e-6])
def test_no_error_stays_however_small(drift: float) -> None:
    servo = Servo()
    assert abs(run(servo, 800, drift, 30)) < 1
    assert servo.drift == pytest.approx(drift, abs=1e-6)


def test_the_drift_is_known_to_the_next_film() -> None:
    servo = Servo()
    run(servo, 0, 80e-6, 60)
    assert abs(run(servo, 0, 80e-6, TICK_S)) < 1


def test_a_large_error_is_taken_out_in_seconds_and_teaches_no_drift() -> None:
    servo = Servo()
    assert abs(run(servo, ADRIFT_US, 0, 5)) < 2_000
    assert abs(servo.drift) < 100e-6


def test_a_film_that_sounds_comes_to_zero_too_only_slowly() -> None:
    servo = Servo()
    assert abs(run(servo, 3_000, 40e-6, 300, sound=True)) < 20


def test_noise_does_not_make_it_restless() -> None:
    servo = Servo()
    run(servo, 0, 0, 600, noise_us=50)
    speeds = [servo.correct(0.0, random.Random(n).gauss(0, 50), sound=False) for n in range(100)]
    assert max(abs(speed - 1) for speed in speeds) < 300e-6


def test_the_rate_of_the_clock_is_followed_at_once_and_the_drift_is_bounded() -> None:
    servo = Servo()
    assert servo.speed(50e-6) == pytest.approx(1 + 50e-6)
    for _ in range(100):
        servo.correct(0.0, SMALL_US, sound=False)
    assert servo.drift == MOST_DRIFT


def test_a_film_that_is_too_heavy_is_joined_anew_more_and_more_rarely() -> None:
    anchors = Anchors()
    joined_s = [second for second in range(1, 600) if anchors.may(RawNs(second * 10**9))]
    pauses_s = [after - before for before, after in pairwise(joined_s)]
    assert pauses_s[0] >= 4
    assert pauses_s == sorted(pauses_s)
    assert pauses_s[-1] == PAUSE_MOST_S


def test_five_good_seconds_and_the_next_accident_is_mended_at_once() -> None:
    anchors = Anchors()
    assert [anchors.may(RawNs(second * 10**9)) for second in (1, 2, 6, 7)] == [True, False, True, False]
    for _ in range(STEADY_TICKS):
        anchors.on_time()
    assert anchors.may(RawNs(8 * 10**9))
