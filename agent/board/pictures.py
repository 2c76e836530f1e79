"""Pictures of the walls: the newest of each, asked for in turn, so that no line and no venue is crowded."""

import hashlib
from dataclasses import dataclass

from agent.board.snapshot import Picture
from agent.control import shot as shots
from agent.control.link import Link
from agent.messages import Refusal
from agent.printable import printable
from agent.units import UtcUs

WIDTH = 640
"""A card shows no more, and it is a third of the bytes of a whole picture."""

TIMEOUT_S = 8.0
MOST = 200
"""So many pictures are kept: 20 MB at most."""

BESIDE = 2
"""So many venues are asked at once."""


@dataclass(slots=True)
class _Wall:
    jpeg: bytes = b""
    tag: str = ""
    taken_us: UtcUs | None = None
    refused: str = ""
    asked: bool = False
    told: Picture | None = None


class Pictures:
    """What the walls showed last."""

    def __init__(self) -> None:
        self._walls: dict[str, _Wall] = {}
        self._turn = ""

    def jpeg(self, venue: str) -> tuple[str, bytes] | None:
        """The tag and the picture; None: there is none."""
        wall = self._walls.get(venue)
        return (wall.tag, wall.jpeg) if wall is not None and wall.jpeg else None

    @property
    def told(self) -> dict[str, Picture]:
        """What is said of each; the same objects as long as nothing has changed."""
        return {venue: wall.told for venue, wall in self._walls.items() if wall.told is not None}

    def next_in_turn(self, venues: list[str]) -> str | None:
        """The venue that is to be asked next: the one behind the last one that was, by name."""
        free = [venue for venue in venues if not self._walls.get(venue, _Wall()).asked]
        if not free:
            return None
        self._turn = min((venue for venue in free if venue > self._turn), default=min(free))
        return self._turn

    async def ask(self, link: Link, venue: str) -> str:
        """Ask a wall for a picture and keep it; returns why there is none, empty where there is."""
        wall = self._walls.setdefault(venue, _Wall())
        if wall.asked:
            return "a picture has been asked for already"
        wall.asked = True
        self._tell(wall)
        try:
            outcome = await shots.take(link, venue, width=WIDTH, timeout_s=TIMEOUT_S)
        finally:
            wall.asked = False
            self._tell(wall)
        if isinstance(outcome, Refusal):
            wall.refused = printable(outcome.detail)
        else:
            wall.jpeg, wall.taken_us, wall.refused = outcome.jpeg, outcome.shot.taken, ""
            wall.tag = hashlib.sha256(outcome.jpeg).hexdigest()[:16]
        self._tell(wall)
        self._forget()
        return wall.refused

    def _tell(self, wall: _Wall) -> None:
        wall.told = Picture(wall.taken_us, wall.tag, wall.refused, wall.asked)

    def _forget(self) -> None:
        """The oldest pictures of too many go."""
        kept = [venue for venue, wall in self._walls.items() if wall.jpeg]
        for venue in sorted(kept, key=lambda venue: self._walls[venue].taken_us or 0)[: max(0, len(kept) - MOST)]:
            del self._walls[venue]
