"""How far apart walls show the same frame, of the newest minute of a meter's changes, whatever is cued. Pure.

No instants at which frames are due are needed: what several walls show of one frame within half a second is one
showing, for a film lasts longer than that before it comes again. Instants are those of the meter, in true time.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from agent.lab.analysis import TORN_NS, percentile
from agent.lab.readings import Value

TOGETHER_NS = 500_000_000
Frame = tuple[int, int]
"""Clip and frame of a test film."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a wall shows, and since when; None: nothing of a test film."""

    frame: Frame | None
    since_ns: int


@dataclass(frozen=True, slots=True)
class Skew:
    """Milliseconds over the frames that all walls have shown.

    `partial` counts the frames that some have shown and others not. `lag_ms`: how much later than the middle one of the
    walls each was, by its median.
    """

    frames: int
    partial: int
    median: float | None
    p95: float | None
    p99: float | None
    max: float | None
    lag_ms: dict[str, float]


class SkewWindow:
    """Takes changes in the order of time; knows the last `window_ns`."""

    def __init__(self, names: Sequence[str], window_ns: int) -> None:
        self._names = tuple(names)
        self._window_ns = window_ns
        self._pending: dict[str, Standing] = {}
        self.standing: dict[str, Standing] = {}
        self._open: dict[Frame, dict[str, int]] = {}
        self._whole: deque[tuple[int, dict[str, int]]] = deque()
        self._partial: deque[int] = deque()

    def see(self, name: str, ns: int, value: Value) -> None:
        """A wall shows something else from this instant on."""
        # What stood for less than a millisecond may be a look into a picture that was just being copied.
        before = self._pending.pop(name, None)
        if before is not None and ns - before.since_ns >= TORN_NS:
            self._stands(name, before)
        self._pending[name] = Standing(value if isinstance(value, tuple) else None, ns)

    def settle(self, ns: int) -> None:
        """It is now so late: what stands has stood long enough, what did not become whole does not any more."""
        for name, last in list(self._pending.items()):
            if ns - last.since_ns >= TORN_NS:
                self._stands(name, self._pending.pop(name))
        for frame, seen in list(self._open.items()):
            if ns - min(seen.values()) > TOGETHER_NS:
                self._end(frame)
        while self._whole and self._whole[0][0] < ns - self._window_ns:
            self._whole.popleft()
        while self._partial and self._partial[0] < ns - self._window_ns:
            self._partial.popleft()

    def _stands(self, name: str, now: Standing) -> None:
        before = self.standing.get(name)
        if before is not None and before.frame == now.frame:  # the same again behind a torn one
            return
        self.standing[name] = now
        if now.frame is None:
            return
        seen = self._open.get(now.frame)
        if seen is not None and (name in seen or now.since_ns - min(seen.values()) > TOGETHER_NS):
            self._end(now.frame)
        seen = self._open.setdefault(now.frame, {})
        seen[name] = now.since_ns
        if len(seen) == len(self._names):
            self._end(now.frame)

    def _end(self, frame: Frame) -> None:
        seen = self._open.pop(frame)
        first = min(seen.values())
        if len(seen) == len(self._names):
            self._whole.append((first, seen))
        else:
            self._partial.append(first)

    def skew(self) -> Skew:
        """What the window holds."""
        skews = [(max(seen.values()) - first) / 1e6 for first, seen in self._whole]
        lags: dict[str, list[float]] = {name: [] for name in self._names}
        for _, seen in self._whole:
            middle = median(seen.values())
            for name, ns in seen.items():
                lags[name].append((ns - middle) / 1e6)
        return Skew(
            frames=len(skews),
            partial=len(self._partial),
            median=percentile(skews, 50),
            p95=percentile(skews, 95),
            p99=percentile(skews, 99),
            max=max(skews, default=None),
            lag_ms={name: median(values) for name, values in lags.items() if values},
        )
