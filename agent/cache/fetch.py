"""Fetches the films that are wanted into the store, one at a time, most urgent first, until every one is there."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog

from agent.cache.http import Download, Pace, session
from agent.cache.store import Store, disk_refusal
from agent.config import Cache
from agent.messages import Refusal
from agent.told import CacheStatus, Fetching

log = structlog.get_logger()

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
LOOK_S = 30.0
"""How often the files of the wanted films are compared with their seals, so that a vanished one is fetched again."""

_GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A film that some known program needs; `name` is for people."""

    sha256: str
    size: int
    urls: tuple[str, ...]
    name: str


class Presence(StrEnum):
    """How far a wanted film is."""

    PRESENT = "present"
    MISSING = "missing"
    FETCHING = "fetching"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FilmState:
    """How far a wanted film is; `path` only if present, `done` of `size` bytes if fetching, `reason` if failed.

    A film that failed stays failed, whatever is tried meanwhile, until it is present or fails for another reason.
    """

    presence: Presence
    path: Path | None = None
    done: int = 0
    size: int = 0
    reason: Refusal | None = None


@dataclass(slots=True)
class _Wish:
    film: Wanted
    state: FilmState | None = None
    failures: int = 0
    retry_at_s: float = 0.0

    @property
    def open(self) -> bool:
        return self.state is None or self.state.presence is not Presence.PRESENT


class Fetcher:
    """Brings what is wanted into the store and says what became of each film.

    `on_change(sha256, state)` is called on the event loop, first when the film is wanted, then for each change (not
    twice with the same state, and for progress at most once a second).
    """

    def __init__(self, store: Store, config: Cache, on_change: Callable[[str, FilmState], None]) -> None:
        self._store = store
        self._config = config
        self._on_change = on_change
        self._pace = Pace(config.rate_mbps)
        self._wishes: dict[str, _Wish] = {}
        self._woken = asyncio.Event()
        self._current: Fetching | None = None

    def want(self, films: Sequence[Wanted]) -> None:
        """Replace what is wanted; the order is the priority. A film that is wanted no more is not fetched on."""
        before = self._wishes
        self._wishes = {}
        for film in films:
            wish = before.get(film.sha256)
            if wish is None or wish.film != film:  # another url is a new chance at once
                wish = _Wish(film, wish.state if wish else None)
            self._wishes.setdefault(film.sha256, wish)
        self._look()
        self._woken.set()

    def check(self, sha256: str) -> Refusal | None:
        """Whether a film may be shown, cheaply (for arming); one that may not is told, and fetched again."""
        reason = self._store.check(sha256)
        if reason is not None and (wish := self._wishes.get(sha256)) and not wish.open:
            self._tell(wish, FilmState(Presence.FAILED, reason=reason))
            self._woken.set()
        return reason

    def snapshot(self) -> CacheStatus:
        """The cache as an operator sees it."""
        films, size = self._store.totals()
        missing = sum(self._store.path_of(sha256) is None for sha256 in self._wishes)
        return CacheStatus(films=films, bytes=size, fetching=self._current, missing=missing)

    async def run(self) -> None:
        """Fetch until cancelled."""
        async with session() as http:
            download = Download(http, self._store, self._pace)
            while True:
                self._woken.clear()
                self._look()
                now = asyncio.get_running_loop().time()
                wish = next((w for w in self._wishes.values() if w.open and w.retry_at_s <= now), None)
                if wish is None:
                    await self._wait()
                else:
                    await self._while_urgent(wish, asyncio.create_task(self._obtain(download, wish)))

    async def _while_urgent(self, wish: _Wish, task: "asyncio.Task[None]") -> None:
        """Let a film be fetched unless it is wanted no more, or a more urgent one is; the part stays for later."""
        try:
            while not task.done() and not self._outranked(wish):
                self._woken.clear()
                await self._wait(task)
        finally:
            task.cancel()
            await asyncio.wait([task])
            self._current = None
        if not task.cancelled():
            task.result()

    def _outranked(self, wish: _Wish) -> bool:
        """A more urgent film that failed before does not count: its retries would keep this one from ever ending."""
        for other in self._wishes.values():
            if other is wish:
                return False
            if other.open and not other.failures:
                return True
        return True

    async def _wait(self, *tasks: "asyncio.Task[None]") -> None:
        """Until a task is done, something is wanted, a retry is due, or it is time to look at the files again."""
        now = asyncio.get_running_loop().time()
        waits = [w.retry_at_s - now for w in self._wishes.values() if w.open and w.retry_at_s > now]
        woken = asyncio.create_task(self._woken.wait())
        waiting: list[asyncio.Task[Any]] = [woken, *tasks]
        try:
            await asyncio.wait(waiting, timeout=min([LOOK_S, *waits]), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()

    def _look(self) -> None:
        for sha256, wish in self._wishes.items():
            path = self._store.path_of(sha256)
            if path is not None and wish.open:
                wish.failures, wish.retry_at_s = 0, 0.0
                self._tell(wish, FilmState(Presence.PRESENT, path=path))
            elif wish.state is None:
                self._tell(wish, FilmState(Presence.MISSING))
            elif not wish.open:
                self.check(sha256)

    async def _obtain(self, download: Download, wish: _Wish) -> None:
        film = wish.film
        reason = await self._try(download, wish)
        if reason is None:
            log.info("film is there", name=film.name, sha256=film.sha256, size=film.size)
            return  # _look tells it
        pause_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2**wish.failures) * random.uniform(0.75, 1.25)
        wish.failures = min(wish.failures + 1, 16)
        wish.retry_at_s = asyncio.get_running_loop().time() + pause_s
        log.warning("film not fetched", name=film.name, reason=reason.code, detail=reason.detail, retry_s=pause_s)
        self._tell(wish, FilmState(Presence.FAILED, reason=reason))

    async def _try(self, download: Download, wish: _Wish) -> Refusal | None:
        """One round over all urls; None when the film is there, else why not: wrong content before all else."""
        film = wish.film
        try:
            done = self._store.begin(film.sha256)
            if refused := await asyncio.to_thread(self._no_room, film, done):
                return refused
        except OSError as error:
            return disk_refusal(error, self._store.part_of(film.sha256))
        told_s = -1.0

        def progress(done: int) -> None:
            nonlocal told_s
            self._current = Fetching(name=film.name, done=done, size=film.size)
            now = asyncio.get_running_loop().time()
            failed = wish.state is not None and wish.state.presence is Presence.FAILED
            if not failed and now >= told_s + 1.0:
                told_s = now
                self._tell(wish, FilmState(Presence.FETCHING, done=done, size=film.size))

        reason = None
        for url in film.urls:
            failed = await download.get(film.sha256, film.size, url, progress)
            if failed is None:
                failed = await _to_its_end(self._store.commit, film.sha256, film.size)
            if failed is None:
                return None
            if reason is None or failed.code == "film_hash":
                reason = Refusal(code=failed.code, detail=f"{film.name}: {failed.detail}")
        return reason or Refusal(code="film_missing", detail=f"{film.name}: the program names no url; import the film")

    def _no_room(self, film: Wanted, done: int) -> Refusal | None:
        """The reserve is never cut into, and the quota never exceeded."""
        room = self._store.room()
        rest = max(0, film.size - done)
        if room.free - rest < self._config.reserve_gb * _GB:
            return Refusal(
                code="disk_full",
                detail=f"{film.name} needs {rest / _GB:.3f} GB more, and {room.free / _GB:.3f} GB are free of which "
                f"{self._config.reserve_gb:g} are reserved; delete something on that disk or lower cache.reserve_gb",
            )
        if room.used + rest > self._config.quota_gb * _GB:
            return Refusal(
                code="cache_full",
                detail=f"{film.name} needs {rest / _GB:.3f} GB more, and {room.used / _GB:.3f} of the cache's "
                f"{self._config.quota_gb:g} GB are taken; delete films in {self._store.root} or raise cache.quota_gb",
            )
        return None

    def _tell(self, wish: _Wish, state: FilmState) -> None:
        if state != wish.state:
            wish.state = state
            if self._wishes.get(wish.film.sha256) is wish:
                self._on_change(wish.film.sha256, state)


async def _to_its_end(commit: Callable[[str, int], Refusal | None], sha256: str, size: int) -> Refusal | None:
    """Run it in a thread and, when cancelled, wait for it nevertheless: two commits of one part must not meet."""
    task = asyncio.create_task(asyncio.to_thread(commit, sha256, size))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
