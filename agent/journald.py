"""Log entries with fields for systemd's journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).

Nothing here holds the event loop up: what the journal does not take at once is sent by a thread, as much of it as there
is room for, and what is left out is counted and said.
"""

import errno
import fcntl
import os
import re
import socket
import threading
from array import array
from collections import deque
from collections.abc import Mapping
from typing import BinaryIO, TextIO

SOCKET = "/run/systemd/journal/socket"

WAITING = 1000
"""So many entries wait for a journal that is slow or started anew; a thousand are some seconds of a debug log."""

WAITING_BYTES = 8 << 20
"""And so much of them: an event is logged whole, and may be of any length."""

SEND_S = 10.0
"""A journal that takes nothing for so long has hung: what waits is given up."""

CLOSE_S = 1.0
_NAME_CHARS = 64
_NO_NAME = re.compile("[^A-Z0-9_]")


def field_name(text: str) -> str:
    """What the journal takes for a field's name: at most 64 of A–Z, 0–9 and '_', and '_' never first."""
    return _NO_NAME.sub("_", text.upper()).lstrip("_")[:_NAME_CHARS]


def encode(fields: Mapping[str, str]) -> bytes:
    """One entry; a value with line ends goes with its length, whatever is in it."""
    parts = []
    for name, text in fields.items():
        value = text.encode(errors="replace")
        if b"\n" in value:
            parts += [name.encode(), b"\n", len(value).to_bytes(8, "little"), value, b"\n"]
        else:
            parts += [name.encode(), b"=", value, b"\n"]
    return b"".join(parts)


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether systemd has connected this very stream to the journal (systemd.exec(5), JOURNAL_STREAM).

    The variable alone says nothing: desktops hand it on to every shell in a terminal window, and there, or where the
    output was sent elsewhere, device and inode are others.
    """
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class Journal:
    """The journal's socket; `send` never waits."""

    def __init__(self, address: str = SOCKET) -> None:
        self._address = address
        self._socket = _datagrams()
        self._socket.setblocking(False)
        self._lock = threading.Lock()
        self._later: deque[bytes] = deque()
        self._later_bytes = 0
        self._thread: threading.Thread | None = None
        self._dropped = 0

    def send(self, entry: bytes) -> bool:
        """Hand over what `encode` made; false where there is no journal: say it elsewhere."""
        with self._lock:
            if not self._later:
                try:
                    if self._dropped:
                        self._deliver(self._socket, encode(_loss(self._dropped)))
                        self._dropped = 0
                    self._deliver(self._socket, entry)
                except BlockingIOError:
                    pass
                except OSError:
                    return False
                else:
                    return True
            if len(self._later) < WAITING and self._later_bytes + len(entry) <= WAITING_BYTES:
                self._later.append(entry)
                self._later_bytes += len(entry)
            else:
                self._dropped += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._catch_up, name="journal", daemon=True)
                self._thread.start()
            return True

    def close(self) -> None:
        """At the end of the program: give what waits a moment more."""
        thread = self._thread
        if thread is not None:
            thread.join(CLOSE_S)

    def _catch_up(self) -> None:
        """Send what waits, in its order, and end."""
        with _datagrams() as patient:
            patient.settimeout(SEND_S)
            while True:
                with self._lock:
                    if not self._later:
                        self._thread = None
                        return
                    entry, dropped = self._later[0], self._dropped
                try:
                    if dropped:
                        self._deliver(patient, encode(_loss(dropped)))
                        with self._lock:
                            self._dropped -= dropped
                    self._deliver(patient, entry)
                except OSError:
                    with self._lock:
                        self._dropped += len(self._later)
                        self._later.clear()
                        self._later_bytes = 0
                else:
                    with self._lock:
                        self._later_bytes -= len(self._later.popleft())

    def _deliver(self, sock: socket.socket, entry: bytes) -> None:
        try:
            sock.sendto(entry, self._address)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            with _sealed(entry) as file:
                rights = array("i", [file.fileno()])
                sock.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)], 0, self._address)


def _datagrams() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)


def _sealed(entry: bytes) -> BinaryIO:
    """What is too large for a datagram, in memory that nobody can change any more: as the journal wants it."""
    fd = os.memfd_create("framezero-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    file = os.fdopen(fd, "r+b")
    file.write(entry)
    file.flush()
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)
    return file


def _loss(lines: int) -> dict[str, str]:
    return {
        "MESSAGE": f"{lines} log lines were left out: the journal did not take them in time",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "framezero",
        "FRAMEZERO_DROPPED": str(lines),
    }
