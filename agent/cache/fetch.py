"""Fetches the films that are wanted into the store, one at a time, most urgent first, until every one is there."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from agent.cache.disk import disk_refusal
from agent.cache.lull import Lull, RestS, never
from agent.cache.pace import Pace
from agent.cache.room import Claim
from agent.cache.shelf import LATER, Shelf, Wanted
from agent.cache.store import Store
from agent.config import Cache
from agent.contents import Contents
from agent.messages import Refusal
from agent.told import CacheStatus, Fetching

if TYPE_CHECKING:
    from agent.cache.http import Web

__all__ = ["Fetcher", "FilmState", "Presence", "Wanted"]

log = structlog.get_logger()

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
WRONG_RETRY_S = 600.0
"""The longest wait after a film that came whole and was another one: it may be of many gigabytes each time."""
LOOK_S = 30.0
"""How often the files of the wanted films are compared with their seals, so that a vanished one is fetched again."""
NOTICE_S = 2.0
"""How often a missing film is looked for on the disk: somebody may import it."""


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
    `contents` are known of a film that is present, where this player can look into films at all.
    """

    presence: Presence
    path: Path | None = None
    contents: Contents | None = None
    done: int = 0
    size: int = 0
    reason: Refusal | None = None


class _StoppedError(Exception):
    """A hash that nobody waits for any more."""


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
    twice with the same state, and for progress at most once a second), and for every film that had to go. `look` says
    what is in a film, in a thread; `rest_s` when the wall wants quiet.
    """

    def __init__(
        self,
        store: Store,
        config: Cache,
        on_change: Callable[[str, FilmState], None],
        *,
        look: Callable[[Path], Contents | None] = lambda _path: None,
        rest_s: RestS = never,
    ) -> None:
        self._store = store
        self._on_change = on_change
        self._look_into = look
        self._pace = Pace(config.rate_mbps)
        self._rest_s = rest_s
        self._shelf = Shelf(store, config, self._claims, self._gone)
        self._wishes: dict[str, _Wish] = {}
        self._woken = asyncio.Event()
        self._current: Fetching | None = None
        self._fetched = ""
        self._looked_s = 0.0

    def want(self, films: Sequence[Wanted]) -> None:
        """Replace what is wanted; the order is the priority. A film that is wanted no more is not fetched on."""
        before = self._wishes
        self._wishes = {}
        for film in films:
            wish = before.get(film.sha256)
            if wish is None or replace(wish.film, cued=film.cued) != film:
                wish = _Wish(film, wish.state if wish else None)
            elif film.cued and not wish.film.cued:
                wish.failures, wish.retry_at_s = 0, 0.0  # as another url, to be cued is a new chance at once
            wish.film = film
            self._wishes.setdefault(film.sha256, wish)
        self._notice()
        self._woken.set()

    def check(self, sha256: str, *, used: bool = True) -> Refusal | None:
        """Whether a film may be shown, cheaply (for arming, which `used` it); one that may not is told, and fetched."""
        reason = self._store.check(sha256)
        if reason is not None:
            self._lost(sha256, reason)
        elif used:
            self._store.use(sha256)
        return reason

    def damaged(self, sha256: str) -> Refusal:
        """Take a film whose content was found to be another one out of the cache, and fetch it again."""
        try:
            reason = self._store.set_aside(sha256)
        except OSError as error:
            reason = disk_refusal(error, self._store.root)
        self._lost(sha256, reason)
        return reason

    def described(self, sha256: str) -> None:
        """Tell what was found in a film that is there."""
        if (wish := self._wishes.get(sha256)) and not wish.open:
            self._present(wish)

    @property
    def faults(self) -> list[Refusal]:
        """What is amiss with the cache's folder as a whole."""
        return self._store.faults

    def snapshot(self) -> CacheStatus:
        """The cache as an operator sees it."""
        films, size = self._store.totals()
        missing = sum(self._store.path_of(sha256) is None for sha256 in self._wishes)
        return CacheStatus(films=films, bytes=size, fetching=self._current, missing=missing)

    async def run(self) -> None:
        """Fetch until cancelled."""
        async with contextlib.AsyncExitStack() as stack:
            web: Web | None = None
            while True:
                self._woken.clear()
                self._look()
                now = asyncio.get_running_loop().time()
                wish = next((w for w in self._wishes.values() if w.open and w.retry_at_s <= now), None)
                if wish is None:
                    await self._wait()
                    continue
                if web is None:
                    web = await stack.enter_async_context(await _web())
                await self._while_urgent(wish, asyncio.create_task(self._obtain(web, wish)))

    async def _while_urgent(self, wish: _Wish, task: "asyncio.Task[None]") -> None:
        """Let a film be fetched unless it has come otherwise, is wanted no more, or a more urgent one is.

        The part stays for later.
        """
        try:
            while not task.done() and wish.open and not self._outranked(wish):
                self._woken.clear()
                await self._wait(task)
                self._notice()
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
        missing = [w for w in self._wishes.values() if w.open]
        waits = [NOTICE_S if missing else LOOK_S, *(w.retry_at_s - now for w in missing if w.retry_at_s > now)]
        woken = asyncio.create_task(self._woken.wait())
        waiting: list[asyncio.Task[Any]] = [woken, *tasks]
        try:
            await asyncio.wait(waiting, timeout=min(waits), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()

    def _look(self) -> None:
        """Compare the disk with what is thought to be there."""
        self._notice()
        now = asyncio.get_running_loop().time()
        if now - self._looked_s >= LOOK_S:
            self._looked_s = now
            if self._store.faults:
                self._store.open()
            else:
                with contextlib.suppress(OSError):  # then fetching will say what is wrong with the disk
                    self._store.survey()
            for sha256 in [sha256 for sha256, wish in self._wishes.items() if not wish.open]:
                self.check(sha256, used=False)

    def _notice(self) -> None:
        """Tell each film that has come, by whatever way."""
        for sha256, wish in list(self._wishes.items()):
            if wish.open and self._store.notice(sha256):
                wish.failures, wish.retry_at_s = 0, 0.0
                self._present(wish)
            elif wish.state is None:
                self._tell(wish, FilmState(Presence.MISSING))

    def _claims(self) -> dict[str, Claim]:
        return {sha256: Claim.CUED if wish.film.cued else Claim.NICE for sha256, wish in self._wishes.items()}

    def _gone(self, sha256: str) -> None:
        """A film had to go. That is told even of one that nobody wants: it may be wanted the next moment."""
        missing = FilmState(Presence.MISSING)
        if wish := self._wishes.get(sha256):
            self._tell(wish, missing)
        else:
            self._on_change(sha256, missing)

    def _lost(self, sha256: str, reason: Refusal) -> None:
        wish = self._wishes.get(sha256)
        if wish is None:
            self._on_change(sha256, FilmState(Presence.FAILED, reason=reason))
        elif not wish.open:
            self._tell(wish, FilmState(Presence.FAILED, reason=reason))
            self._woken.set()

    async def _obtain(self, web: "Web", wish: _Wish) -> None:
        film = wish.film
        reason = await self._try(web, wish)
        if reason is None:
            log.info("film is there", name=film.name, sha256=film.sha256, size=film.size)
            return  # _look tells it
        # What lasts, such as a line that is down for a week, is worth one line; the status tells it all the time.
        known = LATER if wish.state is None or wish.state.reason is None else wish.state.reason.code
        say = log.debug if wish.failures and reason.code == known else log.warning
        longest_s = WRONG_RETRY_S if reason.code == "film_hash" else LAST_RETRY_S
        pause_s = min(longest_s, FIRST_RETRY_S * 2**wish.failures) * random.uniform(0.75, 1.25)
        wish.failures = min(wish.failures + 1, 16)
        wish.retry_at_s = asyncio.get_running_loop().time() + pause_s
        say("film not fetched", name=film.name, reason=reason.code, detail=reason.detail, retry_s=round(pause_s, 1))
        failed = FilmState(Presence.FAILED, reason=reason)
        self._tell(wish, FilmState(Presence.MISSING) if reason.code == LATER else failed)

    async def _try(self, web: "Web", wish: _Wish) -> Refusal | None:
        """One round over all urls; None when the film is there, else why not: wrong content before all else."""
        from agent.cache.http import Download  # loaded by now, see _web

        film = wish.film
        try:
            done = self._store.begin(film.sha256)
            refused = done if isinstance(done, Refusal) else await self._shelf.make_room(film, done)
            if refused:
                return refused
        except OSError as error:
            return disk_refusal(error, self._store.part_of(film.sha256))
        told_s = -1.0
        self._fetched = film.sha256

        def progress(done: int) -> None:
            nonlocal told_s
            self._current = Fetching(name=film.name, done=done, size=film.size)
            now = asyncio.get_running_loop().time()
            failed = wish.state is not None and wish.state.presence is Presence.FAILED
            if not failed and now >= told_s + 1.0:
                told_s = now
                self._tell(wish, FilmState(Presence.FETCHING, done=done, size=film.size))

        reason, lull = None, Lull(self._rest_s, film.sha256)
        download = Download(web, self._store, self._pace, lull.wait)
        for url in film.urls:
            failed = await download.get(film.sha256, film.size, url, progress)
            if failed is None:
                failed = await self._commit(film, lull)
            if failed is None:
                return None
            if reason is None or failed.code == "film_hash":
                reason = Refusal(code=failed.code, detail=f"{film.name}: {failed.detail}")
        return reason or Refusal(code="film_missing", detail=f"{film.name}: the program names no url; import the film")

    async def _commit(self, film: Wanted, lull: Lull) -> Refusal | None:
        """Verify in a thread; when cancelled, wait for its end: two commits of one part must not meet."""
        stopped = threading.Event()

        def rest() -> None:
            lull.hold(stopped)
            if stopped.is_set():
                raise _StoppedError

        task = asyncio.create_task(asyncio.to_thread(self._store.commit, film.sha256, film.size, self._look_into, rest))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            stopped.set()
            await asyncio.wait([task])
            with contextlib.suppress(_StoppedError):
                task.result()
            raise

    def _present(self, wish: _Wish) -> None:
        sha256 = wish.film.sha256
        with contextlib.suppress(OSError):  # what is left of it is deleted when its room is needed
            self._store.drop_part(sha256)
        if self._fetched == sha256:
            self._current = None
        path, contents = self._store.path_of(sha256), self._store.contents_of(sha256)
        self._tell(wish, FilmState(Presence.PRESENT, path=path, contents=contents))

    def _tell(self, wish: _Wish, state: FilmState) -> None:
        if state != wish.state:
            wish.state = state
            if self._wishes.get(wish.film.sha256) is wish:
                self._on_change(wish.film.sha256, state)


async def _web() -> "Web":
    """Connections to the web.

    Its library is loaded only now, in a thread: it takes a fifth of all that the start of an agent takes, and one that
    comes back has its films, and a wall that waits for it.
    """
    await asyncio.to_thread(import_module, "agent.cache.http")
    from agent.cache.http import Web

    return Web()
