"""A real mosquitto for tests of any part; the fixtures are in conftest.py."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from agent.lab import ports

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    return ports.free("tcp", 1)[0]


def accepts(port: int) -> bool:
    """Whether somebody listens on this TCP port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Mosquitto:
    """A mosquitto of this test alone, on loopback; `stop`, `kill` and `start` it again at will.

    `lines` are added to its configuration. With `persistent` it remembers sessions and retained messages over a stop.
    """

    def __init__(self, directory: Path, lines: tuple[str, ...] = (), scheme: str = "mqtt") -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        anonymous = () if any(line.startswith("allow_anonymous") for line in lines) else ("allow_anonymous true",)
        self._config = directory / "mosquitto.conf"
        self._config.write_text(
            "\n".join(
                (
                    f"listener {self.port} 127.0.0.1",
                    "user root" if os.geteuid() == 0 else "",
                    "persistence true",
                    f"persistence_location {directory}/",
                    "autosave_interval 1",
                    *anonymous,
                    *lines,
                    "",
                )
            )
        )

    def start(self) -> None:
        """Start it and wait until it listens; its retained messages and sessions are as before a `stop`."""
        assert MOSQUITTO is not None
        with (self.directory / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stdout=log, stderr=log)
        until = time.monotonic() + 10
        while time.monotonic() < until and self._process.poll() is None:
            if accepts(self.port):
                return
            time.sleep(0.02)
        text = (self.directory / "mosquitto.log").read_text()
        self.stop()
        raise AssertionError(f"mosquitto does not listen: {text}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it: with SIGTERM it saves its state, with SIGKILL it does not."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(number)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def hello(self) -> None:
        """Leave the retained hello, as a set-up does."""
        said = ["mosquitto_pub", "-V", "mqttv5", "-h", "127.0.0.1", "-p", str(self.port), "-q", "1", "-r"]
        subprocess.run([*said, "-t", "framezero/v1/cue/_hello", "-m", "{}"], check=True, timeout=10)

    def forget(self) -> None:
        """What it has saved is lost; between a `stop` and a `start`."""
        (self.directory / "mosquitto.db").unlink(missing_ok=True)

    def reload(self) -> None:
        """Let it read its access list and its certificates' revocations again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def pause(self, paused: bool) -> None:
        """Freeze it, or let it go on: its connections stay open and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)


MosquittoFactory = Callable[..., Mosquitto]
