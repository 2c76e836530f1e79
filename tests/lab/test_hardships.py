"""The short form of tests/long/hardships, and its judge."""

from pathlib import Path

import hardships
import pytest
from hardships import FPS, FRAME_MS, Blow, outcome

from agent.lab.programme import Item, Programme
from agent.lab.readings import Change

PROGRAMME = Programme([Item("film.mp4", 1, FPS, 1800)], due_ns=0, loop=True)
S = 1_000_000_000
BLOW = Blow("kill", "tokyo", 10 * S, 10 * S)


def shown(*spans: tuple[float, float, float | None]) -> list[Change]:
    """From a second to another, frames that are so many milliseconds late; None is black."""
    changes = []
    for begin_s, end_s, late_ms in spans:
        if late_ms is None:
            changes.append(Change(round(begin_s * S), None))
            continue
        first, last = round(begin_s * 30), round(end_s * 30)
        changes += [Change(round(n * FRAME_MS * 1e6 + late_ms * 1e6), (1, n)) for n in range(first, last)]
    return changes


def test_a_wall_that_comes_back_in_time_and_on_the_frame_is_good() -> None:
    found = outcome(BLOW, shown((8, 10, 0.2), (10.01, 11.2, None), (11.2, 20, 0.4)), PROGRAMME)
    assert found.back_ms == pytest.approx(1200.4, abs=1)
    assert found.at_once_ms == pytest.approx(0.4, abs=0.1)
    assert found.settled_ms == pytest.approx(0.4, abs=0.1)
    assert found.jumps == 1
    assert found.faults() == []


@pytest.mark.parametrize(
    ("spans", "word"),
    [
        ([(8, 10, 0.0), (10.01, 12.5, None), (12.5, 20, 0.0)], "only after"),
        ([(8, 10, 0.0), (10.01, 11.2, None), (11.2, 20, 20.0)], "when it came back"),
        ([(8, 10, 0.0), (10.01, 11.2, None), (11.2, 20, 3.0)], "five seconds later"),
        ([(8, 10, 0.0), (10.01, 11, None), (11, 12, 0.0), (12.5, 13, 0.0), (13.5, 20, 0.0)], "visible jumps"),
        ([(8, 10, 0.0), (10.01, 20, None)], "never came back"),
        ([(8, 10, 0.0), (10.01, 20, 500.0)], "never came back"),
    ],
)
def test_a_wall_that_does_not_is_named(spans: list[tuple[float, float, float | None]], word: str) -> None:
    found = outcome(BLOW, shown(*spans), PROGRAMME)
    assert any(word in fault for fault in found.faults()), found.faults()


def test_a_wall_that_never_noticed_was_never_away() -> None:
    found = outcome(Blow("freeze agent", "tokyo", 10 * S, 13 * S), shown((8, 22, 0.3)), PROGRAMME)
    assert (found.back_ms, found.jumps, found.faults()) == (0.0, 0, [])


def test_what_a_stopped_player_had_in_hand_follows_what_stood_there() -> None:
    """Two frames come within a millisecond after the release: the first of them was counted as a jump."""
    stopped = Blow("freeze both", "tokyo", 10 * S, 13 * S)
    in_hand = [Change(13 * S, (1, 300)), Change(13 * S + 800_000, (1, 301))]
    late = shown((10 + 2 / 30, 11.7, 2934.0))
    found = outcome(stopped, [*shown((8, 10, 0.2)), *in_hand, *late, *shown((14.7, 22, 0.1))], PROGRAMME)
    assert found.jumps == 1
    assert found.faults() == []
    sprung = [Change(13 * S, (1, 330)), *shown((11 + 1 / 30, 11.7, 1967.0)), *shown((14.7, 22, 0.1))]
    assert outcome(stopped, [*shown((8, 10, 0.2)), *sprung], PROGRAMME).jumps == 2


@pytest.mark.needs("Xvfb", "ffmpeg", "mosquitto", "chronyd")
@pytest.mark.timeout(150)
def test_walls_survive_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = ["kill", "freeze player", "freeze both"]  # starving takes every core from whatever else runs
    outcomes, _ = hardships.run(tmp_path, kinds, print)
    assert [one.blow.kind for one in outcomes] == kinds
    assert [fault for one in outcomes for fault in one.faults()] == []
