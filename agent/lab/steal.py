"""How much of a virtual machine's processor time its host gave to others: frames that no player made late."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

_STAT = Path("/proc/stat")
_STEAL = 7  # proc(5): user nice system idle iowait irq softirq steal guest guest_nice
_COUNTED = 8  # what guests used is in user and nice already


@dataclass(frozen=True, slots=True)
class Ticks:
    """Processor time since boot, of all processors together: all of it, and what was stolen of it."""

    all: int
    stolen: int

    @classmethod
    def now(cls) -> Self:
        """Read the kernel's counters."""
        return cls.parse(_STAT.read_text())

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take them from the first line of /proc/stat."""
        counts = [int(word) for word in text.split("\n", 1)[0].split()[1 : 1 + _COUNTED]]
        return cls(sum(counts), counts[_STEAL] if len(counts) > _STEAL else 0)

    def stolen_since(self, before: "Ticks") -> float:
        """The share that was stolen since then, 0 to 1."""
        return (self.stolen - before.stolen) / max(1, self.all - before.all)
