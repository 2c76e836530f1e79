import random
from typing import Any

import plain_schedule as plain
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import T0, S, cue, uuid_of

from agent.messages import Cue
from agent.schedule import Agenda
from agent.units import UtcUs, format_utc

BLACK = {"action": "black"}
STOP = {"action": "stop"}


def at(seconds: float) -> UtcUs:
    return UtcUs(round(T0 + seconds * S))


def until(seconds: float) -> dict[str, str]:
    return {"expires": format_utc(at(seconds))}


def cancel(target: int) -> dict[str, str]:
    return {"action": "cancel", "cue": uuid_of(target)}


def test_nothing_known_is_the_slate() -> None:
    assert Agenda().wanted_at(at(0)) is None
    assert Agenda().next_change(at(0)) is None


def test_a_cue_holds_from_its_very_instant_until_it_expires() -> None:
    only = cue(1, at(10), BLACK, **until(20))
    agenda = Agenda([only])
    assert agenda.wanted_at(UtcUs(at(10) - 1)) is None
    assert agenda.wanted_at(at(10)) is only
    assert agenda.wanted_at(UtcUs(at(20) - 1)) is only
    assert agenda.wanted_at(at(20)) is None


def test_an_older_cue_comes_back_when_the_spot_over_it_expires() -> None:
    loop, spot = cue(1, at(0)), cue(2, at(10), BLACK, **until(15))
    agenda = Agenda([loop, spot])
    assert agenda.wanted_at(at(12)) is spot
    assert agenda.wanted_at(at(15)) is loop
    assert agenda.next_change(at(12)) == at(15)


def test_of_two_cues_at_one_instant_the_greater_id_wins() -> None:
    low, high = cue(1, at(0), BLACK), cue(2, at(0), STOP)
    assert Agenda([high, low]).wanted_at(at(1)) is high


def test_a_cancel_counts_from_its_own_instant_and_may_come_first() -> None:
    taken_back, cancelling = cue(1, at(0)), cue(2, at(5), cancel(1))
    agenda = Agenda([cancelling, taken_back])
    assert agenda.wanted_at(at(4)) is taken_back
    assert agenda.wanted_at(at(5)) is None
    assert (agenda.cancelled(uuid_of(1), at(4)), agenda.cancelled(uuid_of(1), at(5))) == (False, True)
    assert agenda.next_change(at(0)) == at(5)


def test_what_a_cancel_named_counts_again_where_the_cancel_expires_first() -> None:
    loop, cancelling = cue(1, at(0)), cue(2, at(5), cancel(1), **until(9))
    agenda = Agenda([loop, cancelling])
    assert [agenda.wanted_at(at(second)) for second in (4, 5, 8, 9)] == [loop, None, None, loop]
    assert (agenda.next_change(at(0)), agenda.next_change(at(5))) == (at(5), at(9))
    assert agenda.expire(at(9)) == [uuid_of(2)]
    assert agenda.wanted_at(at(9)) is loop


def test_a_cancel_cannot_be_taken_back() -> None:
    agenda = Agenda([cue(1, at(0)), cue(2, at(5), cancel(1)), cue(3, at(6), cancel(2))])
    assert agenda.wanted_at(at(7)) is None
    assert not agenda.cancelled(uuid_of(2), at(7))


def test_pending_leaves_out_what_is_taken_back() -> None:
    cues = [cue(3, at(30)), cue(1, at(10)), cue(2, at(20)), cue(9, at(-1), cancel(2))]
    agenda = Agenda(cues)
    assert [c.cue for c in agenda.pending(at(0))] == [uuid_of(1), uuid_of(3)]
    assert agenda.count_pending(at(10)) == 1


def test_identify_changes_nothing() -> None:
    loop, over = cue(1, at(0)), cue(2, at(10), {"action": "identify", "seconds": 5})
    agenda = Agenda([loop, over])
    assert agenda.wanted_at(at(12)) is loop
    assert Agenda([over]).wanted_at(at(12)) is None
    assert agenda.next_change(at(5)) == loop.expires
    assert list(agenda.pending(at(-1))) == [loop]
    assert [list(agenda.overlays(at(second))) for second in (9, 10)] == [[over], []]


def test_a_change_that_changes_nothing_is_none() -> None:
    high = cue(2, at(0), STOP)
    hidden = cue(1, at(0), BLACK, **until(30))
    assert Agenda([high, hidden]).next_change(at(1)) == high.expires


def play(program: str) -> dict[str, Any]:
    return {"action": "play", "program": program, "rev": 1}


def test_programs_come_in_the_order_of_their_first_cues() -> None:
    agenda = Agenda([cue(1, at(30), play("c")), cue(2, at(20), play("b")), cue(3, at(10), play("c"))])
    assert agenda.programs() == [("c", 1), ("b", 1)]
    assert agenda.programs_pending(at(10)) == [("b", 1), ("c", 1)]
    agenda.put(cue(4, at(15), cancel(2)))
    assert agenda.programs_pending(at(10)) == [("c", 1)]
    agenda.drop(uuid_of(3))
    assert agenda.programs() == [("b", 1), ("c", 1)]


def test_changes_are_counted_and_the_same_again_is_none() -> None:
    agenda = Agenda([cue(1)])
    before = agenda.changes
    agenda.put(cue(1))
    agenda.drop(uuid_of(2))
    assert agenda.expire(at(0)) == []
    assert agenda.changes == before
    agenda.put(cue(1, do=BLACK))
    assert agenda.changes > before


ACTIONS = {"play": None, "black": BLACK, "identify": {"action": "identify", "seconds": 9}}
# Few ids and few seconds, so that cues meet: at one instant, at one's end, under one id, cancels before their cues.
ROWS = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.integers(0, 8),
        st.integers(1, 8),
        st.sampled_from([*ACTIONS, "black", "cancel", "cancel"]),
        st.integers(1, 4),
    ),
    max_size=10,
)


def made(row: tuple[int, int, int, str, int]) -> Cue:
    number, begin, life, kind, target = row
    return cue(number, at(begin), ACTIONS.get(kind, cancel(target)), **until(begin + life))


def check(agenda: Agenda, cues: list[Cue]) -> None:
    """Every answer of an agenda against the plain definition, at each instant at which something could change."""
    for second in range(-1, 18):
        t = at(second)
        assert agenda.wanted_at(t) == plain.wanted_at(cues, t)
        assert agenda.next_change(t) == plain.next_change(cues, t)
        assert list(agenda.pending(t)) == plain.pending(cues, t)
        assert agenda.count_pending(t) == len(plain.pending(cues, t))
        gone = plain.cancelled(cues, t) - {c.cue for c in cues if c.do.action == "cancel"}
        assert {key for key in map(uuid_of, range(1, 7)) if agenda.cancelled(key, t)} == gone


@settings(max_examples=1000)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_and_duplicates_change_nothing(rows: list[Any], rng: random.Random) -> None:
    cues = list({found.cue: found for found in map(made, rows)}.values())
    shuffled = [*cues, *cues[:3]]
    rng.shuffle(shuffled)
    check(Agenda(shuffled), cues)


STEPS = st.lists(st.one_of(ROWS, st.integers(1, 6), st.integers(0, 16).map(at)), max_size=6)


@settings(max_examples=500)
@given(STEPS)
def test_whatever_is_put_in_dropped_and_expired_the_answers_are_those_of_the_plain_definition(steps: list[Any]) -> None:
    agenda, known = Agenda(), dict[str, Cue]()
    for step in steps:
        if isinstance(step, list):
            for row in step:
                agenda.put(made(row))
                known[made(row).cue] = made(row)
        elif step < 10:
            agenda.drop(uuid_of(step))
            known.pop(uuid_of(step), None)
        else:
            gone = {key for key, found in known.items() if found.expires <= step}
            assert set(agenda.expire(step)) == gone
            known = {key: found for key, found in known.items() if key not in gone}
    assert len(agenda) == len(known)
    assert {found.cue: found for found in agenda} == known
    check(agenda, list(known.values()))
