from dataclasses import replace

from makers import T0, now_at

from agent.effects import Note, Now
from agent.refusals import BURST, KEPT, PER_MINUTE, Refusals
from agent.units import RawNs


def at(seconds: float) -> Now:
    return replace(now_at(T0), raw=RawNs(round(seconds * 1e9)))


def test_the_same_refusal_is_told_once_for_each_topic_and_kind() -> None:
    refusals = Refusals()
    assert refusals.tell("cue", b"{", at(0))
    assert not refusals.tell("cue", b"{", at(1))
    assert refusals.tell("cue", b"{", at(2), where="some topic")
    assert refusals.tell("program", b"{", at(3))
    refusals.forget()
    assert refusals.tell("cue", b"{", at(4))


def flood(refusals: Refusals, kind: str, count: int, now: Now) -> int:
    return sum(refusals.tell(kind, b"%d" % number, now) for number in range(count))


def test_a_flood_is_told_in_part_and_counted() -> None:
    refusals = Refusals()
    assert flood(refusals, "cue", 10_000, at(0)) == BURST
    assert refusals.tell("panic", b"{", at(0)), "one kind does not silence another"
    assert refusals.summary(at(59)) == []
    [note] = refusals.summary(at(61))
    assert isinstance(note, Note)
    assert dict(note.fields) == {"kind": "cue", "count": 10_000 - BURST}
    assert refusals.summary(at(200)) == [], "said once"


def test_in_the_long_run_so_many_a_minute_are_told() -> None:
    refusals = Refusals()
    told = sum(refusals.tell("cue", b"%d" % number, at(number / 100)) for number in range(60_000))
    assert told == BURST + 10 * PER_MINUTE - 1


def test_what_was_not_told_in_a_flood_is_told_when_it_comes_again_later() -> None:
    refusals = Refusals()
    flood(refusals, "cue", BURST, at(0))
    assert not refusals.tell("cue", b"late", at(0))
    assert refusals.tell("cue", b"late", at(60))


def test_the_memory_is_bounded() -> None:
    refusals = Refusals()
    for number in range(3 * KEPT):
        refusals.tell("cue", b"%d" % number, at(number))
    assert len(refusals._seen) == KEPT
    assert refusals.tell("cue", b"0", at(3 * KEPT)), "forgotten, and so told again"
