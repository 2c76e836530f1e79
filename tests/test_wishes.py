import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import T0, S, cue, cue_body, item_body, program_body, uuid_of
from walls import FakeWall

from agent.contents import Contents
from agent.effects import Fetch, FilmHeard, Rest
from agent.messages import Cue, Play
from agent.schedule import Agenda, program_key
from agent.units import UtcUs, format_utc

REEL, OTHER = ({"action": "play", "program": name, "rev": 1} for name in ("reel", "other"))


def play(number: int, at: int, until: int, program: int) -> Cue:
    do = {"action": "play", "program": f"p{program}", "rev": 1} if program else {"action": "black"}
    return cue(number, T0 + at * S, do, expires=format_utc(UtcUs(T0 + until * S)))


def cancel(number: int, of: int, at: int, until: int) -> Cue:
    do = {"action": "cancel", "cue": uuid_of(of)}
    return cue(number, T0 + at * S, do, expires=format_utc(UtcUs(T0 + until * S)))


@st.composite
def agendas(draw: st.DrawFn, cancels: int) -> list[Cue]:
    cues = []
    for number in range(1, draw(st.integers(1, 7)) + 1):
        at = draw(st.integers(0, 30))
        cues.append(play(number, at, at + draw(st.integers(1, 30)), draw(st.integers(0, 3))))
    for number in range(draw(st.integers(0, cancels))):
        at = draw(st.integers(0, 30))
        cues.append(cancel(100 + number, draw(st.integers(1, 7)), at, at + draw(st.integers(1, 40))))
    return cues


def shown_from(cues: list[Cue], t: UtcUs) -> set[tuple[str, int]]:
    """The programs that are shown at some instant from `t` on, by looking at each."""
    agenda = Agenda(cues)
    instants = [t, *(instant for one in cues for instant in (one.at, one.expires) if instant > t)]
    holding = [agenda.wanted_at(instant) for instant in instants]
    return {program_key(one) for one in holding if one is not None and isinstance(one.do, Play)}


@given(agendas(cancels=0), st.integers(0, 65))
def test_what_is_shown_now_or_later_is_pinned_and_no_more(cues: list[Cue], after: int) -> None:
    t = UtcUs(T0 + after * S)
    ahead = Agenda(cues).programs_ahead(t)
    # Of two cues at one instant the lesser one is pending, and never shown: it may be pinned as well.
    ties = {program_key(one) for one in cues if isinstance(one.do, Play) and [c.at for c in cues].count(one.at) > 1}
    assert shown_from(cues, t) <= set(ahead)
    assert set(ahead) - ties <= shown_from(cues, t)


@given(agendas(cancels=3), st.integers(0, 75))
def test_what_a_cancel_gives_back_is_pinned_too(cues: list[Cue], after: int) -> None:
    t = UtcUs(T0 + after * S)
    assert shown_from(cues, t) <= set(Agenda(cues).programs_ahead(t))


def test_the_one_that_holds_comes_first_then_pending_ones_then_those_that_come_back() -> None:
    cues = [play(1, 0, 100, 1), play(2, 5, 50, 2), play(3, 20, 40, 3), play(4, 1, 10, 1)]
    assert Agenda(cues).programs_ahead(UtcUs(T0 + 10 * S)) == [("p2", 1), ("p3", 1), ("p1", 1)]
    assert Agenda(cues).programs_ahead(UtcUs(T0 + 60 * S)) == [("p1", 1)]
    assert Agenda(cues).programs_ahead(UtcUs(T0 + 100 * S)) == []


# --- on a wall ------------------------------------------------------------------------------------


def wanted(wall: FakeWall) -> dict[str, bool]:
    """What was last asked of the cache, by the films' letters: whether it is cued."""
    fetch = [effect for effect in wall.effects if isinstance(effect, Fetch)][-1]
    return {wish.sha256[0]: wish.cued for wish in fetch.films}


def rests(wall: FakeWall) -> list[tuple[float, float]]:
    found = [effect for effect in wall.effects if isinstance(effect, Rest)]
    return [((rest.since - T0) / S, (rest.until - T0) / S) if rest.until else (0, 0) for rest in found]


def two_programs() -> FakeWall:
    wall = FakeWall()
    wall.start_player()
    wall.receive("program/reel/1", program_body([item_body("a")]))
    wall.receive("program/other/1", program_body([item_body("b")], program="other"))
    return wall


def test_only_what_a_cue_names_is_cued_and_the_rest_is_nice_to_have() -> None:
    wall = two_programs()
    assert wanted(wall) == {"a": False, "b": False}
    wall.receive("cue", cue_body(do=OTHER))
    assert list(wanted(wall).items()) == [("b", True), ("a", False)]
    wall.receive("cue", cue_body(2, T0 - S, {"action": "cancel", "cue": uuid_of(1)}))
    wall.until(T0)
    assert not any(wanted(wall).values())


def test_a_program_that_is_over_for_good_is_let_go_and_one_that_comes_back_is_not() -> None:
    wall = two_programs()
    wall.receive("cue", cue_body(1, do=REEL, expires=format_utc(UtcUs(T0 + 20 * S))))
    wall.receive("cue", cue_body(2, T0 + 5 * S, OTHER, expires=format_utc(UtcUs(T0 + 10 * S))))
    wall.until(T0 + 7 * S)
    assert wanted(wall) == {"b": True, "a": True}, "the reel comes back"
    wall.until(T0 + 12 * S)
    assert wanted(wall) == {"a": True, "b": False}
    wall.until(T0 + 21 * S)
    assert wanted(wall) == {"a": False, "b": False}


def test_downloads_rest_around_a_cues_start_and_not_around_each_cut_of_a_loop() -> None:
    wall = two_programs()
    wall.receive("cue", cue_body(1, do={**REEL, "loop": True}))
    wall.until(T0 + 20 * S)
    assert rests(wall) == [(-5.0, 1.0), (0, 0)]
    wall.receive("cue", cue_body(2, T0 + 60 * S, OTHER))
    wall.receive("cue", cue_body(3, T0 + 40 * S, {"action": "black"}))
    assert rests(wall)[2:] == [(55.0, 61.0), (0, 0)], "black needs no quiet"
    wall.until(T0 + 41 * S)
    wall.receive("cue", cue_body(4, T0 + 41 * S, {"action": "cancel", "cue": uuid_of(2)}))
    wall.until(T0 + 43 * S)
    assert rests(wall)[4:] == [(55.0, 61.0), (0, 0)], "nor does what was taken back"


def test_the_film_that_is_shown_first_may_come_in_the_last_moment() -> None:
    wall = two_programs()
    wall.receive("program/reel/2", program_body([item_body("c"), item_body("d")], rev=2))
    wall.receive("cue", cue_body(1, do={**REEL, "rev": 2, "from_us": 4 * S}))
    assert [effect.but for effect in wall.effects if isinstance(effect, Rest)] == ["d" * 64]


# --- films that are not what their program says ---------------------------------------------------

CONTENTS = Contents(codec="h264", width=320, height=180, rates=("30/1",), frames=90, length_us=3 * S)


@pytest.mark.parametrize("contents", [None, CONTENTS])
def test_a_film_that_fits_or_was_not_looked_into_is_ready(contents: Contents | None) -> None:
    wall = FakeWall(films=False)
    wall.start_player()
    wall.receive("program/reel/1", program_body([item_body("a")]))
    wall.give(FilmHeard("a" * 64, "/films/a", None, contents))
    wall.receive("cue", cue_body(do=REEL))
    assert wall.acks[-1].ready
    assert wall.conductor.snapshot(wall.now()).ready


def test_a_film_that_differs_is_refused_for_the_program_that_says_so_and_not_for_another() -> None:
    wall = FakeWall(films=False)
    wall.start_player()
    wall.receive("program/reel/1", program_body([item_body("a", width=640)]))
    wall.receive("program/other/1", program_body([item_body("a")], program="other"))
    wall.give(FilmHeard("a" * 64, "/films/a", None, CONTENTS))
    wall.receive("cue", cue_body(1, do=REEL))
    wall.receive("cue", cue_body(2, T0 + 30 * S, OTHER))
    told = {ack.cue: (ack.ready, ack.reason) for ack in wall.acks}
    assert told == {uuid_of(1): (False, "film_mismatch"), uuid_of(2): (True, None)}
    scene = wall.conductor.snapshot(wall.now())
    assert [reason.code for reason in scene.reasons] == ["film_mismatch"] and scene.missing == 0
    wall.until(T0 + 31 * S)
    assert {kind for _, kind, _ in wall.films_shown()[:-1]} == {"slate"} and wall.films_shown()[-1] == (30.0, "a", 0)
