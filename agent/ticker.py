"""When the conductor is shown the time: at its deadlines, in between often while something runs, and seldom at rest."""

import asyncio
from collections.abc import Callable

TICK_S = 0.25
REST_S = 1.0
"""Where nothing runs, nothing is near and nobody says anything, nothing changes but how good the clock is."""
LEAST_S = 0.001


class Ticker:
    """`left_s` says in how many seconds the next deadline is, None: there is none; `resting` that all is quiet."""

    def __init__(
        self, left_s: Callable[[], float | None], resting: Callable[[], bool], tick: Callable[[], None]
    ) -> None:
        self._left_s = left_s
        self._resting = resting
        self._tick = tick
        self._moved = asyncio.Event()

    def moved(self) -> None:
        """Something has happened: the next deadline may be another, and the rest be over."""
        self._moved.set()

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self._moved.clear()
            try:
                # Not wait_for, which in Python 3.11 can swallow a cancellation that comes together with the event.
                async with asyncio.timeout(self.patience_s()):
                    await self._moved.wait()
            except TimeoutError:
                self._tick()

    def patience_s(self) -> float:
        """How long to wait for the next tick where nothing happens before."""
        most_s = REST_S if self._resting() else TICK_S
        left_s = self._left_s()
        return most_s if left_s is None else min(most_s, max(left_s, LEAST_S))
