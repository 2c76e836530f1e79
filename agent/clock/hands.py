"""Threads for what blocks for a moment and is done again and again: each is used anew, for making one costs more.

Not the event loop's executor: its threads may all be busy with films when a stamp has to be taken, and a resolver that
hangs in one of them would hold up the end of the process. A daemon thread does neither.
"""

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[], None]


class Hands:
    """As many threads as there was ever work for at the same time."""

    def __init__(self, name: str) -> None:
        self._name = name
        # Both ends of a deque may be used by any thread (its documentation says so).
        self._idle: deque[SimpleQueue[Work | None]] = deque()
        self._ended = False

    def take(self, work: Work) -> None:
        """Have this done at once by a thread that has nothing to do, or by one more. It must not raise."""
        try:
            orders = self._idle.pop()
        except IndexError:
            orders = SimpleQueue()
            threading.Thread(target=self._serve, args=(orders,), daemon=True, name=self._name).start()
        orders.put(work)

    def end(self) -> None:
        """Let the threads go, each when it has done what it does; waits for none."""
        self._ended = True
        while self._idle:
            self._idle.pop().put(None)

    def _serve(self, orders: "SimpleQueue[Work | None]") -> None:
        while (work := orders.get()) is not None:
            work()
            self._idle.append(orders)
            if self._ended:  # looked at behind that, so that whichever of both comes last sees the other
                self.end()
