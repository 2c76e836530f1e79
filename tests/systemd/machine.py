"""A machine of a test's own: Debian, booted with systemd by systemd-nspawn, with a fake display and a network cable.

Everything it consists of hangs on processes that end with the test, whatever ends that (agent/lab/processes.py): its
network and the mount of its disk are namespaces of such a process and vanish with it, and a guard takes the machine
along. Two machines never meet: each has its own control group, network, disk and name.

    with Processes(tmp_path / "logs") as processes, Machine(processes, tmp_path / "player") as machine:
        machine.boot()
        machine.run("systemctl", "start", "framezero")
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import roots

from agent.lab.processes import Child, LabError, Processes, wait_until

Done = subprocess.CompletedProcess[str]

BOOT_S = 90.0
"""A machine that takes so long does not come up. A second is usual on two cores that are free."""
HOLD_S = 30.0
REBOOTED = 133
"""The exit status of systemd-nspawn --keep-unit by which it asks to be started again (systemd-nspawn@.service)."""
ADDRESS, FAR_END = "10.83.0.2", "10.83.0.1"
"""The machine's address, and that of whoever holds the other end of its cable. Every machine has the same ones."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SIZE = (320, 180)
SCREEN = "/var/lib/xvfb/Xvfb_screen0"
DISPLAY_UNIT = f"""\
[Unit]
Description=Fake display of the test

[Service]
# The folder is on the disk, where the test can read it.
StateDirectory=xvfb
ExecStart=/usr/bin/Xvfb :0 -screen 0 {SIZE[0]}x{SIZE[1]}x24 -fbdir /var/lib/xvfb -nolisten tcp -noreset +bs -s 0 -ac
Restart=no

[Install]
WantedBy=multi-user.target
"""
HOLD = """\
mount -t tmpfs -o size=16g,mode=755 disk "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
ip link set lo up
echo '{"up": true}'
exec cat
"""
"""Holds the disk: what the machine writes above its root lives in memory, so that nothing of it is ever left over."""
FAR = """\
ip link set lo up
echo '{"up": true}'
exec cat
"""
GUARD = """\
read -r _
for _ in {1..500}; do
    left=$(find "$@" -depth -type d 2>/dev/null) || true
    [ -n "$left" ] || exit 0
    for group in $left; do
        kill -KILL $(cat "$group/cgroup.procs" 2>/dev/null) 2>/dev/null
        rmdir "$group" 2>/dev/null
    done
    sleep 0.02
done
exit 1
"""
"""Ends what is in the machine's control groups when its input ends: when the test switches off, or was killed itself.

The machine does not end with systemd-nspawn: its number 1 outlives a parent that was killed.
"""
BOOT = """\
while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done
shift
exec nsenter --mount="/proc/$1/ns/mnt" --net="/proc/$1/ns/net" -- "${@:2}"
"""


class Machine:
    """One machine. A context manager: on entering its disk is there, on leaving everything of it is gone.

    `root` is its disk as the test reaches it, switched on or off. A link of the machine's that begins with a slash
    leads nowhere from there: read such files with `run`.
    """

    def __init__(self, processes: Processes, folder: Path, base: Path | None = None) -> None:
        self.name = f"framezero-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.processes = processes
        self._folder = folder
        self._base = base or roots.root()
        self._holder: Child | None = None
        self._nspawn: Child | None = None
        self._leader: int | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._boots = 0
        self._far: Child | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        hold = ["unshare", "--mount", "--net", "--propagation", "private", "bash", "-ec", HOLD, "hold"]
        places = [str(self._base), str(self._folder)]
        self._holder = self.processes.start(f"{self.name}-holder", [*hold, *places], talks=True)
        self._holder.hear(HOLD_S)
        self._far = self.processes.start(f"{self.name}-far", ["unshare", "--net", "bash", "-ec", FAR], talks=True)
        self._far.hear(HOLD_S)
        self._lay_cable()
        self.root = Path(f"/proc/{self._holder.pid}/root") / (self._folder / "root").relative_to("/")
        self.write("/etc/machine-id", "")
        self.write("/etc/hostname", "player\n")
        self.write("/etc/systemd/system/xvfb.service", DISPLAY_UNIT)
        wants = self.path("/etc/systemd/system/multi-user.target.wants")
        wants.mkdir(exist_ok=True)
        (wants / "xvfb.service").symlink_to("../xvfb.service")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut_power()
        for child in (self._far, self._holder):
            if child is not None:
                self.processes.end(child)

    # --- its disk ------------------------------------------------------------------------------

    def path(self, inside: str) -> Path:
        """Where the test finds a file of the machine's."""
        return self.root / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Write a file on the machine's disk, as root, with the folders above it."""
        file = self.path(inside)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def copy(self, source: Path, inside: str) -> None:
        """Copy a file or a folder onto the machine's disk."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)

    @property
    def screen(self) -> Path:
        """The framebuffer of its display, for agent/lab/framebuffer.py; a new file after each start of the display."""
        return self.path(SCREEN)

    # --- its power -----------------------------------------------------------------------------

    def boot(self, seconds: float = BOOT_S) -> float:
        """Switch it on and wait until it is up; returns how many seconds that took. Raises LabError."""
        assert self._holder is not None, "within the context only"
        began = time.monotonic()
        groups = [str(group) for group in _groups(self.name)]
        self._guard = subprocess.Popen(
            ["bash", "-c", GUARD, "guard", *groups], stdin=subprocess.PIPE, start_new_session=True
        )
        self._boots += 1
        # A group of its own in each hierarchy that systemd uses: two machines in one would take each other's
        # processes for their own. --keep-unit: there is no systemd on this host that could make one.
        nspawn = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", f"--machine={self.name}"]
        still = ["--link-journal=no", "--settings=no", "--resolv-conf=off", "--timezone=off", "--hostname=player"]
        disk = f"--directory={self._folder / 'root'}"
        # Control groups as Debian has them by itself (cgroup v2), also where this host has older ones beside.
        modern = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        argv = ["bash", "-ec", BOOT, "boot", *groups, "--", str(self._holder.pid), *nspawn, *still, disk]
        self._nspawn = self.processes.start(f"{self.name}-{self._boots}", argv, env=modern)
        self._come_up(began, seconds)
        return time.monotonic() - began

    def reboot(self, seconds: float = BOOT_S) -> float:
        """Have it reboot itself, and wait until it is up again; returns how many seconds that took."""
        began = time.monotonic()
        self._go_down("reboot", REBOOTED, seconds)
        self.boot(max(1.0, seconds - (time.monotonic() - began)))
        return time.monotonic() - began

    def off(self, seconds: float = BOOT_S) -> None:
        """Have it switch itself off, as its button does."""
        self._go_down("poweroff", 0, seconds)

    def _go_down(self, how: str, status: int, seconds: float) -> None:
        nspawn = self._nspawn
        assert nspawn is not None, "the machine is off"
        self.run("systemctl", how, good=None)  # it may be ended itself before it can say that all is well
        wait_until(lambda: not nspawn.running, seconds, f"{self.name}: {how}")
        assert nspawn.process.returncode == status, nspawn.obituary()
        self.cut_power()

    def cut_power(self) -> None:
        """Switch it off as a pulled plug does; its disk stays."""
        if self._nspawn is not None:
            with contextlib.suppress(ProcessLookupError):
                self._nspawn.process.send_signal(signal.SIGKILL)
            self._nspawn.process.wait()
            self.processes.end(self._nspawn)
        self._nspawn = self._leader = None
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            assert self._guard.wait(HOLD_S) == 0, f"{self.name}: its control groups are still in use"
        self._guard = None

    def _come_up(self, began: float, seconds: float) -> None:
        nspawn = self._nspawn
        assert nspawn is not None

        def up() -> bool:
            if not nspawn.running:
                raise LabError(nspawn.obituary())
            self._leader = self._find_leader()
            if self._leader is None:
                return False
            state = self.run("systemctl", "is-system-running", good=None).stdout.strip()
            return state in ("running", "degraded")

        try:
            wait_until(up, max(1.0, seconds - (time.monotonic() - began)), "booting")
        except LabError as error:
            raise LabError(f"{error}\n{nspawn.tail()}") from error

    def _find_leader(self) -> int | None:
        """The process that is number 1 inside."""
        assert self._nspawn is not None
        return next((pid for pid, inner, parent in _processes() if parent == self._nspawn.pid and inner == 1), None)

    def outside(self, pid: int) -> int:
        """The number that a process inside has on this host. Raises LookupError where there is none."""
        assert self._leader is not None, "the machine is off"
        space = Path(f"/proc/{self._leader}/ns/pid").readlink()
        for outer, inner, _ in _processes():
            with contextlib.suppress(OSError):  # it has just ended
                if inner == pid and Path(f"/proc/{outer}/ns/pid").readlink() == space:
                    return outer
        raise LookupError(f"{self.name} has no process {pid}")

    # --- what happens inside -------------------------------------------------------------------

    def run(
        self, *argv: str, good: bool | None = True, seconds: float = 60, user: str = "root", text: str = ""
    ) -> Done:
        """Run a command inside, as root or another user, with `text` as its input.

        `good`: whether it has to succeed (None: whatever comes). The exit status is that of the command.
        """
        assert self._leader is not None, "the machine is off"
        switch = [] if user == "root" else ["runuser", "-u", user, "--"]
        clean = ["env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb", "COLUMNS=200"]
        done = subprocess.run(
            ["nsenter", "--all", f"--target={self._leader}", "--", *clean, *switch, *argv],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        assert good is None or (done.returncode == 0) is good, f"{' '.join(argv)}: {done.stdout}{done.stderr}"
        return done

    def show(self, unit: str, name: str) -> str:
        """A property of a unit, as `systemctl show` has it."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).stdout.strip()

    def pids(self, pattern: str) -> list[int]:
        """The processes inside whose command line matches, by their numbers inside, the oldest first."""
        return [int(pid) for pid in self.run("pgrep", "-f", "--", pattern, good=None).stdout.split()]

    def kill(self, name: str, pid: int) -> None:
        """Send a signal, such as KILL, to a process inside."""
        self.run("kill", "-s", name, str(pid))

    def journal(self, unit: str, lines: int = 60) -> str:
        """The last lines of a unit's journal."""
        return self.run("journalctl", "--no-pager", "-u", unit, "-n", str(lines), "-o", "short-precise").stdout

    # --- its cable -----------------------------------------------------------------------------

    def _lay_cable(self) -> None:
        assert self._holder is not None and self._far is not None, "within the context only"
        near = [f"--net=/proc/{self._holder.pid}/ns/net", "ip"]
        pair = ["link", "add", "eth0", "type", "veth", "peer", "name", "cable", "netns", str(self._far.pid)]
        _command("nsenter", *near, *pair)
        _command("nsenter", *near, "address", "add", f"{ADDRESS}/24", "dev", "eth0")
        _command("nsenter", *near, "link", "set", "eth0", "up")
        _command(*self.beyond("ip", "address", "add", f"{FAR_END}/24", "dev", "cable"))
        self.plug_in()

    def beyond(self, *argv: str) -> list[str]:
        """A command line that runs a command at the other end of the cable, with the address FAR_END."""
        assert self._far is not None, "within the context only"
        return ["nsenter", f"--net=/proc/{self._far.pid}/ns/net", "--", *argv]

    def pull_cable(self) -> None:
        """The machine's network card loses its carrier."""
        _command(*self.beyond("ip", "link", "set", "cable", "down"))

    def plug_in(self) -> None:
        """The cable is back."""
        _command(*self.beyond("ip", "link", "set", "cable", "up"))


def _processes() -> Iterator[tuple[int, int, int]]:
    """All processes that live: their numbers here, in their innermost namespace, and that of their parent here."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            lines = (entry / "status").read_text(errors="replace").splitlines()
        except OSError:  # it has just ended
            continue
        told = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        if told["State"][0] not in "ZX":
            yield int(entry.name), int(told["NSpid"].split()[-1]), int(told["PPid"])


def _command(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip()}")


def _groups(name: str) -> list[Path]:
    """A new control group in each hierarchy that systemd keeps its units in, below the one that this process is in."""
    ours = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, place = line.split(":", 2)
        ours[kinds] = place
    made = []
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, options = line.split()[:4]
        named = "" if kind == "cgroup2" else "name=systemd" if "name=systemd" in options.split(",") else None
        if kind in ("cgroup", "cgroup2") and named is not None and named in ours:
            group = Path(place) / ours[named].lstrip("/") / name
            group.mkdir()
            made.append(group)
    return made
