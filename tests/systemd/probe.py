#!/usr/bin/python3
"""Stands in the agent's place in its unit, and writes down what it may do there; run inside a test machine."""

import ctypes
import json
import mmap
import os
import resource
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

TOLD = Path("/run/framezero/probe.json")
DISPLAY = b":0"
SO_TIMESTAMPING, RX_SOFTWARE, SOFTWARE = 37, 8, 16
"""As Linux has them (linux/net_tstamp.h); Python does not."""


class Segment(ctypes.Structure):
    """XShmSegmentInfo (X11/extensions/XShm.h)."""

    _fields_ = (
        ("shmseg", ctypes.c_ulong),
        ("shmid", ctypes.c_int),
        ("shmaddr", ctypes.c_void_p),
        ("read_only", ctypes.c_int),
    )


def shared_memory() -> None:
    """Have the X server map memory of ours, as mpv does for each picture (MIT-SHM)."""
    libc, x11, ext = ctypes.CDLL(None, use_errno=True), ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXext.so.6")
    x11.XOpenDisplay.restype = libc.shmat.restype = ctypes.c_void_p
    display = ctypes.c_void_p(x11.XOpenDisplay(DISPLAY))
    if not display:
        raise OSError("no display")
    segment = Segment(0, libc.shmget(0, 1 << 20, 0o1600), None, 0)
    segment.shmaddr = libc.shmat(segment.shmid, None, 0)
    # Xlib's own way with a server that refuses is to end the process.
    ext.XShmAttach(display, ctypes.byref(segment))
    x11.XSync(display, 0)
    attached = int(subprocess.run(["ipcs", "-m"], capture_output=True, text=True, check=True).stdout.split()[-1])
    libc.shmctl(segment.shmid, 0, None)
    x11.XCloseDisplay(display)
    if attached != 2:
        raise OSError(f"{attached} processes have it, and not the server and we")


def display() -> None:
    """Reach the X server by its socket's file."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("/tmp/.X11-unix/X0")


def stamps() -> None:
    """Have the kernel stamp what comes from time servers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, RX_SOFTWARE | SOFTWARE)


def write(folder: str) -> Callable[[], None]:
    """Make a file in a folder, readable for others as films are."""

    def do() -> None:
        file = Path(folder, f"probe-{os.getpid()}")
        file.touch()
        file.chmod(0o644)
        file.unlink()

    return do


TRIED: dict[str, Callable[[], object]] = {
    "display": display,
    "shared memory": shared_memory,
    "realtime": lambda: os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(20)),
    "lowest priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, 19),
    "code that is made": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "nameless memory": lambda: os.close(os.memfd_create("probe")),
    "stamps": stamps,
    "uevents": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).close(),
    "load": lambda: Path("/proc/stat").read_text(),
    "boot": lambda: Path("/proc/sys/kernel/random/boot_id").read_text(),
    **{folder: write(folder) for folder in ("/var/lib/framezero", "/var/cache/framezero", "/run/framezero")},
    **{folder: write(folder) for folder in ("/mnt/films", "/tmp", "/etc/open", "/opt/open", "/var/open", "/home/open")},
    "packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "kernel log": lambda: Path("/dev/kmsg").read_bytes(),
}


def error(what: Callable[[], object]) -> str:
    """What came of it; '' where it worked."""
    try:
        what()
    except OSError as found:
        return f"{type(found).__name__}: {found}"
    return ""


def tell(text: str) -> None:
    """Say something to systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])


def main() -> None:
    """Try everything anew each second, and feed the watchdog."""
    subprocess.Popen(["sleep", "1000"])  # a player: it has to go with us
    tell("READY=1")
    while True:
        held = os.environ.get("CREDENTIALS_DIRECTORY")
        told = {
            "pid": os.getpid(),
            "tried": {name: error(what) for name, what in TRIED.items()},
            "credentials": sorted(os.listdir(held)) if held else [],  # noqa: PTH208 - names are wanted
            "realtime": resource.getrlimit(resource.RLIMIT_RTPRIO)[1],
        }
        draft = TOLD.with_suffix(".new")
        draft.write_text(json.dumps(told))
        draft.replace(TOLD)
        tell("WATCHDOG=1")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
