"""What is said of a player's host, each finding with what mends it; and nothing where nothing can be told."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.technician.findings import Finding
from agent.technician.hosting import Facts, File, Screen, Unit, judge

RUNBOOK = Path(__file__).parents[2] / "deploy" / "runbook.md"
GOOD = Facts(
    user="framezero",
    unit=Unit("framezero", priority=50, started_s=9e9),
    installed="1.2.0",
    running="1.2.0",
    files=(File("/etc/framezero/agent.toml", "the configuration", there=True, readable=True, open_to_all=True),),
    screen=Screen(":0", players=1, saver_s=0),
    temp_c=51.0,
    held_back=False,
    held_back_before=False,
    state_dir="/var/lib/framezero",
    state_free_gb=80.0,
    worn=1,
    log_is_kept=True,
    upgrades_held=True,
    time_daemons=("chrony",),
    zone="Asia/Tokyo",
    venue_zone="Asia/Tokyo",
    clocksource="tsc",
    sound_cards=1,
    films_with_sound=("koi.mp4",),
)
UNIT = Unit("framezero", priority=50)
SCREEN = Screen(":0", players=1)
CERTIFICATE = File("/etc/framezero/venue.pem", "the venue's certificate", there=True, readable=True)

CASES: list[tuple[str, str, Facts, str]] = [
    ("unit_absent", "warning", replace(GOOD, unit=replace(UNIT, loaded=False)), "deploy/install"),
    ("unit_disabled", "warning", replace(GOOD, unit=replace(UNIT, enabled="disabled")), "systemctl enable framezero"),
    ("unit_disabled", "warning", replace(GOOD, unit=replace(UNIT, enabled="masked")), "systemctl unmask framezero"),
    ("unit_inactive", "fault", replace(GOOD, unit=replace(UNIT, active="failed")), "systemctl restart framezero"),
    ("unit_restarts", "warning", replace(GOOD, unit=replace(UNIT, restarts=2, started_s=300.0)), "journalctl -u"),
    ("unit_watchdog", "warning", replace(GOOD, unit=replace(UNIT, watchdog=False)), "WatchdogSec=15"),
    ("unit_realtime", "warning", replace(GOOD, unit=replace(UNIT, priority=0)), "LimitRTPRIO=50"),
    ("unit_root", "warning", replace(GOOD, unit=replace(UNIT, user="")), "User=framezero"),
    ("groups", "warning", replace(GOOD, lacking=("video", "render")), "usermod -aG video,render framezero"),
    ("agent_version", "warning", replace(GOOD, running="1.1.0"), "systemctl restart framezero"),
    (
        "file_absent",
        "fault",
        replace(GOOD, files=(replace(CERTIFICATE, there=False),)),
        "ls -l /etc/framezero/venue.pem",
    ),
    ("file_denied", "fault", replace(GOOD, files=(replace(CERTIFICATE, readable=False),)), "chmod 640"),
    ("file_open", "warning", replace(GOOD, files=(replace(CERTIFICATE, secret=True, open_to_all=True),)), "chmod o="),
    ("display_dpms", "warning", replace(GOOD, screen=replace(SCREEN, power_saving=True)), "xset -dpms"),
    ("display_saver", "warning", replace(GOOD, screen=replace(SCREEN, saver_s=600)), "xset s off"),
    ("display_compositor", "warning", replace(GOOD, screen=replace(SCREEN, compositor=True)), "framezero-kiosk"),
    ("display_shared", "fault", replace(GOOD, screen=replace(SCREEN, players=2)), "pgrep"),
    ("throttled", "warning", replace(GOOD, held_back=True, held_back_before=True), "power supply"),
    ("throttled_before", "warning", replace(GOOD, held_back_before=True), "power supply"),
    ("hot", "warning", replace(GOOD, temp_c=84.0), "fan"),
    ("clocksource", "warning", replace(GOOD, clocksource="hpet"), "wander_ppm"),
    ("swap", "warning", replace(GOOD, swap_on_card=("/var/swap",)), "swapoff -a"),
    ("state_readonly", "fault", replace(GOOD, state_readonly=True), "remount,rw"),
    ("state_full", "fault", replace(GOOD, state_free_gb=0.4), "vacuum-size"),
    ("card_worn", "warning", replace(GOOD, worn=3), "runbook"),
    ("time_daemons", "warning", replace(GOOD, time_daemons=("chrony", "systemd-timesyncd")), "now systemd-timesyncd"),
    ("time_daemons", "warning", replace(GOOD, time_daemons=("ntpsec", "ntp")), "disable --now ntpsec"),
    ("zone", "warning", replace(GOOD, zone="Europe/London"), "set-timezone Asia/Tokyo"),
    ("log_volatile", "warning", replace(GOOD, log_is_kept=False), "/var/log/journal"),
    ("upgrades", "warning", replace(GOOD, upgrades_held=False), "framezero-install"),
    ("sound", "warning", replace(GOOD, sound_cards=0), "aplay -l"),
]


def bad(facts: Facts) -> list[Finding]:
    return [finding for finding in judge(facts) if finding.verdict != "ok"]


def test_a_good_player_is_told_nothing_but_that_its_unit_is_well() -> None:
    assert [(finding.verdict, finding.code) for finding in judge(GOOD)] == [("ok", "unit")]


def test_where_nothing_can_be_told_nothing_is_said() -> None:
    assert judge(Facts("tester")) == []
    assert judge(Facts("tester", screen=Screen(":91", saver_s=600), zone="", venue_zone="Asia/Tokyo")) == []


@pytest.mark.parametrize(("code", "verdict", "facts", "mend"), CASES, ids=[f"{case[0]}-{case[3]}" for case in CASES])
def test_each_finding_stands_alone_and_has_what_mends_it(code: str, verdict: str, facts: Facts, mend: str) -> None:
    [finding] = bad(facts)
    assert (finding.code, finding.verdict) == (code, verdict) and mend in finding.mend, finding


def test_what_is_no_harm_is_not_said() -> None:
    for facts in (
        replace(GOOD, zone="Etc/UTC"),
        replace(GOOD, sound_cards=0, volume=0),
        replace(GOOD, sound_cards=0, films_with_sound=()),
        replace(GOOD, unit=replace(UNIT, restarts=2, started_s=86_400.0)),
        replace(GOOD, unit=replace(UNIT, active="activating")),
        replace(GOOD, screen=replace(SCREEN, players=0, saver_s=600)),
        replace(GOOD, running=None),
    ):
        assert bad(facts) == []


@pytest.mark.parametrize("code", sorted({case[0] for case in CASES}))
def test_the_runbook_has_every_finding(code: str) -> None:
    assert f"`{code}`" in RUNBOOK.read_text(encoding="utf-8").split("## Findings of")[1]
