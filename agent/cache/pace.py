"""How fast films may come."""

_BITS_PER_MEGABIT = 1_000_000


class Pace:
    """Keeps downloads at `rate_mbps` megabits per second on average; 0 = unlimited. Pure: the caller waits."""

    def __init__(self, rate_mbps: float) -> None:
        self._bits_per_s = rate_mbps * _BITS_PER_MEGABIT
        self._free_at_s = 0.0

    def spend(self, count: int, now_s: float) -> float:
        """So many seconds to wait, now that `count` bytes more were received."""
        if not self._bits_per_s:
            return 0.0
        self._free_at_s = max(now_s, self._free_at_s) + count * 8 / self._bits_per_s
        return self._free_at_s - now_s
