from itertools import pairwise

import pytest
from clock_simulation import UTC0_NS, Oscillator, exchange

from agent.clock.envelope import Rate
from agent.clock.estimate import Line
from agent.clock.keeper import DOUBLE_S, FALSETICKER_POLLS, HOST_AFTER_S, SCOUT_S, SILENT_S, Keeper
from agent.clock.mapping import ClockState
from agent.clock.orders import EARLIEST_UTC, Ask, AskChrony, LookUp, Past, Peer, Reading, Settings, Task
from agent.clock.sample import Address, Sample
from agent.clock.servers import MISSES_BEFORE_MOVE
from agent.clock.stamp import Instant
from agent.effects import Note
from agent.messages import Refusal
from agent.units import RawNs, UtcUs

CLOCK = Oscillator(0.0)
SILENT = Refusal(code="silent", detail="no answer within 1.5 s; is UDP port 123 blocked on the way?")
KISS_RATE = Refusal(code="kiss_rate", detail="the server sends the kiss 'RATE' instead of a time")
KISS_DENY = Refusal(code="kiss_deny", detail="the server sends the kiss 'DENY' instead of a time")


def address(number: int) -> Address:
    return Address(2, (f"192.0.2.{number}", 123))


class Bench:
    """A keeper by hand: `at_s` is true time, and servers answer as a test has them answer."""

    def __init__(
        self, names: str = "abc", *, ours: bool = False, past: Past | None = None, chrony: bool = False
    ) -> None:
        self.at_s = 0.0
        self.wall_s = 0.0
        self.asleep_s = 0.0
        self.notes: list[Note] = []
        self.asked: list[tuple[float, Ask]] = []
        self.looked_up: list[str] = []
        self.chrony_asked = 0
        self.found = {name: [address(number)] for number, name in enumerate(names, 1)}
        self.silent: set[str] = set()
        self.refusals: dict[str, Refusal] = {}
        self.wrong_ms: dict[str, float] = {}
        self.peers = tuple(Peer(name, name, 123, ours) for name in names)
        self.keeper = Keeper(Settings(self.peers, wander=1e-6, chrony=chrony), past or Past(), self.reading())

    @property
    def raw(self) -> RawNs:
        return CLOCK.raw(self.at_s - self.asleep_s)

    def reading(self) -> Reading:
        real_ns = UTC0_NS + round((self.at_s + self.wall_s) * 1e9)
        return Reading(Instant(CLOCK.raw(self.at_s - self.asleep_s), real_ns), round(self.asleep_s * 1e9))

    def do(self, tasks: list[Task]) -> None:
        for task in tasks:
            match task:
                case Note():
                    self.notes.append(task)
                case LookUp(name):
                    self.looked_up.append(name)
                    found = self.found[name]
                    nothing = Refusal(code="dns", detail="the name cannot be resolved")
                    self.do(self.keeper.found(name, found or nothing, self.raw))
                case Ask(name, _, epoch):
                    self.asked.append((self.at_s, task))
                    self.do(self.keeper.heard(name, epoch, self.outcome(name), self.raw))
                case AskChrony(name, epoch):
                    self.chrony_asked += 1
                    self.do(self.keeper.heard(name, epoch, self.outcome(name), self.raw))

    def outcome(self, name: str) -> Sample | Refusal:
        if name in self.refusals:
            return self.refusals[name]
        if name in self.silent:
            return SILENT
        return exchange(CLOCK, name, self.at_s - self.asleep_s - 0.0101, 5, 5, self.wrong_ms.get(name, 0.0))

    def run(self, seconds: float) -> None:
        end_s = self.at_s + seconds
        while self.at_s < end_s:
            self.do(self.keeper.wake(self.reading()))
            _, _, tasks = self.keeper.look(self.reading())
            self.do(tasks)
            self.at_s += 1.0

    def state(self) -> ClockState:
        return self.keeper.look(self.reading())[0].state

    def why(self, name: str) -> str:
        report = self.keeper.look(self.reading())[0]
        return next(source.why for source in report.per_source if source.name == name)

    def texts(self) -> list[str]:
        return [note.text for note in self.notes]

    def times(self, name: str) -> list[float]:
        return [at_s for at_s, ask in self.asked if ask.name == name]


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
