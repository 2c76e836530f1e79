"""What a player goes through, with how long it takes to be on the right frame again: for the test and for repeats.

Each ordeal leaves the player as it found it: playing, its display and its cable in place.
"""

import json
import time
from pathlib import Path
from typing import Any

from house import House
from machine import Machine
from pixels import Pixels

from agent.lab.processes import wait_until

UNIT = "framezero.service"
PLAYER = "agent.player.process"
DEAD_S = 5.0
"""After SIGKILL of agent or player the wall is right again within this time."""
DISPLAY_S = 10.0
"""A display that is back is joined within this time."""
STUCK_S = 30.0
"""An agent that hangs has a successor within this time."""
RESUME_S = 20.0
"""After a reboot the wall is right so long after the machine is up. Without a network the agent first waits whether a
time server answers, before it goes by the host's own clock."""
ONCE_S = 5.0
"""A wall that plays is right at the first look; more is for others that have the processor."""
NAMED_S, TOLD_S = 10.0, 20.0
"""A fault is in the player's own status, and in what the operators see, within these times."""
STOCKED_S = 90.0
"""Set-up, and no promise: others may have the processor."""


class Player:
    """A machine with framezero on it, the house behind its cable, and its wall once something plays."""

    def __init__(self, machine: Machine, house: House) -> None:
        self.machine = machine
        self.house = house
        self.wall: Pixels | None = None

    # --- to look at ----------------------------------------------------------------------------

    @property
    def main(self) -> int:
        """The agent's process; 0 where none runs."""
        return int(self.machine.show(UNIT, "MainPID"))

    @property
    def restarts(self) -> int:
        """How often systemd has started it anew."""
        return int(self.machine.show(UNIT, "NRestarts"))

    def status(self) -> dict[str, Any]:
        """What `framezero local status` says at the wall; nothing in it where the agent does not answer."""
        told = self.machine.run("framezero", "local", "status", "--json", good=None).stdout
        return dict(json.loads(told).get("status") or {})

    def amiss(self) -> set[str]:
        """The codes of what its own status names as amiss."""
        status = self.status()
        return {str(reason["code"]) for reason in status["reasons"]} if status else {"silent"}

    def right_after(self, since: float, limit_s: float) -> float:
        """How many seconds after an instant (monotonic) the wall was on the right frame, to stay. Raises LabError."""
        assert self.wall is not None, "something plays"
        return self.wall.seconds_until_right(since, limit_s)

    # --- to go through -------------------------------------------------------------------------

    def install(self, bundle: Path) -> tuple[float, float]:
        """Install from a stick, and start; the seconds of both, the second one until the agent has said READY."""
        self.machine.copy(bundle, "/media/stick")
        began = time.monotonic()
        self.machine.run("bash", "/media/stick/deploy/install", "--no-apt", seconds=300)
        installed = time.monotonic()
        self.house.furnish()
        return installed - began, self.start()

    def start(self) -> float:
        """Start the unit; the seconds until the agent has said READY."""
        began = time.monotonic()
        self.machine.run("systemctl", "start", UNIT)
        return time.monotonic() - began

    def play(self) -> None:
        """Have the program played, once all films are here."""
        wait_until(self.house.stocked, STOCKED_S, "being ready, with all films")
        self.wall = self.house.play()
        self.right_after(time.monotonic(), STOCKED_S)

    def kill_agent(self) -> float:
        """SIGKILL of the agent."""
        before, began = self.main, time.monotonic()
        self.machine.kill("KILL", before)
        seconds = self.right_after(began, DEAD_S)
        assert self.main not in (0, before)
        return seconds

    def kill_player(self) -> float:
        """SIGKILL of the player process: the agent replaces it, and lives on."""
        agent, (before,) = self.main, self.machine.pids(PLAYER)
        began = time.monotonic()
        self.machine.kill("KILL", before)
        seconds = self.right_after(began, DEAD_S)
        assert self.main == agent
        assert before not in self.machine.pids(PLAYER)
        return seconds

    def lose_display(self, dark_s: float) -> tuple[float, float]:
        """SIGKILL of the X server, away for so long; when that was named, and how soon its return was joined."""
        self.machine.run("systemctl", "start", "xvfb")  # where a try before this one has left it away
        restarts, began = self.restarts, time.monotonic()
        self.machine.run("systemctl", "kill", "--signal=KILL", "xvfb")
        wait_until(lambda: "display_absent" in self.amiss(), NAMED_S, "naming the display")
        named_s = time.monotonic() - began
        wait_until(lambda: self.house.status()["ready"] is False, TOLD_S, "telling the operators")
        time.sleep(max(0.0, dark_s - (time.monotonic() - began)))
        assert "display_absent" in self.amiss()
        began = time.monotonic()
        self.machine.run("systemctl", "start", "xvfb")
        seconds = self.right_after(began, DISPLAY_S)
        wait_until(lambda: not self.amiss(), NAMED_S, "being ready again")
        assert self.restarts == restarts, "a missing display is no reason for a restart"
        return named_s, seconds

    def stop_agent(self) -> tuple[float, float]:
        """SIGSTOP of the agent; how soon the watchdog had replaced it, and the wall was right again."""
        before, restarts, began = self.main, self.restarts, time.monotonic()
        self.machine.kill("STOP", before)
        wait_until(lambda: self.main not in (0, before), STUCK_S, "the watchdog")
        replaced_s = time.monotonic() - began
        seconds = self.right_after(began, replaced_s + DEAD_S)
        assert self.restarts == restarts + 1
        return replaced_s, seconds

    def reboot_alone(self) -> tuple[float, float]:
        """Reboot without a network, which stays away; when the machine was up, and the wall right again."""
        self.machine.pull_cable()
        began = time.monotonic()
        up_s = self.machine.reboot()
        return up_s, self.right_after(began, up_s + RESUME_S)

    def plug_in(self) -> None:
        """The network is back: the wall plays on, and everybody knows that it is ready."""
        self.machine.plug_in()
        wait_until(lambda: not self.amiss(), 60, "broker and clock")
        self.right_after(time.monotonic(), ONCE_S)
        wait_until(lambda: self.house.status()["ready"] is True, TOLD_S, "telling the operators")
