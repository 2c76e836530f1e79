"""What of this machine bears on decoding, read from /sys, /proc/device-tree and /usr/lib.

The names are the kernel's: Documentation/devicetree/usage-model.rst for `compatible`, the link `device/driver` below
/sys/class/drm, `name` below /sys/class/video4linux. Not verified on a Raspberry Pi or a real GPU.
"""

import os
from pathlib import Path

from agent.player.profile import Machine

_ROOT = Path("/")
_VA = "_drv_video.so"


def read(root: Path = _ROOT) -> Machine:
    """Look; what cannot be read is not there. `root` stands for / in tests."""
    nodes = sorted((root / "dev/dri").glob("renderD*"))
    usable = [node for node in nodes if os.access(node, os.R_OK | os.W_OK)]
    return Machine(
        model=" ".join(_strings(root / "proc/device-tree/model")),
        compatible=_strings(root / "proc/device-tree/compatible"),
        render_drivers=tuple(driver for node in usable if (driver := _driver(root, node.name))),
        denied=tuple(f"/dev/dri/{node.name}" for node in nodes if node not in usable),
        va_drivers=frozenset(
            library.name.removesuffix(_VA)
            for pattern in ("dri", "*/dri")
            for library in (root / "usr/lib").glob(f"{pattern}/*{_VA}")
        ),
        v4l2=tuple(
            name for device in sorted((root / "sys/class/video4linux").glob("*")) for name in _strings(device / "name")
        ),
    )


def _strings(path: Path) -> tuple[str, ...]:
    """The texts of a file; the device tree ends each with a zero."""
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError:
        return ()
    return tuple(part.strip() for part in text.split("\0") if part.strip())


def _driver(root: Path, node: str) -> str | None:
    try:
        return (root / "sys/class/drm" / node / "device/driver").readlink().name
    except OSError:
        return None
