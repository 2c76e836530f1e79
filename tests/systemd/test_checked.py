"""A player as its technician sets it up and looks at it: the wizard, `framezero check`, and the agent's own test."""

import json
from pathlib import Path
from typing import Any

import pytest
import roots
from house import CONFIG, SHOW, VENUE, House
from machine import FAR_END, Machine

from agent.lab.processes import wait_until

pytestmark = pytest.mark.timeout(roots.MAKE_S + 120)
UNIT = "framezero"
TESTED_S = 120.0
ANSWERS = ["--venue", VENUE, "--show", SHOW, "--timezone", "Asia/Tokyo", "--broker", f"mqtt://{FAR_END}"]
ANSWERS += ["--time-server", f"{FAR_END} ours", "--display", ":0", "--quota-gb", "10"]


@pytest.fixture(scope="module")
def player(machine: Machine, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with framezero on it, and no configuration yet; the show's public keys are on its stick."""
    house = House(machine, tmp_path_factory.mktemp("house"))
    house.open()
    machine.copy(bundle, "/media/stick")
    for key in house.keys.glob("*.toml"):
        machine.copy(key, f"/media/stick/keys/{key.name}")
    machine.boot()
    machine.run("bash", "/media/stick/deploy/install", "--no-apt", seconds=300)
    return machine


def checked(machine: Machine, *words: str) -> dict[str, str]:
    """What `framezero check` finds that is not good: code and remedy."""
    told = json.loads(machine.run("framezero", "check", "--json", *words, good=None).stdout)
    return {finding["code"]: finding["mend"] for finding in told["findings"] if finding["verdict"] != "ok"}


def test_the_wizard_makes_what_the_agent_needs_and_the_agent_runs_with_it(player: Machine) -> None:
    words = ["framezero", "setup", "--yes", "--json", *ANSWERS, "--copy-keys", "/media/stick/keys"]
    told: dict[str, Any] = json.loads(player.run(*words).stdout)
    assert told["written"] and sorted(told["keys"]) == ["alice.toml", "films.toml"]
    verdicts = {finding["code"]: finding["verdict"] for finding in told["findings"]}
    assert verdicts["serves"] == verdicts["sync"] == verdicts["display"] == "ok", told["findings"]
    assert player.run("stat", "-c", "%U:%G %a", CONFIG).stdout.strip() == "root:framezero 640"
    player.run("systemctl", "enable", "--now", UNIT)
    done = player.run("framezero", "check", "--no-films", good=None)
    assert done.returncode == 0, done.stdout


def test_the_agent_tests_itself_within_its_sandbox_and_finds_no_fault(player: Machine) -> None:
    found: list[dict[str, Any]] = []

    def tested() -> bool:
        status = json.loads(player.run("framezero", "local", "status", "--json", good=None).stdout).get("status") or {}
        found.extend(filter(None, [status.get("self_test")]))
        return bool(found)

    wait_until(tested, TESTED_S, "the agent's own test")
    # Whether this kernel lets a container have real-time scheduling is not the player's doing.
    amiss = {finding["code"] for finding in found[-1]["findings"]} - {"realtime"}
    assert (found[-1]["faults"], amiss) == (0, set()) and found[-1]["good"] > 4


def test_what_is_broken_by_hand_is_named_with_what_mends_it(player: Machine) -> None:
    good = checked(player, "--short").keys() - {"realtime"}
    assert not good, good
    player.run("systemctl", "disable", UNIT)
    player.run("chown", "root:root", CONFIG)
    player.run("ln", "-sf", "/usr/share/zoneinfo/Europe/London", "/etc/localtime")
    player.run("rm", "-rf", "/var/log/journal")
    found = checked(player, "--short")
    assert "systemctl enable framezero" in found["unit_disabled"]
    assert "chgrp framezero" in found["file_denied"]
    assert "set-timezone Asia/Tokyo" in found["zone"]
    assert "/var/log/journal" in found["log_volatile"]
    player.run("systemctl", "stop", UNIT)
    assert "systemctl restart framezero" in checked(player, "--short")["unit_inactive"]
    # The remedies, as they are told.
    for command in ("systemctl enable framezero", f"chgrp framezero {CONFIG}; chmod 640 {CONFIG}"):
        player.run("sh", "-c", command)
    player.run("systemctl", "restart", UNIT)
    assert not {"unit_disabled", "file_denied", "unit_inactive"} & checked(player, "--short").keys()
