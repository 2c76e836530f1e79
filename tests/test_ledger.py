import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import T0, S, cue, uuid_of

from agent import ledger as ledgers
from agent.ledger import Ledger
from agent.units import UtcUs

BLACK = {"action": "black"}
NOBODY = frozenset[str]()


def at(seconds: float) -> UtcUs:
    return UtcUs(round(T0 + seconds * S))


def test_a_cue_is_found_until_it_expires() -> None:
    ledger = Ledger()
    entry = ledger.put(cue(1, expires="2025-06-02T12:00:10Z"), "digest")
    assert ledger.get(uuid_of(1)) is entry
    assert ledger.get(uuid_of(2)) is None
    ledger.forget_expired(UtcUs(at(10) - 1))
    assert list(ledger.agenda) == [entry.cue]
    ledger.forget_expired(at(10))
    assert list(ledger.entries()) == []
    assert ledger.digest(uuid_of(1)) is None


def test_settled_means_that_its_instant_had_its_answer() -> None:
    entry = Ledger().put(cue(1), "digest")
    entry.told |= {"accepted", "armed"}
    assert not entry.settled
    entry.told.add("missed")
    assert entry.settled


def test_cues_open_at_their_instants_in_their_order() -> None:
    ledger = Ledger()
    for number, second in ((1, 20), (2, 10), (3, 30)):
        ledger.put(cue(number, at(second)), "digest")
    assert ledger.begin(UtcUs(at(10) - 1)) == []
    assert [entry.cue.cue for entry in ledger.begin(at(20))] == [uuid_of(2), uuid_of(1)]
    assert ledger.begin(at(20)) == []
    ledger.drop(uuid_of(3))
    assert ledger.begin(at(40)) == []
    assert ledger.open.keys() == {uuid_of(1), uuid_of(2)}


def test_of_two_bodies_under_one_id_the_smaller_hash_counts_until_the_last_of_them_has_expired() -> None:
    ledger = Ledger()
    assert ledger.recall(uuid_of(1), "b", at(10), NOBODY).until == at(10)
    assert ledger.recall(uuid_of(1), "c", at(20), NOBODY) == ledgers.Memory("b", at(20), NOBODY)
    ledger.forget_expired(at(15))
    assert ledger.digest(uuid_of(1)) == "b", "or the body that lost would be taken for a new one"
    assert ledger.recall(uuid_of(1), "a", at(5), NOBODY) == ledgers.Memory("a", at(20), NOBODY)
    ledger.forget_expired(at(20))
    assert ledger.digest(uuid_of(1)) is None


def test_a_smaller_hash_that_is_no_cue_of_this_venue_puts_its_cue_out() -> None:
    ledger = Ledger()
    ledger.put(cue(1), "b")
    ledger.recall(uuid_of(1), "c", at(10), NOBODY)
    assert ledger.get(uuid_of(1)) is not None
    ledger.recall(uuid_of(1), "a", at(10), NOBODY)
    assert (ledger.get(uuid_of(1)), list(ledger.agenda), ledger.fresh) == (None, [], {})


@given(st.permutations([("a", 30), ("b", 10), ("c", 20), ("b", 10)]))
def test_the_order_in_which_bodies_come_does_not_matter(bodies: list[tuple[str, int]]) -> None:
    ledger = Ledger()
    for digest, seconds in bodies:
        ledger.recall(uuid_of(1), digest, at(seconds), NOBODY)
    assert [memory for _, memory in ledger.strangers()] == [ledgers.Memory("a", at(30), NOBODY)]


def test_what_was_set_aside_comes_back_unless_another_body_took_its_id() -> None:
    ledger = Ledger()
    entry = ledger.put(cue(1), "b")
    ledger.drop(uuid_of(1))
    ledger.restore(entry)
    assert ledger.get(uuid_of(1)) is entry
    ledger.drop(uuid_of(1))
    ledger.recall(uuid_of(1), "a", at(10), NOBODY)
    ledger.restore(entry)
    assert ledger.get(uuid_of(1)) is None


def test_of_the_same_body_all_the_keys_are_remembered_that_signed_it() -> None:
    ledger = Ledger()
    ledger.put(cue(1), "digest", frozenset({"a", "b"}))
    assert ledger.recall(uuid_of(1), "digest", at(60), frozenset({"a"})).signers == {"a", "b"}
    memory = ledger.countersign(uuid_of(1), frozenset({"c"}))
    assert memory is not None
    assert memory.signers == {"a", "b", "c"}


def test_ids_and_cues_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "MOST_IDS", 3)
    monkeypatch.setattr(ledgers, "MOST_CUES", 2)
    ledger = Ledger()
    ledger.put(cue(9), "digest")
    assert not ledger.full(cue(8))
    ledger.put(cue(8), "digest")
    assert ledger.full(cue(7))
    assert not ledger.full(cue(7, do={"action": "cancel", "cue": uuid_of(9)})), "what clears up finds room"
    for number, seconds in enumerate((40, 10, 30, 20, 50)):
        ledger.recall(uuid_of(number), "digest", at(seconds), NOBODY)
    assert {key for key, _ in ledger.strangers()} == {uuid_of(0), uuid_of(2), uuid_of(4)}, "the longest are kept"
    assert len(list(ledger.entries())) == 2
