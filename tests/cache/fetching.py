"""A real web server on loopback that can be told to misbehave, and a fetcher over a store of its own."""

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from agent.cache import fetch
from agent.cache.fetch import Fetcher, FilmState, Presence, Wanted
from agent.cache.store import Store
from agent.config import Cache

FILM = random.Random(1).randbytes(1_500_000)
SHA256 = hashlib.sha256(FILM).hexdigest()
OTHER = random.Random(2).randbytes(300_000)
OTHER_SHA256 = hashlib.sha256(OTHER).hexdigest()


@dataclass
class Site:
    """A web server whose answers a test can script; `asked` are the Range and If-Range headers it got."""

    base: str = ""
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    answers: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Accept-Encoding"] == "identity"
        self.asked.append((request.path, request.headers.get("Range"), request.headers.get("If-Range")))
        if found := self.answers.get(request.path):
            return await found(request)
        return web.Response(status=404)

    def serve(self, path: str, content: bytes, etag: str | None = '"one"') -> str:
        """Serve as a good static server does, ranges included."""

        async def answer(request: web.Request) -> web.StreamResponse:
            headers = {"ETag": etag} if etag else {}
            start = request.http_range.start or 0
            fits = request.headers.get("If-Range") in (None, etag)
            if not start or not fits:
                return web.Response(body=content, headers=headers)
            if start >= len(content):
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return web.Response(status=206, body=content[start:], headers=headers)

        self.answers[path] = answer
        return self.base + path


@contextlib.asynccontextmanager
async def serving(host: str = "127.0.0.1") -> AsyncIterator[Site]:
    """A site that runs."""
    site = Site()
    app = web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, host, 0).start()
    site.base = f"http://{host}:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        await runner.cleanup()


def retry_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Come back to a server that failed after milliseconds."""
    for name, seconds in (("FIRST_RETRY_S", 0.02), ("LAST_RETRY_S", 0.1), ("WRONG_RETRY_S", 0.1)):
        monkeypatch.setattr(fetch, name, seconds)


class Bench:
    """A store, a fetcher over it, and what the fetcher said."""

    def __init__(self, root: Path, **config: float) -> None:
        self.store = Store(root)
        assert self.store.open() is None
        self.said: list[tuple[str, FilmState]] = []
        self._heard = asyncio.Event()
        self.fetcher = Fetcher(self.store, Cache(dir=root, **{"reserve_gb": 0, **config}), self._on_change)

    def _on_change(self, sha256: str, state: FilmState) -> None:
        self.said.append((sha256, state))
        self._heard.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.fetcher.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def until(self, sha256: str, presence: Presence) -> FilmState:
        async with asyncio.timeout(10):
            while True:
                for told, state in self.said:
                    if told == sha256 and state.presence is presence:
                        return state
                self._heard.clear()
                await self._heard.wait()

    async def outcome(self, *urls: str) -> FilmState:
        """Want the film from these urls until it is there or failed."""
        self.fetcher.want([wanted(*urls)])
        async with self.running(), asyncio.timeout(10):
            while True:
                for _, state in self.said:
                    if state.presence in (Presence.PRESENT, Presence.FAILED):
                        return state
                self._heard.clear()
                await self._heard.wait()

    def part(self, content: bytes, source: str = "", etag: str = "") -> None:
        self.store.begin(SHA256)
        part = self.store.part_of(SHA256)
        part.write_bytes(content)
        if source:
            part.with_suffix(".from").write_text(f"{source}\n{etag}")


def filled(root: Path, content: bytes) -> Store:
    """A store that has a film of this content."""
    store, sha256 = Store(root), hashlib.sha256(content).hexdigest()
    assert store.open() is None
    store.begin(sha256)
    store.part_of(sha256).write_bytes(content)
    assert store.commit(sha256, len(content)) is None
    return store


def wanted(*urls: str, size: int = len(FILM), cued: bool = True) -> Wanted:
    return Wanted(SHA256, size, urls, "koi.mp4", cued)


def reason(state: FilmState) -> str:
    assert state.presence is Presence.FAILED
    assert state.reason is not None
    assert "koi.mp4" in state.reason.detail
    return state.reason.code
