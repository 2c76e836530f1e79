"""One venue in a container: its fake display, and its agent on a clock that is wrong.

    python -m agent.lab.city --framebuffer DIR --size 320x180 --config /etc/framezero/agent.toml

The first process of its container: it starts Xvfb as `:0` and the agent, starts the display again when it dies, buries
orphans, hands SIGTERM on to the agent and ends when the agent does, with its status. FRAMEZERO_SKEW in the environment
is the fault of the agent's clock, in the language of libfaketime (`+1.3 x1.00005`); empty, the clock is the host's.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from agent.config import SKEW
from agent.lab import displays, faketime
from agent.lab.processes import LabError, find, listens

NUMBER = 0
START_S = 10.0
PAUSE_S = 1.0
GRACE_S = 8.0
"""Docker's `stop` kills ten seconds after SIGTERM."""


class Shutdown(Exception):  # noqa: N818 - nothing is wrong
    """SIGTERM or Ctrl-C has come."""


class City:
    """The processes of one venue."""

    def __init__(self, agent: Sequence[str], size: tuple[int, int], place: Path) -> None:
        self._agent = list(agent)
        self._size = size
        self._place = place
        self._told = False
        self._display = 0
        """Its process id; 0: none."""

    def run(self) -> int:
        """Work until the agent ends, or until told to end; the exit status."""
        agent = 0
        try:
            self._raise_display()
            agent = _spawn(self._agent)
            while True:
                gone, status = os.wait()
                if gone == agent:
                    agent = 0
                    return _code(status)
                if gone == self._display:
                    say(f"the display ended with status {_code(status)}; another one is started")
                    self._display = 0
                    time.sleep(PAUSE_S)
                    self._raise_display()
        except Shutdown:
            return _end(agent, GRACE_S) if agent else 0
        finally:
            if self._display:
                _end(self._display, PAUSE_S)

    def _raise_display(self) -> None:
        """Start a display and wait until it can be used."""
        unix = Path(f"/tmp/.X11-unix/X{NUMBER}")
        # What a killed one left behind: a restarted container has its old files, and numbers processes anew. A new
        # framebuffer is a new file, by which the meter knows that it is another screen.
        for left in (unix, Path(f"/tmp/.X{NUMBER}-lock"), self._place / "Xvfb_screen0"):
            left.unlink(missing_ok=True)
        # Noted at once: who is told to end while it starts ends it as well.
        self._display = pid = _spawn([find("Xvfb"), f":{NUMBER}", *displays.options(self._size, self._place)])
        until = time.monotonic() + START_S
        while not listens(unix) and not _ended(pid) and time.monotonic() < until:
            time.sleep(0.02)
        if not _ended(pid) and not displays.be_prompt(pid) and not self._told:
            self._told = True
            say(
                "this kernel gives containers no real-time scheduling: on a busy machine frames come some milliseconds"
                " less exactly; add -f deploy/compose.realtime.yaml, which says what dockerd needs for it"
            )


def _spawn(argv: Sequence[str]) -> int:
    """Start a child; its process id. Not by `subprocess`, which buries children of its own accord: `run` must see all
    of them."""
    return os.posix_spawnp(argv[0], list(argv), os.environ, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])


def _ended(pid: int) -> bool:
    """Whether a child has ended; it stays to be buried."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _boot(runtime: str) -> None:
    """Empty /run as a boot does: what the agent keeps there of its clock holds for one crystal, and is another's now.

    The counter of a false clock begins anew with each process.
    """
    for left in Path(runtime).iterdir() if runtime else ():
        left.unlink()


def _shut_down(*_: object) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):  # once is enough: the end itself is not ended half-way
        signal.signal(number, signal.SIG_IGN)
    raise Shutdown


def say(text: str) -> None:
    """Tell people: this is in the container's log, among the agent's lines."""
    sys.stderr.write(f"city: {text}\n")


def _code(status: int) -> int:
    """An exit status as a shell has it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _end(pid: int, seconds: float) -> int:
    """End a child in good order, or else by force; its exit status."""
    try:
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            gone, status = os.waitpid(pid, os.WNOHANG)
            if gone:
                return _code(status)
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        return _code(os.waitpid(pid, 0)[1])
    except (ProcessLookupError, ChildProcessError):  # it has been buried already
        return 0


def command(config: Path, skew: str) -> list[str]:
    """The command line of the agent under a skew; the skew itself is no setting of the agent's.

    Raises LabError where libfaketime is missing.
    """
    agent = [sys.executable, "-m", "agent.cli", "agent", "--config", str(config)]
    return ["env", f"--unset={SKEW}", *(faketime.variables(skew) if skew else []), *agent]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a venue; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m agent.lab.city", description="A venue in a container.")
    parser.add_argument("--framebuffer", type=Path, required=True, help="folder for the display's Xvfb_screen0")
    parser.add_argument("--size", type=displays.parse_size, default="320x180", help="of the wall")
    parser.add_argument("--config", type=Path, default=Path("/etc/framezero/agent.toml"))
    given = parser.parse_args(argv)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _shut_down)
    try:
        _boot(os.environ.get("RUNTIME_DIRECTORY", ""))
        given.framebuffer.mkdir(parents=True, exist_ok=True)
        return City(command(given.config, os.environ.get(SKEW, "")), given.size, given.framebuffer).run()
    except Shutdown:  # before anything was started
        return 0
    except LabError as error:
        say(str(error))
        return error.status
    except OSError as error:
        say(f"{error}; mount a folder there that this user may write")
        return 2


if __name__ == "__main__":
    sys.exit(main())
