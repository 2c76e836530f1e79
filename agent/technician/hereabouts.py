"""What a host says of itself before it has a configuration: its name, time zone, X servers and disk."""

import contextlib
import shutil
import socket
from pathlib import Path

from agent.player.randr import modes_of, refresh_hz
from agent.player.stage import StageError, open_display
from agent.technician.questions import Here, Screen

SOCKETS = Path("/tmp/.X11-unix")
"""Where X servers listen (Xserver(1))."""
_ANYBODY = ("localhost", "debian", "raspberrypi", "ubuntu")
"""Names that say nothing of a venue."""
_MOST_SCREENS = 8


def look(folder: Path, films: Path) -> Here:
    """What is known; `folder` is where agent.toml goes, `films` where the films would."""
    name = socket.gethostname().partition(".")[0].lower()
    return Here(
        host="" if name in _ANYBODY else name,
        zone=zone(),
        folder=str(folder),
        present=frozenset(_names(folder)),
        screens=tuple(_screens()),
        disk_gb=_disk_gb(films),
    )


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def zone(etc: Path = Path("/etc")) -> str:
    """The host's time zone by its name; '' where it has none, or none but UTC."""
    found = ""
    with contextlib.suppress(OSError):
        found = str((etc / "localtime").readlink()).partition("zoneinfo/")[2]
    if not found:
        with contextlib.suppress(OSError):
            found = (etc / "timezone").read_text(errors="replace").strip()
    return "" if found.rpartition("/")[2] in ("UTC", "Universal", "Zulu", "UCT") else found


def _screens() -> list[Screen]:
    names = sorted(name[1:] for name in _names(SOCKETS) if name[:1] == "X" and name[1:].isdigit())
    seen = [_screen(f":{name}") for name in sorted(names, key=int)[:_MOST_SCREENS]]
    return [screen for screen in seen if screen is not None]


def _screen(name: str) -> Screen | None:
    """A screen, if this user may open it."""
    try:
        display = open_display(name)
    except StageError:
        return None
    try:
        root = display.screen()
        size = f"{root.width_in_pixels}x{root.height_in_pixels}"
        modes = dict.fromkeys(_told(f"{mode.width}x{mode.height}", mode.hz) for mode in modes_of(display))
        hz = refresh_hz(display, 0, 0)
        return Screen(name, size, _told(size, hz) if hz else "", tuple(modes))
    finally:
        display.close()


def _told(size: str, hz: float | None) -> str:
    """A mode as display.mode names it."""
    return f"{size}@{f'{hz:.2f}'.rstrip('0').rstrip('.')}" if hz else size


def _disk_gb(folder: Path) -> float | None:
    """The size of the disk that a folder is on, or would be."""
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return shutil.disk_usage(folder).total / 1e9
    except OSError:
        return None
