"""What `framezero check` says of brokers, from facts alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.config import Config, parse
from agent.technician.channel import Certificate, Facts, Visit, as_json, judge
from agent.technician.findings import Finding

NOW = datetime(2026, 6, 1, tzinfo=UTC)
A, B = "mqtts://cue-a.example:8883", "mqtts://cue-b.example:8883"
GOOD = Visit(A, took_ms=80.0, hello=True, until=NOW + timedelta(days=300))
OURS = Certificate("/etc/venue.pem", "tokyo", NOW - timedelta(days=1), NOW + timedelta(days=300))


def config() -> Config:
    tree = {
        "venue": "tokyo",
        "show": "s",
        "timezone": "Asia/Tokyo",
        "state_dir": "/tmp",
        "broker": {"urls": [A, B]},
        "clock": {"servers": ["ntp.example"]},
        "cache": {"dir": "/tmp"},
    }
    return parse(tree, "test")


def judged(*visits: Visit, now: datetime = NOW, **more: Any) -> list[Finding]:
    return judge(config(), Facts(visits, **more), now)


def only(findings: list[Finding], code: str) -> Finding:
    (found,) = (finding for finding in findings if finding.code == code)
    return found


def test_two_brokers_that_serve_are_all_that_is_said() -> None:
    found = judged(GOOD, replace(GOOD, url=B), client=OURS, authority=replace(OURS, file="/etc/ca.pem"))
    assert [(one.verdict, one.code) for one in found] == [("ok", "serves"), ("ok", "serves")]
    assert "connected in 80 ms" in found[0].what


def test_one_broker_alone_is_a_warning() -> None:
    found = only(judged(GOOD), "one_broker")
    assert (found.verdict, "name a second one" in found.mend) == ("warning", True)


@pytest.mark.parametrize(("other", "verdict"), [(GOOD, "warning"), (replace(GOOD, hello=False), "fault")])
def test_a_broker_that_is_away_is_a_fault_where_no_other_serves(other: Visit, verdict: str) -> None:
    away = Visit(B, fault="nobody listens at cue-b.example:8883; is the broker running, and is the port right?")
    found = only(judged(other, away), "unreachable")
    assert (found.verdict, found.what) == (verdict, "nobody listens at cue-b.example:8883")
    assert found.mend == "is the broker running, and is the port right?"


def test_an_access_list_that_hides_or_refuses_is_a_fault_with_the_users_name() -> None:
    wrong = replace(GOOD, hello=False, refused=("r/cue/#",), unwritable=("r/venue/tokyo/ack",))
    found = judged(wrong, replace(GOOD, url=B), client=replace(OURS, name="oslo"))
    for code, word in (("hello", "_hello"), ("subscription", "r/cue/#"), ("access", "r/venue/tokyo/ack")):
        one = only(found, code)
        assert one.verdict == "fault" and word in one.what and "'oslo'" in one.mend


@pytest.mark.parametrize(
    ("changes", "code", "verdict", "mend"),
    [
        ({"ends": NOW}, "ended", "fault", "certify renew tokyo"),
        ({"ends": NOW + timedelta(days=29)}, "ends", "warning", "certify renew tokyo"),
        ({"begins": NOW + timedelta(seconds=1)}, "not_yet", "fault", "timedatectl"),
        ({"name": "paris"}, "name", "fault", "certify venue tokyo"),
    ],
)
def test_our_certificate_is_judged_by_the_hosts_clock(
    changes: dict[str, Any], code: str, verdict: str, mend: str
) -> None:
    found = only(judged(GOOD, replace(GOOD, url=B), client=replace(OURS, **changes)), code)
    assert (found.verdict, mend in found.mend) == (verdict, True)


def test_the_brokers_and_the_authoritys_certificates_are_judged_too() -> None:
    soon = NOW + timedelta(days=3)
    found = judged(replace(GOOD, until=soon), replace(GOOD, url=B), authority=replace(OURS, file="/ca.pem", ends=soon))
    told = [one.what for one in found if one.code == "ends"]
    assert told == [
        "the certificate of cue-a.example:8883 ends in 3 days, on 2026-06-04",
        "the authority's certificate /ca.pem ends in 3 days, on 2026-06-04",
    ]


def test_a_key_for_everybody_and_a_line_without_tls_are_warnings() -> None:
    found = judged(replace(GOOD, url="mqtt://cue-a.example:1883"), replace(GOOD, url=B), loose_key="/etc/venue.key")
    assert only(found, "key_rights").mend == "sudo chmod o= /etc/venue.key"
    assert only(found, "plain").verdict == "warning"
    assert not [one for one in judged(replace(GOOD, url="mqtt://127.0.0.1:1883")) if one.code == "plain"]


def test_scripts_get_each_visit() -> None:
    assert as_json([GOOD, Visit(B, fault="away; mend it")]) == [
        {"url": A, "serves": True, "took_ms": 80.0, "until": "2027-03-28T00:00:00+00:00", "detail": ""},
        {"url": B, "serves": False, "took_ms": None, "until": None, "detail": "away; mend it"},
    ]
