"""Every reply that a server, a stranger or a broken network may send, over real sockets, as a table."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ntplib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ntp_servers import Answer, FakeServer, ask_ntplib, free_udp_port, packet

from agent.clock import ntp
from agent.clock.kernel import instant_now, real_now_ns
from agent.clock.ntp import check_reply, exchange, request, resolve
from agent.clock.sample import Sample
from agent.clock.stamp import Instant
from agent.lab import faketime
from agent.messages import Refusal
from agent.units import RawNs

S = 1_000_000_000
IN_2000, IN_2024, IN_2040 = 946_684_800 * S, 1_735_000_000 * S, 2_208_988_800 * S
EXTENSION_AND_MAC = b"\x01\x04\0\x24" + bytes(32) + b"\0\0\0\x01" + b"\xa5" * 16
BOTH = pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
STRANGER = b"8 others"

if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
    BOTH = pytest.mark.parametrize("host", ["127.0.0.1"])


@dataclass(frozen=True)
class Case:
    """One kind of reply; `code` is what our exchange calls it, `ntplib_takes_it` whether ntplib's client is content."""

    name: str
    answer: Answer
    code: str
    says: str = ""
    ntplib_takes_it: bool = False

    def __str__(self) -> str:
        return self.name


def fields(name: str, code: str, says: str = "", ntplib_takes_it: bool = False, **changes: int | float | bytes) -> Case:
    """A reply with our nonce in which some fields are not as they should be."""
    return Case(name, lambda nonce: [packet(nonce, **changes)], code, says, ntplib_takes_it)  # type: ignore[arg-type]


def held(nonce: bytes, seconds: float) -> list[bytes]:
    now = real_now_ns()
    return [packet(nonce, t2_ns=now - round(seconds * S), t3_ns=now)]


def altered(nonce: bytes, place: int, value: bytes) -> list[bytes]:
    data = packet(nonce)
    return [data[:place] + value + data[place + len(value) :]]


def kiss(name: str, ref_id: bytes, code: str, says: str) -> Case:
    return fields(f"kiss {name}", code, says, True, stratum=0, leap=3, ref_id=ref_id, t2_ns=0, t3_ns=0)


STRAYS = [
    Case("empty", lambda nonce: [b""], "silent"),
    Case("short", lambda nonce: [b"short"], "silent"),
    Case("47 bytes", lambda nonce: [packet(nonce)[:47]], "silent"),
    Case("wrong origin", lambda nonce: [packet(STRANGER)], "silent", ntplib_takes_it=True),
    Case("origin with one bit wrong", lambda nonce: [packet(bytes([nonce[0] ^ 1]) + nonce[1:])], "silent"),
    Case("zero origin", lambda nonce: [packet(bytes(8))], "silent", ntplib_takes_it=True),
    Case("our own request", lambda nonce: [request(nonce)], "silent", ntplib_takes_it=True),
    Case("a forged DENY", lambda nonce: [packet(STRANGER, stratum=0, ref_id=b"DENY")], "silent", ntplib_takes_it=True),
    Case("a forged RATE", lambda nonce: [packet(bytes(8), stratum=0, ref_id=b"RATE")], "silent", ntplib_takes_it=True),
]
"""What does not carry our nonce: not obeyed, not believed, and waited beyond."""

REFUSED = [
    fields("mode 3 with our nonce", "reply", "mode 3", True, mode=3, stratum=0),
    fields("mode 5", "reply", "mode 5", mode=5),
    fields("mode 6", "reply", "mode 6", mode=6),
    fields("version 2", "reply", "version 2", version=2),
    fields("version 5", "reply", "version 5", version=5),
    kiss("DENY", b"DENY", "kiss_deny", "'DENY'"),
    kiss("RSTR", b"RSTR", "kiss_deny", "'RSTR'"),
    kiss("RATE", b"RATE", "kiss_rate", "'RATE'"),
    kiss("that nobody knows", b"X\0\0\0", "kiss_other", "'X'"),
    kiss("that is no text", b"\xff\xfe\n\x1b", "kiss_other", "\\n\\x1b"),
    fields("stratum 16", "reply", "stratum 16", True, stratum=16),
    fields("stratum 17", "reply", "stratum 17", stratum=17),
    fields("stratum 255", "reply", "stratum 255", stratum=255),
    fields("leap 3", "reply", "leap 3", True, leap=3),
    fields("T2 not set", "reply", "not set", t2_ns=0),
    fields("T3 not set", "reply", "not set", t3_ns=0),
    Case("T3 before T2", lambda nonce: held(nonce, -0.001), "reply", "held the request for -0.001"),
    Case("held for 4.1 s", lambda nonce: held(nonce, 4.1), "reply", "held the request for 4.1"),
    Case("held for longer than the round trip", lambda nonce: held(nonce, 2.0), "reply", "time on the wire of -"),
    fields("root dispersion 0.6 s", "reply", "0.60 s off", root_disp_s=0.6),
    fields("root delay 1.1 s", "reply", "0.55 s off", root_delay_s=1.1),
    fields("both at their most", "reply", "s off", root_delay_s=65_535.9, root_disp_s=65_535.9),
    fields("both, together", "reply", "0.55 s off", root_delay_s=0.5, root_disp_s=0.3),
    Case("a negative root delay", lambda nonce: altered(nonce, 4, b"\xff\xff\xff\0"), "reply", "s off"),
    Case("a negative root dispersion", lambda nonce: altered(nonce, 8, b"\x80\0\0\0"), "reply", "s off"),
    fields("precision +127", "reply", "precision of 2^127", precision=127),
    fields("precision +1", "reply", "precision of 2^1 ", precision=1),
    fields("precision 0", "reply", "1.00 s off", precision=0),
    fields("precision -33", "reply", "precision of 2^-33", precision=-33),
    fields("precision -128", "reply", "precision of 2^-128", precision=-128),
    fields("a clock in 2000", "reply", "before 2025", t2_ns=IN_2000, t3_ns=IN_2000),
    fields("a clock in 2024", "reply", "before 2025", t2_ns=IN_2024, t3_ns=IN_2024),
]
"""What answers our request and is not a time: nothing better will come, so it is said at once."""

ACCEPTED = [
    Case("plain", lambda nonce: [packet(nonce)], ""),
    fields("version 3", "", version=3),
    fields("stratum 15", "", stratum=15),
    fields("a leap second ahead", "", leap=1),
    fields("precision -32", "", precision=-32),
    fields("root distance just within", "", root_disp_s=0.3, root_delay_s=0.39),
    fields("a clock in NTP's next era", "", t2_ns=IN_2040, t3_ns=IN_2040),
    Case("an extension field and a MAC", lambda nonce: [packet(nonce) + EXTENSION_AND_MAC], ""),
    Case("longer than we read", lambda nonce: [packet(nonce) + bytes(1000)], ""),
    Case("a duplicate", lambda nonce: [packet(nonce)] * 2, ""),
    Case("a forged kiss behind it", lambda nonce: [packet(nonce), packet(nonce, stratum=0, ref_id=b"DENY")], ""),
]


@BOTH
@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_is_no_time_is_refused_at_once(case: Case, host: str) -> None:
    with FakeServer(case.answer, host=host) as server:
        outcome = exchange(server.address, "x", 5.0)
    assert isinstance(outcome, Refusal), outcome
    assert outcome.code == case.code and case.says in outcome.detail


@BOTH
@pytest.mark.parametrize("case", STRAYS, ids=str)
def test_what_does_not_carry_the_nonce_is_waited_beyond(case: Case, host: str) -> None:
    with FakeServer(case.answer, host=host) as server:
        outcome = exchange(server.address, "x", 0.1)
        assert isinstance(outcome, Refusal) and outcome.code == case.code
        assert "1 packets came" in outcome.detail
        server.answer = lambda nonce: [*case.answer(nonce), packet(nonce)]
        assert isinstance(exchange(server.address, "x", 5.0), Sample)


@BOTH
@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_what_is_a_time_is_taken(case: Case, host: str) -> None:
    with FakeServer(case.answer, host=host) as server:
        samples = [exchange(server.address, "x", 5.0) for _ in range(2)]
    for sample in samples:
        assert isinstance(sample, Sample), sample
        assert 0 <= sample.delay_ns < S and sample.distance_ns <= S // 2
        if "era" in case.name:
            assert abs(sample.t2_utc_ns - IN_2040) <= 1
        else:
            assert abs(sample.t2_utc_ns - real_now_ns()) < 5 * S


@pytest.mark.parametrize("case", [case for case in STRAYS + REFUSED if case.ntplib_takes_it], ids=str)
def test_ntplib_takes_it_so_that_these_cases_mean_something(case: Case) -> None:
    with FakeServer(case.answer) as server:
        try:
            taken = ask_ntplib(server)
        except ntplib.NTPException:
            pytest.skip("this ntplib refuses it, too")
    assert taken.dest_timestamp > 0
    if case.name == "kiss RATE":
        assert taken.offset < -1e9, "an order taken for a time"


# --- from somewhere else --------------------------------------------------------------------------


@pytest.mark.parametrize("elsewhere", ["127.0.0.1", "127.0.0.2"], ids=["another port", "another address"])
def test_a_reply_from_elsewhere_is_not_heard(elsewhere: str) -> None:
    def lie(nonce: bytes) -> list[bytes]:
        return [packet(nonce, t2_ns=IN_2040, t3_ns=IN_2040, ref_id=b"LIES")]

    with FakeServer(lambda nonce: [], before=lie, elsewhere=elsewhere) as server:
        outcome = exchange(server.address, "x", 0.1)
        assert isinstance(outcome, Refusal) and outcome.code == "silent" and "packets came" not in outcome.detail
        server.answer = lambda nonce: [packet(nonce)]
        sample = exchange(server.address, "x", 5.0)
        assert isinstance(sample, Sample) and abs(sample.t2_utc_ns - real_now_ns()) < 5 * S


def test_ntplib_takes_it_from_another_port() -> None:
    with FakeServer(lambda nonce: [], before=lambda nonce: [packet(nonce, ref_id=b"LIES")]) as server:
        try:
            taken = ask_ntplib(server)
        except ntplib.NTPException:
            pytest.skip("this ntplib refuses it, too")
    assert taken.ref_id == int.from_bytes(b"LIES")


def test_where_nothing_listens_the_network_says_so_over_ipv6_too() -> None:
    found = resolve("::1", free_udp_port())
    if isinstance(found, Refusal):
        pytest.skip("no IPv6 here")
    outcome = exchange(found[0], "x", 5.0)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "unreachable" and "check the address" in outcome.detail


ROOT = Path(__file__).parents[2]


def test_without_a_route_nothing_is_sent_and_the_remedy_is_said() -> None:
    unshare = shutil.which("unshare")
    bare = [str(unshare), "--user", "--map-root-user", "--net"]
    if not unshare or subprocess.run([*bare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network of one's own can be made here (unshare --user --net)")
    code = "from agent.clock.ntp import *; print(exchange(resolve('127.0.0.1', 123)[0], 'x', 5.0))"
    done = subprocess.run(
        [*bare, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    assert (
        "code='network'" in done.stdout and "unreachable" in done.stdout and "check this host's network" in done.stdout
    )


# --- late -----------------------------------------------------------------------------------------


def test_a_reply_after_the_time_out_is_silence_and_does_not_reach_the_next_question() -> None:
    with FakeServer(lambda nonce: [packet(nonce)], after_s=0.2) as server:
        outcome = exchange(server.address, "x", 0.1)
        assert isinstance(outcome, Refusal) and outcome.code == "silent"
        server.after_s = 0.0
        assert isinstance(exchange(server.address, "x", 5.0), Sample)


def test_a_reply_that_was_under_way_for_more_than_a_second_is_not_used() -> None:
    nonce = b"\x91nonce\x00\xfe"
    outcome = check_reply(packet(nonce), nonce, RawNs(S), RawNs(S + 1_100_000_000), "x")
    assert isinstance(outcome, Refusal) and "time on the wire of 1.1" in outcome.detail


def test_the_right_reply_counts_after_a_thousand_strays() -> None:
    with FakeServer(lambda nonce: [*[packet(STRANGER)] * 1000, packet(nonce)]) as server:
        assert isinstance(exchange(server.address, "x", 5.0), Sample)


def test_a_stream_of_strays_does_not_keep_the_question_open() -> None:
    def stream(nonce: bytes) -> Iterator[bytes]:
        for _ in range(100):
            yield packet(STRANGER)
            time.sleep(0.009)

    with FakeServer(stream) as server:
        started = time.monotonic()
        outcome = exchange(server.address, "x", 0.2)
        took_s = time.monotonic() - started
    assert isinstance(outcome, Refusal) and outcome.code == "silent"
    assert 0.2 <= took_s < 0.7, "each stray restarted the time-out"


# --- the wall clock -------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [-3600.0, -5.0, -2.0, 2.0, 5.0, 3600.0])
def test_a_wall_clock_stepped_in_mid_exchange_moves_nothing(step_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Instant] = []

    def instant() -> Instant:
        now = instant_now()
        # The first reading is from before the step; all later ones, and the kernel's stamps, from after it.
        asked.append(now if asked else Instant(now.raw, now.real_ns - round(step_s * S)))
        return asked[-1]

    monkeypatch.setattr(ntp, "instant_now", instant)
    with FakeServer(lambda nonce: [packet(nonce)]) as server:
        taken: list[Sample] = []
        for _ in range(5):
            asked.clear()
            sample = exchange(server.address, "x", 5.0)
            assert isinstance(sample, Sample) and len(asked) == 2
            taken.append(sample)
    now = instant_now()
    best = min(taken, key=lambda sample: sample.delay_ns)
    middle_ns = ((best.t2_utc_ns - best.t1_raw) + (best.t3_utc_ns - best.t4_raw)) // 2
    assert abs(middle_ns - (now.real_ns - now.raw)) < 5_000_000


def test_ntplib_is_half_a_step_off(monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[float] = []

    def stepped() -> float:
        readings.append(time.clock_gettime(time.CLOCK_REALTIME) + (5.0 if readings else 0.0))
        return readings[-1]

    with FakeServer(lambda nonce: [packet(nonce)]) as server:
        monkeypatch.setattr("ntplib.time.time", stepped)
        assert ask_ntplib(server).offset == pytest.approx(-2.5, abs=0.1)


ASK = """
import sys
from agent.clock.ntp import exchange, resolve
for _ in range(8):
    s = exchange(resolve("127.0.0.1", int(sys.argv[1]))[0], "x", 5.0)
    print(s.t2_utc_ns, s.t3_utc_ns, s.delay_ns)
"""


@pytest.mark.parametrize("date", ["1970-01-01 00:00:05", "2040-02-03 04:05:06"])
def test_the_system_date_may_be_anything(date: str) -> None:
    library = faketime.library()
    if library is None:
        pytest.skip("libfaketime is not installed: apt install faketime")
    told: list[int] = []

    def answer(nonce: bytes) -> list[bytes]:
        told.append(real_now_ns())
        return [packet(nonce, t2_ns=told[-1], t3_ns=told[-1])]

    with FakeServer(answer) as server:
        env = {"LD_PRELOAD": str(library), "FAKETIME": f"@{date}", "TZ": "UTC", "PATH": ""}
        child = subprocess.Popen(
            [sys.executable, "-c", f"import time; print(time.time())\n{ASK}", str(server.port)],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, errors = child.communicate(timeout=60)
        for path in faketime.remains(child.pid):
            path.unlink(missing_ok=True)
    assert child.returncode == 0, errors
    system_date, *lines = out.splitlines()
    assert time.strftime("%Y", time.gmtime(float(system_date))) == date[:4], "the date was not faked"
    samples = [[int(figure) for figure in line.split()] for line in lines]
    assert len(samples) == len(told) == 8
    for (t2_ns, t3_ns, delay_ns), true_ns in zip(samples, told, strict=True):
        assert abs(t2_ns - true_ns) <= 1 and abs(t3_ns - true_ns) <= 1
        assert delay_ns >= 0
    # Each sample's error is at most half its delay.
    assert min(delay_ns for _, _, delay_ns in samples) < 10_000_000


# --- anything at all ------------------------------------------------------------------------------

NONCE = b"\x91nonce\x00\xfe"
ASKED, HEARD = RawNs(S), RawNs(S + 20_000_000)
NOISE = st.lists(st.tuples(st.integers(0, 47), st.integers(0, 255)), max_size=6)


def judge(data: bytes) -> Sample | Refusal:
    outcome = check_reply(data, NONCE, ASKED, HEARD, "x")
    assert isinstance(outcome, Sample | Refusal)
    if isinstance(outcome, Sample):
        assert len(data) >= 48 and data[24:32] == NONCE and data[0] & 7 == 4
        assert 0 <= outcome.delay_ns <= S and 0 <= outcome.distance_ns <= S // 2
        assert 1 <= outcome.stratum <= 15 and 0 <= outcome.leap <= 2
        assert 1_735_689_600 * S <= outcome.t2_utc_ns <= outcome.t3_utc_ns < 3_900_000_000 * S
    else:
        assert outcome.code in {"stray", "reply", "kiss_deny", "kiss_rate", "kiss_other"} and outcome.detail
    return outcome


@given(st.binary(max_size=600))
def test_any_bytes_are_judged_without_an_exception(data: bytes) -> None:
    assert isinstance(judge(data), Refusal) or data[24:32] == NONCE
    judge(data[:24] + NONCE + data[32:])


@given(NOISE, st.binary(max_size=100))
def test_a_good_reply_with_some_bytes_changed_never_claims_too_much(noise: list[tuple[int, int]], rest: bytes) -> None:
    data = bytearray(packet(NONCE, t2_ns=1_780_000_000 * S, t3_ns=1_780_000_000 * S + 1_000_000) + rest)
    for place, value in noise:
        data[place] = value
    judge(bytes(data))
