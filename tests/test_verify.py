"""The short form of tests/long/verify: steps are counted instead of time, so that nothing hangs on the machine."""

from functools import partial
from itertools import islice

from makers import T0, S, cue_body, panic_body, uuid_of
from verify import LOOP, crowded, starts_of, steps_of, verification
from walls import FakeWall

from agent.effects import Received, Restored, Ticked


def test_a_start_does_the_same_beside_a_thousand_cues_as_beside_few() -> None:
    counts = []
    for pending in (10, 1000):
        steps = starts_of(crowded(pending), 6)
        next(steps)
        counts.append(steps_of(partial(list, islice(steps, 5))))
    assert counts[1] < 1.05 * counts[0]


def test_a_new_cue_does_the_same_beside_a_thousand_cues_as_beside_few() -> None:
    counts = []
    for pending in (10, 1000):
        wall = crowded(pending)
        event = Received("cue", cue_body(5, T0 + 3700 * S, LOOP))
        counts.append(steps_of(partial(wall.conductor.handle, event, wall.now())))
    assert counts[1] < 1.05 * counts[0]


def test_so_does_the_status() -> None:
    counts = []
    for pending in (10, 1000):
        wall = crowded(pending)
        wall.until(wall.t + S)
        counts.append(steps_of(partial(wall.conductor.snapshot, wall.now())))
    assert counts[1] < 1.05 * counts[0]


def test_panics_of_the_past_cost_an_event_nothing() -> None:
    counts = []
    for past in (10, 1000):
        wall = FakeWall()
        for number in range(past):
            wall.conductor.handle(Restored("panic", panic_body(number)), wall.now())
        wall.conductor.handle(Ticked(), wall.now())
        another = Restored("panic", panic_body(past))
        steps = (partial(wall.conductor.handle, event, wall.now()) for event in (another, Ticked()))
        counts.append(sum(map(steps_of, steps)))
    assert counts[1] < 1.05 * counts[0]


def restore(wall: FakeWall, bodies: list[bytes]) -> None:
    for number, body in enumerate(bodies):
        wall.conductor.handle(Restored(f"cue/{uuid_of(number)}", body), wall.now())
    wall.conductor.handle(Ticked(), wall.now())


def test_restoring_takes_its_time_once_for_each_cue() -> None:
    counts = []
    for restored in (100, 1000):
        bodies = [cue_body(number, T0 + (100 + number) * S, LOOP) for number in range(restored)]
        counts.append(steps_of(partial(restore, crowded(0), bodies)) / restored)
    assert counts[1] < 1.2 * counts[0]


def test_the_long_form_verifies_what_it_measures() -> None:
    assert verification(3).median_ms > 0
