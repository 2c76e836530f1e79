"""Whether a machine's wall shows the frame that is due, judged by its pixels and the true time alone."""

import time
from pathlib import Path

from agent.lab import barcode
from agent.lab.framebuffer import Framebuffer
from agent.lab.processes import LabError
from agent.lab.programme import Programme

LOOK_S = 0.05
FRAMES = 1
"""A right frame is the one that is due, or a neighbour: the test looks at any instant, also while one is drawn."""
STEADY, MAY_MISS = 20, 2
"""A wall is back with the first right frame of a second in which nearly all looks found one: others may have the
processor, or the frame is half drawn."""


class Pixels:
    """One wall and the programme that it should show."""

    def __init__(self, screen: Path, programme: Programme) -> None:
        self._screen = screen
        self._programme = programme

    def shifted(self, frames: int) -> "Pixels":
        """The same wall, judged by a programme that began so many frames later: wrong, where this one is right."""
        plain = self._programme
        due_ns = plain.due_ns + round(frames * 1_000_000_000 / plain.items[0].fps)
        return Pixels(self._screen, Programme(plain.items, due_ns=due_ns, loop=plain.loop))

    def error_frames(self) -> float | None:
        """How many frames late the wall is now: within 0 and 1 where it is exact. None: no frame of the programme."""
        try:
            screen = Framebuffer.open(self._screen)
        except LabError:  # the display is away, or just coming up
            return None
        try:
            upper, lower = screen.barcode_slices()
            rows = screen.memory[upper], screen.memory[lower]
            now = time.time_ns()
        finally:
            screen.close()
        read = barcode.decode(*rows)
        spot = self._programme.nearest(*read, now) if read else None
        if spot is None:
            return None
        return float((now - self._programme.due(spot)) * self._programme.items[spot.item].fps / 1_000_000_000)

    def right(self) -> bool:
        """Whether the frame on the wall is the one that is due now, or a neighbour."""
        error = self.error_frames()
        return error is not None and -FRAMES <= error < 1 + FRAMES

    def seconds_until_right(self, since: float, limit_s: float) -> float:
        """Wait for the right frame; how many seconds after `since` (monotonic) it was first on the wall to stay.

        Raises LabError when it is not there within the limit.
        """
        looks: list[tuple[float, bool]] = []
        while True:
            looks = [*looks[1 - STEADY :], (time.monotonic(), self.right())]
            if len(looks) == STEADY and looks[0][1] and sum(not right for _, right in looks) <= MAY_MISS:
                return looks[0][0] - since
            if looks[0][0] - since > limit_s:
                raise LabError(f"no right frame within {limit_s:g} s; now: {self.error_frames()} frames late")
            time.sleep(LOOK_S)
