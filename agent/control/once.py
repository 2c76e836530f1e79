"""What has come before, in a memory that does not grow. Pure."""

from typing import Generic, TypeVar

K = TypeVar("K")


class Once(Generic[K]):
    """Tells what comes for the first time, as far as the newest `most` are known."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[K, None] = {}

    def first(self, mark: K) -> bool:
        """Whether it is new; from now on it is not."""
        if mark in self._known:
            return False
        self._known[mark] = None
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return True
