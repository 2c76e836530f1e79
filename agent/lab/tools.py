"""What the lab needs on this machine, named all at once when it is missing."""

import ctypes.util
import importlib.util

from agent.lab import faketime
from agent.lab.processes import PACKAGES, LabError, find, remedy

_LIBRARIES = ("mpv", "numpy", "matplotlib", "aiohttp", "ntplib", "Xlib")


def missing(true_clocks: bool) -> list[str]:
    """The Debian packages whose programs are not there."""
    packages = []
    for program, package in PACKAGES.items():
        try:
            find(program)
        except LabError:
            packages.append(package)
    if not true_clocks and faketime.library() is None:
        packages.append("faketime")
    if ctypes.util.find_library("mpv") is None:
        packages.append("libmpv2")
    return packages


def check(true_clocks: bool) -> None:
    """Raise LabError with the commands that mend it where programs, libmpv or Python packages are missing."""
    faults = []
    packages = missing(true_clocks)
    if packages:
        faults.append(f"the lab needs {', '.join(packages)}; install with: {remedy(packages)}")
    absent = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if absent:
        faults.append(f"the lab needs the Python packages {', '.join(absent)}: pip install framezero[lab]")
    if faults:
        raise LabError("\n".join(faults), status=2)
