"""What the kernel knows: the raw counter, the host's wall clock, suspends, which boot this is, what hardware."""

import os
import platform
import time
from pathlib import Path

from agent.clock.stamp import Instant
from agent.units import RawNs

LEAP_FILE = "usr/share/zoneinfo/leap-seconds.list"
_STEADY_SOURCES = ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page")


def raw_now_ns() -> RawNs:
    """The raw counter now: the crystal's own rate, which no time daemon slews or steps."""
    return RawNs(time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW))


def real_now_ns() -> int:
    """The host's wall clock in nanoseconds since 1970: for log stamps and comparison, never for a decision."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def instant_now() -> Instant:
    """The raw counter and the wall clock at one instant.

    The tightest of three tries, so that a task switch between the two readings does not pass for time. The raw reading
    is the later one: what is derived from it comes out late by some 0.1 µs, never early.
    """
    tries = []
    for _ in range(3):
        before, real, after = raw_now_ns(), real_now_ns(), raw_now_ns()
        tries.append((after - before, after, real))
    _, raw, real = min(tries)
    return Instant(raw, real)


def asleep_ns() -> int:
    """How long this boot has been suspended so far: CLOCK_BOOTTIME counts that, CLOCK_MONOTONIC does not."""
    tries = []
    for _ in range(3):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        tries.append((after - before, boot - after))
    return min(tries)[1]


def boot_id() -> str:
    """The kernel's name for this boot; the raw counter means nothing in another.

    Under libfaketime each process has a counter of its own, as if it were a boot of its own.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}-{os.getpid()}" if "FAKETIME" in os.environ else boot


def wander(root: Path = Path("/")) -> tuple[float, str]:
    """By how much the crystal may wander while nobody looks, as a fraction, and how that is known."""
    model = _text(root / "proc/device-tree/model").rstrip("\0")
    if "Raspberry Pi" in model:
        return 2e-6, model
    source = _text(root / "sys/devices/system/clocksource/clocksource0/current_clocksource")
    if platform.machine() == "x86_64" and source in _STEADY_SOURCES:
        return 1e-6, f"x86 with clocksource {source}"
    return 3e-6, f"unknown hardware ({platform.machine()}, clocksource {source or 'not told'})"


def has_rtc(root: Path = Path("/")) -> bool:
    """Whether the host has a clock that runs while it is off; a Raspberry Pi 4 has none."""
    folder = root / "sys/class/rtc"
    return folder.is_dir() and any(folder.iterdir())


def leap_seconds_list(root: Path = Path("/")) -> str | None:
    """The text of the system's table of leap seconds (Debian: tzdata); None where there is none."""
    return _text(root / LEAP_FILE) or None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
