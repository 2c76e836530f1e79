"""deploy/install on a booted Debian without a network: installed, upgraded, taken back, uninstalled, during a show."""

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import roots
import wheels
from house import House
from machine import Done, Machine
from ordeals import ONCE_S, STOCKED_S
from pixels import Pixels

from agent.lab.processes import wait_until

pytestmark = pytest.mark.timeout(roots.MAKE_S + 120)

STICK = "/media/NO NAME/framezero"
"""As a desktop mounts a stick that nobody has given a name."""
INSTALL = f"{STICK}/deploy/install"
CURRENT = "/opt/framezero/current"
Figure = Callable[[str, object], None]

READY_S = 10.0
BACK_S = 20.0


@dataclass
class Site:
    """A player, whom it is connected with, and the versions of which its stick has a wheel."""

    machine: Machine
    house: House
    wheels: Path
    good: Path

    def install(self, *words: str, good: bool = True, seconds: float = 120) -> Done:
        """Run the installer from the stick."""
        return self.machine.run("bash", INSTALL, *words, good=good, seconds=seconds)

    def upgrade(self, wheel: str, *words: str, good: bool = True) -> Done:
        """Have it install another version, one that comes up soon or is bad."""
        return self.install("--wheel", f"/media/stick/wheels/{wheel}", "--no-apt", *words, good=good, seconds=240)

    def wheel(self, version: str, edits: dict[str, tuple[str, str]] | None = None) -> str:
        """Put a wheel of another version onto the stick; its name."""
        made = wheels.altered(self.good, self.wheels, version, edits)
        self.machine.copy(made, f"/media/stick/wheels/{made.name}")
        return made.name

    @property
    def version(self) -> str:
        """What is in use."""
        return self.machine.run("/usr/local/bin/framezero", "--version").stdout.split()[-1]

    @property
    def current(self) -> str:
        return self.machine.run("readlink", CURRENT).stdout.strip()

    def ready(self) -> bool:
        return self.machine.show("framezero.service", "ActiveState") == "active"


@pytest.fixture(scope="module")
def site(machine: Machine, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A machine that was just switched on, with the stick in it, and nothing of framezero's on it."""
    house = House(machine, tmp_path_factory.mktemp("house"))
    house.open()
    machine.copy(bundle, STICK)
    machine.boot()
    return Site(machine, house, tmp_path_factory.mktemp("wheels"), wheels.wheel_of(bundle))


def tree(player: Machine) -> set[str]:
    """Everything that an installation could leave behind: files, units that are enabled, users and groups."""
    places = ("/etc", "/opt", "/usr", "/var", "/root", "/home", "/run")
    busy = (
        "/var/log/journal",
        "/run/log",
        "/run/systemd",
        "/run/udev",
        "/var/lib/systemd",
        "/var/lib/xvfb",
        "/run/mount",
        "/run/agetty.reload",
    )
    skipped = [word for place in busy for word in ("-path", place, "-prune", "-o")]
    found = player.run("find", *places, "-xdev", *skipped, "-printf", "%y %M %u %p\n").stdout
    names = player.run("getent", "passwd").stdout + player.run("getent", "group").stdout
    units = player.run("systemctl", "list-unit-files", "--no-legend", "--no-pager").stdout
    # The account files are other ones after useradd and userdel, with the same words in them.
    return {line for line in (found + names + units).splitlines() if not line.endswith(("-", ".lock"))}


def test_it_installs_without_a_network_and_is_ready(site: Site, record_property: Figure) -> None:
    site.machine.pull_cable()
    before = tree(site.machine)
    (site.wheels / "before").write_text("\n".join(sorted(before)))
    began = time.monotonic()
    done = site.install("--no-apt")
    record_property("figure", f"installed without a network within {time.monotonic() - began:.1f} s")
    assert "sudo framezero setup" in done.stdout
    site.machine.run("systemctl", "start", "framezero")
    started = [site.machine.show("framezero.service", name) for name in ("ActiveState", "NRestarts")]
    assert started == ["inactive", "0"], "without a configuration it would be started over and over"
    site.house.furnish()
    done = site.install("--no-apt")
    took_us = [
        int(site.machine.show("framezero.service", name))
        for name in ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    ]
    seconds = (took_us[1] - took_us[0]) / 1_000_000
    assert "systemctl start framezero.service" in done.stdout
    assert site.ready()
    record_property("figure", f"started by the installer, READY within {seconds:.1f} s")
    assert seconds <= READY_S
    assert "framezero" in site.machine.run("ps", "-o", "user=", "-p", site.machine.show("framezero", "MainPID")).stdout


def test_a_second_run_changes_nothing_and_says_so(site: Site, record_property: Figure) -> None:
    before = tree(site.machine)
    pid = site.machine.show("framezero.service", "MainPID")
    began = time.monotonic()
    done = site.install("--no-apt")
    record_property("figure", f"a second run takes {time.monotonic() - began:.1f} s")
    assert "nothing changed" in done.stdout
    assert "making" not in done.stdout
    assert "wrote" not in done.stdout
    assert tree(site.machine) == before
    assert site.machine.show("framezero.service", "MainPID") == pid
    site.machine.plug_in()


@pytest.fixture(scope="module")
def wall(site: Site) -> Pixels:
    """The wall, with the program on it."""
    wait_until(site.house.stocked, STOCKED_S, "being ready, with all films")
    pixels = site.house.play()
    pixels.seconds_until_right(time.monotonic(), 30)
    return pixels


def test_it_does_not_touch_a_wall_on_which_a_cue_runs(site: Site, wall: Pixels) -> None:
    current, pid = site.current, site.machine.show("framezero.service", "MainPID")
    done = site.upgrade(site.wheel("90.1"), good=False)
    assert done.returncode == 1
    assert "--force" in done.stderr
    assert "would interrupt the show" in done.stderr
    for words in (["uninstall"], ["uninstall", "--purge"]):
        assert "would interrupt the show" in site.install(*words, good=False).stderr
    assert (site.current, site.machine.show("framezero.service", "MainPID")) == (current, pid)
    wall.seconds_until_right(time.monotonic(), ONCE_S)


def test_an_upgrade_keeps_state_and_films(site: Site, wall: Pixels, record_property: Figure) -> None:
    def kept() -> str:
        return site.machine.run(
            "sh", "-c", "cd /var/cache/framezero && find . -type f ! -name '.*' | sort | xargs sha256sum"
        ).stdout

    films = kept()
    assert films
    book = site.machine.run("stat", "-c", "%i", "/var/lib/framezero/asrun.sqlite3").stdout
    began = time.monotonic()
    site.machine.pull_cable()  # what it shows then it has from its own disk
    done = site.upgrade("framezero-90.1-py3-none-any.whl", "--force")
    record_property("figure", f"an upgrade takes {time.monotonic() - began:.1f} s: {', '.join(_gaps(done))}")
    assert site.version == "90.1"
    wall.seconds_until_right(time.monotonic(), BACK_S)
    assert kept() == films
    assert site.machine.run("stat", "-c", "%i", "/var/lib/framezero/asrun.sqlite3").stdout == book
    site.machine.plug_in()


def _gaps(done: Done) -> list[str]:
    """How long the wall had no agent, as the installer says."""
    return [line.split("] ")[1] for line in done.stdout.splitlines() if "without an agent for" in line]


BEGIN = (
    "async def run_until_signal(config: Config, file: Path | None = None) -> None:\n"
    '    """Run the agent until SIGINT or SIGTERM. Raises CannotStartError before anything is shown."""\n'
)
READY = 'ready = ready or self._notifier.tell("READY=1")'
DIES = "bool(asyncio.get_running_loop().call_later(2.0, os._exit, 7))"
STEPS = "SCHEMA_VERSION = len(_STEPS)\n"
OTHER = '_STEPS = (*_STEPS, "CREATE TABLE other (word TEXT) STRICT")\n'
BAD = {
    "crashes at once": {"agent/daemon.py": (BEGIN, f"{BEGIN}    raise SystemExit(7)\n")},
    "is never ready": {"agent/daemon.py": (BEGIN, f"{BEGIN}    await asyncio.sleep(3600)\n")},
    "is ready, writes the journal in another way, and ends": {
        "agent/systemd.py": (READY, f"{READY} and {DIES}"),
        "agent/journal.py": (STEPS, OTHER + STEPS),
    },
}


@pytest.mark.parametrize("how", BAD)
def test_a_version_that_does_not_come_up_is_taken_back(
    site: Site, wall: Pixels, how: str, record_property: Figure
) -> None:
    name = site.wheel(f"91.{list(BAD).index(how)}", BAD[how])
    current = site.current
    began = time.monotonic()
    done = site.upgrade(name, "--force", "--wait", "6" if "never" in how else "60", good=False)
    back = time.monotonic()
    record_property("figure", f"a version that {how}: back after {back - began:.1f} s; {', '.join(_gaps(done))}")
    assert done.returncode == 1
    assert "going back to" in done.stdout
    assert "runs again" in done.stdout
    assert site.current == current
    assert site.version == "90.1"
    wall.seconds_until_right(back, BACK_S)
    assert "91." not in site.machine.run("ls", "/opt/framezero/versions").stdout
    aside = "journal.sqlite3.not-90.1" in site.machine.run("ls", "/var/lib/framezero").stdout
    assert aside is ("journal" in how), "only what the old version cannot read is put aside"


@pytest.mark.parametrize("when", ["pip install", "stopping"])
def test_a_killed_installer_leaves_a_wall_that_plays(site: Site, wall: Pixels, when: str) -> None:
    current = site.current
    name = site.wheel("92.0")
    log = "/var/log/framezero/install.log"
    site.machine.run("truncate", "-s0", log)
    install = f"bash {shlex.quote(INSTALL)} --wheel /media/stick/wheels/{name} --no-apt --force"
    script = f"{install} & echo $! >/tmp/installer; wait"
    site.machine.run("systemd-run", "--quiet", "bash", "-c", script)
    wait_until(lambda: when in site.machine.path(log).read_text(), 120, when)
    site.machine.run("sh", "-c", "kill -9 $(cat /tmp/installer); pkill -9 -f '[s]witcher switch' || true")
    wait_until(lambda: not site.machine.path("/opt/framezero/switch").exists(), 120, "the switch")
    wall.seconds_until_right(time.monotonic(), BACK_S)
    assert site.current == current
    assert site.ready()


def test_no_room_for_the_copy_of_the_state_leaves_all_as_it_was(site: Site, wall: Pixels) -> None:
    current = site.current
    site.machine.run("mount", "-t", "tmpfs", "-o", "size=16k,mode=755", "full", "/opt/framezero/saved")
    done = site.machine.run("framezero-install", "rollback", "--force", good=False, seconds=240)
    site.machine.run("umount", "/opt/framezero/saved")
    assert "could not be copied" in done.stdout
    assert "runs again" in done.stdout
    assert site.current == current
    wall.seconds_until_right(time.monotonic(), BACK_S)


def test_it_goes_back_and_forward_by_hand(site: Site, wall: Pixels, record_property: Figure) -> None:
    assert site.install("rollback", good=False).returncode == 1
    began = time.monotonic()
    done = site.machine.run("framezero-install", "rollback", "--force")
    record_property("figure", f"a roll-back by hand takes {time.monotonic() - began:.1f} s: {', '.join(_gaps(done))}")
    assert site.version == site.good.name.split("-")[1]
    wall.seconds_until_right(time.monotonic(), BACK_S)
    site.machine.run("framezero-install", "rollback", "--force")
    assert site.version == "90.1"


def test_an_uninstall_keeps_what_is_the_venues_and_a_purge_nothing(site: Site) -> None:
    before = set((site.wheels / "before").read_text().splitlines())
    site.machine.run("framezero-install", "uninstall", "--force")
    left = {line.split(" ")[-1] for line in tree(site.machine) - before}
    ours = (
        "player:/var/lib/framezero:",  # the end of its line among the users
        "/etc/framezero",
        "/var/lib/framezero",
        "/var/cache/framezero",
        "/var/log/framezero",
        "framezero:",
        "video:",
        "render:",
        "audio:",
    )
    assert [line for line in left if not line.startswith(ours)] == []
    assert "/etc/framezero/agent.toml" in left
    site.install("uninstall", "--purge")
    assert tree(site.machine) - before == set()
    assert before - tree(site.machine) == set()
