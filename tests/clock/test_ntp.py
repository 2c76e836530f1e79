import socket
import time

import ntplib
import pytest
from ntp_servers import FakeServer, free_udp_port, packet

from agent.clock import ntp
from agent.clock.kernel import raw_now_ns, real_now_ns
from agent.clock.ntp import check_reply, exchange, measure, ntp_bytes, ntp_ns, request, resolve
from agent.clock.sample import Address, Sample
from agent.messages import Refusal
from agent.units import RawNs

NONCE = b"\x91nonce\x00\xfe"
T1 = RawNs(1_000_000_000)
T4 = RawNs(1_020_000_000)
UTC = 1_780_000_000_123_456_789


def check(data: bytes) -> Sample | Refusal:
    return check_reply(data, NONCE, T1, T4, "x")


def refusal(data: bytes) -> Refusal:
    outcome = check(data)
    assert isinstance(outcome, Refusal), outcome
    return outcome


def good(**changes: int | float | bytes) -> bytes:
    fields: dict[str, int | float | bytes] = {"t2_ns": UTC, "t3_ns": UTC + 1_000_000, **changes}
    return packet(NONCE, **fields)  # type: ignore[arg-type]  # the names are those of packet's own arguments


def at(host: str, port: int) -> Address:
    found = resolve(host, port)
    assert isinstance(found, list)
    return found[0]


def test_a_request_is_a_version_4_client_with_the_nonce_for_a_time() -> None:
    data = request(NONCE)
    assert len(data) == 48 and data[0] == 0x23
    assert data[40:48] == NONCE and data[24:40] == bytes(16)


def test_a_good_reply_becomes_a_sample() -> None:
    sample = check(good(root_delay_s=0.25, root_disp_s=0.125, stratum=2, leap=1))
    assert isinstance(sample, Sample)
    assert abs(sample.t2_utc_ns - UTC) <= 1 and abs(sample.t3_utc_ns - UTC - 1_000_000) <= 1
    assert (sample.t1_raw, sample.t4_raw, sample.source) == (T1, T4, "x")
    assert (sample.root_delay_ns, sample.root_disp_ns, sample.precision_ns) == (250_000_000, 125_000_000, 954)
    assert (sample.leap, sample.stratum) == (1, 2)
    assert sample.delay_ns == pytest.approx(19_000_000, abs=2)


@pytest.mark.parametrize("version", [3, 4])
def test_both_current_versions_are_taken(version: int) -> None:
    assert isinstance(check(good(version=version)), Sample)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        good()[:47],
        packet(bytes(8), t2_ns=UTC, t3_ns=UTC),
        packet(b"8 others", t2_ns=UTC, t3_ns=UTC),
        packet(b"8 others", stratum=0, ref_id=b"DENY"),
    ],
    ids=["empty", "short", "zero origin", "wrong origin", "kiss with a wrong origin"],
)
def test_what_does_not_carry_our_nonce_is_a_stray(data: bytes) -> None:
    assert refusal(data).code == "stray"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (good(mode=3), "mode 3"),
        (good(mode=5), "mode 5"),
        (good(version=2), "version 2"),
        (good(version=5), "version 5"),
        (good(stratum=16), "stratum 16"),
        (good(leap=3), "leap 3"),
        (good(leap=3, stratum=16), "itself has no time"),
        (good(t2_ns=0), "not set"),
        (good(t3_ns=0), "not set"),
        (good(t3_ns=UTC - 1_000_000), "held the request for -0.001"),
        (good(t3_ns=UTC + 4_100_000_000), "held the request for 4.1"),
        (good(t3_ns=UTC + 25_000_000), "time on the wire"),
        (good(root_disp_s=0.6), "0.60 s off"),
        (good(root_delay_s=1.1), "0.55 s off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_server_may_not_say_is_refused(data: bytes, says: str) -> None:
    outcome = refusal(data)
    assert outcome.code == "reply" and says in outcome.detail


def test_a_second_on_the_wire_is_too_long() -> None:
    outcome = check_reply(good(), NONCE, T1, RawNs(T1 + 1_100_000_000), "x")
    assert isinstance(outcome, Refusal) and "time on the wire" in outcome.detail


@pytest.mark.parametrize(
    ("kiss", "code"),
    [(b"DENY", "kiss_deny"), (b"RSTR", "kiss_deny"), (b"RATE", "kiss_rate"), (b"INIT", "kiss_other")],
)
def test_a_kiss_of_death_is_no_time(kiss: bytes, code: str) -> None:
    outcome = refusal(good(stratum=0, ref_id=kiss, leap=3))
    assert outcome.code == code and kiss.decode() in outcome.detail


def test_ntp_time_keeps_its_nanoseconds_and_survives_2036() -> None:
    for ns in (
        UTC,
        1_735_689_600_000_000_000,
        2_085_978_495_999_999_999,
        2_085_978_496_000_000_000,
        4_000_000_000 * 10**9,
    ):
        assert abs(ntp_ns(ntp_bytes(ns)) - ns) <= 1
    stamp = ntplib.system_to_ntp_time(1_780_000_000.5)
    assert ntp_ns(int(stamp).to_bytes(4) + b"\x80\0\0\0") == 1_780_000_000_500_000_000


def test_an_exchange_over_a_real_socket() -> None:
    with FakeServer(lambda nonce: [packet(nonce)]) as server:
        outcomes = [exchange(at("127.0.0.1", server.port), "here", 1.0) for _ in range(4)]
        assert len(server.ports_seen) > 1, "each query has a source port of its own"
    for sample in outcomes:
        assert isinstance(sample, Sample), sample
        assert sample.source == "here"
        assert 0 <= sample.delay_ns < 100_000_000


def test_strays_are_skipped_until_the_answer_comes() -> None:
    def answer(nonce: bytes) -> list[bytes]:
        kiss = packet(b"8 others", stratum=0, ref_id=b"DENY")
        return [b"", b"short", packet(b"8 others"), kiss, packet(nonce)]

    with FakeServer(answer) as server:
        assert isinstance(exchange(at("127.0.0.1", server.port), "x", 1.0), Sample)


def test_strays_do_not_move_the_deadline() -> None:
    with FakeServer(lambda nonce: [packet(b"8 others")] * 50, after_s=0.1) as server:
        started = time.monotonic()
        outcome = exchange(at("127.0.0.1", server.port), "x", 0.4)
        assert time.monotonic() - started < 1.0
    assert isinstance(outcome, Refusal) and outcome.code == "silent"
    assert "50 packets came" in outcome.detail and "UDP port 123" in outcome.detail


def test_an_answer_that_comes_too_late_is_silence() -> None:
    with FakeServer(lambda nonce: [packet(nonce)], after_s=0.5) as server:
        outcome = exchange(at("127.0.0.1", server.port), "x", 0.2)
    assert isinstance(outcome, Refusal) and outcome.code == "silent"


def test_a_kiss_with_our_nonce_is_obeyed_at_once() -> None:
    with FakeServer(lambda nonce: [packet(nonce, stratum=0, ref_id=b"RATE")]) as server:
        outcome = exchange(at("127.0.0.1", server.port), "x", 1.0)
    assert isinstance(outcome, Refusal) and outcome.code == "kiss_rate"


def test_a_reply_from_another_port_is_not_heard() -> None:
    with FakeServer(lambda nonce: []) as server, FakeServer(lambda nonce: []) as other:

        def elsewhere(nonce: bytes) -> list[bytes]:
            for port in server.ports_seen:
                other._socket.sendto(packet(nonce), ("127.0.0.1", port))
            return []

        server.answer = elsewhere
        outcome = exchange(at("127.0.0.1", server.port), "x", 0.3)
    assert isinstance(outcome, Refusal) and outcome.code == "silent"
    assert "packets came" not in outcome.detail


def test_where_nothing_listens_the_remedy_is_said() -> None:
    outcome = exchange(at("127.0.0.1", free_udp_port()), "x", 0.5)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "unreachable" and "check the address" in outcome.detail


def test_a_name_that_does_not_exist_is_a_refusal_with_the_remedy() -> None:
    refusal = resolve("no-such-host.invalid", 123)
    assert isinstance(refusal, Refusal)
    # Where there is no resolver at all, as in a container without network, nobody can tell that it does not exist.
    assert refusal.code in ("dns", "dns_away") and "'no-such-host.invalid'" in refusal.detail
    refusal = resolve("bad..name", 123)
    assert isinstance(refusal, Refusal) and refusal.code == "dns" and "clock.servers" in refusal.detail


@pytest.mark.parametrize(
    ("errno", "code", "remedy"),
    [
        (socket.EAI_NONAME, "dns", "clock.servers"),
        (-5, "dns", "clock.servers"),
        (socket.EAI_AGAIN, "dns_away", "/etc/resolv.conf"),
        (socket.EAI_FAIL, "dns_away", "/etc/resolv.conf"),
    ],
)
def test_an_unknown_name_is_not_a_resolver_that_is_away(
    monkeypatch: pytest.MonkeyPatch, errno: int, code: str, remedy: str
) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(errno, "made up")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    refusal = resolve("ntp.example", 123)
    assert isinstance(refusal, Refusal) and refusal.code == code and remedy in refusal.detail


def test_the_kernels_stamp_hides_a_late_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    class LateSocket(socket.socket):
        def recvmsg(self, *sizes: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, object]:
            time.sleep(0.05)
            return super().recvmsg(*sizes)

    with FakeServer(lambda nonce: [packet(nonce)]) as server:
        monkeypatch.setattr("agent.clock.ntp.socket.socket", LateSocket)
        sample = exchange(at("127.0.0.1", server.port), "x", 1.0)
    assert isinstance(sample, Sample) and sample.delay_ns < 20_000_000


def test_without_a_plausible_stamp_the_readers_own_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ntp, "raw_of_stamp", lambda *arguments: None)
    before = raw_now_ns()
    with FakeServer(lambda nonce: [packet(nonce)]) as server:
        sample = exchange(at("127.0.0.1", server.port), "x", 1.0)
    assert isinstance(sample, Sample) and before < sample.t1_raw < sample.t4_raw < raw_now_ns()


@pytest.mark.parametrize("ahead_ms", [0.0, 12.5, -3000.0])
def test_measure_tells_how_far_a_clock_is_ahead(ahead_ms: float) -> None:
    def answer(nonce: bytes) -> list[bytes]:
        now = real_now_ns() + round(ahead_ms * 1e6)
        return [packet(nonce, t2_ns=now, t3_ns=now, root_disp_s=0.25)]

    with FakeServer(answer) as server:
        found = measure("127.0.0.1", server.port)
    assert found.error_ms == pytest.approx(ahead_ms, abs=found.doubt_ms + 0.01)
    assert 0 <= found.doubt_ms < 2.5
    assert found.bound_ms == pytest.approx(250)


def test_measure_says_why_it_cannot() -> None:
    with pytest.raises(ConnectionError, match="check the address"):
        measure("127.0.0.1", free_udp_port())
    with pytest.raises(ConnectionError, match=r"no-such-host\.invalid"):
        measure("no-such-host.invalid", 123)
