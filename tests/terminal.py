"""A command in a terminal of its own, with keys to press and a page to read."""

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable

PATIENCE_S = 60.0


class Terminal:
    """A desk in a terminal of its own."""

    def __init__(self, arguments: list[str], columns: int = 100, lines: int = 30) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self._slave = slave
        environ = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ,
            start_new_session=True,
        )
        self.text = ""
        self._gone = False
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def _read(self) -> None:
        self.text += os.read(self._master, 65536).decode(errors="replace")

    @property
    def said(self) -> str:
        """All that was written so far, without escape sequences."""
        return re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", self.text)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    async def shows(self, words: str, since: int = 0) -> int:
        """Wait until these words are on it; where they ended."""
        await until(lambda: words in self.said[since:], lambda: f"no {words!r} in:\n{self.said[-4000:]}")
        return self.said.index(words, since) + len(words)

    @property
    def mode(self) -> object:
        return termios.tcgetattr(self._slave)

    async def ended(self) -> int:
        await until(lambda: self.process.poll() is not None, lambda: "still runs")
        return self.process.returncode

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def hang_up(self) -> None:
        """The terminal is gone, as with the line that it came over."""
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        self._gone = True

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if not self._gone:
            self.hang_up()
        os.close(self._slave)


async def until(condition: Callable[[], bool], words: Callable[[], str]) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - a terminal tells by no event
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(words()) from None
