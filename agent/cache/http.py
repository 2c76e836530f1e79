"""One film over HTTP into its part, continued where it stopped.

What came before is continued with ``Range`` (RFC 9110, section 14). ``If-Range`` with the strong ETag guards against
a file that was exchanged on the same url; from another url of the same film, or without an ETag, the part is continued
all the same: the sha256 of the whole has the last word, and a part that fails it is deleted.

Nothing that a server says is repeated but its status code: reason phrases and headers may hold anything.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import aiohttp
from yarl import URL

from agent.cache.disk import disk_refusal
from agent.cache.pace import Pace
from agent.cache.reach import InsideError, Resolver, inside, literal, plain, proxied, shown
from agent.cache.store import Store
from agent.messages import Refusal

CHUNK_BYTES = 1 << 18
MAX_REDIRECTS = 5
ANSWER_S = 60.0
"""So long a server may take for the head of one answer, name look-up and connection included."""
SLOW_S = 30.0
SLOW_BYTES_PER_S = 8_000
"""A server that sends less over so long is left for another one and tried again later: no show is fed by it."""
LEAST_BYTES = 1 << 16
"""A server that continues with less an answer would take for ever, each answer quick enough."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_ETAG = re.compile(r'"[\x21\x23-\x7e]{0,200}"')
_REDIRECTS = {301, 302, 303, 307, 308}

Rest = Callable[[], Awaitable[None]]
Progress = Callable[[int], None]


class Web:
    """Connections to the servers of films: to those that programs name, and to those that servers send us on to."""

    def __init__(self) -> None:
        self._resolver = Resolver(outside_only=False)
        self._named = _session(self._resolver)
        self._outside = _session(Resolver(outside_only=True))

    async def __aenter__(self) -> "Web":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._named.close()
        await self._outside.close()

    @contextlib.asynccontextmanager
    async def get(self, url: str, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse | Refusal]:
        """The answer of a url, after redirects. Raises what aiohttp raises, TimeoutError, ValueError."""
        session, at = self._named, URL(url)
        for _ in range(MAX_REDIRECTS + 1):
            async with asyncio.timeout(ANSWER_S):
                response = await session.get(at, headers=headers, allow_redirects=False)
            async with response:
                if response.status not in _REDIRECTS:
                    yield response
                    return
                onward = at.join(URL(response.headers.get("Location", "")))
            if onward.scheme not in ("http", "https") or not onward.host:
                yield _http(url, "sends us on to what is no web address")
                return
            if not self._from_inside(URL(url)):
                session = self._named if proxied(onward) else self._outside
                if await self._leads_inside(onward):
                    yield _inside(url)
                    return
            at = onward
        yield _http(url, f"sends us on more than {MAX_REDIRECTS} times")

    def _from_inside(self, url: URL) -> bool:
        """Whether the url of the program is itself of this network, by the address that was connected to."""
        host = url.host or ""
        address = literal(host)
        return inside(address) if address else self._resolver.led_inside.get(host, False)

    async def _leads_inside(self, url: URL) -> bool:
        """Whether that is known before connecting: names are looked at by the connection, unless a proxy makes it."""
        host = url.host or ""
        address = literal(host)
        if address is not None:
            return inside(address)
        if proxied(url):
            with contextlib.suppress(OSError):
                return any(inside(one["host"]) for one in await self._resolver.resolve(host, url.port or 0))
        return False


def _session(resolver: Resolver) -> aiohttp.ClientSession:
    """A session for large files: no limit on the whole (aiohttp's own of 300 s kills large films), only on silence."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30),
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),  # else whatever a server sets is kept, and sent back, for months
        trust_env=True,  # a venue's caching proxy, as http_proxy names it
        read_bufsize=CHUNK_BYTES,
    )


class Download:
    """Fills the part of a film from urls; `rest` is awaited before each piece, and comes back when it may go on."""

    def __init__(self, web: Web, store: Store, pace: Pace, rest: Rest) -> None:
        self._web = web
        self._store = store
        self._pace = pace
        self._rest = rest

    async def get(self, sha256: str, size: int, url: str, progress: Progress) -> Refusal | None:
        """Make the part as long as the film; None when it is, and its content is still to be verified.

        `progress(done)` tells the bytes that are there. A refusal names the url and what to do.
        """
        part = self._store.part_of(sha256)
        try:
            done = self._store.begin(sha256)
            if isinstance(done, Refusal):
                return done
            if done > size:
                _discard(part)
                done = 0
            progress(done)
            while done != size:
                outcome = await self._request(part, done, size, url, progress)
                if isinstance(outcome, Refusal) and outcome.code == "film_range" and done:
                    # What is there may have come from another server, and stays until this one sends the whole.
                    outcome = await self._request(part, 0, size, url, progress)
                if isinstance(outcome, Refusal):
                    return outcome
                done = outcome
        except InsideError:
            return _inside(url)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            if isinstance(error.__cause__, InsideError):
                return _inside(url)
            return _http(url, _words(error))
        except OSError as error:
            return disk_refusal(error, part)
        return None

    async def _request(self, part: Path, done: int, size: int, url: str, progress: Progress) -> int | Refusal:
        """Ask once; how many bytes are there then: more than before, for a server may send less than was asked for."""
        headers = {}
        if done:
            headers["Range"] = f"bytes={done}-"
            if etag := _remembered(part, url):
                headers["If-Range"] = etag
        await self._rest()
        async with self._web.get(url, headers) as response:
            if isinstance(response, Refusal):
                return response
            end = _end(response, url, done, size)
            if isinstance(end, Refusal):
                return end
            if response.status == HTTPStatus.OK:
                done = 0  # the whole, from its first byte: what was there before is overwritten
            _remember(part, url, response.headers.get("ETag", ""))
            with part.open("r+b" if done else "wb") as file:
                file.seek(done)
                done = await self._receive(response.content, file.write, done, end, progress)
        if done < 0:
            return _slow(url)
        if done != end:
            _discard(part)
            return _wrong_size(url, "more" if done > end else str(done), size)
        return done

    async def _receive(
        self, content: aiohttp.StreamReader, write: Callable[[bytes], int], done: int, end: int, progress: Progress
    ) -> int:
        """Write what comes until the end; where that is then, or -1 where the server was too slow to wait for it."""
        loop = asyncio.get_running_loop()
        waited_s, came = 0.0, 0
        while True:
            await self._rest()
            before = loop.time()
            chunk = await content.read(CHUNK_BYTES)
            # Only waiting for the server counts, not our own rest, rate and disk.
            waited_s += loop.time() - before
            if not chunk or done + len(chunk) > end:
                return done + len(chunk)
            done += len(chunk)
            await asyncio.to_thread(write, chunk)
            progress(done)
            came += len(chunk)
            if waited_s >= SLOW_S:
                if came < SLOW_BYTES_PER_S * waited_s and done < end:
                    return -1
                waited_s, came = 0.0, 0
            if wait_s := self._pace.spend(len(chunk), loop.time()):
                await asyncio.sleep(wait_s)


def _end(response: aiohttp.ClientResponse, url: str, done: int, size: int) -> int | Refusal:
    """Where the answer's body ends in the film; a refusal where it is not what continues the part at `done`."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return Refusal(code="film_http", detail=f"{shown(url)} is sent compressed; switch that off for films")
    if response.status == HTTPStatus.OK:
        length = response.content_length
        return size if length in (None, size) else _wrong_size(url, str(length), size)
    if done and response.status == HTTPStatus.PARTIAL_CONTENT:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not found or int(found[1]) != done or not done <= int(found[2]) < size:
            detail = f"{shown(url)} continues at another place than asked; mend the server"
            return Refusal(code="film_range", detail=detail)
        if found[3] not in ("*", str(size)):
            return _wrong_size(url, found[3], size)
        end = int(found[2]) + 1
        return end if end == size or end - done >= LEAST_BYTES else _slow(url)
    if done and response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        detail = f"{shown(url)} is shorter than the part that is there; publish the film again"
        return Refusal(code="film_range", detail=detail)
    detail = f"{shown(url)} answered {_status(response.status)}; publish the film there, or mend the server"
    return Refusal(code="film_http", detail=detail)


def _status(number: int) -> str:
    try:
        return f"{number} {HTTPStatus(number).phrase}"
    except ValueError:
        return str(number)


def _words(error: Exception) -> str:
    """What went wrong, in words of ours where the error's own may quote the server."""
    match error:
        case TimeoutError():
            return "did not answer in time"
        case aiohttp.ClientConnectorError():
            return f"cannot be reached ({plain(error.os_error.strerror or 'no answer')})"
        case aiohttp.InvalidURL():
            return "is no address"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | aiohttp.ClientOSError():
            return "broke off"
        case aiohttp.ClientResponseError():
            return "answered what is no HTTP"
        case _:
            return f"could not be asked ({type(error).__name__})"


def _http(url: str, what: str) -> Refusal:
    detail = f"{shown(url)}: {what}; check the server and the network on the way to it"
    return Refusal(code="film_http", detail=detail)


def _inside(url: str) -> Refusal:
    detail = (
        f"{shown(url)} sends us on into this venue's own network, where we do not follow; mend or replace the server"
    )
    return Refusal(code="film_redirect", detail=detail)


def _slow(url: str) -> Refusal:
    limit = SLOW_BYTES_PER_S / 1000
    detail = f"{shown(url)} sends less than {limit:g} kB/s; it is tried again later; mend the line or import the film"
    return Refusal(code="film_slow", detail=detail)


def _wrong_size(url: str, found: str, size: int) -> Refusal:
    detail = f"{shown(url)} has {found} bytes, the program says {size}; publish the film or program again"
    return Refusal(code="film_size", detail=detail)


def _remembered(part: Path, url: str) -> str:
    try:
        source, _, etag = part.with_suffix(".from").read_text().partition("\n")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""
    return etag if source == url and _ETAG.fullmatch(etag) else ""


def _remember(part: Path, url: str, etag: str) -> None:
    """Only a strong ETag promises equal bytes (RFC 9110, section 8.8.1)."""
    part.with_suffix(".from").write_text(f"{url}\n{etag if _ETAG.fullmatch(etag) else ''}")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_suffix(".from").unlink(missing_ok=True)
