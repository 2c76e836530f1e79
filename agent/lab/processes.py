"""Starting child processes, and surely ending them.

Whatever the lab starts, it ends: on success, on an exception, on Ctrl-C and SIGTERM, and even when the lab
itself is killed with SIGKILL. Three means work together:

* each child is the head of its own session and asks the kernel to be killed when the lab dies
  (PR_SET_PDEATHSIG, by `setpriv` of util-linux, so that no Python runs between fork and exec). The kernel
  ties this to the *thread* that started the child: start children from the main thread;
* each child, and whatever it starts in turn, carries the lab's mark in its environment, by which
  left-over grandchildren are found and ended too;
* a keeper process (keeper.py) waits for the lab's end and does the same for a lab that was killed.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

MARK = "LAB_RUN_MARK"
"""Marks every process of a lab in its environment. Not FRAMEZERO_…: the agent reads those as configuration."""

GRACE_S = 4.0
"""How long a child may take to end by itself after SIGTERM."""

TAIL_LINES = 15


class LabError(Exception):
    """The lab cannot go on. The text is for people; `status` is the exit status of the command."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


@dataclass(eq=False)
class Child:
    """One child process: its name in messages, its log, and the files that it would leave behind if killed."""

    name: str
    tier: str
    process: subprocess.Popen[bytes]
    log: Path
    remains: tuple[Path, ...] = ()

    @property
    def pid(self) -> int:
        """The id of the process, which is also that of its group and of its session."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def tail(self) -> str:
        """The last lines of its log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-TAIL_LINES:])

    def obituary(self) -> str:
        """Why it is not running, with the last lines of its log."""
        code = self.process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        tail = self.tail()
        return f"{self.name} {how}; the end of {self.log}:\n{tail}" if tail else f"{self.name} {how} without a word"

    def tell(self, message: Mapping[str, Any]) -> None:
        """Write one JSON line to a child that was started with `talks`. Raises LabError when it is gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise LabError(f"{self.name} does not listen any more: {error}") from error

    def hear(self, seconds: float) -> dict[str, Any]:
        """Read one JSON line from a child that was started with `talks`. Raises LabError after so many seconds."""
        assert self.process.stdout is not None
        text = read_line(self.process.stdout, seconds)
        if not text.endswith(b"\n"):
            self._reap()
            raise LabError(
                f"{self.name} said nothing for {seconds:g} s; see {self.log}" if self.running else self.obituary()
            )
        message: dict[str, Any] = json.loads(text)
        return message

    def _reap(self) -> None:
        try:
            self.process.wait(0.2)
        except subprocess.TimeoutExpired:
            return


def read_line(stream: IO[bytes], seconds: float) -> bytes:
    """Read up to a line's end from a pipe; what there is when the pipe or so many seconds end."""
    deadline = time.monotonic() + seconds
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            break
        byte = os.read(stream.fileno(), 1)
        if not byte:
            break
        text += byte
    return text


def wait_until(done: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask every 10 ms whether something is done. Raises LabError, which names it, after so many seconds."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise LabError(f"{what} took longer than {seconds:g} s")
        time.sleep(0.01)


class Processes:
    """Every process of one lab. A context manager: leaving it ends them all."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.mark = uuid.uuid4().hex
        self._children: list[Child] = []
        self._remains: list[Path] = []
        self._keeper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "agent.lab.keeper", self.mark],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_all()

    @property
    def children(self) -> tuple[Child, ...]:
        """Every child that was started and not ended, in the order of their starts."""
        return tuple(self._children)

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        tier: str = "",
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        talks: bool = False,
        answer: Path | None = None,
        remains: Callable[[int], tuple[Path, ...]] | None = None,
    ) -> Child:
        """Start a child; its output goes to `<logs>/<name>.log`.

        Children of one tier that were started one after the other are ended together. `talks`: JSON lines on
        its standard input and output. `answer`: a file for its standard output alone. `remains`: files, named
        from its process id, that it leaves if killed.
        """
        log = self.logs / f"{name}.log"
        with log.open("wb") as out, (answer or Path(os.devnull)).open("wb") as answers:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *argv],
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else answers if answer else out,
                stderr=out,
                env={**os.environ, **(env or {}), MARK: self.mark},
                pass_fds=pass_fds,
                start_new_session=True,
            )
        child = Child(name, tier or name, process, log, remains(process.pid) if remains else ())
        self._children.append(child)
        self.leaves(*child.remains)
        return child

    def leaves(self, *paths: Path) -> None:
        """Say which files are to be removed at the end, also when the lab itself is killed."""
        if self._keeper is None or self._keeper.stdin is None:
            raise LabError("processes are started inside the context only")
        self._remains += paths
        self._keeper.stdin.write(b"".join(os.fsencode(path) + b"\n" for path in paths))
        self._keeper.stdin.flush()

    def died(self) -> Child | None:
        """A child that ended though nobody asked it to, if there is one."""
        return next((child for child in self._children if not child.running), None)

    def check(self) -> None:
        """Raise LabError with the name and the last words of a child that died."""
        child = self.died()
        if child is not None:
            raise LabError(child.obituary())

    def wait_for(self, done: Callable[[], bool], seconds: float, child: Child, what: str) -> None:
        """Wait until something that a child does is done. Raises LabError when the child dies or it takes too long."""

        def look() -> bool:
            if not child.running:
                raise LabError(child.obituary())
            return done()

        try:
            wait_until(look, seconds, f"{child.name}: {what}")
        except LabError as error:
            raise LabError(f"{error}\nits log is {child.log}") from error

    def end(self, *children: Child) -> None:
        """End these together: SIGTERM, and SIGKILL for those that are still there after the grace."""
        for child in children:
            if child.process.stdin:
                child.process.stdin.close()
            if child.running:
                _signal_group(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        for child in children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(child.pid, signal.SIGKILL)
                child.process.wait()
            if child.process.stdout:
                child.process.stdout.close()
            remove(*child.remains)
            self._children = [other for other in self._children if other is not child]

    def end_all(self) -> None:
        """End everything in reverse order, then whatever they left running, then the keeper."""
        with _Undisturbed():
            while self._children:
                tier = self._children[-1].tier
                last = []
                while self._children and self._children[-1].tier == tier:
                    last.append(self._children.pop())
                self.end(*last)
            kill_marked(self.mark)
            remove(*self._remains)
            if self._keeper is not None and self._keeper.stdin is not None:
                self._keeper.stdin.close()
                self._keeper.wait()
                self._keeper = None


class _Undisturbed:
    """While this is open, Ctrl-C and SIGTERM are not heard: the end itself must not be ended half-way."""

    def __enter__(self) -> None:
        self._kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._kept.items():
            signal.signal(number, handler)


def heed_signals() -> None:
    """Make SIGTERM and SIGHUP end the lab in the way Ctrl-C does.

    Ctrl-C is heard even where the shell started the lab in the background and so had it ignored.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))


def marked(mark: str) -> list[int]:
    """The ids of all processes that carry this lab's mark, but for the asking one."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:  # another user's process, or one that has just ended
            continue
        if wanted in environment.split(b"\0"):
            found.append(int(entry.name))
    return found


def kill_marked(mark: str) -> list[int]:
    """Kill every process with this mark, until none is left; returns their ids."""
    killed: list[int] = []
    deadline = time.monotonic() + GRACE_S
    while (left := marked(mark)) and time.monotonic() < deadline:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed.append(pid)
        time.sleep(0.02)
    return sorted(set(killed))


def remove(*paths: Path) -> None:
    """Remove what a killed process left. A socket on which somebody listens has got a new owner, and is kept."""
    for path in paths:
        if path.is_socket() and listens(path):
            continue
        path.unlink(missing_ok=True)


def listens(path: Path) -> bool:
    """Whether somebody accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


PACKAGES = {
    "Xvfb": "xvfb",
    "mosquitto": "mosquitto",
    "chronyd": "chrony",
    "ffmpeg": "ffmpeg",
    "setpriv": "util-linux",
}
"""The programs that the lab starts, and the Debian packages that hold them."""


def find(program: str) -> str:
    """Where a program is. Daemons live in /usr/sbin, which is not on every user's PATH."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        raise LabError(f"{program} is not installed: {remedy([PACKAGES[program]])}", status=2)
    return path


def remedy(packages: Sequence[str]) -> str:
    """The command that installs packages."""
    return f"sudo apt-get install --no-install-recommends {' '.join(packages)}"
