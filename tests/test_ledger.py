from makers import T0, S, cue, uuid_of

from agent.ledger import REFUSED_KEPT, Ledger
from agent.units import UtcUs


def test_a_cue_is_found_until_it_expires() -> None:
    ledger = Ledger()
    entry = ledger.put(cue(1, expires="2025-06-02T12:00:10Z"), "digest")
    assert ledger.get(uuid_of(1)) is entry
    assert ledger.get(uuid_of(2)) is None
    ledger.forget_expired(UtcUs(T0 + 10 * S - 1))
    assert list(ledger.agenda) == [entry.cue]
    ledger.forget_expired(UtcUs(T0 + 10 * S))
    assert ledger.entries() == []


def test_settled_means_that_its_instant_had_its_answer() -> None:
    entry = Ledger().put(cue(1), "digest")
    entry.told |= {"accepted", "armed"}
    assert not entry.settled
    entry.told.add("missed")
    assert entry.settled


def test_a_refusal_is_first_once_for_each_topic_and_body_and_the_memory_is_bounded() -> None:
    ledger = Ledger()
    assert ledger.first_refusal(None, b"{")
    assert not ledger.first_refusal(None, b"{")
    assert ledger.first_refusal(uuid_of(1), b"{")
    for number in range(REFUSED_KEPT):
        ledger.first_refusal(None, b"%d" % number)
    assert ledger.first_refusal(None, b"{")
