"""What the agent tells systemd: that it is up, what it does, that it lives, that it ends (sd_notify(3)).

Without a NOTIFY_SOCKET, as in a terminal or a container, all of it does nothing.
"""

import asyncio
import socket
from collections.abc import Callable, MutableMapping

import structlog

from agent.liveness import Signs, fed, status_line
from agent.told import Status

LOOK_S = 1.0
"""So often the status line is compared with what systemd was told last."""

FEEDS = 4
"""So often within the watchdog's time it is fed; sd_watchdog_enabled(3) wants twice."""

log = structlog.get_logger()


class Notifier:
    """Datagrams to the socket in NOTIFY_SOCKET; never waits.

    `watchdog_s` is how long systemd waits for a sign of life before it kills this process; None: it does not.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self._address = _socket_address(address)
        self._deaf = False
        self.watchdog_s = watchdog_s if self._address else None

    def tell(self, *lines: str) -> bool:
        """Send assignments such as `READY=1`; false where systemd did not take them now: try again later."""
        if not self._address:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._deaf:
                log.warning("systemd does not listen", error=str(error), told=list(lines))
            self._deaf = True
            return False
        self._deaf = False
        return True


def notifier(environ: MutableMapping[str, str], pid: int) -> Notifier:
    """What this environment says of the service manager; taken out of it, for it is nobody's business but ours.

    A player or a camera that inherited it would speak for the agent (sd_notify(3), unset_environment).
    """
    address = environ.pop("NOTIFY_SOCKET", "")
    usec, meant = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    watched = usec.isdecimal() and int(usec) > 0 and meant in ("", str(pid))  # sd_watchdog_enabled(3)
    return Notifier(address, int(usec) / 1e6 if watched else None)


def _socket_address(text: str) -> str:
    """The address as Python wants it: '@' begins an abstract name; what is neither that nor a path is none."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


class Supervised:
    """The agent as systemd sees it.

    `signs` are those of the player, `status` is the newest one (None: none yet).
    """

    def __init__(self, notifier: Notifier, signs: Callable[[], Signs], status: Callable[[], Status | None]) -> None:
        self._notifier = notifier
        self._signs = signs
        self._status = status
        self._line = ""

    async def run(self) -> None:
        """Say READY, then feed the watchdog for as long as the player answers; say at the end that this is one.

        To be begun last of all: READY means that everything else has begun.
        """
        loop = asyncio.get_running_loop()
        watchdog_s = self._notifier.watchdog_s
        pause_s = LOOK_S if watchdog_s is None else min(LOOK_S, watchdog_s / FEEDS)
        ready, well = False, True
        try:
            while True:
                ready = ready or self._notifier.tell("READY=1")
                self._tell_status()
                before, well = well, fed(self._signs(), loop.time())
                if well:
                    self._notifier.tell("WATCHDOG=1")
                elif before and watchdog_s is not None:
                    log.error("the watchdog is not fed: the player neither answers nor is replaced", kill_s=watchdog_s)
                await asyncio.sleep(pause_s)
        finally:
            self._notifier.tell("STOPPING=1", "STATUS=ends")

    def _tell_status(self) -> None:
        status = self._status()
        line = "starts" if status is None else status_line(status)
        if line != self._line and self._notifier.tell(f"STATUS={line}"):
            self._line = line
