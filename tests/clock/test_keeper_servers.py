"""The keeper and its servers: names, addresses, kisses, who lies."""

from itertools import pairwise

from keeper_bench import KISS_DENY, KISS_RATE, SILENT, Bench, address

from agent.clock.keeper import DOUBLE_S, FALSETICKER_POLLS, SCOUT_S
from agent.clock.mapping import ClockState
from agent.clock.orders import Ask
from agent.clock.sample import Address, Sample
from agent.clock.servers import MISSES_BEFORE_MOVE
from agent.messages import Refusal


def test_all_are_asked_at_once_and_politely_afterwards() -> None:
    bench = Bench()
    bench.run(300)
    assert bench.state() is ClockState.SYNC
    for name in "abc":
        times = bench.times(name)
        assert times[:8] == [0, 2, 4, 6, 8, 10, 12, 14]
        assert all(57 <= later - earlier <= 72 for earlier, later in pairwise(times[7:]))


def test_two_names_that_lead_to_one_server_have_one_vote() -> None:
    bench = Bench("abcd")
    bench.found["d"] = bench.found["a"]
    bench.run(3)
    assert "the same server as a" in bench.why("d")
    assert bench.times("d") == [], "not asked twice as often as the other three"
    bench.found["d"] = [address(9)]
    bench.run(DOUBLE_S)
    assert bench.why("d") == "agrees", "its name leads elsewhere now"


def test_two_names_of_one_pool_are_asked_at_two_servers() -> None:
    bench = Bench("abcd")
    bench.found["a"] = bench.found["d"] = [address(1), address(9)]
    bench.run(20)
    report = bench.keeper.look(bench.reading())[0]
    assert [report.per_source[i].address for i in (0, 3)] == ["192.0.2.1:123", "192.0.2.9:123"]
    assert report.agreeing == 4


def test_an_address_that_answers_is_kept_whatever_its_name_leads_to_now() -> None:
    bench = Bench()
    bench.run(100)
    bench.found = {name: [address(20 + number)] for number, name in enumerate("abc")}
    bench.run(5000)
    assert bench.looked_up == ["a", "b", "c"], "each look-up of a pool's name leads to another server"
    assert bench.state() is ClockState.SYNC and "clock.server_moved" not in bench.texts()


def test_a_server_that_moved_is_found_and_starts_afresh() -> None:
    bench = Bench()
    bench.run(100)
    bench.found["b"] = [address(8)]
    real = bench.outcome

    def outcome(name: str) -> Sample | Refusal:
        return SILENT if name == "b" and str(bench.asked[-1][1].address) == "192.0.2.2:123" else real(name)

    bench.outcome = outcome  # type: ignore[method-assign]
    while "clock.server_moved" not in bench.texts():
        bench.run(1)
        assert bench.at_s < 1200
    moved = next(note for note in bench.notes if note.text == "clock.server_moved")
    assert dict(moved.fields) == {"server": "b", "was": "192.0.2.2:123", "now": "192.0.2.8:123"}
    report = bench.keeper.look(bench.reading())[0]
    assert [source.samples for source in report.per_source][1] <= 2
    assert report.per_source[1].address == "192.0.2.8:123"


def test_a_dns_that_fails_later_does_not_matter() -> None:
    bench = Bench()
    bench.run(100)
    bench.found = {name: [] for name in "abc"}
    bench.silent = set("abc")
    bench.run(3000)
    assert bench.state() is ClockState.HOLDOVER and bench.looked_up.count("a") > 1
    bench.silent = set()
    bench.run(SCOUT_S + 6)
    assert bench.state() is ClockState.SYNC, "the servers are where they were"


def test_a_dns_that_fails_at_the_start_is_tried_again_soon() -> None:
    bench = Bench()
    found, bench.found = bench.found, {name: [] for name in "abc"}
    bench.run(30)
    assert "cannot be resolved" in bench.why("a")
    bench.found = found
    bench.run(12)
    assert bench.state() is ClockState.SYNC


def test_the_next_address_is_tried_at_once_where_the_first_has_never_answered() -> None:
    bench = Bench()
    bench.found["a"] = [Address(10, ("2001:db8::1", 123, 0, 0)), address(1)]
    real = bench.outcome

    def outcome(name: str) -> Sample | Refusal:
        dead = name == "a" and str(bench.asked[-1][1].address).startswith("[2001")
        return SILENT if dead else real(name)

    bench.outcome = outcome  # type: ignore[method-assign]
    bench.run(3)
    assert [str(ask.address) for _, ask in bench.asked if ask.name == "a"][:2] == ["[2001:db8::1]:123", "192.0.2.1:123"]
    assert bench.state() is ClockState.SYNC


def test_one_lost_packet_does_not_drive_us_to_another_address() -> None:
    bench = Bench()
    bench.found["a"] = [address(1), address(7)]
    bench.run(5)
    bench.silent = {"a"}
    bench.run(3)
    bench.silent = set()
    bench.run(10)
    assert {str(ask.address) for _, ask in bench.asked if ask.name == "a"} == {"192.0.2.1:123"}
    bench.refusals["a"] = SILENT
    while bench.times("a")[-1] - bench.at_s > -1000:
        bench.run(64)
    asked = [str(ask.address) for _, ask in bench.asked if ask.name == "a"]
    assert "192.0.2.7:123" in asked
    assert asked.index("192.0.2.7:123") - 18 <= MISSES_BEFORE_MOVE


def test_deny_stops_a_server_and_says_so_once() -> None:
    bench = Bench("abcd")
    bench.refusals["d"] = KISS_DENY
    bench.run(200)
    assert len(bench.times("d")) == 1
    (note,) = [note for note in bench.notes if note.text == "clock.source_rejected"]
    assert "not asked again until the agent restarts" in str(dict(note.fields)["detail"])
    report = bench.keeper.look(bench.reading())[0]
    assert report.per_source[3].interval_s is None and "DENY" in report.per_source[3].why


def test_rate_is_obeyed_and_such_a_server_keeps_its_vote() -> None:
    bench = Bench()
    bench.run(200)
    bench.refusals["c"] = KISS_RATE
    while len(bench.times("c")) < 13:
        bench.run(60)
    del bench.refusals["c"]
    bench.run(3000)
    gaps = [later - earlier for earlier, later in pairwise(bench.times("c"))]
    assert gaps[-1] >= 256
    assert bench.why("c") == "agrees" and bench.state() is ClockState.SYNC


def test_rate_in_the_burst_costs_no_vote_later() -> None:
    bench = Bench()
    bench.refusals = dict.fromkeys("abc", KISS_RATE)
    bench.run(1)
    bench.refusals = {}
    bench.run(60)
    for _ in range(300):
        bench.run(1)
        assert bench.state() is ClockState.SYNC


def test_a_kiss_is_no_reason_to_ask_the_same_host_at_its_other_address() -> None:
    bench = Bench()
    bench.found["a"] = [address(1), Address(10, ("2001:db8::1", 123, 0, 0))]
    bench.refusals["a"] = KISS_RATE
    bench.run(60)
    assert {str(ask.address) for _, ask in bench.asked if ask.name == "a"} == {"192.0.2.1:123"}
    gaps = [later - earlier for earlier, later in pairwise(bench.times("a"))]
    assert all(gap >= 4 * 2**number for number, gap in enumerate(gaps))


def test_a_falseticker_is_named_once_after_eight_polls() -> None:
    bench = Bench("abcd", ours=True)
    bench.wrong_ms["d"] = 80.0
    bench.run(FALSETICKER_POLLS - 1)
    assert "clock.falseticker" not in bench.texts()
    bench.run(60)
    (note,) = [note for note in bench.notes if note.text == "clock.falseticker"]
    assert dict(note.fields)["server"] == "d" and note.level == "error"
    bench.wrong_ms.clear()
    bench.run(60)
    assert bench.why("d") == "agrees"


def test_a_dns_that_was_away_costs_no_patience_with_a_dead_address() -> None:
    bench = Bench()
    found, bench.found = bench.found, {name: [] for name in "abc"}
    bench.run(120)
    dead = [Address(10, (f"2001:db8::{number}", 123, 0, 0)) for number in range(3)]
    bench.found = {name: [dead[number], *found[name]] for number, name in enumerate("abc")}
    real = bench.outcome

    def outcome(name: str) -> Sample | Refusal:
        return SILENT if bench.asked[-1][1].address in dead else real(name)

    bench.outcome = outcome  # type: ignore[method-assign]
    bench.run(12)
    assert bench.state() is ClockState.SYNC


def test_an_answer_counts_for_the_address_that_was_asked() -> None:
    bench = Bench()
    keeper = bench.keeper
    keeper.wake(bench.reading())
    keeper.found("a", [address(1), address(9)], bench.raw)
    (ask,) = keeper.found("b", [address(9), address(1)], bench.raw)
    # The first is given up for the one that the second is being asked at.
    keeper.heard("a", 0, SILENT, bench.raw)
    bench.at_s += 0.02
    keeper.heard("b", 0, bench.outcome("b"), bench.raw)
    assert isinstance(ask, Ask) and ask.address == address(9)
    assert keeper.look(bench.reading())[0].per_source[1].address == "192.0.2.9:123"
