from dataclasses import replace
from typing import Any

import pytest

from agent.clock.mapping import ClockState
from agent.clock.report import ClockReport, SourceReport
from agent.config import Clock
from agent.technician.findings import Finding, status
from agent.technician.judge import Facts, judge, operator_of

FIVE = ["ntp1.one.example", "ntp2.one.example", "time.two.test", "0.pool.ntp.org", "192.0.2.7"]


def source(name: str = "a:123", **changes: Any) -> SourceReport:
    plain = SourceReport(name, False, True, "agrees", "192.0.2.1:123", 0.0, 4000.0, 8000.0, 15.0, 2, 64, 3.0, 64.0)
    return replace(plain, **changes)


def unheard(name: str, why: str) -> SourceReport:
    return SourceReport(name, False, False, why)


def facts(*sources: SourceReport, **changes: Any) -> Facts:
    found = sources or tuple(source(f"{i}:123") for i in range(5))
    report = ClockReport(ClockState.SYNC, "5 of 5 time servers agree", 8000.0, -50.0, 1.4, 5, 5, found)
    report = replace(report, **{key: value for key, value in changes.items() if key in ("state", "bound_us", "reason")})
    return Facts(report, changes.get("offset_host_us", 100), changes.get("has_rtc", True))


def clock(servers: list[Any] | None = None, **changes: Any) -> Clock:
    return Clock.model_validate({"servers": servers or FIVE, **changes})


def found(config: Clock | None = None, known: Facts | None = None) -> dict[str, Finding]:
    return {finding.code: finding for finding in judge(config or clock(), known or facts())}


def test_a_good_clock_has_nothing_to_mend() -> None:
    findings = judge(clock(), facts())
    assert {finding.verdict for finding in findings} == {"ok"} and status(findings) == 0
    assert all(not finding.mend for finding in findings)


@pytest.mark.parametrize(
    ("host", "operator"),
    [
        ("ntp1.one.example", "one.example"),
        ("NTP2.ONE.example.", "one.example"),
        ("0.pool.ntp.org", "0.pool.ntp.org"),
        ("1.debian.pool.ntp.org", "1.debian.pool.ntp.org"),
        ("192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("localhost", "localhost"),
    ],
)
def test_operators_are_told_by_names_and_networks(host: str, operator: str) -> None:
    assert operator_of(host) == operator


def test_too_few_servers_and_too_few_operators() -> None:
    assert found(clock(FIVE[:2]))["few_servers"].verdict == "fault"
    assert found(clock(FIVE[1:5]))["few_servers"].verdict == "warning"
    assert found(clock([f"ntp{i}.one.example" for i in range(5)]))["one_provider"].verdict == "fault"
    assert (
        found(clock([f"ntp{i}.one.example" for i in range(4)] + ["a.two.test"]))["few_providers"].verdict == "warning"
    )
    ours = found(clock([{"host": "10.0.0.1", "ours": True}]))
    assert not {"few_servers", "one_provider", "few_providers"} & set(ours)


def test_a_firewall_is_told_from_a_dead_name_a_dead_cable_and_a_dead_server() -> None:
    silent = "no answer within 1.5 s; is UDP port 123 blocked on the way?"
    nameless = "the name 'x' cannot be resolved (…); check clock.servers and DNS"
    refused = "Connection refused; check the address, and that an NTP server runs there"
    blocked = found(known=facts(unheard("a:123", silent), unheard("b:123", silent)))["udp_blocked"]
    assert blocked.verdict == "fault" and "UDP port 123" in blocked.mend
    dns = found(known=facts(unheard("a:123", nameless), unheard("b:123", nameless)))
    assert dns["dns"].verdict == "fault" and "udp_blocked" not in dns
    both = found(known=facts(unheard("a:123", nameless), unheard("b:123", silent)))
    assert both["dns"].verdict == "warning" and both["udp_blocked"].verdict == "fault"
    cable = "nothing can be sent to it (Network is unreachable); check this host's network"
    assert found(known=facts(unheard("a:123", cable)))["network"].mend.startswith("ip route")
    assert found(known=facts(unheard("a:123", refused)))["silent"].verdict == "fault"
    one = found(known=facts(source(), source("b:123"), unheard("c:123", refused)))["silent"]
    assert one.verdict == "warning" and "c:123" in one.what
    deny = "the server sends the kiss 'DENY' instead of a time"
    assert "DENY" in found(known=facts(source(), unheard("c:123", deny)))["kiss"].what


def test_sources_that_are_out_are_named() -> None:
    liar = source("d:123", agrees=False, why="contradicts the majority by +80.0 ms")
    double = source("e:123", agrees=False, why="the same server as a; name another one")
    findings = found(known=facts(source(), liar, double))
    assert "d:123 contradicts the majority by +80.0 ms" in findings["falseticker"].what
    assert "d:123" in findings["falseticker"].mend
    assert "e:123" in findings["same_server"].what


def test_a_clock_that_is_not_good_enough_is_a_fault() -> None:
    assert found(known=facts(bound_us=31_000.0))["bound"].verdict == "fault"
    assert found(clock(ready_error_ms=40), facts(bound_us=31_000.0))["sync"].verdict == "ok"
    lost = found(known=facts(state=ClockState.HOLDOVER, reason="no time server answers any more"))["not_in_sync"]
    assert lost.verdict == "fault" and "HOLDOVER" in lost.what


def test_the_hosts_own_clock_and_its_battery() -> None:
    assert "fake-hwclock" in found(known=facts(has_rtc=False))["no_rtc"].mend
    assert "host_clock" not in found(known=facts(offset_host_us=-900_000))
    off = found(known=facts(offset_host_us=-37_000_000))["host_clock"]
    assert off.verdict == "warning" and "37.0 s behind" in off.what and "timedatectl" in off.mend
    assert found(known=facts(offset_host_us=90_000_000_000))["host_clock"].verdict == "fault"
    assert "host_clock" not in found(known=facts(offset_host_us=None))


def test_a_correction_that_is_too_large_is_doubted() -> None:
    assert "correction" not in found(clock(correction_ms=-2))
    assert found(clock(correction_ms=-5))["correction"].verdict == "warning"
