"""How the machine under the agent is doing."""

import os
import shutil
from pathlib import Path

from agent.told import HostStatus

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Host:
    """Readings of one machine; load is measured between two readings."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._last = cpu_times()

    def read(self, pids: list[int]) -> HostStatus:
        """Load of the machine since the last reading, memory of these processes, space beside the films."""
        busy, total = cpu_times()
        spent = total - self._last[1]
        load = (busy - self._last[0]) / spent if spent else 0.0
        self._last = (busy, total)
        memory = sum(_resident_bytes(pid) for pid in pids)
        try:
            free_gb = round(shutil.disk_usage(self._disk).free / 1e9, 1)
        except OSError:
            free_gb = None  # the disk is gone; films that play may go on
        return HostStatus(cpu=round(load, 3), mem_mb=memory // 2**20, disk_free_gb=free_gb)


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
