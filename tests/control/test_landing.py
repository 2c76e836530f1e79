import pytest
from makers import T0, S, cue, item_body, program_body
from test_moves import LOOP, PLAY, view

from agent.control.landing import Landing, as_json, landing, show_position
from agent.units import MediaUs

FILMS = [item_body("a", 300, "30"), item_body("b", 120, "24")]


@pytest.mark.parametrize(
    ("do", "found", "words"),
    [
        (PLAY, (0, "a.mp4", 0, 0, 0), "film #0 a.mp4, frame 0, at 0.000 s (0.000 s into reel r1)"),
        (
            {**PLAY, "from_us": 11_500_000, "held": True},
            (1, "b.mp4", 36, 1_500_000, 11_500_000),
            "film #1 b.mp4, frame 36, at 1.500 s (11.500 s into reel r1), held",
        ),
        # A position within a frame is that frame; of a loop its remainder.
        ({**LOOP, "from_us": 15_050_000}, (0, "a.mp4", 1, 33_333, 33_334), "film #0 a.mp4, frame 1, at 0.033 s"),
    ],
)
def test_the_frame_on_which_a_cue_begins(
    do: dict[str, object], found: tuple[int, str, int, int, int], words: str
) -> None:
    got = landing(view(program=program_body(FILMS)), cue(1, T0 + 3600 * S, do))
    item, film, frame, position_us, program_us = found
    held = bool(do.get("held"))
    assert got == Landing("reel", 1, item, film, frame, MediaUs(position_us), MediaUs(program_us), held)
    assert got.words.startswith(words)
    told = as_json(got)
    assert told is not None and (told["film"], told["frame"], told["held"]) == (film, frame, held)


def test_a_still_has_no_frame_and_what_plays_nothing_lands_nowhere() -> None:
    still = {**item_body("c", name="s.png"), "fps": None, "frames": None, "duration_us": 10 * S}
    got = landing(view(program=program_body([still])), cue(1, T0, {**PLAY, "from_us": 3 * S}))
    assert got is not None and (got.frame, got.words) == (None, "film #0 s.png, 3.000 s (3.000 s into reel r1)")
    assert landing(view(), cue(1, T0, {"action": "black"})) is None
    assert landing(view(), cue(1, T0, {**PLAY, "rev": 2})) is None
    assert landing(view(), cue(1, T0, {**PLAY, "from_us": 10**12})) is None
    assert as_json(None) is None


def test_positions_for_people() -> None:
    us = (0, 12_345_999, 62_345_000, 3_723_456_000)
    assert [show_position(one) for one in us] == ["0.000 s", "12.345 s", "1:02.345", "1:02:03.456"]
