"""A Docker engine of the tests' own: real, of this machine's dockerd, and gone without a trace afterwards.

It lives in a network namespace of its own, so that its bridges, its firewall rules and the ports that it publishes are
nobody else's and end with it; two such engines, or one beside the host's own, do not meet. Its images come from a
Debian made on the spot, since a registry may be out of reach.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from mirrors import mirror

ROOT = Path(__file__).parents[2]
BASE = "debian:bookworm-slim"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
REALTIME = Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")
"""There with cgroup v1 and RT_GROUP_SCHED: then a group of processes has no real time unless it is given some."""

RT_RUNTIMES_US = (900_000, 450_000, 240_000)
"""Of each second: as much as is left, where other engines of this kind have taken some."""

START_S = 30.0

# What makes Debian's images slim and quick to build, so that the sizes are those of the real one.
SLIM = (
    "force-unsafe-io",
    *(f"path-exclude=/usr/share/{what}/*" for what in ("doc", "info", "locale", "man")),
    "path-include=/usr/share/doc/*/copyright",
)

Done = subprocess.CompletedProcess[str]


class EngineError(Exception):
    """The engine, or what it was told to do, failed; the text has what it said."""


def run(argv: Sequence[str | Path], *, seconds: float = 120, **more: Any) -> Done:
    """Run a command to its good end. Raises EngineError with its words."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=seconds, **more)
    if done.returncode:
        said = (done.stdout + done.stderr)[-4000:]
        raise EngineError(f"{' '.join(words)}\nended with status {done.returncode}:\n{said}")
    return done


def make_base(target: Path) -> None:
    """Make a Debian 12 as slim as the image of that name. Raises EngineError."""
    options = [f"--dpkgopt={option}" for option in SLIM]
    if CERTIFICATES.exists():  # what this machine trusts holds in there too
        options.append(f"--customize-hook=upload {CERTIFICATES} {CERTIFICATES}")
    source = mirror()
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", *options]
    run([*argv, "bookworm", target, *([source] if source else [])], seconds=300)


class Engine:
    """dockerd in a folder and a network namespace of its own; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"fz{uuid.uuid4().hex[:8]}"
        self.socket = folder / "docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._undo = contextlib.ExitStack()
        self.rt_runtime_us = 0
        """What its containers may share, where they get no real time by themselves."""

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._wire()
            self._start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    # --- the way out --------------------------------------------------------------------------

    def _wire(self) -> None:
        """A namespace, a cable to it, and the way from it to where packages come from."""
        outside, inside, net = f"{self.name}o", f"{self.name}i", _free_net()
        run(["ip", "netns", "add", self.name])
        self._undo.callback(_quietly, ["ip", "netns", "del", self.name])
        run(["ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", self.name])
        self._undo.callback(_quietly, ["ip", "link", "del", outside])
        run(["ip", "address", "add", f"{net}.1/30", "dev", outside])
        run(["ip", "link", "set", outside, "up"])
        for words in (
            ["link", "set", "lo", "up"],
            ["address", "add", f"{net}.2/30", "dev", inside],
            ["link", "set", inside, "up"],
            ["route", "add", "default", "via", f"{net}.1"],
        ):
            run(["ip", "-n", self.name, *words])
        if FORWARDING.read_text().strip() == "0":
            FORWARDING.write_text("1")
            self._undo.callback(FORWARDING.write_text, "0")
        for rule in (
            ["nat", "POSTROUTING", "-s", f"{net}.0/30", "!", "-o", outside, "-j", "MASQUERADE"],
            ["filter", "FORWARD", "-i", outside, "-j", "ACCEPT"],
            ["filter", "FORWARD", "-o", outside, "-j", "ACCEPT"],
        ):
            table, chain, *match = rule
            run(["iptables", "-w", "-t", table, "-I", chain, *match])
            self._undo.callback(_quietly, ["iptables", "-w", "-t", table, "-D", chain, *match])

    # --- the daemon ---------------------------------------------------------------------------

    def _start(self) -> None:
        options = [
            *("--data-root", self.folder / "data", "--exec-root", self.folder / "exec"),
            *("--pidfile", self.folder / "pid", "--host", f"unix://{self.socket}"),
            *("--bip", "172.30.0.1/24", "--default-address-pool", "base=172.30.16.0/20,size=24"),
            *("--containerd-namespace", self.name, "--containerd-plugins-namespace", f"{self.name}p"),
            *self._share_of_processors(),
        ]
        # Not 'ip netns exec': that mounts another /sys, in which there are no control groups.
        inside = ["nsenter", f"--net=/run/netns/{self.name}", "dockerd", *map(str, options)]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(inside, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise EngineError(f"dockerd does not start:\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.1)

    def _share_of_processors(self) -> list[str]:
        """A group of our own, with real time where this kernel gives none by itself.

        And with the processor before others: what is measured are the containers, not who else uses this machine.
        """
        if not REALTIME.exists():
            return []
        group = REALTIME.parent / self.name
        group.mkdir()
        self._undo.callback(_remove_groups, self.name)
        (group / "cpu.shares").write_text("200000")
        for runtime_us in RT_RUNTIMES_US:
            with contextlib.suppress(OSError):
                (group / "cpu.rt_runtime_us").write_text(str(runtime_us))
                self.rt_runtime_us = runtime_us
                break
        given = ["--cpu-rt-runtime", str(self.rt_runtime_us)] if self.rt_runtime_us else []
        return ["--cgroup-parent", f"/{self.name}", *given]

    def _answers(self) -> bool:
        try:
            self.docker("version", seconds=10)
        except (EngineError, subprocess.TimeoutExpired):
            return False
        return True

    def end(self) -> None:
        """End everything in it, then it, and remove what it leaves."""
        with contextlib.suppress(EngineError, subprocess.TimeoutExpired):
            if (self.folder / "pid").exists() and (running := self.docker("ps", "--quiet").stdout.split()):
                self.docker("rm", "--force", "--volumes", *running)
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for mount in reversed(_mounts_below(self.folder)):
            _quietly(["umount", "--lazy", mount])
        self._undo.close()
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        shutil.rmtree(self.folder / "exec", ignore_errors=True)

    # --- what it is told ----------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """For commands that talk to it. The classic builder is the one that is everywhere."""
        return {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "0"}

    def docker(self, *words: str | Path, seconds: float = 120) -> Done:
        """`docker …`. Raises EngineError."""
        return run(["docker", *words], seconds=seconds, env=self.environment)

    def compose(self, *words: str, files: Sequence[Path], seconds: float = 120) -> Done:
        """`docker-compose …` with these files, as the project `five`. Raises EngineError."""
        named = [word for file in files for word in ("--file", str(file))]
        argv = ["docker-compose", "--project-name", "five", *named, *words]
        return run(argv, seconds=seconds, env=self.environment)

    def inspect(self, container: str) -> Any:
        """All that it knows of a container."""
        return json.loads(self.docker("inspect", container).stdout)[0]


def _free_net() -> str:
    """The first three numbers of a network that this machine has no route to."""
    taken = run(["ip", "-4", "route", "show", "table", "all"]).stdout
    taken += run(["ip", "-4", "address", "show"]).stdout
    nets = (f"10.{230 + number // 256}.{number % 256}" for number in range(os.getpid() % 1000, 5000))
    return next(net for net in nets if f"{net}." not in taken)


def _quietly(argv: Sequence[str]) -> None:
    subprocess.run(argv, capture_output=True, check=False)


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if line.split()[4].startswith(f"{folder}/")]


def _remove_groups(name: str) -> None:
    # Those of containers that have ended may stay for a moment; they are removed from the inside out.
    until = time.monotonic() + 5
    while (groups := list(Path("/sys/fs/cgroup").glob(f"*/{name}"))) and time.monotonic() < until:
        for group in groups:
            inner = [path for path in group.rglob("*") if path.is_dir()]
            for folder in [*sorted(inner, key=lambda path: len(path.parts), reverse=True), group]:
                with contextlib.suppress(OSError):
                    folder.rmdir()
        time.sleep(0.1)
