"""The short form of tests/long/shots, its judge, and what covers a film: that is in the picture as well."""

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import shotcost
from PIL import Image
from shotcost import Cost, Result, Span, Taken, standing

from agent.answered import Answer, Shot
from agent.control.shot import Picture
from agent.lab.programme import Item, Programme
from agent.lab.readings import Change, Readings
from agent.messages import Refusal

S = 1_000_000_000
PROGRAMME = Programme([Item("film.mp4", 1, Fraction(25), 250)], due_ns=0, loop=True)
GOOD = Cost((0.1,) * 50)


def picture(frame: int | None, code: tuple[int, int] | None = (1, 30), seen: int = 30, size: int = 10) -> Taken:
    told = Shot(
        jpeg="",
        width=320,
        height=180,
        wall_width=320,
        wall_height=180,
        taken=None,
        age_ms=1,
        bound_us=None,
        state="playing",
        cue=None,
        program="reel",
        rev=1,
        item=0,
        film="film.mp4",
        position_us=None,
        frame=frame,
        panic=None,
        identifying=False,
    )
    boot = "11111111-1111-4111-8111-111111111111"
    answer = Answer(ask=boot, venue="tokyo", boot=boot, time=None, want="shot", shot=told)
    return Taken(Picture("tokyo", b"x" * size, told, answer, None, 0.1), code, frozenset({(1, seen)}))


def result(*pairs: tuple[Cost, Cost], taken: tuple[Taken, ...] = (), refused: tuple[Refusal, ...] = ()) -> Result:
    """Each pair: with shots, without."""
    spans = [
        (Span(0, 1, shots, number), cost)
        for number, pair in enumerate(pairs)
        for shots, cost in zip((True, False), pair, strict=True)
    ]
    return Result(tuple(spans), taken, refused, None)


def test_films_that_lose_nothing_and_pictures_of_what_stood_there_are_good() -> None:
    assert result((GOOD, GOOD), (GOOD, GOOD), taken=(picture(30), picture(31))).faults() == []


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (result((GOOD + Cost(missed=1), GOOD), (GOOD, GOOD)), "1 frames missed or late with shots, 0 without"),
        (result((GOOD + Cost((21.0,), late=1), GOOD)), "1 frames missed or late"),
        (result(*[(GOOD + Cost(missed=1), GOOD)] * 9, (GOOD, GOOD + Cost(missed=9))), "9 frames missed or late"),
        (result((Cost((0.9,) * 50), GOOD)), "frames come 0.80 ms later"),
        (result((GOOD, GOOD), taken=(picture(30, seen=31),)), "the picture shows (1, 30)"),
        (result((GOOD, GOOD), taken=(picture(30, code=None),)), "the picture shows None"),
        (result((GOOD, GOOD), taken=(picture(30, size=100_001),)), "a picture of 100001 bytes"),
        (result((GOOD, GOOD), refused=(Refusal(code="rate", detail="too many"),)), "no picture: rate"),
    ],
)
def test_what_is_not_good_is_named(found: Result, word: str) -> None:
    assert any(word in fault for fault in found.faults()), found.faults()


def test_what_a_busy_machine_does_to_both_is_no_shot_s_doing() -> None:
    bad = GOOD + Cost(missed=3)
    assert result((bad, GOOD), (GOOD, bad), (bad, bad), (bad, GOOD)).faults() == []


def test_frames_are_counted_in_the_span_in_which_they_are_due() -> None:
    """Frame 3 is late by more than half, frame 5 is missed, both in the span with the shot."""
    late = {3: 25_000_000}
    changes = [Change(n * 40_000_000 + late.get(n, 200_000), (1, n)) for n in range(50) if n != 5]
    spans = [Span(0, S, True, 0), Span(S, 2 * S, False, 0)]
    measured = Readings("barcode", {"tokyo": changes}, 0, 2 * S, None, True)
    (_, with_shots), (_, without) = shotcost.costs(spans, measured, PROGRAMME)
    assert (with_shots.frames, with_shots.missed, with_shots.late) == (25, 1, 1)
    assert (without.frames, without.missed, without.late) == (25, 0, 0)


def test_what_stood_on_a_wall_around_an_instant() -> None:
    changes = [Change(n * S, (1, n)) for n in range(5)]
    assert standing(changes, 2 * S + S // 2) == {(1, 2)}
    assert standing(changes, 2 * S + 1000) == {(1, 1), (1, 2)}


@pytest.mark.needs("Xvfb", "ffmpeg", "mosquitto", "chronyd")
@pytest.mark.timeout(240)
def test_a_running_film_loses_nothing_and_what_covers_it_is_seen(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    found = shotcost.run(tmp_path, print, venues=1, pairs=3, cover=True)
    assert found.faults() == [] and len(found.taken) == 3
    more, less = found.total(True), found.total(False)
    record_property(
        "figure", f"shots: p99 {more.at(99):.2f} ms with, {less.at(99):.2f} without; lost {more.lost} and {less.lost}"
    )
    assert found.covered is not None
    told = found.covered.shot
    assert (told.state, told.cue, told.film, told.frame) == ("panic", None, None, None) and told.panic is not None
    seen = Image.open(io.BytesIO(found.covered.jpeg)).convert("L")
    assert seen.getextrema() == (0, 0)
