"""The desk by itself: standby, gap, history, and two desks that read the same messages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import T0, S, cue, panic, uuid_of

from agent.control.claims import Claim, Contest
from agent.control.desk import Desk, Order, Refused
from agent.control.showfile import CueLine, parse_show
from agent.messages import Cue, Lift
from agent.units import UtcUs, format_utc

NOW = UtcUs(T0)
OPENING = {"action": "play", "program": "reel", "rev": 3}
LIST = b"""
show = "reel-show"
min_gap = "2s"
[[cue]]
id = "1"
name = "Black"
action = "black"
[[cue]]
id = "2"
name = "Opening"
action = "play"
program = "reel"
at = 2025-06-02T13:00:00Z
[[cue]]
id = "3"
name = "Spot"
action = "play"
program = "spot"
[[cue]]
id = "4"
name = "End"
action = "stop"
[rehearsal]
show = "dry-run"
"""


def desk(me: str = "anna", *, rehearsing: bool = False) -> Desk:
    return Desk(parse_show(LIST, "show.toml"), me, rehearsing=rehearsing)


def line(of: Desk, line_id: str) -> CueLine:
    found = of.line(line_id)
    assert found is not None
    return found


def sent(number: int, label: str | None, came_s: float = 100.0, *, live: bool = True, **changes: Any) -> Order:
    made = cue(number, do=changes.pop("do", {"action": "black"}), label=label, **{"by": "ben@paris", **changes})
    return Order(made, came_s, live)


def at_standby(of: Desk) -> str | None:
    return of.standby.id if of.standby else None


def refusal(of: Desk, now_s: float, contest: Contest | None = None) -> Refused | None:
    return of.may_go(of.standby, contest or Contest(), NOW, now_s)


def test_the_first_line_stands_by_and_the_list_ends_behind_the_last() -> None:
    one = desk()
    assert at_standby(one) == "1"
    one.move(-5)
    assert at_standby(one) == "1"
    one.move(99)
    assert one.standby is None
    refused = refusal(one, 0.0)
    assert refused is not None and refused.reason == "end"
    assert one.stand_by("3") and not one.stand_by("33")
    assert at_standby(one) == "3"


def test_the_standby_of_every_desk_follows_whoever_presses() -> None:
    one, two = desk(), desk("ben@paris")
    order = sent(1, "1 Black")
    for each in (one, two):
        each.take([order], NOW)
        assert at_standby(each) == "2"
    one.take([sent(2, "3 Spot")], NOW)
    assert at_standby(one) == "4", "somebody went further down"
    one.take([order], NOW)
    assert at_standby(one) == "4", "each message counts once"


def test_a_go_within_the_gap_is_refused_with_whom_and_when() -> None:
    one = desk()
    one.take([sent(1, "1 Black", 100.0)], NOW)
    refused = refusal(one, 100.3)
    assert refused is not None
    assert (refused.reason, refused.by) == ("gap", "ben@paris")
    assert "ben@paris pressed GO '1 Black' 0.3 s ago" in refused.detail
    late = refusal(one, 101.97)
    assert late is not None and "1.9 s ago; 2 s have to lie" in late.detail
    assert refusal(one, 102.0) is None


def test_the_gap_holds_after_any_cue_of_another_and_after_none_that_changes_nothing() -> None:
    for order, waits in (
        (sent(1, None), True),  # by another tool
        (sent(1, "hold", do={"action": "play", "program": "reel", "rev": 1, "held": True}), True),
        (sent(1, None, do={"action": "identify", "seconds": 5}), False),
        (sent(1, None, do={"action": "cancel", "cue": uuid_of(9)}), False),
        (sent(1, "1 Black", live=False), False),  # kept from before
        (sent(1, None, show="other-show"), False),
    ):
        one = desk()
        one.take([order], NOW)
        assert (refusal(one, 100.5) is not None) is waits, order


def test_the_own_hold_keeps_no_go_waiting() -> None:
    one = desk()
    one.moved(uuid_of(1))
    one.take([sent(1, "hold", by="anna")], NOW)
    assert refusal(one, 100.1) is None


def test_a_claim_keeps_others_waiting_and_the_own_lost_one_does_not() -> None:
    contest = Contest()
    contest.take("a", Claim(v=1, claim=uuid_of(1), show="reel-show", issued=NOW, by="ben", label="1 Black"), 100.0)
    one, same = desk(), desk("ben")
    refused = refusal(one, 100.5, contest)
    assert refused is not None and refused.by == "ben"
    same.pressed(uuid_of(1))
    same.busy = False
    assert refusal(same, 100.5, contest) is None
    other = desk("ben")  # the same name at another table is another desk
    assert refusal(other, 100.5, contest) is not None


def test_the_gap_begins_with_the_claim_and_not_again_with_its_cue() -> None:
    contest = Contest()
    contest.take("a", Claim(v=1, claim=uuid_of(1), show="reel-show", issued=NOW, by="ben", label="1 Black"), 100.0)
    one = desk()
    one.take([sent(1, "1 Black", 100.9)], NOW)
    assert refusal(one, 101.9, contest) is not None
    assert refusal(one, 102.1, contest) is None
    two = desk()
    two.granted(uuid_of(1), "1 Black", 100.0)
    two.take([sent(1, "1 Black", 100.9)], NOW)
    assert refusal(two, 102.1) is None


def test_a_go_under_way_refuses_another() -> None:
    one = desk()
    one.pressed(uuid_of(1))
    refused = refusal(one, 0.0)
    assert refused is not None and refused.reason == "busy"


def test_a_timed_cue_is_sent_ahead_without_moving_the_standby_and_is_passed_over_later() -> None:
    one = desk()
    assert [found.id for found in one.unsent(NOW)] == ["2"]
    ahead = sent(1, "2 Opening", at=T0 + 3600 * S, do=OPENING)
    one.take([ahead], NOW)
    assert at_standby(one) == "1"
    assert one.ahead(line(one, "2"), NOW) is not None and one.unsent(NOW) == []
    one.take([sent(2, "1 Black")], NOW)
    assert at_standby(one) == "3", "2 is on its way already"
    one.stand_by("2")
    refused = one.may_go(one.standby, Contest(), NOW, 999.0)
    assert refused is not None and (refused.reason, refused.by) == ("sent", "ben@paris")
    one.take([sent(3, None, do={"action": "cancel", "cue": uuid_of(1)})], NOW)
    assert one.unsent(NOW) == [line(one, "2")] and one.may_go(one.standby, Contest(), NOW, 999.0) is None
    assert one.unsent(UtcUs(T0 + 3600 * S)) == [], "its instant is over"


def claim(number: int, by: str = "ben") -> Claim:
    return Claim(v=1, claim=uuid_of(number), show="reel-show", issued=NOW, by=by, label="1 Black")


def test_a_claim_that_was_beaten_keeps_nobody_waiting_and_one_without_a_cue_not_for_long() -> None:
    contest, one = Contest(), desk()
    one.pressed(uuid_of(1))
    one.granted(uuid_of(1), "1 Black", 100.0)
    one.busy = False
    contest.take("a", claim(2), 100.1)
    refused = refusal(one, 101.0, contest)
    assert refused is not None and refused.detail.startswith("you pressed GO '1 Black' 1.0 s ago")
    assert refusal(one, 102.05, contest) is None
    slow = Desk(parse_show(LIST.replace(b'"2s"', b'"1m"'), "show.toml"), "carl")
    assert refusal(slow, 104.0, contest) is not None, "its cue may still come"
    assert refusal(slow, 106.0, contest) is None, "its desk was beaten, or has died"
    slow.take([sent(2, "1 Black", 100.9)], NOW)
    assert refusal(slow, 106.0, contest) is not None


def test_what_was_sent_again_long_after_is_no_go() -> None:
    """Whoever recorded a signed cue can send it at any time; who sent what names it all the same."""
    one = desk()
    one.placed()
    one.take([sent(1, "3 Spot", issued=format_utc(UtcUs(T0 - 3600 * S)))], NOW)
    assert at_standby(one) == "1" and refusal(one, 100.1) is None
    assert [order.id for order in one.history] == [uuid_of(1)]


@pytest.mark.parametrize("off_s", [-300, 300])
def test_a_desk_whose_clock_is_minutes_off_is_heard_as_any_other(off_s: int) -> None:
    one = desk()
    one.take([sent(1, "3 Spot", issued=format_utc(NOW))], NOW)
    one.take([sent(2, "3 Spot", 150.0, issued=format_utc(UtcUs(NOW + off_s * S)))], NOW)
    went = one.went(line(one, "3"))
    assert went is not None and went.id == uuid_of(2), "the newest is what came last"
    assert at_standby(one) == "4" and refusal(one, 151.9) is not None and refusal(one, 152.0) is None


@pytest.mark.parametrize(
    ("change", "stands"),
    [
        ({}, True),
        ({"at": T0 + 1800 * S}, False),
        ({"venues": ["paris"]}, False),
        ({"do": {**OPENING, "program": "trailer"}}, False),
        ({"do": {**OPENING, "loop": True}}, False),
        ({"do": {**OPENING, "from_us": 1}}, False),
        ({"do": {**OPENING, "rev": 4}}, True),  # the file pins none
        ({"do": {"action": "black"}}, False),
    ],
)
def test_a_timed_cue_that_is_out_as_the_file_no_longer_says_is_not_taken_for_sent(
    change: dict[str, Any], stands: bool
) -> None:
    one = desk()
    one.take([sent(1, "2 Opening", **{"at": T0 + 3600 * S, "do": OPENING, **change})], NOW)
    assert (one.unsent(NOW) == []) is stands
    assert (one.otherwise(line(one, "2"), NOW) is None) is stands
    refused = one.may_go(line(one, "2"), Contest(), NOW, 999.0)
    assert refused is not None and ("t sends it as the file has it now" in refused.detail) is not stands
    after = UtcUs(T0 + 3600 * S)
    assert one.unsent(after) == [] and one.otherwise(line(one, "2"), after) is None


def test_a_line_for_a_time_of_day_is_sent_for_each_day_anew() -> None:
    one = Desk(parse_show(LIST.replace(b"2025-06-02T13:00:00Z", b'"13:00 Z"'), "show.toml"), "anna")
    one.take([sent(1, "2 Opening", at=T0 + 3600 * S, do=OPENING)], NOW)
    for hours, unsent in ((0, False), (2, False), (12, False), (14, True)):
        assert bool(one.unsent(UtcUs(T0 + hours * 3600 * S))) is unsent, hours


def test_timed_cues_are_sent_by_one_desk_at_a_time() -> None:
    one, contest = desk(), Contest()
    contest.take("a", claim(1), 100.0)
    refused = one.may_send_timed(contest, 100.5)
    assert refused is not None and refused.by == "ben"
    assert one.may_send_timed(contest, 101.0) is None
    one.sends(uuid_of(2))
    refused = one.may_send_timed(Contest(), 200.0)
    assert refused is not None and refused.reason == "busy"
    one.sending = False
    contest.take("a", claim(2, "anna"), 200.0)
    assert one.may_send_timed(contest, 200.1) is None, "its own claim is no rival"


def test_a_desk_that_opens_in_the_midst_stands_where_the_others_do() -> None:
    one = desk()
    one.take([sent(2, "3 Spot", live=False, issued=format_utc(UtcUs(T0 - 60 * S)))], NOW)
    one.take([sent(1, "1 Black", live=False, issued=format_utc(UtcUs(T0 - 90 * S)))], NOW)
    one.placed()
    assert at_standby(one) == "4"
    one.stand_by("1")
    one.take([sent(5, None, live=False)], NOW)
    assert at_standby(one) == "1", "what nobody of the list sent moves nothing"


def test_what_was_missed_while_the_connection_was_lost_moves_the_standby_too() -> None:
    one = desk()
    one.take([sent(1, "1 Black", live=False, issued=format_utc(UtcUs(T0 - 90 * S)))], NOW)
    one.placed()
    one.take([sent(2, "3 Spot", live=False, issued=format_utc(UtcUs(T0 - 30 * S)))], NOW)
    assert at_standby(one) == "4"
    one.take([sent(3, "1 Black", live=False, issued=format_utc(UtcUs(T0 - 99 * S)))], NOW)
    assert at_standby(one) == "4", "an old one moves it back"


def test_the_history_says_who_and_a_key_where_nobody_says() -> None:
    one = desk()
    lifted = Lift(v=1, lift=uuid_of(1), show="reel-show", venues=["*"], issued=NOW, by="ben@paris")
    orders = [
        sent(1, "1 Black"),
        Order(panic(2), 101.0, True, ("0123456789abcdef",), True),
        Order(lifted, 102.0, True),
        Order(cue(9), 103.0, True),
    ]
    one.take(orders, NOW)
    assert [order.by for order in one.history] == ["ben@paris", "key 0123456789abcdef", "ben@paris", "somebody"]


def test_a_rehearsal_is_of_the_other_show() -> None:
    dry = desk(rehearsing=True)
    assert dry.show == "dry-run"
    dry.take([sent(1, "1 Black")], NOW)
    assert not dry.history and at_standby(dry) == "1"


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=12), st.randoms(use_true_random=False))
def test_desks_that_have_heard_the_same_live_messages_once_stand_the_same(
    given_: list[tuple[int, bool]], random: Any
) -> None:
    """Whatever repetitions further brokers bring: it is the first of each that counts."""
    labels = ["1 Black", "2 Opening", "3 Spot", "4 End", "unknown", None]
    orders = [sent(n, labels[which], 100.0 + n) for n, (which, _) in enumerate(given_)]
    one, two = desk(), desk("ben")
    for number, order in enumerate(orders):
        one.take([order], NOW)
        again = [orders[random.randrange(number + 1)]] if given_[number][1] else []
        two.take([order, *again], NOW)
    assert at_standby(one) == at_standby(two)
    assert [order.id for order in one.history] == [order.id for order in two.history]


@pytest.mark.parametrize("label", ["1 Black", "4 End"])
def test_labels_lead_back_to_their_lines(label: str) -> None:
    one = desk()
    order = sent(1, label)
    one.take([order], NOW)
    went = one.went(line(one, label[0]))
    assert went is not None and isinstance(went.message, Cue) and went.id == order.id
