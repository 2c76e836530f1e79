"""Single keys from a terminal, while a page is drawn on it, and the terminal as it was before on any way out.

Termios and a reader of the event loop do what a desk needs; a framework of windows would be one more thing that runs
between a finger and GO.
"""

import asyncio
import os
import re
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

_PASTE_ON, _PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l"
_PASTE_BEGINS, _PASTE_ENDS = b"\x1b[200~", b"\x1b[201~"
_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~])")
_BEGUN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")
_LONGEST = 32  # a sequence that has not ended by then is none
_NAMES = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b[H": "home",
    b"\x1bOH": "home",
    b"\x1b[1~": "home",
    b"\x1b[F": "end",
    b"\x1bOF": "end",
    b"\x1b[4~": "end",
}
_PLAIN = {b" ": "space", b"\r": "enter", b"\n": "enter", b"\x1b": "escape", b"\x7f": "backspace"}


class Decoder:
    """What bytes from a terminal are as keys, in whatever pieces they come: letters as themselves, others by a name.

    What is pasted is no key at all, and a long text comes in many pieces. An escape is known as that by the next key.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._pasting = False

    def keys(self, data: bytes) -> list[str]:
        """The keys that are whole with these bytes."""
        data, self._rest = self._rest + data, b""
        found, place = [], 0
        while place < len(data):
            if self._pasting:
                end = data.find(_PASTE_ENDS, place)
                if end < 0:
                    self._rest = data[max(place, len(data) - len(_PASTE_ENDS) + 1) :]
                    break
                self._pasting, place = False, end + len(_PASTE_ENDS)
                continue
            sequence = _SEQUENCE.match(data, place)
            if sequence:
                self._pasting = sequence[0] == _PASTE_BEGINS
                if name := _NAMES.get(sequence[0]):
                    found.append(name)
                place = sequence.end()
                continue
            if len(data) - place < _LONGEST and _BEGUN.match(data, place):
                self._rest = data[place:]
                break
            one = data[place : place + 1]
            found.append(_PLAIN.get(one) or one.decode("ascii", "ignore"))
            place += 1
        return [key for key in found if key and (len(key) > 1 or key.isprintable())]


@contextmanager
def keys() -> Iterator["asyncio.Queue[str | None]"]:
    """A queue of the keys that are pressed from now on; None when the terminal is gone.

    What was typed before counts for nothing. Ctrl-C interrupts as ever; Ctrl-Z and Ctrl-S do not stop a desk.
    """
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    decoder = Decoder()

    def read() -> None:
        try:
            data = os.read(fd, 4096)
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(fd)
            queue.put_nowait(None)
        for key in decoder.keys(data):
            queue.put_nowait(key)

    stopping = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        tty.setcbreak(fd)
        mode = termios.tcgetattr(fd)
        mode[0] &= ~termios.IXON
        termios.tcsetattr(fd, termios.TCSANOW, mode)
        termios.tcflush(fd, termios.TCIFLUSH)
        sys.stdout.write(_PASTE_ON)
        sys.stdout.flush()
        loop.add_reader(fd, read)
        yield queue
    finally:
        loop.remove_reader(fd)
        signal.signal(signal.SIGTSTP, stopping)
        try:
            sys.stdout.write(_PASTE_OFF)
            sys.stdout.flush()
            termios.tcsetattr(fd, termios.TCSAFLUSH, before)
        except (OSError, termios.error):
            pass  # the terminal is gone, and needs nothing any more
