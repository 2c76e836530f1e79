"""Makes room for a film: asks agent.cache.room what has to go, and has it go."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from agent.cache.disk import BYTES_PER_GB, SHA256_CHARS
from agent.cache.room import Claim, Held, Shortfall, Space, make_room
from agent.cache.store import Room, Store
from agent.config import Cache
from agent.messages import Refusal

log = structlog.get_logger()

LATER = "cache_later"
"""The code of a film that nobody has cued yet, and that will have its room once somebody does."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A film that some known program needs; `name` is for people. `cued`: a running or coming cue names the program."""

    sha256: str
    size: int
    urls: tuple[str, ...]
    name: str
    cued: bool = True


class Shelf:
    """The cache's space. `claims` are who needs which film now, `gone` is told of each film that had to go."""

    def __init__(
        self, store: Store, config: Cache, claims: Callable[[], Mapping[str, Claim]], gone: Callable[[str], None]
    ) -> None:
        self._store = store
        self._config = config
        self._claims = claims
        self._gone = gone

    async def make_room(self, film: Wanted, done: int) -> Refusal | None:
        """Have what may go go until the rest of a film fits. A refusal names film, sizes and remedy. Raises OSError."""
        rest = max(0, film.size - done)
        while True:
            room = await asyncio.to_thread(self._store.room)
            self._store.survey()
            # Nothing is awaited from here until one film is gone: what is wanted may change at each await, and others
            # may have put films here meanwhile, so all is judged anew for each.
            claims = self._claims()
            if film.sha256 not in claims:
                return Refusal(code=LATER, detail=f"{film.name} is wanted no more")
            held = held_of(self._store, room, claims, film.sha256)
            space = Space(room.free, _bytes(self._config.reserve_gb), room.used, _bytes(self._config.quota_gb))
            going = make_room(rest, claims[film.sha256], held, space)
            if isinstance(going, Shortfall):
                later = not isinstance(make_room(rest, Claim.CUED, held, space), Shortfall)
                return self._full(film, rest, going, room, LATER if later else "cache_full")
            if not going:
                return None
            first = going[0]
            self._store.evict(first.name)
            log.info("evicted from the cache", sha256=first.name, size=first.size, claim=first.claim.name, by=film.name)
            if len(first.name) == SHA256_CHARS:  # else it was no film but a part
                self._gone(first.name)
            await asyncio.to_thread(self._store.delete_gone, first.name)

    def _full(self, film: Wanted, rest: int, shortfall: Shortfall, room: Room, code: str) -> Refusal:
        needs = f"{film.name} needs {_gb(rest)} GB more, {_gb(shortfall.size)} GB more than can be had"
        if shortfall.limit == "reserve":
            why = f"{_gb(room.free)} GB are free on the disk, of which {self._config.reserve_gb:g} are reserved"
            remedy = "delete something on that disk, or lower cache.reserve_gb"
        else:
            why = f"{_gb(room.used)} of the cache's {self._config.quota_gb:g} GB are taken"
            remedy = "raise cache.quota_gb"
        remedy += ", or cancel cues whose films are not needed: what is cued stays"
        return Refusal(code=code, detail=f"{needs}: {why}; {remedy}")


def held_of(store: Store, room: Room, claims: Mapping[str, Claim], but: str) -> list[Held]:
    """What takes room in a cache, but for what there is of the one film that the room is for."""
    films = [Held(name, size, claims.get(name, Claim.NOBODY), used) for name, size, used in store.films()]
    for stray in room.strays:
        claim = claims.get(stray.name[:SHA256_CHARS], Claim.NOBODY) if stray.name.endswith(".part") else Claim.NOBODY
        films.append(Held(stray.name, stray.size, claim, stray.used))
    return [held for held in films if held.name not in (but, f"{but}.part")]


def _bytes(gb: float) -> int:
    return round(gb * BYTES_PER_GB)


def _gb(size: int) -> str:
    return f"{size / BYTES_PER_GB:.3f}"
