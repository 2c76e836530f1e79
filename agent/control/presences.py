"""Which venues there are, as each broker tells it, and whom the patterns of a cue mean. Pure."""

from collections.abc import Iterable

from agent.messages import WIRE_VERSIONS
from agent.told import Presence


class Presences:
    """The presences of all venues at all brokers."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, Presence]] = {}  # venue → url → presence there
        self._away: set[str] = set()  # brokers that were here, and whose word is old meanwhile
        self._once_each: dict[str, Presence] | None = None
        self.changes = 0

    def take(self, url: str, presence: Presence) -> None:
        """Note what a broker tells."""
        self._told.setdefault(presence.venue, {})[url] = presence
        self._changed()

    def forget(self, url: str, venue: str) -> bool:
        """A broker keeps nothing of a venue any more; whether now none does that did."""
        found = self._told.get(venue, {})
        if found.pop(url, None) is None:
            return False
        if not found:
            del self._told[venue]
        self._changed()
        return not found

    def lost(self, url: str) -> None:
        """The connection to a broker is gone: its word counts only where no other one speaks."""
        self._away.add(url)
        self._once_each = None

    def back(self, url: str) -> None:
        """A broker is there."""
        self._away.discard(url)
        self._once_each = None

    def told_by(self, url: str) -> list[str]:
        """The venues of which a broker has told."""
        return [venue for venue, found in self._told.items() if url in found]

    @property
    def once_each(self) -> dict[str, Presence]:
        """Each venue once: online if it is so at any broker that is here, else at any that was."""
        if self._once_each is None:
            self._once_each = {
                venue: max(found.items(), key=lambda told: (told[0] not in self._away, told[1].online))[1]
                for venue, found in sorted(self._told.items())
            }
        return self._once_each

    def expected(self, patterns: Iterable[str]) -> list[str]:
        """The venues that a cue to these patterns should be answered by: those named, and those known that match."""
        wanted = list(patterns)
        named = {pattern for pattern in wanted if pattern[0] not in "*@"}
        matching = {
            venue
            for venue, presence in self.once_each.items()
            if "*" in wanted or any(f"@{group}" in wanted for group in presence.groups)
        }
        return sorted(named | matching)

    def unmatched(self, patterns: Iterable[str]) -> list[str]:
        """Those of the patterns (venues, `@groups`, `*`) that no known venue matches."""
        known = {"*"} if self.once_each else set()
        for venue, presence in self.once_each.items():
            known |= {venue, *(f"@{group}" for group in presence.groups)}
        return [pattern for pattern in dict.fromkeys(patterns) if pattern not in known]

    def _changed(self) -> None:
        self._once_each = None
        self.changes += 1


def version_fault(presence: Presence) -> str:
    """Why this tool and a venue do not understand each other; empty where they do."""
    if set(presence.messages) & set(WIRE_VERSIONS):
        return ""
    reads, writes = (", ".join(map(str, versions)) or "none" for versions in (presence.messages, WIRE_VERSIONS))
    return (
        f"its agent reads messages of version {reads}, this tool writes {writes}; "
        "bring both to the same version of framezero"
    )
