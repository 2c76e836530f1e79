from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import T0, S, cue, item_body, program

from agent.messages import Play
from agent.timeline import Piece, Timeline, still
from agent.units import UtcUs

WEEK_S = 7 * 86_400


def timeline(items: list[dict[str, Any]] | None = None, **play: Any) -> Timeline:
    made = cue(1, T0, {"action": "play", "program": "reel", "rev": 1, **play})
    assert isinstance(made.do, Play)
    return Timeline(made, made.do, program(items))


def test_pieces_follow_each_other_without_gap() -> None:
    reel = timeline(loop=True)
    first = reel.piece_at(T0)
    assert (first.item, first.frame, first.at, first.until) == (0, 0, T0, T0 + 3 * S)
    second = reel.after(first)
    assert second is not None
    assert (second.item, second.at, second.until) == (1, T0 + 3 * S, T0 + 7 * S)
    third = reel.after(second)
    assert third is not None
    assert (third.item, third.ordinal, third.at) == (0, 2, T0 + 7 * S)


def test_a_boundary_belongs_to_the_piece_that_begins() -> None:
    reel = timeline(loop=True)
    assert reel.piece_at(UtcUs(T0 + 3 * S - 1)).item == 0
    assert reel.piece_at(UtcUs(T0 + 3 * S)).item == 1


def test_the_end_without_loop_is_the_slate() -> None:
    reel = timeline()
    end = reel.piece_at(UtcUs(T0 + 7 * S))
    assert (end.kind, end.at, end.until) == ("slate", T0 + 7 * S, None)
    last = reel.piece_at(UtcUs(T0 + 5 * S))
    assert reel.after(last) == end
    assert reel.after(end) is None


def test_a_week_of_loops_at_a_broken_rate_does_not_drift() -> None:
    reel = timeline([item_body("a", 1798, "30000/1001")], loop=True)
    length = Fraction(1798 * 1001 * S, 30000)
    loops = int(WEEK_S * S / length)
    due = T0 + round(length * loops)
    piece = reel.piece_at(UtcUs(due))
    assert (piece.ordinal, piece.at) == (loops, due)


def test_from_us_is_taken_at_the_frame_it_falls_into() -> None:
    reel = timeline(from_us=3 * S + 25_000)
    piece = reel.piece_at(T0)
    assert (piece.item, piece.frame, piece.position_us) == (1, 1, 16_667)
    assert piece.at == T0
    assert piece.until == T0 + 4 * S - 16_667


def test_from_us_behind_the_end_wraps_in_a_loop_and_is_the_end_without() -> None:
    assert timeline(from_us=8 * S, loop=True).piece_at(T0).position_us == S
    end = timeline(from_us=8 * S).piece_at(T0)
    assert (end.kind, end.at) == ("slate", T0)


def test_held_lasts_and_has_nothing_behind_it() -> None:
    reel = timeline(from_us=S, held=True)
    piece = reel.piece_at(UtcUs(T0 + 100 * S))
    assert (piece.held, piece.frame, piece.until) == (True, 30, None)
    assert reel.after(piece) is None
    joined = reel.join(piece, UtcUs(T0 + 200 * S))
    assert joined is not None
    assert (joined.frame, joined.at, joined.joined) == (30, T0 + 200 * S, True)


def test_join_enters_at_the_next_frame() -> None:
    reel = timeline(loop=True)
    t = UtcUs(T0 + 8 * S + 1)
    joined = reel.join(reel.piece_at(t), t)
    assert joined is not None
    assert (joined.item, joined.frame, joined.joined) == (0, 31, True)
    assert joined.at == T0 + 7 * S + round(Fraction(31 * S, 30))
    assert joined.until == T0 + 10 * S


def test_join_behind_the_last_frame_is_none() -> None:
    reel = timeline(loop=True)
    t = UtcUs(T0 + 3 * S - 1)
    assert reel.join(reel.piece_at(t), t) is None


def test_a_still_has_no_frames_and_is_joined_anywhere() -> None:
    picture = {**item_body("a"), "duration_us": 5 * S}
    del picture["fps"], picture["frames"]
    reel = timeline([picture], loop=True)
    t = UtcUs(T0 + 7_123_456)
    joined = reel.join(reel.piece_at(t), t)
    assert joined is not None
    assert (joined.at, joined.position_us, joined.until) == (t, 2_123_456, T0 + 10 * S)


@pytest.mark.parametrize(("action", "kind"), [("stop", "slate"), ("black", "black")])
def test_stills(action: str, kind: str) -> None:
    assert still(cue(1, T0, {"action": action})) == Piece(kind=kind, at=T0, until=None)  # type: ignore[arg-type]
    assert still(None).kind == "slate"


RATES = st.sampled_from(["24000/1001", "25", "30000/1001", "30", "50", "60000/1001", "60"])


@given(
    st.lists(st.tuples(st.integers(150, 2000), RATES), min_size=1, max_size=5),
    st.integers(0, WEEK_S * S),
    st.booleans(),
)
def test_every_instant_lies_in_its_piece_and_joining_never_moves_a_frame(
    rows: list[tuple[int, str]], after_us: int, loop: bool
) -> None:
    reel = timeline([item_body("abcde"[n], frames, fps) for n, (frames, fps) in enumerate(rows)], loop=loop)
    t = UtcUs(T0 + after_us)
    piece = reel.piece_at(t)
    assert piece.at <= t
    assert piece.until is None or t < piece.until
    following = reel.after(piece)
    assert following is None or following.at == piece.until
    joined = reel.join(piece, t) if piece.kind == "film" else None
    if joined is not None:
        rate = Fraction(rows[piece.item or 0][1])
        due = piece.at + (joined.frame - piece.frame) * S / rate
        assert abs(joined.at - due) <= 1  # rounded to microseconds once, not once a loop
        assert 0 <= joined.at - t <= S / rate + 1


@given(
    st.lists(st.tuples(st.integers(150, 2000), RATES), min_size=1, max_size=5),
    st.integers(0, WEEK_S * S),
    st.integers(0, 60 * S),
    st.booleans(),
)
def test_a_position_brings_back_the_very_frame_held_and_played(
    rows: list[tuple[int, str]], after_us: int, from_us: int, loop: bool
) -> None:
    items = [item_body("abcde"[n], frames, fps) for n, (frames, fps) in enumerate(rows)]
    begins = [sum(Fraction(frames * S) / Fraction(fps) for frames, fps in rows[:n]) for n in range(len(rows) + 1)]
    reel = timeline(items, loop=loop, from_us=from_us)
    position_us = reel.position_at(UtcUs(T0 + after_us))
    # What is on the wall by another reckoning: the last frame whose instant, rounded as the walls round it, has come.
    first = Fraction(from_us) % begins[-1] if loop else Fraction(from_us)
    index = max(n for n, begin in enumerate(begins) if begin <= first)
    if index < len(rows):
        step = Fraction(S) / Fraction(rows[index][1])
        first = begins[index] + (first - begins[index]) // step * step
    offset = first + after_us + Fraction(1, 2)
    offset = offset % begins[-1] if loop else offset
    if offset >= begins[-1]:
        assert position_us is None
        return
    item = max(n for n, begin in enumerate(begins[:-1]) if begin <= offset)
    frame = int((offset - begins[item]) // (Fraction(S) / Fraction(rows[item][1])))
    assert position_us is not None
    for again in range(3):  # held, played on, held again: no step of this moves the frame
        moved = timeline(items, loop=loop, from_us=position_us, held=again != 1)
        piece = moved.piece_at(T0)
        assert (piece.item, piece.frame) == (item, frame)
        assert moved.position_at(T0) == position_us


@pytest.mark.parametrize("fps", ["24000/1001", "30000/1001", "60000/1001", "25"])
def test_after_hours_of_loops_every_frame_of_a_film_is_found_again(fps: str) -> None:
    items = [item_body("a", 241, fps), item_body("b", 150, "25")]
    reel = timeline(items, loop=True)
    step, length = Fraction(S) / Fraction(fps), 241 * Fraction(S) / Fraction(fps) + 6 * S
    loops = int(5 * 3600 * S / length)
    for frame in range(241):
        due = T0 + round(loops * length + frame * step)
        for t, seen in ((due, frame), (due + round(step) - 2, frame)):
            position_us = reel.position_at(UtcUs(t))
            assert position_us is not None
            piece = timeline(items, loop=True, from_us=position_us, held=True).piece_at(T0)
            assert (piece.item, piece.frame) == (0, seen)


def test_behind_the_end_and_in_a_still_there_are_positions_too() -> None:
    assert timeline().position_at(UtcUs(T0 + 7 * S)) is None
    assert timeline(from_us=8 * S, held=True).position_at(T0) is None
    assert timeline(from_us=8 * S, held=True, loop=True).position_at(UtcUs(T0 + 60 * S)) == S
    picture = {**item_body("a"), "duration_us": 5 * S}
    del picture["fps"], picture["frames"]
    assert timeline([picture], loop=True).position_at(UtcUs(T0 + 7_123_456)) == 2_123_456
