"""The agent's unit on a booted machine, with a probe in the agent's place: what it may do there, and what not.

The agent itself is tried by test_booted.py. Here is what a sandbox breaks without anybody noticing: a player that
quietly copies pictures through a socket, or starts some milliseconds late.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import roots
from machine import Machine

from agent.lab.processes import wait_until

UNIT = "framezero.service"
UNITS = Path(__file__).parents[2] / "systemd"
OPEN = ("/etc/open", "/opt/open", "/var/open", "/home/open")
"""Folders that anybody may write: the unit alone keeps the agent out."""
FORBIDDEN = (*OPEN, "packets", "clock", "kernel log")
STUCK_S = 30.0

pytestmark = pytest.mark.timeout(roots.MAKE_S)


def told(machine: Machine) -> dict[str, Any]:
    """What the probe found last."""
    text = machine.run("cat", "/run/framezero/probe.json", good=None).stdout
    return dict(json.loads(text)) if text else {"pid": 0}


def afresh(machine: Machine) -> dict[str, Any]:
    """What it finds from now on."""
    machine.run("rm", "-f", "/run/framezero/probe.json")
    wait_until(lambda: bool(told(machine)["pid"]), 20, "the probe's word")
    return told(machine)


@pytest.fixture(scope="module")
def sandboxed(machine: Machine) -> Machine:
    """The machine with the unit as it is, and the probe in it; there is no display when it starts."""
    for file in UNITS.rglob("*"):
        if file.is_file():
            machine.copy(file, f"/etc/systemd/system/{file.relative_to(UNITS)}")
    machine.copy(Path(__file__).parent / "probe.py", "/opt/framezero/current/bin/framezero")
    machine.path("/opt/framezero/current/bin/framezero").chmod(0o755)
    # This host may lack the right to raise limits; then the kernel's other way of permitting it stands for LimitRTPRIO.
    right = "[Service]\nCapabilityBoundingSet=CAP_SYS_NICE\nAmbientCapabilities=CAP_SYS_NICE\n"
    machine.write("/etc/systemd/system/framezero.service.d/test.conf", right)
    machine.write("/etc/framezero/agent.toml", "")  # without one it is not started
    for folder in OPEN:
        machine.path(folder).mkdir()
        machine.path(folder).chmod(0o777)
    machine.boot()
    machine.run("useradd", "--system", "--home-dir", "/var/lib/framezero", "framezero")
    machine.run("systemctl", "stop", "xvfb")
    machine.run("systemctl", "start", UNIT)
    return machine


def test_it_starts_without_display_and_credentials_and_stays(sandboxed: Machine) -> None:
    found = afresh(sandboxed)
    assert "display" in {name for name, error in found["tried"].items() if error}
    assert found["credentials"] == []
    assert (sandboxed.show(UNIT, "ActiveState"), sandboxed.show(UNIT, "NRestarts")) == ("active", "0")


def test_what_a_player_needs_is_allowed_and_nothing_else(sandboxed: Machine) -> None:
    sandboxed.run("systemctl", "start", "xvfb")
    sandboxed.run("mkdir", "-p", "/mnt/films")
    sandboxed.run("mount", "-t", "tmpfs", "-o", "mode=777", "films", "/mnt/films")  # a disk that comes later
    wait_until(lambda: not afresh(sandboxed)["tried"]["display"], 10, "the display that came later")
    tried = afresh(sandboxed)["tried"]
    assert {name: error for name, error in tried.items() if error and name not in FORBIDDEN} == {}
    assert [name for name in FORBIDDEN if not tried[name]] == []


def test_a_display_that_is_started_again_is_reached(sandboxed: Machine) -> None:
    sandboxed.run("systemctl", "restart", "xvfb")
    wait_until(lambda: not afresh(sandboxed)["tried"]["shared memory"], 10, "the new display")


def test_limits_are_those_of_the_unit(sandboxed: Machine) -> None:
    assert sandboxed.show(UNIT, "LimitRTPRIO") == "50"
    assert sandboxed.show(UNIT, "OOMPolicy") == "continue"
    assert sandboxed.show(UNIT, "StartLimitIntervalUSec") == "0"


def test_credentials_are_there_where_somebody_has_put_them(sandboxed: Machine) -> None:
    names = ["framezero.broker.password", "framezero.venue.key"]
    for name in names:
        sandboxed.write(f"/etc/credstore/{name}", "of this venue", mode=0o600)
    sandboxed.run("systemctl", "restart", UNIT)
    assert afresh(sandboxed)["credentials"] == names


def test_one_that_stands_still_is_replaced_with_all_that_it_started(
    sandboxed: Machine, record_property: Callable[[str, object], None]
) -> None:
    before, began = int(sandboxed.show(UNIT, "MainPID")), time.monotonic()
    players = sandboxed.pids("^sleep 1000$")
    sandboxed.kill("STOP", before)
    wait_until(lambda: told(sandboxed)["pid"] not in (0, before), STUCK_S, "the watchdog")
    record_property("figure", f"SIGSTOP to the successor of a probe: {time.monotonic() - began:.1f} s ({STUCK_S:g})")
    assert len(sandboxed.pids("^sleep 1000$")) == len(players) == 1
    assert sandboxed.pids("^sleep 1000$") != players
