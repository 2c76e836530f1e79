"""When to ask a server next: politeness as a value. Pure."""

import zlib

MOST_JITTER = 0.1
_NO_NETWORK_S = 8.0
_JITTER_FROM_S = 8.0


class Pace:
    """When to ask a server next, in seconds: a burst, then slowly; slower still when it does not answer or says so.

    A stranger's server: 8 exchanges at 2 s, then 64 s ± 10 %, up to 1024 s. Our own: 16 at 1 s, then 4 s, up to 16 s.
    `salt` tells one agent's jitter from another's, so that a fleet that was switched on together spreads out.
    """

    def __init__(self, ours: bool, salt: str = "") -> None:
        self._burst, self._burst_s = (16, 1.0) if ours else (8, 2.0)
        self._regular_s, self._longest_s = (4.0, 16.0) if ours else (64.0, 1024.0)
        self._salt = salt
        self.asked = 0
        self._answered = 0
        self._floor_s = 0.0
        self._wait_s = self._burst_s

    @property
    def interval_s(self) -> float:
        """The time between two questions as things are, without its jitter."""
        return self._wait_s

    @property
    def floor_s(self) -> float:
        """The least interval that the server has asked for; 0 where it has not."""
        return self._floor_s

    def after(self, code: str | None) -> float:
        """How long to wait after an exchange: `code` is its Refusal's, None for a sample."""
        self.asked += 1
        if code is None:
            self._answered += 1
            self._wait_s = self._burst_s if self._answered < self._burst else self._regular_s
        elif code == "kiss_rate":
            # Obeyed for good, and doubled every time (RFC 5905, section 7.4); and there is no burst any more.
            self._answered = self._burst
            self._floor_s = 2 * max(self._wait_s, self._floor_s)
        else:
            # Where nothing was sent nobody needs to be spared: a network that comes back should be noticed soon.
            longest_s = _NO_NETWORK_S if code in ("dns", "dns_away", "network") else self._longest_s
            self._wait_s = min(self._wait_s * 2, longest_s)
        self._wait_s = max(self._wait_s, self._floor_s)
        return self._wait_s * (1 + self._jitter())

    def again(self) -> None:
        """Begin with the burst anew: the network or the host was away. A server that asked for fewer gets none."""
        if not self._floor_s:
            self._answered = 0
            self._wait_s = self._burst_s

    def _jitter(self) -> float:
        """From −0.1 to 0.1, another one each time; the core draws no random numbers. Never below what was asked for."""
        if self._wait_s < _JITTER_FROM_S:
            return 0.0
        drawn = zlib.crc32(f"{self._salt}:{self.asked}".encode()) / 2**31 - 1
        return MOST_JITTER * (abs(drawn) if self._wait_s == self._floor_s else drawn)
