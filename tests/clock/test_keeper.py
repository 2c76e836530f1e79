"""The keeper and its host: silence, host time, suspends, steps, restarts, chronyd."""

from itertools import pairwise

import pytest
from clock_simulation import UTC0_NS
from keeper_bench import CLOCK, SILENT, Bench, address

from agent.clock.envelope import Rate
from agent.clock.estimate import Line
from agent.clock.keeper import HOST_AFTER_S, SCOUT_S, SILENT_S, Keeper
from agent.clock.mapping import ClockState
from agent.clock.orders import EARLIEST_UTC, Past, Settings
from agent.messages import Refusal
from agent.units import UtcUs

# --- silence, host time -------------------------------------------------------------------------


def test_while_nobody_answers_one_is_asked_each_minute_and_all_when_it_does() -> None:
    bench = Bench()
    bench.run(1000)
    bench.silent = set("abc")
    bench.run(5000)
    assert bench.state() is ClockState.HOLDOVER
    late = sorted(at_s for at_s, _ in bench.asked if at_s > 3000)
    assert max(later - earlier for earlier, later in pairwise(late)) <= SCOUT_S + 2
    per_server = [len([t for t in bench.times(name) if t > 3000]) for name in "abc"]
    assert max(per_server) <= 3000 / 64, "nobody is asked more than when it answers"
    bench.silent = set()
    back_s = bench.at_s
    bench.run(SCOUT_S + 6)
    assert bench.state() is ClockState.SYNC
    assert len([at_s for at_s, _ in bench.asked if at_s >= back_s]) >= 9, "all are asked as at the start"


@pytest.mark.parametrize("opened_s", [200.0, 450.0, 900.0, 1500.0, 2600.0])
@pytest.mark.parametrize(("dead", "turns"), [("", 1), ("d", 2)])
def test_a_firewall_that_is_opened_after_a_cold_start_is_noticed_soon(opened_s: float, dead: str, turns: int) -> None:
    bench = Bench("abcd")
    bench.silent = set("abcd")
    bench.run(opened_s)
    bench.silent = set(dead)
    bench.run(turns * SCOUT_S + 6)
    assert bench.state() is ClockState.SYNC


def test_the_hosts_chronyd_alone_is_nobody_that_answers() -> None:
    bench = Bench(chrony=True)
    bench.run(1000)
    bench.silent = set("abc")
    bench.run(3600)
    assert bench.state() is ClockState.HOLDOVER, "ready as long as the bound is small, and not DEGRADED"
    bench.silent = set()
    bench.run(SCOUT_S + 6)
    assert bench.state() is ClockState.SYNC


@pytest.mark.parametrize("then", ["silence", "restart"])
def test_silence_makes_no_clock_better_than_it_was(then: str) -> None:
    bench = Bench("ab")
    bench.silent = {"b"}
    bench.wrong_ms["a"] = 500.0
    bench.run(100)
    assert bench.state() is ClockState.DEGRADED, "one stranger, who may lie"
    bench.silent = {"a", "b"}
    if then == "silence":
        bench.run(1000)
    else:
        bench.keeper = Keeper(Settings(bench.peers, wander=1e-6), bench.keeper.past(), bench.reading())
        bench.run(5)
    assert bench.state() is ClockState.DEGRADED and bench.keeper.look(bench.reading())[1] is not None


def test_an_address_that_answers_is_not_taken_from_its_name_by_one_whose_own_has_died() -> None:
    bench = Bench()
    bench.found["a"], bench.found["b"] = [address(1), address(9)], [address(9), address(1)]
    bench.run(100)
    real = bench.outcome
    bench.outcome = lambda name: SILENT if bench.asked[-1][1].address == address(1) else real(name)  # type: ignore
    bench.run(4000)
    asked = {str(ask.address) for _, ask in bench.asked if ask.name == "b"}
    assert asked == {"192.0.2.9:123"} and bench.why("b") == "agrees"
    assert bench.keeper.look(bench.reading())[0].agreeing == 2, "one server has one vote"


def test_scouts_are_not_sent_while_somebody_answers() -> None:
    bench = Bench()
    bench.silent = {"b", "c"}
    bench.run(1000)
    assert bench.state() is ClockState.DEGRADED
    late = [at_s for at_s in bench.times("a") if at_s > SILENT_S]
    assert all(later - earlier > 57 for earlier, later in pairwise(late))


def test_without_a_server_the_hosts_own_clock_serves_and_is_called_what_it_is() -> None:
    bench = Bench()
    bench.silent, bench.wall_s = set("abc"), 3.5
    bench.run(HOST_AFTER_S - 1)
    assert bench.keeper.look(bench.reading())[1] is None and bench.state() is ClockState.UNSYNC
    bench.run(3)
    report, mapping, _ = bench.keeper.look(bench.reading())
    assert report.state is ClockState.HOST and report.bound_us is None
    assert "nobody vouches" in report.reason and "no time server has answered" in report.reason
    assert mapping and mapping.utc_at(bench.raw) == pytest.approx(UTC0_NS / 1000 + (bench.at_s + 3.5) * 1e6, abs=2)
    assert mapping.bound_us > 1e12, "a bound that says nothing"
    bench.wall_s = 0.0
    bench.run(2)
    mapping = bench.keeper.look(bench.reading())[1]
    assert mapping and mapping.utc_at(bench.raw) == pytest.approx(UTC0_NS / 1000 + bench.at_s * 1e6, abs=2)
    bench.silent = set()
    bench.run(60)
    assert bench.state() is ClockState.SYNC


@pytest.mark.parametrize(("floor_s", "state"), [(-10.0, ClockState.HOST), (3600.0, ClockState.UNSYNC)])
def test_a_host_whose_clock_is_before_the_time_floor_is_not_believed(floor_s: float, state: ClockState) -> None:
    bench = Bench(past=Past(floor=UtcUs(UTC0_NS // 1000 + round(floor_s * 1e6))))
    bench.silent = set("abc")
    bench.run(20)
    assert bench.state() is state
    bench.wall_s = -50 * 365 * 86_400.0
    bench.run(2)
    assert bench.state() is ClockState.UNSYNC, "1976"


def test_the_floor_grows_in_sync_only_and_never_faster_than_the_counter() -> None:
    bench = Bench()
    bench.run(100)
    floor = bench.keeper.past().floor
    assert EARLIEST_UTC + 95e6 <= floor <= EARLIEST_UTC + 100e6, "not the servers' time: that may be a lie"
    bench.silent = set("abc")
    bench.run(5000)
    kept = bench.keeper.past().floor
    bench.run(500)
    assert bench.keeper.past().floor == kept and bench.state() is ClockState.HOLDOVER


# --- suspend, steps, restart --------------------------------------------------------------------


def test_a_suspend_voids_everything_and_asks_anew() -> None:
    bench = Bench()
    bench.run(200)
    asked = len(bench.asked)
    bench.at_s += 3600
    bench.asleep_s += 3600
    tasks = bench.keeper.wake(bench.reading())
    assert bench.state() is ClockState.UNSYNC and bench.keeper.look(bench.reading())[1] is None
    bench.do(tasks)
    assert {ask.name for _, ask in bench.asked[asked:]} == set("abc")
    (note,) = [note for note in bench.notes if note.text == "clock.suspended"]
    assert dict(note.fields)["slept_ms"] == 3_600_000
    bench.run(5)
    assert bench.state() is ClockState.SYNC
    assert bench.keeper.past().rate is not None


def test_an_answer_to_a_question_from_before_the_suspend_is_dropped() -> None:
    bench = Bench("abc", ours=True)
    bench.run(3)
    before = [source.samples for source in bench.keeper.look(bench.reading())[0].per_source]
    late = bench.asked[-1][1]
    sample = bench.outcome(late.name)
    bench.at_s += 10
    bench.asleep_s += 10
    bench.keeper.wake(bench.reading())
    bench.keeper.heard(late.name, late.epoch, sample, bench.raw)
    after = [source.samples for source in bench.keeper.look(bench.reading())[0].per_source]
    assert sum(before) > 0 and sum(after) == 0


def test_a_stepped_wall_clock_is_told_and_changes_nothing() -> None:
    bench = Bench()
    bench.run(100)
    before = bench.keeper.look(bench.reading())[1]
    bench.wall_s = 5.0
    bench.run(2)
    after = bench.keeper.look(bench.reading())[1]
    assert before and after and after.utc_at(bench.raw) == pytest.approx(before.utc_at(bench.raw), abs=5)
    (note,) = [note for note in bench.notes if note.text == "clock.host_stepped"]
    assert dict(note.fields)["step_ms"] == 5000


def test_a_restarted_agent_goes_on_with_the_line_of_the_one_before() -> None:
    line = Line(CLOCK.raw(-60.0), UTC0_NS - 60 * 10**9 + 2_000_000, Rate(0.0, 0.2e-6), 6000.0, 1.4e-6)
    bench = Bench(past=Past(line=line))
    report, mapping, _ = bench.keeper.look(bench.reading())
    assert report.state is ClockState.HOLDOVER and "before the restart" in report.reason
    assert mapping and mapping.bound_us == pytest.approx(6000 + 60e6 * 1.4e-6 + 20, abs=1)
    assert mapping.utc_at(bench.raw) == pytest.approx(UTC0_NS / 1000 + 2000, abs=2)
    bench.silent = {"b", "c"}
    bench.run(1)
    assert bench.state() is ClockState.DEGRADED, "one server is no quorum, and the line is not dropped for it"
    bench.silent = set()
    bench.run(20)
    report, mapping, _ = bench.keeper.look(bench.reading())
    assert report.state is ClockState.SYNC
    assert mapping and abs(mapping.utc_at(bench.raw) - UTC0_NS / 1000 - bench.at_s * 1e6) <= mapping.bound_us


def test_a_host_that_slept_while_no_agent_ran_has_lost_its_line() -> None:
    line = Line(CLOCK.raw(-60.0), UTC0_NS - 60 * 10**9, Rate(0.0, 0.2e-6), 6000.0, 1.4e-6)
    bench = Bench(past=Past(line=line, asleep_ns=-3600 * 10**9))
    assert bench.state() is ClockState.UNSYNC and bench.keeper.past().line is None


def test_chrony_is_one_more_source_and_its_absence_is_said() -> None:
    bench = Bench(chrony=True)
    bench.refusals["chrony"] = Refusal(code="chrony", detail="chronyd runs here and is not synchronised")
    bench.run(20)
    report = bench.keeper.look(bench.reading())[0]
    assert (report.sources, report.agreeing) == (4, 3)
    assert bench.why("chrony") == "chronyd runs here and is not synchronised"
    del bench.refusals["chrony"]
    bench.run(20)
    assert bench.keeper.look(bench.reading())[0].agreeing == 4
    assert bench.chrony_asked == 3, "every 16 s"


def test_where_no_chronyd_runs_it_does_not_count_as_a_source() -> None:
    bench = Bench(chrony=True)
    bench.outcome = lambda name, real=bench.outcome: None if name == "chrony" else real(name)  # type: ignore
    bench.run(20)
    report = bench.keeper.look(bench.reading())[0]
    assert (report.sources, report.agreeing, len(report.per_source)) == (3, 3, 3)
