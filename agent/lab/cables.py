"""Cables that a tester pulls by hand: while OUT/pulled has a file of a venue's name, all lines of that venue are cut.

A file, because every shell and every script can make one and take it away, and because it is seen with `ls`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

FOLDER = "pulled"


class Cables:
    """The cables of these venues; `pull` cuts all lines of one, or restores them."""

    def __init__(self, out: Path, venues: Sequence[str], pull: Callable[[str, bool], None]) -> None:
        self._folder = out / FOLDER
        self._folder.mkdir(exist_ok=True)
        self._venues = venues
        self._pull = pull
        self._pulled: set[str] = set()

    def look(self) -> list[str]:
        """Do what the folder says since the last look; what was done, in words."""
        wanted = {venue for venue in self._venues if (self._folder / venue).exists()}
        told = []
        for venue in self._venues:
            if (venue in wanted) == (venue in self._pulled):
                continue
            self._pull(venue, venue in wanted)
            told.append(f"{venue}: {'its cable is pulled' if venue in wanted else 'its cable is back'}")
        self._pulled = wanted
        return told
