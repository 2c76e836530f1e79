"""How the machine under the agent is doing."""

import os
import shutil
from pathlib import Path

from agent.told import HostStatus

_PAGE = os.sysconf("SC_PAGE_SIZE")
SYS = Path("/sys")
_PROCESSORS = ("cpu", "soc", "x86_pkg_temp")
_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
_HELD_BACK_NOW = 0xF
"""Too little voltage, frequency capped, throttled, soft limit of temperature: now. The bits above tell of the past
(Raspberry Pi documentation, vcgencmd get_throttled)."""


LEAST_JIFFIES = 50
"""Load is measured over at least so much time of all cores: whoever asks in between changes no figure."""


class Host:
    """Readings of one machine; load is measured between two readings."""

    def __init__(self, disk: Path, sys: Path = SYS) -> None:
        self._disk = disk
        self._last = cpu_times()
        self._load = 0.0
        self._thermometers = thermometers(sys)
        self._throttled = sys / "devices/platform/soc/soc:firmware/get_throttled"
        self._voltages = _named(sys, "hwmon/hwmon*/name", ("rpi_volt",), "in0_lcrit_alarm")

    def read(self, pids: list[int]) -> HostStatus:
        """Load of the machine since the last reading, memory of these processes, space beside the films."""
        busy, total = cpu_times()
        spent = total - self._last[1]
        if spent >= LEAST_JIFFIES:
            self._load = (busy - self._last[0]) / spent
            self._last = (busy, total)
        memory = sum(_resident_bytes(pid) for pid in pids)
        try:
            free_gb = round(shutil.disk_usage(self._disk).free / 1e9, 1)
        except OSError:
            free_gb = None  # the disk is gone; films that play may go on
        return HostStatus(
            cpu=round(self._load, 3),
            mem_mb=memory // 2**20,
            disk_free_gb=free_gb,
            temp_c=self._hottest_c(),
            throttled=self._held_back(),
        )

    def _hottest_c(self) -> float | None:
        """The temperature of the processor, in °C; None where the machine does not tell."""
        found = [value / 1000 for path in self._thermometers if (value := _number(path)) is not None]
        return round(max(found), 1) if found else None

    def _held_back(self) -> bool | None:
        """Whether a Raspberry Pi holds its processor back just now; None on other machines."""
        flags = _number(self._throttled, 16)
        low = [value for path in self._voltages if (value := _number(path)) is not None]
        if flags is None and not low:
            return None
        return bool((flags or 0) & _HELD_BACK_NOW) or any(low)


def held_back_before(sys: Path = SYS) -> bool | None:
    """Whether a Raspberry Pi has held its processor back since it was switched on; None on other machines."""
    flags = _number(sys / "devices/platform/soc/soc:firmware/get_throttled", 16)
    return None if flags is None else bool(flags >> 16)


def thermometers(sys: Path = SYS) -> list[Path]:
    """The files that tell the processor's temperature in thousandths of °C (kernel: sysfs-class-thermal, -hwmon)."""
    zones = _named(sys, "thermal/thermal_zone*/type", _PROCESSORS, "temp")
    return zones or _named(sys, "hwmon/hwmon*/name", _SENSORS, "temp1_input")


def _named(sys: Path, pattern: str, names: tuple[str, ...], file: str) -> list[Path]:
    found = []
    for path in sorted((sys / "class").glob(pattern)):
        try:
            name = path.read_text().strip()
        except (OSError, UnicodeDecodeError):
            continue
        if name.startswith(names):
            found.append(path.with_name(file))
    return found


def _number(path: Path, base: int = 10) -> int | None:
    try:
        return int(path.read_text(), base)
    except (OSError, ValueError):
        return None  # a sensor that sleeps or is gone


def cpu_times() -> tuple[int, int]:
    """Busy and total jiffies of all cores (proc(5), /proc/stat: idle and iowait are columns 4 and 5)."""
    with Path("/proc/stat").open() as stat:
        times = [int(text) for text in stat.readline().split()[1:9]]
    total = sum(times)
    return total - times[3] - times[4], total


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0  # it ended a moment ago
