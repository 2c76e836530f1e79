import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ntp_servers import FakeServer, free_udp_port, packet

from agent.clock.chrony import ask_chrony, read_tracking
from agent.clock.kernel import instant_now, real_now_ns
from agent.clock.sample import Sample
from agent.clock.stamp import Instant
from agent.lab import timeservers
from agent.lab.processes import Processes, find
from agent.messages import Refusal
from agent.units import RawNs

MS, S = 1_000_000, 1_000_000_000
BEFORE = Instant(RawNs(7 * S), 1_780_000_000 * S)

# As chronyd 4.3 says it: asked of real ones, by `chronyc -n -c tracking`.
AHEAD = (
    "7F000001,127.0.0.1,2,1795488361.874505250,0.030077083,-0.000001744,0.000005616,4.590,-0.069,8.061,"
    "0.010209797,0.003019636,0.1,Normal\n"
)
"""A host that is 30 ms behind its server, which itself claims 10 ms of root delay and 3 ms of dispersion."""

LOCAL = "7F7F0101,,8,1795488349.750446517,0.000000000,0.0,0.0,0.000,0.000,0.000,0.000000000,0.000000000,0.0,Normal\n"
UNSET = "00000000,,0,0.000000000,0.000000000,0.0,0.0,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n"


def after(ms: float, moved_ns: int = 0) -> Instant:
    return Instant(RawNs(BEFORE.raw + round(ms * MS)), BEFORE.real_ns + round(ms * MS) + moved_ns)


def refusal(text: str) -> Refusal:
    outcome = read_tracking(text, BEFORE, after(5))
    assert isinstance(outcome, Refusal) and outcome.code == "chrony", outcome
    return outcome


def with_field(number: int, value: str) -> str:
    fields = AHEAD.strip().split(",")
    fields[number] = value
    return ",".join(fields)


# --- what it says ---------------------------------------------------------------------------------


def test_the_bound_is_what_is_still_to_be_corrected_and_the_distance_to_the_true_time() -> None:
    sample = read_tracking(AHEAD, BEFORE, after(5), "chrony")
    assert isinstance(sample, Sample)
    assert sample.distance_ns == pytest.approx(30.077083e6 + 3.019636e6 + 10.209797e6 / 2, abs=1)
    assert (sample.source, sample.stratum, sample.leap, sample.delay_ns) == ("chrony", 2, 0, 0)


def test_a_host_that_is_ahead_is_as_wrong_as_one_that_is_behind() -> None:
    behind, ahead = (read_tracking(with_field(4, value), BEFORE, after(5)) for value in ("0.25", "-0.25"))
    assert isinstance(behind, Sample) and behind == ahead


@pytest.mark.parametrize(("words", "leap"), [("Insert second", 1), ("Delete second", 2)])
def test_a_leap_second_that_chrony_knows_of_is_handed_on(words: str, leap: int) -> None:
    sample = read_tracking(with_field(13, words), BEFORE, after(5))
    assert isinstance(sample, Sample) and sample.leap == leap


@given(
    wrong=st.floats(-1.0, 1.0),
    moved_ns=st.integers(-2 * MS, 2 * MS),
    moved_already=st.floats(0.0, 1.0),
    asked_ms=st.floats(0.0, 1000.0),
)
def test_the_true_time_lies_within_whatever_the_wall_clock_does_meanwhile(
    wrong: float, moved_ns: int, moved_already: float, asked_ms: float
) -> None:
    # chronyd looked at some moment in between; until then the wall clock had made some part of its movement.
    sample = read_tracking(AHEAD, BEFORE, after(asked_ms, moved_ns))
    assert isinstance(sample, Sample)
    bound_ns = 30.077083e6 + 3.019636e6 + 10.209797e6 / 2
    theta = BEFORE.real_ns - BEFORE.raw + round(moved_already * moved_ns + wrong * bound_ns)
    assert sample.t3_utc_ns - sample.t4_raw - sample.distance_ns <= theta + 2
    assert theta - 2 <= sample.t2_utc_ns - sample.t1_raw + sample.distance_ns


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (UNSET, "not synchronised"),
        (with_field(2, "16"), "not synchronised"),
        (with_field(13, "Invalid"), "not synchronised"),
        (LOCAL, "this host's own clock only"),
        (with_field(4, "0.6"), "0.61 s off"),
        (with_field(11, "0.47"), "0.51 s off"),
        (with_field(11, "nan"), "nan s off"),
        (with_field(4, "nan"), "nan s off"),
        (with_field(10, "-0.1"), "s off"),
        (with_field(11, "inf"), "inf s off"),
        (with_field(2, "two"), "not the tracking report"),
        (with_field(11, ""), "not the tracking report"),
        (AHEAD.rpartition(",")[0], "not the tracking report"),
        ("", "not the tracking report"),
        ("506 Cannot talk to daemon\n", "not the tracking report"),
    ],
)
def test_what_vouches_for_nothing_is_refused(text: str, says: str) -> None:
    assert says in refusal(text).detail


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    assert isinstance(read_tracking(text, BEFORE, after(5)), Refusal)


# --- chronyc --------------------------------------------------------------------------------------


def test_without_chronyc_there_is_no_such_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_chrony() is None


@pytest.fixture
def chronyc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make a chronyc that does what a shell script says."""

    def make(script: str) -> None:
        program = tmp_path / "chronyc"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


def test_a_chronyc_that_hangs_is_given_up(chronyc: Callable[[str], None]) -> None:
    chronyc("exec sleep 20")
    started = time.monotonic()
    assert ask_chrony(timeout_s=0.2) is None
    assert time.monotonic() - started < 5


def test_a_chronyc_that_fails_is_no_source(chronyc: Callable[[str], None]) -> None:
    chronyc("echo '501 Not authorised'; exit 1")
    assert ask_chrony() is None


def test_a_chronyc_that_says_something_else_is_refused(chronyc: Callable[[str], None]) -> None:
    chronyc("printf '\\377\\376,1,2\\n'")
    outcome = ask_chrony()
    assert isinstance(outcome, Refusal) and "not the tracking report" in outcome.detail


@pytest.mark.needs("chronyc")
def test_where_no_chronyd_runs_there_is_no_such_source() -> None:
    assert ask_chrony(options=("-h", "127.0.0.1", "-p", str(free_udp_port()))) is None


# --- real chronyds --------------------------------------------------------------------------------


def chronyd(processes: Processes, folder: Path, *lines: str) -> list[str]:
    """Start one that asks and does not set this host's clock; the options by which chronyc finds it."""
    port = free_udp_port()
    file = folder / f"client-{port}.conf"
    own = ["port 0", f"cmdport {port}", "bindcmdaddress 127.0.0.1", f"pidfile {folder / f'client-{port}.pid'}"]
    file.write_text("\n".join([*lines, *own, ""]))
    user = ["-u", "root"] if os.geteuid() == 0 else ["-U"]
    processes.start("chronyd", [find("chronyd"), "-d", "-x", *user, "-f", str(file)], tier="timeservers")
    return ["-h", "127.0.0.1", "-p", str(port)]


def outcome_of(options: list[str], wanted: Callable[[Sample | Refusal | None], bool]) -> Sample | Refusal | None:
    deadline = time.monotonic() + 20
    while not wanted(outcome := ask_chrony("chrony", options)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return outcome


def is_settled(outcome: Sample | Refusal | None) -> bool:
    """Whether the dispersion that follows the first few exchanges (100 ms and more) is gone."""
    return isinstance(outcome, Sample) and outcome.distance_ns < 45 * MS


def error_and_bound_ms(sample: Sample) -> tuple[float, float]:
    """How far the sample's middle is from this host's wall clock, and how far it says that it may be from true time."""
    now = instant_now()
    return (sample.t3_utc_ns - sample.t4_raw - (now.real_ns - now.raw)) / 1e6, sample.distance_ns / 1e6


@pytest.mark.needs("chronyd", "chronyc")
def test_the_claim_of_a_real_chronyd_holds(processes: Processes, tmp_path: Path) -> None:
    # The servers serve this host's clock, so that it is true time here, and chronyd must not claim otherwise.
    servers = timeservers.start(processes, 2, tmp_path)
    lines = [f"server 127.0.0.1 port {server.port} iburst minpoll -3 maxpoll -3" for server in servers]
    options = chronyd(processes, tmp_path, *lines)
    for _ in range(10):
        sample = outcome_of(options, is_settled)
        assert isinstance(sample, Sample)
        error_ms, bound_ms = error_and_bound_ms(sample)
        assert abs(error_ms) <= bound_ms < 45
        time.sleep(0.05)


@pytest.mark.needs("chronyd", "chronyc")
@pytest.mark.parametrize("ahead_ms", [30, -30])
def test_a_host_that_is_wrong_by_its_chronyd_says_so(processes: Processes, tmp_path: Path, ahead_ms: int) -> None:
    def answer(nonce: bytes) -> list[bytes]:
        now = real_now_ns() + ahead_ms * MS
        return [packet(nonce, t2_ns=now, t3_ns=now, root_delay_s=0.010, root_disp_s=0.003)]

    with FakeServer(answer) as server:
        line = f"server 127.0.0.1 port {server.port} iburst minpoll -3 maxpoll -3"
        sample = outcome_of(chronyd(processes, tmp_path, line), is_settled)
    assert isinstance(sample, Sample)
    error_ms, bound_ms = error_and_bound_ms(sample)
    assert abs(error_ms) < 1, "it is the host's clock that is the source"
    assert 37.5 < bound_ms < 45, "30 ms still to be corrected, and 8 ms that the server claims"


@pytest.mark.needs("chronyd", "chronyc")
@pytest.mark.parametrize(
    ("line", "says"),
    [("maxdistance 3", "not synchronised"), ("local stratum 8", "this host's own clock only")],
    ids=["without a server", "local"],
)
def test_a_real_chronyd_that_vouches_for_nothing_is_refused(
    processes: Processes, tmp_path: Path, line: str, says: str
) -> None:
    outcome = outcome_of(chronyd(processes, tmp_path, line), lambda outcome: outcome is not None)
    assert isinstance(outcome, Refusal) and says in outcome.detail


# --- the configuration for a player ---------------------------------------------------------------

PLAYERS = Path(__file__).parents[2] / "deploy" / "chrony.conf"


@pytest.mark.needs("chronyd")
def test_chronyd_takes_the_players_configuration() -> None:
    done = subprocess.run([find("chronyd"), "-p", "-f", str(PLAYERS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    directives = [line.split() for line in done.stdout.splitlines()]
    servers = {words[1] for words in directives if words[0] == "server"}
    assert len(servers) >= 4
    assert [words[2:] for words in directives if words[0] == "initstepslew"] == [sorted(servers)]


def test_a_network_that_comes_back_in_mid_show_never_steps_the_players_clock() -> None:
    # makestep counts updates from the first that comes, which may be hours after the start.
    assert not [line for line in PLAYERS.read_text().splitlines() if line.startswith("makestep")]
