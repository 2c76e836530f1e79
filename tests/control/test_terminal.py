"""What a person at a terminal sees while a command runs, and that Ctrl-C ends it: in a pty, with a real mosquitto."""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from pathlib import Path

import pytest
from brokers import Mosquitto
from fake_venue import presence, retain, status, venue

from agent.messages import encode

pytestmark = pytest.mark.timeout(120)


class Terminal:
    """A command with a terminal of its own; `seen` is all that it has written there."""

    def __init__(self, *arguments: str, columns: int = 100) -> None:
        self.seen = ""
        self._pid, self._handle = pty.fork()
        if self._pid == 0:
            os.execv(sys.executable, [sys.executable, "-m", "agent.cli", *arguments])
        fcntl.ioctl(self._handle, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    async def shows(self, text: str) -> None:
        """Read on until a text has been written."""
        async with asyncio.timeout(60):
            while text not in self.seen:
                assert await self._read(), f"it ended without {text!r}: {self.seen}"

    async def ends(self) -> int:
        """Read to the end; the exit status."""
        async with asyncio.timeout(60):
            while await self._read():
                pass
        _, raw = await asyncio.to_thread(os.waitpid, self._pid, 0)
        os.close(self._handle)
        return os.waitstatus_to_exitcode(raw)

    def press(self, key: str) -> None:
        os.write(self._handle, key.encode())

    async def _read(self) -> bool:
        try:
            data = await asyncio.to_thread(os.read, self._handle, 65536)
        except OSError:  # Linux says that nobody writes there any more by EIO
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)


async def test_watching_ends_by_ctrl_c_however_many_watch_and_gives_the_cursor_back(mosquitto: Mosquitto) -> None:
    await retain(mosquitto, "cue/_hello", b"{}")
    await retain(mosquitto, "venue/tokyo/presence", encode(presence("tokyo")))
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo")))
    watching = [Terminal("status", "--watch", "--broker", mosquitto.url) for _ in range(4)]
    for one in watching:
        await one.shows("framezero status · ")
        one.press("\x03")
    for one in watching:
        assert await one.ends() == 130, one.seen
        assert "Traceback" not in one.seen and "interrupted" not in one.seen
        assert one.seen.rindex("\x1b[?25h") > one.seen.rindex("\x1b[?25l")


async def test_who_is_awaited_stands_on_the_terminal_and_is_gone_with_the_answer(mosquitto: Mosquitto) -> None:
    await retain(mosquitto, "venue/oslo/presence", encode(presence("oslo")))
    where = ("--broker", mosquitto.url, "--show", "demo")
    async with venue(mosquitto, "tokyo"):
        cue = Terminal("cue", "black", "--timeout", "4s", *where)
        await cue.shows("waiting for oslo: 1 of 2 accepted, ")
        assert await cue.ends() == 3
        poll = Terminal("poll", "reel", *where)
        await poll.shows("waiting for oslo, tokyo: 0 of 2 have answered")
        assert await poll.ends() == 3
    assert cue.seen.index("waiting for") < cue.seen.index("SILENT, no answer:")


async def test_ctrl_c_while_a_cue_waits_says_that_it_is_out(mosquitto: Mosquitto) -> None:
    await retain(mosquitto, "venue/oslo/presence", encode(presence("oslo")))
    cue = Terminal("cue", "black", "--timeout", "60s", "--broker", mosquitto.url, "--show", "demo")
    await cue.shows("waiting for oslo")
    cue.press("\x03")
    assert await cue.ends() == 130
    assert "the cue is out, or on its way" in cue.seen


@pytest.mark.needs("ffmpeg", "ffprobe")
async def test_publishing_shows_a_bar_with_the_film_that_is_decoded(mosquitto: Mosquitto, tmp_path: Path) -> None:
    for name, command in (("koi.mp4", "testsrc=duration=2.5"), ("sky.mp4", "testsrc2=duration=2.5")):
        making = ("-v", "error", "-f", "lavfi", "-i", command, "-pix_fmt", "yuv420p", str(tmp_path / name))
        assert await (await asyncio.create_subprocess_exec("ffmpeg", *making)).wait() == 0
    films = (str(tmp_path / "koi.mp4"), str(tmp_path / "sky.mp4"))
    where = ("--to", str(tmp_path / "site"), "--url", "http://films.example", "--broker", mosquitto.url)
    publish = Terminal("publish", *films, "--program", "reel", "--show", "demo", *where)
    await publish.shows("decoding sky.mp4")
    await publish.shows("1/2")
    assert await publish.ends() == 0
    assert "program" in publish.seen and "2 films, 5.0 s" in publish.seen
