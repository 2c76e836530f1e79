"""One film over HTTP into its part, continued where it stopped.

What came before is continued with ``Range`` (RFC 9110, section 14). ``If-Range`` with the strong ETag guards against
a file that was exchanged on the same url; from another url of the same film, or without an ETag, the part is continued
all the same: the sha256 of the whole has the last word, and a part that fails it is deleted.
"""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import aiohttp

from agent.cache.store import Store, disk_refusal
from agent.messages import Refusal

CHUNK_BYTES = 1 << 18
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)", re.ASCII)
_BITS_PER_MEGABIT = 1_000_000


def session() -> aiohttp.ClientSession:
    """A session for large files: no limit on the whole (aiohttp's own of 300 s kills large films), only on silence."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30),
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=True,  # a venue's caching proxy, as http_proxy names it
        read_bufsize=CHUNK_BYTES,
    )


class Pace:
    """Keeps downloads at `rate_mbps` megabits per second on average; 0 = unlimited."""

    def __init__(self, rate_mbps: float) -> None:
        self._bits_per_s = rate_mbps * _BITS_PER_MEGABIT
        self._free_at_s = 0.0

    async def spend(self, count: int) -> None:
        """Wait until `count` bytes more may have been received."""
        if self._bits_per_s:
            now = asyncio.get_running_loop().time()
            self._free_at_s = max(now, self._free_at_s) + count * 8 / self._bits_per_s
            await asyncio.sleep(self._free_at_s - now)


class Download:
    """Fills the parts of a store from urls."""

    def __init__(self, http: aiohttp.ClientSession, store: Store, pace: Pace) -> None:
        self._http = http
        self._store = store
        self._pace = pace

    async def get(self, sha256: str, size: int, url: str, progress: Callable[[int], None]) -> Refusal | None:
        """Make the part as long as the film; None when it is, and its content is still to be verified.

        `progress(done)` tells the bytes that are there. A refusal names the url and what to do.
        """
        part = self._store.part_of(sha256)
        try:
            done = self._store.begin(sha256)
            if done > size:
                _discard(part)
                done = 0
            progress(done)
            if done == size:
                return None
            reason = await self._request(part, done, size, url, progress)
            if reason is not None and reason.code == "film_range":
                _discard(part)
                reason = await self._request(part, 0, size, url, progress)
            return reason
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            text = "did not answer in time" if isinstance(error, TimeoutError) else f"{error or type(error).__name__}"
            return Refusal(code="film_http", detail=f"{url}: {text}; check the server and the network on the way to it")
        except OSError as error:
            return disk_refusal(error, part)

    async def _request(
        self, part: Path, done: int, size: int, url: str, progress: Callable[[int], None]
    ) -> Refusal | None:
        headers = {}
        if done:
            headers["Range"] = f"bytes={done}-"
            if etag := _remembered(part, url):
                headers["If-Range"] = etag
        async with self._http.get(url, headers=headers) as response:
            if reason := _unfit(response, url, done, size):
                return reason
            if response.status == HTTPStatus.OK:
                done = 0  # the whole, from its first byte: what was there before is overwritten
            _remember(part, url, response.headers.get("ETag", ""))
            with part.open("r+b" if done else "wb") as file:
                file.seek(done)
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    done += len(chunk)
                    if done > size:
                        break
                    await asyncio.to_thread(file.write, chunk)
                    progress(done)
                    await self._pace.spend(len(chunk))
        if done != size:
            _discard(part)
            return _wrong_size(url, "more" if done > size else str(done), size)
        return None


def _unfit(response: aiohttp.ClientResponse, url: str, done: int, size: int) -> Refusal | None:
    """Why the answer's body is not what continues the part at `done`, or None."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        encoding = response.headers["Content-Encoding"]
        return Refusal(code="film_http", detail=f"{url} is sent {encoding}-encoded; switch that off for films")
    if response.status == HTTPStatus.OK:
        length = response.content_length
        return None if length in (None, size) else _wrong_size(url, str(length), size)
    if done and response.status == HTTPStatus.PARTIAL_CONTENT:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != done:
            return Refusal(code="film_range", detail=f"{url} continues at another place than asked; mend the server")
        return None if found[3] in ("*", str(size)) else _wrong_size(url, found[3], size)
    if done and response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return Refusal(
            code="film_range", detail=f"{url} is shorter than the part that is there; publish the film again"
        )
    return Refusal(
        code="film_http",
        detail=f"{url} answered {response.status} {response.reason}; publish the film there, or mend the server",
    )


def _wrong_size(url: str, found: str, size: int) -> Refusal:
    return Refusal(
        code="film_size", detail=f"{url} has {found} bytes, the program says {size}; publish the film or program again"
    )


def _remembered(part: Path, url: str) -> str:
    try:
        source, _, etag = part.with_suffix(".from").read_text().partition("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return etag if source == url else ""


def _remember(part: Path, url: str, etag: str) -> None:
    """Only a strong ETag promises equal bytes (RFC 9110, section 8.8.1)."""
    strong = etag if etag.startswith('"') else ""
    part.with_suffix(".from").write_text(f"{url}\n{strong}")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_suffix(".from").unlink(missing_ok=True)
