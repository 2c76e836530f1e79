"""What a real player must hold, on a machine that boots: from a stick to the right frame, and back whatever dies.

The steps follow each other on one machine. The wall is judged by the pixels of its display against the time that is
true for test and machine alike; the limits are those of ordeals.py. tests/long/machine repeats it, on Debian 13 too.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import resting
import roots
from house import House
from machine import Machine
from ordeals import DEAD_S, DISPLAY_S, STUCK_S, UNIT, Player

from agent.lab.framebuffer import Framebuffer
from agent.lab.processes import LabError, wait_until

READY_S, BLACK_S = 10.0, 5.0
DARK_S = 14.0
"""So long the display stays away: a player has been tried in vain several times by then."""
REST_S = 20.0
PLAYING_MB = 300
"""With two decoders, and with all libraries counted, as no other process of the machine has them: 202 were seen."""
EXPOSURE = 2.0

Record = Callable[[str, object], None]
# A second try, as conftest.py gives it to all that watches real programs in real time: the limits are short where
# others have the processors, and each step can be taken again.
pytestmark = [pytest.mark.timeout(roots.MAKE_S + 120), pytest.mark.flaky(reruns=1)]


@pytest.fixture(scope="module")
def player(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Player:
    """A machine that was just switched on, and nothing of framezero's on it."""
    house = House(machine, tmp_path_factory.mktemp("house"))
    house.open()
    machine.boot()
    return Player(machine, house)


@pytest.fixture(autouse=True)
def _told(player: Player, request: pytest.FixtureRequest) -> Iterator[None]:
    """What the machine's journal says goes with a failure."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        print(player.machine.journal(UNIT, 80))  # noqa: T201 - shown with the failure, and only then


def test_it_is_installed_from_a_wheel_without_a_network(player: Player, bundle: Path, record_property: Record) -> None:
    assert player.machine.run("cat", "/proc/net/route").stdout.count("\n") == 2, (
        "the cable's own network, and no way out"
    )
    installed_s, ready_s = player.install(bundle)
    record_property("figure", f"install from a stick, no network: {installed_s:.1f} s")
    record_property("figure", f"systemctl start to READY: {ready_s:.1f} s (limit {READY_S:g})")
    assert player.machine.show(UNIT, "ActiveState") == "active"
    assert ready_s <= READY_S


def test_agent_at_rest_is_small(player: Player, record_property: Record) -> None:
    agent = player.machine.outside(player.main)
    wait_until(lambda: player.house.status().get("self_test") is not None, 120, "the agent's own test")
    wait_until(lambda: resting.settled(agent), 60, "the end of the agent's own test")
    shares = resting.measure(agent, REST_S)
    core, memory_mb = sum(share.core for share in shares), sum(share.pss_mb for share in shares)
    most = f"limits {resting.MOST_CORE:.0%}, {resting.MOST_MB} MB"
    record_property("figure", f"agent and player at rest: {core:.2%} of a core, {memory_mb:.0f} MB ({most})")
    assert memory_mb <= resting.MOST_MB  # the time of a core is judged by tests/long/rest, in a whole quiet minute


def test_a_cue_plays_on_the_frame_that_is_due(player: Player) -> None:
    player.play()
    assert player.wall is not None
    for late in (-3, 3, 7 * 30, 18 * 30 + 3):  # frames: a bit, a film, a loop and a bit
        assert not player.wall.shifted(late).right(), "who judges the wall can tell"


def test_killed_agent_is_back_on_the_right_frame(player: Player, record_property: Record) -> None:
    seconds = player.kill_agent()
    record_property("figure", f"kill -9 of the agent to the right frame: {seconds:.1f} s (limit {DEAD_S:g})")


def test_killed_player_is_back_on_the_right_frame(player: Player, record_property: Record) -> None:
    seconds = player.kill_player()
    record_property("figure", f"kill -9 of the player to the right frame: {seconds:.1f} s (limit {DEAD_S:g})")


def test_display_that_dies_is_named_and_joined_when_it_is_back(player: Player, record_property: Record) -> None:
    named_s, seconds = player.lose_display(DARK_S)
    record_property("figure", f"display killed, named in the status after {named_s:.1f} s")
    record_property("figure", f"display back to the right frame: {seconds:.1f} s (limit {DISPLAY_S:g})")


def test_stopped_agent_is_replaced_by_the_watchdog(player: Player, record_property: Record) -> None:
    replaced_s, seconds = player.stop_agent()
    record_property("figure", f"SIGSTOP of the agent to its successor: {replaced_s:.1f} s (limit {STUCK_S:g})")
    record_property("figure", f"SIGSTOP of the agent to the right frame: {seconds:.1f} s")


def test_reboot_without_network_resumes_what_runs(player: Player, record_property: Record) -> None:
    up_s, seconds = player.reboot_alone()
    record_property("figure", f"reboot without network: up after {up_s:.1f} s, right frame after {seconds:.1f} s")
    assert player.status()["state"] == "playing"
    assert {"clock_host", "broker"} & player.amiss(), "nobody vouches for its clock, and it says so"


def test_wall_is_black_at_once_by_hand_and_back_without_network(player: Player, record_property: Record) -> None:
    began = time.monotonic()
    player.machine.run("framezero", "local", "black")
    wait_until(lambda: _black(player.machine.screen), BLACK_S, "black")
    black_s = time.monotonic() - began
    time.sleep(1.0)
    assert _black(player.machine.screen)
    began = time.monotonic()
    player.machine.run("framezero", "local", "resume")
    seconds = player.right_after(began, DEAD_S)
    record_property("figure", f"local black: {black_s:.1f} s; local resume to the right frame: {seconds:.1f} s")


def test_start_without_display_and_network_is_ready_and_no_loop(player: Player, record_property: Record) -> None:
    for unit in (UNIT, "xvfb"):
        player.machine.run("systemctl", "stop", unit)
    ready_s = player.start()
    record_property("figure", f"start without display and network to READY: {ready_s:.1f} s (limit {READY_S:g})")
    assert ready_s <= READY_S
    main = player.main
    wait_until(lambda: "display_absent" in player.amiss(), 5, "naming the display")
    player.machine.run("systemctl", "start", "xvfb")
    player.right_after(time.monotonic(), DISPLAY_S)
    assert player.main == main


def test_cable_that_is_back_changes_nothing_on_the_wall(player: Player) -> None:
    player.plug_in()


def test_agent_and_player_do_not_grow_by_what_befell_them(player: Player, record_property: Record) -> None:
    agent = player.machine.outside(player.main)
    wait_until(lambda: resting.settled(agent), 120, "the end of the agent's own test")
    memory_mb = sum(resting.Snapshot.of(pid).pss_mb for pid in resting.family(agent))
    record_property("figure", f"agent and player while a film plays: {memory_mb:.0f} MB")
    assert memory_mb <= PLAYING_MB


def test_journal_has_fields(player: Player) -> None:
    told = player.machine.run("journalctl", "--no-pager", "-u", UNIT, "-o", "json").stdout
    entries = [json.loads(line) for line in told.splitlines()]
    assert any("FRAMEZERO_CUE" in entry for entry in entries), "a cue's lines are found by its id"


def test_what_an_intruder_could_do_is_little(player: Player, record_property: Record) -> None:
    told = player.machine.run("systemd-analyze", "security", "--no-pager", UNIT, good=None).stdout
    found = re.search(r"Overall exposure level for framezero\.service: ([\d.]+)", told)
    assert found, told
    record_property("figure", f"systemd-analyze security: {found[1]} (limit {EXPOSURE:g})")
    assert float(found[1]) <= EXPOSURE


def test_stop_leaves_no_process(player: Player, record_property: Record) -> None:
    began = time.monotonic()
    player.machine.run("systemctl", "stop", UNIT)
    record_property("figure", f"systemctl stop: {time.monotonic() - began:.1f} s")
    assert player.machine.pids("framezero|agent[.]player") == []
    assert player.machine.show(UNIT, "Result") == "success"
    assert not player.machine.run("ls", "-A", "/run/framezero", good=None).stdout


def _black(path: Path) -> bool:
    try:
        screen = Framebuffer.open(path)
    except LabError:
        return False
    try:
        return not screen.snapshot().any()
    finally:
        screen.close()
