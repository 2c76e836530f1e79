"""Who is still waited for. Pure."""

from collections.abc import Callable, Iterable

from agent.control.view import View


class Awaited:
    """The venues that have not told yet what is waited for.

    Each question looks at one of them that still has to, so that ten thousand venues cost no more than their messages.
    """

    def __init__(self, view: View, expected: Callable[[], Iterable[str]], told: Callable[[str], bool]) -> None:
        self._view = view
        self._expected = expected
        self._told = told
        self._known = -1
        self._left: dict[str, None] = {}
        self._anybody = False

    def all_told(self) -> bool:
        """Whether there are venues, and all of them have told."""
        if self._known != self._view.presence_changes:
            self._known = self._view.presence_changes
            self._left = dict.fromkeys(self._expected())
            self._anybody = bool(self._left)
        while self._left:
            venue = next(iter(self._left))
            if not self._told(venue):
                return False
            del self._left[venue]
        return self._anybody
