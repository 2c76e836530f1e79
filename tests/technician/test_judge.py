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


def unheard(name: str, code: str, **changes: Any) -> SourceReport:
    # What is written for people is never judged by: here it is misleading on purpose.
    return replace(
        SourceReport(name, False, False, "no answer; kiss; contradicts; cannot be resolved", code=code), **changes
    )


def facts(*sources: SourceReport, **changes: Any) -> Facts:
    found = sources or tuple(source(f"{i}:123") for i in range(5))
    report = ClockReport(ClockState.SYNC, "5 of 5 time servers agree", 8000.0, -50.0, 1.4, 5, 5, found)
    report = replace(report, **{key: value for key, value in changes.items() if key in ("state", "bound_us", "reason")})
    return Facts(
        report, changes.get("offset_host_us", 100), changes.get("has_rtc", True), measured=changes.get("measured", True)
    )


def lost(*sources: SourceReport, **changes: Any) -> Facts:
    return facts(*sources, **{"state": ClockState.UNSYNC, "bound_us": None, **changes})


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
        ("ntp.nict.go.jp", "nict.go.jp"),
        ("ntp1.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("time.example.org", "example.org"),
        ("a.time.example.de", "example.de"),
    ],
)
def test_operators_are_told_by_names_and_networks(host: str, operator: str) -> None:
    assert operator_of(host) == operator


def test_too_few_servers_and_too_few_operators() -> None:
    two, one_operator = clock(FIVE[:2], chrony=False), clock([f"ntp{i}.one.example" for i in range(5)])
    assert found(two, lost())["few_servers"].verdict == "fault"
    assert found(two)["few_servers"].verdict == "warning", "what is good enough for the agent is no fault here"
    assert found(clock(FIVE[1:5]))["few_servers"].verdict == "warning"
    assert found(one_operator, lost())["one_provider"].verdict == "fault"
    assert found(one_operator)["one_provider"].verdict == "warning"
    assert (
        found(clock([f"ntp{i}.one.example" for i in range(4)] + ["a.two.test"]))["few_providers"].verdict == "warning"
    )
    ours = found(clock([{"host": "10.0.0.1", "ours": True}, FIVE[0]]))
    assert not {"few_servers", "one_provider", "few_providers", "one_source"} & set(ours)


def test_chrony_may_be_the_third() -> None:
    assert "chronyd" in found(clock(FIVE[:2]))["few_servers"].what
    assert "chronyd" not in found(clock(FIVE[:2], chrony=False))["few_servers"].what
    assert "chronyd" not in found(clock(FIVE[:1]))["few_servers"].what
    alone = found(clock(FIVE[:1]))
    assert alone["few_servers"].what.startswith("1 time server is configured") and "one_provider" not in alone


def test_one_server_of_our_own_is_enough_but_nobody_contradicts_it() -> None:
    alone = found(clock([{"host": "10.0.0.1", "ours": True}]))["one_source"]
    assert alone.verdict == "warning" and "nothing contradicts it" in alone.what and "second" in alone.mend


def test_a_firewall_is_suspected_only_where_all_servers_are_silent() -> None:
    silent = [unheard("a:123", "silent"), unheard("b:123", "silent")]
    config = clock([{"host": "a"}, {"host": "b", "port": 1123}])
    blocked = found(config, lost(*silent))["udp_blocked"]
    assert blocked.verdict == "fault" and "UDP ports 123, 1123 are" in blocked.what and "123, 1123" in blocked.mend
    assert "measure" not in blocked.mend, "who has just measured need not be told to"
    assert "--measure" in found(config, lost(*silent, measured=False))["udp_blocked"].mend
    assert "UDP port 123 is" in found(known=lost(*silent))["udp_blocked"].what
    for code in ("unreachable", "kiss_deny", "kiss_rate", "reply", "dns", "dns_away"):
        mixed = found(known=lost(*silent, unheard("c:123", code)))
        assert "udp_blocked" not in mixed and {"silent", code} <= set(mixed), code
    # A second name is not asked, and chrony needs no port.
    others = (unheard("c:123", "same_server"), source("chrony"))
    assert "udp_blocked" in found(known=lost(*silent, *others))


def test_servers_with_the_same_trouble_are_one_finding() -> None:
    names = lost(*(unheard(f"{name}:123", "dns") for name in "ab"), unheard("::1:123", "dns_away"))
    findings = [finding for finding in judge(clock(), names) if finding.code in ("dns", "dns_away")]
    dns, away = findings
    assert dns.what == "DNS does not know a:123, b:123" and "getent hosts a b" in dns.mend and "spelling" in dns.mend
    assert "resolver" in away.what and "resolv.conf" in away.mend and "gateway" in away.mend
    assert {dns.verdict, away.verdict} == {"fault"}
    assert found(known=facts(source(), unheard("b:123", "dns")))["dns"].verdict == "warning"


def test_each_trouble_has_its_own_remedy() -> None:
    for code, what, mend in [
        ("network", "a:123: ", "ip route"),
        ("unreachable", "a:123 refuses", "name another server"),
        ("kiss_rate", "asks us to ask less often", "asked less often"),
        ("kiss_deny", "does not serve us", "your own"),
        ("kiss_other", "sends a kiss", "another"),
        ("reply", "answers what cannot be used", "another"),
        ("waiting", "has not answered yet", "--seconds"),
        ("internal", "in framezero itself", "journalctl"),
    ]:
        finding = found(known=lost(unheard("a:123", code)))[code]
        assert what in finding.what and mend in finding.mend and finding.verdict == "fault"
        assert found(known=facts(source(), unheard("c:123", code)))[code].verdict == "warning"


def test_a_server_of_our_own_is_to_be_started_not_replaced() -> None:
    for code in ("unreachable", "silent"):
        own = found(known=lost(unheard("10.0.0.1:123", code, ours=True), source("b:123", agrees=False)))[code]
        assert "start its NTP service" in own.mend and "another" not in own.mend


@pytest.mark.parametrize("state", [ClockState.SYNC, ClockState.HOLDOVER])
def test_servers_that_have_fallen_silent_are_named_while_the_clock_is_still_good(state: ClockState) -> None:
    fallen = source("a:123", agrees=state is ClockState.SYNC, code="silent", age_s=300.0)
    one = facts(fallen, source("b:123", agrees=state is ClockState.SYNC), state=state)
    silent = found(known=one)["silent"]
    assert silent.verdict == "warning" and "a:123 (last heard 300 s ago)" in silent.what and silent.mend
    all_of_them = found(known=facts(fallen, state=state))["udp_blocked"]
    assert all_of_them.verdict == "warning" and "UDP port 123" in all_of_them.mend
    assert status(judge(clock(), facts(fallen, state=state))) == 0
    if state is ClockState.SYNC:
        blip = replace(fallen, age_s=70.0)
        assert "udp_blocked" not in found(known=facts(blip, blip, state=state)), "a packet each, and all agree"


def test_sources_that_are_out_are_named() -> None:
    liars = [
        source(name, agrees=False, code="falseticker", why="", offset_us=offset_us)
        for name, offset_us in (("d:123", 80_000.0), ("f:123", 3_600_000_000_000.0))
    ]
    double = source("e:123", agrees=False, code="same_server", why="")
    findings = found(known=facts(source(), *liars, double))
    told = findings["falseticker"]
    assert told.what == "d:123 contradicts the majority by +80.0 ms; f:123 contradicts the majority by +1000 h"
    assert "d:123, f:123" in told.mend
    assert findings["same_server"].what == "e:123 is the same server as a:123"


def test_servers_that_contradict_each_other_are_told_with_what_they_say() -> None:
    split = [
        source(name, agrees=False, code="no_majority", offset_us=offset_us)
        for name, offset_us in (("a:123", 78_500.0), ("b:123", -100.0))
    ]
    told = found(known=facts(*split, state=ClockState.DEGRADED))["no_majority"]
    assert told.verdict == "fault" and "a:123 +78.5 ms, b:123 -0.10 ms" in told.what and "majority" in told.mend


def test_chrony_is_no_server_of_the_configuration() -> None:
    lying = source("chrony", agrees=False, code="falseticker", offset_us=3000 * 86_400e6, address="this host")
    findings = found(known=facts(source(), lying))
    assert "falseticker" not in findings
    assert "+3000 days" in findings["chrony"].what and "clock.chrony = false" in findings["chrony"].mend
    assert "chronyc sources" in found(known=facts(source(), unheard("chrony", "chrony")))["chrony"].mend
    assert "chrony" not in found(known=facts(source(), source("chrony")))


def test_a_clock_is_judged_by_the_rule_of_the_agent() -> None:
    assert found(known=facts(bound_us=31_000.0))["bound"].verdict == "fault"
    assert found(clock(ready_error_ms=40), facts(bound_us=31_000.0))["sync"].verdict == "ok"
    held = facts(state=ClockState.HOLDOVER, reason="no time server answers any more")
    told = found(known=held)["holdover"]
    assert told.verdict == "warning" and "no time server answers any more" in told.what
    assert "another 4 h" in told.what, "22 ms more at 1.4 µs a second"
    assert told.mend and status(judge(clock(), held)) == 0
    assert found(known=facts(state=ClockState.HOLDOVER, bound_us=31_000.0))["bound"].verdict == "fault"
    for state in (ClockState.DEGRADED, ClockState.HOST, ClockState.UNSYNC):
        assert found(known=facts(state=state))["not_in_sync"].verdict == "fault"


def test_coasting_over_a_leap_second_asks_for_nothing() -> None:
    held = facts(source(agrees=False, code="coasting"), state=ClockState.HOLDOVER)
    assert {finding.mend for finding in judge(clock(), held)} == {"", "nothing but to wait: it ends by itself"}


def test_the_hosts_own_clock_and_its_battery() -> None:
    assert "fake-hwclock" in found(known=facts(has_rtc=False))["no_rtc"].mend
    assert "host_clock" not in found(known=facts(offset_host_us=-900_000))
    off = found(known=facts(offset_host_us=-37_000_000))["host_clock"]
    assert off.verdict == "warning" and "37.0 s behind" in off.what and "timedatectl" in off.mend
    far = found(known=facts(offset_host_us=3000 * 86_400_000_000))["host_clock"]
    assert far.verdict == "fault" and "3000 days ahead" in far.what
    assert "host_clock" not in found(known=facts(offset_host_us=None))


def test_a_correction_that_no_way_can_make_necessary_is_a_fault() -> None:
    near, far = source("a:123", delay_us=4000.0), source("b:123", delay_us=8000.0)
    out = source("c:123", delay_us=80_000.0, agrees=False, code="falseticker")
    known = facts(near, far, out, bound_us=40_000.0, offset_host_us=5_000_000)
    assert "correction" not in found(clock(correction_ms=-4), known)
    assert {"bound", "host_clock"} <= set(found(clock(correction_ms=-4), known))
    wrong = found(clock(correction_ms=-5), known)
    assert wrong["correction"].verdict == "fault" and "4.0 ms" in wrong["correction"].what
    assert not {"bound", "host_clock"} & set(wrong), "they would be mended in vain"
    held = facts(source(agrees=False, code="silent"), state=ClockState.HOLDOVER)
    assert "correction" in found(clock(correction_ms=-5), held), "the way was known while it answered"
    nobody = unheard("a:123", "silent")
    assert "correction" not in found(clock(correction_ms=-5), lost(nobody)), "nothing is known of the way"
