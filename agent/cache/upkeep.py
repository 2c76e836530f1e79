"""Looks after the films that are there: what is in those that nobody looked into yet, and whether each is still itself.

Disks forget, and cheap ones lie. Once a night every film is read and hashed again, slowly and at the lowest need: it
rests around starts, and a player that is off at night does it by day.
"""

import asyncio
import contextlib
import os
import threading
import time
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from agent.cache.disk import CHUNK_BYTES, digest, place_of
from agent.cache.fetch import Fetcher
from agent.cache.lull import Lull, RestS
from agent.cache.store import Store
from agent.contents import Contents
from agent.units import US_PER_S, UtcUs

log = structlog.get_logger()

LOOK_S = 60.0
BYTES_PER_S = 40_000_000
"""A film of 20 GB takes some eight minutes; a Raspberry Pi's card and processor have as much to spare."""
NIGHT_HOURS = range(3, 6)
NIGHTLY_S = 20 * 3600
BY_DAY_S = 36 * 3600
"""After so long without a pass it is done at any hour: the player is off at night."""
STAMP = ".verified"
NO_FILM = ""
"""No film is worth disturbing a start for this."""


def due(now: UtcUs, last: UtcUs, zone: str) -> bool:
    """Whether all films are to be hashed again: at night, by the venue's own time."""
    since_s = (now - last) / US_PER_S
    night = datetime.fromtimestamp(now / US_PER_S, UTC).astimezone(zoneinfo.ZoneInfo(zone)).hour in NIGHT_HOURS
    return since_s >= (NIGHTLY_S if night else BY_DAY_S)


class Upkeep:
    """Works in the background for as long as it runs; `utc` is None while nobody knows the time."""

    def __init__(
        self,
        store: Store,
        fetcher: Fetcher,
        *,
        utc: Callable[[], UtcUs | None],
        zone: str,
        look: Callable[[Path], Contents | None],
        rest_s: RestS,
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._utc = utc
        self._zone = zone
        self._look = look
        self._lull = Lull(rest_s, NO_FILM)
        self._ended = threading.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            await self.describe()
            while True:
                await asyncio.sleep(LOOK_S)
                utc = self._utc()
                if utc is not None and due(utc, self._last(utc), self._zone):
                    await self.verify()
                    await self.describe()
                    self._stamp(utc)
        finally:
            self._ended.set()

    async def describe(self) -> None:
        """Look into the films that were taken in when nobody could: by an import, or before ffprobe was there."""
        for sha256, _, _ in self._store.films():
            path = self._store.path_of(sha256)
            if path is not None and self._store.contents_of(sha256) is None:
                await self._lull.wait()
                contents = await asyncio.to_thread(self._look, path)
                if contents is None:
                    continue  # it was said why, and is tried again the next night
                with contextlib.suppress(OSError):
                    await asyncio.to_thread(self._store.describe, sha256, contents)
                    self._fetcher.described(sha256)

    async def verify(self) -> int:
        """Hash every film; those that are damaged are taken out and fetched again. Returns how many were sound."""
        sound = 0
        for sha256, size, _ in self._store.films():
            if self._store.path_of(sha256) is None:  # it had to go meanwhile
                continue
            found = await asyncio.to_thread(self._digest, place_of(self._store.root, sha256))
            if self._store.path_of(sha256) is None or found is None:
                continue
            if found == sha256:
                sound += 1
            elif self._fetcher.check(sha256, used=False) is None:  # else it was exchanged, and that is told
                reason = self._fetcher.damaged(sha256)
                log.error("film is damaged", sha256=sha256, size=size, reason=reason.code, detail=reason.detail)
        log.info("films verified", sound=sound, films=self._store.totals()[0])
        return sound

    def _digest(self, path: Path) -> str | None:
        """The hash of a file, '' where the disk cannot read it, None where it cannot be told."""
        began, read = time.monotonic(), 0

        def rest() -> None:
            nonlocal read
            self._lull.hold(self._ended)
            read += CHUNK_BYTES
            ahead_s = read / BYTES_PER_S - (time.monotonic() - began)
            if self._ended.wait(max(0.0, ahead_s)):
                raise InterruptedError

        try:
            with path.open("rb") as file:
                # What counts is what the disk has, not what memory remembers of it.
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                return digest(file, rest)
        except (FileNotFoundError, PermissionError, InterruptedError):
            return None
        except OSError as error:
            log.error("a film cannot be read from the disk", path=str(path), error=error.strerror)
            return ""

    def _last(self, utc: UtcUs) -> UtcUs:
        """When all films were last hashed; a cache that never was counts from now on: its films have just come."""
        try:
            return min(utc, UtcUs(int((self._store.root / STAMP).read_text())))
        except (OSError, ValueError):
            self._stamp(utc)
            return utc

    def _stamp(self, utc: UtcUs) -> None:
        with contextlib.suppress(OSError):  # then it is done again sooner than need be
            (self._store.root / STAMP).write_text(str(utc))
