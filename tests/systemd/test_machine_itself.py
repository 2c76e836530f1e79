"""The test machine keeps what its tests rely on: it boots, reboots, loses its cable, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import roots
from machine import FAR_END, Machine

from agent.lab.framebuffer import Framebuffer
from agent.lab.processes import wait_until

pytestmark = pytest.mark.timeout(roots.MAKE_S)


def test_it_boots_with_a_display_that_the_test_can_read(machine: Machine) -> None:
    machine.boot()
    assert machine.run("systemctl", "--failed", "--no-legend").stdout == ""
    screen = Framebuffer.open(machine.screen)
    assert screen.size == (320, 180)
    screen.close()


def test_a_pulled_cable_takes_the_carrier_and_nothing_else(machine: Machine) -> None:
    assert machine.run("cat", "/sys/class/net/eth0/carrier").stdout.strip() == "1"
    reach = ["timeout", "1", "bash", "-c", f"exec 3<>/dev/tcp/{FAR_END}/9"]
    assert "refused" in machine.run(*reach, good=False).stderr, "somebody is there, and nobody listens"
    machine.pull_cable()
    assert machine.run("cat", "/sys/class/net/eth0/carrier").stdout.strip() == "0"
    assert "refused" not in machine.run(*reach, good=False).stderr
    machine.plug_in()
    wait_until(lambda: machine.run("cat", "/sys/class/net/eth0/carrier").stdout.strip() == "1", 5, "the carrier")


def test_a_reboot_keeps_the_disk_and_nothing_of_run(machine: Machine) -> None:
    machine.run("touch", "/root/kept", "/run/lost")
    before = machine.run("cat", "/proc/sys/kernel/random/boot_id", "/run/systemd/container").stdout
    assert "systemd-nspawn" in before
    machine.reboot()
    machine.run("test", "-e", "/root/kept")
    machine.run("test", "-e", "/run/lost", good=False)
    machine.cut_power()
    machine.boot()
    machine.run("test", "-e", "/root/kept")


def test_a_machine_whose_test_was_killed_is_gone(machine: Machine, tmp_path: Path) -> None:
    script = f"""
        import sys, time
        from pathlib import Path
        sys.path[:] = {[str(roots.CLONE), *sys.path]!r}
        from machine import Machine
        from agent.lab.processes import Processes
        place = Path({str(tmp_path)!r})
        with Processes(place / "logs") as processes, Machine(processes, place) as it:
            it.boot()
            print(it.name, it.outside(1), flush=True)
            time.sleep(600)
    """
    test = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    assert test.stdout is not None
    name, leader = test.stdout.readline().split()
    assert Path(f"/proc/{leader}").exists()
    os.kill(test.pid, signal.SIGKILL)
    test.wait()
    until = time.monotonic() + 10
    while left := [entry for entry in Path("/proc").glob("[0-9]*") if _is_of(entry, name, leader)]:
        assert time.monotonic() < until, left
        time.sleep(0.05)
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def _is_of(process: Path, name: str, leader: str) -> bool:
    try:
        words = (process / "cmdline").read_text(errors="replace")
    except OSError:
        return False
    return name in words or (process.name == leader and words != "")
