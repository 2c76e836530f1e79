"""Rest around the start of a film: disk, network and processor belong to the wall then."""

import asyncio
import threading
import time
from collections.abc import Callable

MOST_S = 60.0
"""Starts that follow each other closely may hold work up for so long, then it gets as long to go on."""
STEP_S = 0.5

RestS = Callable[[str], float]
"""For how many seconds more the wall wants quiet from work on a film (by its sha256). May be called from any thread."""


def never(_sha256: str) -> float:
    """There is no wall."""
    return 0.0


class Lull:
    """The rests of the work on one film."""

    def __init__(self, rest_s: RestS, sha256: str) -> None:
        self._rest_s = rest_s
        self._sha256 = sha256
        self._since_s: float | None = None

    def left_s(self, now_s: float) -> float:
        """So long the work has to rest from now on, as far as is known."""
        left_s = self._rest_s(self._sha256)
        if left_s <= 0:
            self._since_s = None
            return 0.0
        if self._since_s is None or now_s - self._since_s >= 2 * MOST_S:
            self._since_s = now_s
        return left_s if now_s - self._since_s < MOST_S else 0.0

    async def wait(self) -> None:
        """Come back when the work may go on."""
        # In steps: a cue may be taken back meanwhile.
        while (left_s := self.left_s(time.monotonic())) > 0:  # noqa: ASYNC110  what ends is a time
            await asyncio.sleep(min(left_s, STEP_S))

    def hold(self, ended: threading.Event) -> None:
        """The same for work in a thread; comes back also when it has been ended."""
        while (left_s := self.left_s(time.monotonic())) > 0:
            if ended.wait(min(left_s, STEP_S)):
                return
