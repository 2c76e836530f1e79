"""Debian for test machines: made by mmdebstrap once for each list of packages, and kept in out/roots of the clone.

A machine of a test is a copy on write above such a root (machine.py), so that the root itself never changes.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mirrors import mirror

from agent.lab.processes import LabError

CLONE = Path(__file__).parents[2]
KEPT = CLONE / "out" / "roots"
INSTALLER = CLONE / "deploy" / "install"
PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "mosquitto": "mosquitto",
    "mosquitto_sub": "mosquitto-clients",
    "chronyd": "chrony",
    "ffmpeg": "ffmpeg",
}
"""What runs on this host, and the Debian packages that have it."""
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
BASE = ("systemd", "systemd-sysv", "dbus", "procps", "xvfb")
"""What a machine has beside what `deploy/install --packages` names: a system that boots, and a fake display."""
MAKE_S = 600
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}


def obstacle() -> str | None:
    """Why no machine can be booted here, with the remedy; None where it can."""
    if os.geteuid() != 0:
        return "a machine is booted by root only: run the tests as root"
    for program, package in PROGRAMS.items():
        if shutil.which(program, path=PATH) is None:
            return f"{program} is not installed: apt install {package}"
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="utf-8"):
        return "this kernel has no overlay file system, of which a test machine's disk is made"
    if mirror() is None:
        return "no Debian mirror is named in /etc/apt: mmdebstrap has no packages to make a root of"
    return None


def packages() -> list[str]:
    """What is installed on a player, and what a test machine needs beside it."""
    asked = subprocess.run([str(INSTALLER), "--packages"], check=True, capture_output=True, text=True, timeout=30)
    return sorted({*BASE, *asked.stdout.split()})


def root(suite: str = "bookworm", wanted: Sequence[str] | None = None) -> Path:
    """A root with these packages; made where it is not there yet, in about a minute. Raises LabError."""
    wanted = sorted(packages() if wanted is None else wanted)
    key = hashlib.sha256(" ".join([suite, *wanted]).encode()).hexdigest()[:12]
    made = KEPT / f"{suite}-{key}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:  # two runs side by side make one
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_dir():
            _make(made, suite, wanted)
    return made


def bundle(folder: Path, suite: str = "bookworm") -> Path:
    """What deploy/wheelhouse makes of this clone for a machine with that Debian, as it comes on a stick."""
    command = [str(CLONE / "deploy" / "wheelhouse"), "--python", PYTHONS[suite], str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MAKE_S)
    if done.returncode:
        raise LabError(f"deploy/wheelhouse made no bundle: {done.stdout}{done.stderr}")
    return folder


def _make(target: Path, suite: str, wanted: Sequence[str]) -> None:
    address = mirror()
    assert address is not None, "obstacle() tells"
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    said = target.with_suffix(".log")
    # No manuals, and no fsync for each file: this disk need not outlive a power cut.
    lean = [f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("doc", "man", "locale")]
    command = [
        *("mmdebstrap", "--variant=minbase", "--format=directory", "--dpkgopt=force-unsafe-io", *lean),
        *(f"--include={','.join(wanted)}", suite, str(part), address),
    ]
    with said.open("wb") as log:
        done = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, timeout=MAKE_S, check=False)
    if done.returncode:
        shutil.rmtree(part, ignore_errors=True)
        end = "\n".join(said.read_text(errors="replace").splitlines()[-10:])
        raise LabError(f"mmdebstrap made no {suite}; the end of {said}:\n{end}")
    part.rename(target)
