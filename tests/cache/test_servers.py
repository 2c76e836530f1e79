"""Poor and hostile servers: none may harm the venue, lead the agent astray or put words into its log."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import resolver, web
from fetching import FILM, OTHER, SHA256, Bench, Site, reason, retry_quickly, serving, wanted

from agent.cache import http, reach
from agent.cache.fetch import FilmState, Presence


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as site:
        yield site


@pytest.fixture
async def within() -> AsyncIterator[Site]:
    """A server of the venue's own network; 127.0.0.2 stands for that, see `outside`."""
    async with serving("127.0.0.2") as site:
        yield site


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 counts as public, for tests have no other network."""
    for module in (http, reach):
        monkeypatch.setattr(module, "inside", lambda address: address != "127.0.0.1")


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    retry_quickly(monkeypatch)


def redirect(site: Site, path: str, to: str, status: int = 302) -> str:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": to})

    site.answers[path] = answer
    return site.base + path


def detail(state: FilmState) -> str:
    assert state.reason is not None
    return state.reason.detail


async def raw(answer: bytes, path: Path) -> FilmState:
    """What becomes of a film whose server answers with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await Bench(path).outcome(f"http://127.0.0.1:{port}/koi.mp4")


# --- what comes is not the film -------------------------------------------------------------------


async def test_a_server_that_ignores_ranges_sends_the_whole(tmp_path: Path, site: Site) -> None:
    async def whole(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=FILM)

    site.answers["/koi.mp4"] = whole
    bench = Bench(tmp_path)
    bench.part(FILM[:1000])
    assert (await bench.outcome(site.base + "/koi.mp4")).presence is Presence.PRESENT
    assert [asked[1] for asked in site.asked] == ["bytes=1000-"]


async def test_a_server_that_sends_pieces_is_asked_on(tmp_path: Path, site: Site) -> None:
    async def piece(request: web.Request) -> web.StreamResponse:
        start = request.http_range.start or 0
        if not start:
            return web.Response(status=200, body=FILM)
        end = min(start + 400_000, len(FILM))
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(FILM)}"}
        return web.Response(status=206, body=FILM[start:end], headers=headers)

    site.answers["/koi.mp4"] = piece
    bench = Bench(tmp_path)
    bench.part(FILM[:1000])
    assert (await bench.outcome(site.base + "/koi.mp4")).presence is Presence.PRESENT
    assert len(site.asked) == 4


@pytest.mark.parametrize(
    "claimed",
    ["bytes 0-9/10", "bytes 1000-999/1500000", f"bytes 1000-{10**17}/*", "bytes 1000-1499999/1500001", "pages 1", ""],
)
async def test_a_piece_that_is_another_one_than_asked_is_not_taken(tmp_path: Path, site: Site, claimed: str) -> None:
    async def odd(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Range"):
            return web.Response(status=206, body=OTHER, headers={"Content-Range": claimed})
        return web.Response(status=404)

    site.answers["/koi.mp4"] = odd
    bench = Bench(tmp_path)
    bench.part(FILM[:1000])
    assert (await bench.outcome(site.base + "/koi.mp4", site.serve("/b.mp4", FILM))).presence is Presence.PRESENT


@pytest.mark.parametrize("status", [206, 416])
async def test_a_server_that_cannot_continue_costs_nothing_of_what_another_one_sent(
    tmp_path: Path, site: Site, status: int
) -> None:
    async def wrong(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Range"):
            return web.Response(status=status, body=OTHER, headers={"Content-Range": "bytes 0-9/10"})
        return web.Response(status=503)

    site.answers["/wrong.mp4"] = wrong
    bench = Bench(tmp_path)
    bench.part(FILM[:1_000_000])
    url = site.serve("/b.mp4", FILM)
    assert (await bench.outcome(site.base + "/wrong.mp4", url)).presence is Presence.PRESENT
    assert [asked[:2] for asked in site.asked][-2:] == [("/wrong.mp4", None), ("/b.mp4", "bytes=1000000-")]


async def test_a_server_that_sends_crumbs_is_left_for_the_next_url(tmp_path: Path, site: Site) -> None:
    async def crumb(request: web.Request) -> web.StreamResponse:
        start = request.http_range.start or 0
        headers = {"Content-Range": f"bytes {start}-{start}/{len(FILM)}"}
        return web.Response(status=206, body=FILM[start : start + 1], headers=headers)

    site.answers["/crumbs.mp4"] = crumb
    bench = Bench(tmp_path)
    bench.part(FILM[:1000])
    url = site.serve("/b.mp4", FILM)
    assert (await bench.outcome(site.base + "/crumbs.mp4", url)).presence is Presence.PRESENT
    assert [asked[0] for asked in site.asked] == ["/crumbs.mp4", "/b.mp4"]


async def test_what_a_server_wants_remembered_is_not(tmp_path: Path, site: Site) -> None:
    cookies, twice = list[dict[str, str]](), asyncio.Event()

    async def sets(request: web.Request) -> web.StreamResponse:
        cookies.append(dict(request.cookies))
        if len(cookies) == 2:
            twice.set()
        response = web.Response(status=503)
        response.set_cookie("visitor", str(len(cookies)))
        return response

    site.answers["/koi.mp4"] = sets
    url = site.base.replace("127.0.0.1", "localhost") + "/koi.mp4"  # no jar keeps those of a bare address
    bench = Bench(tmp_path)
    bench.fetcher.want([wanted(url)])
    async with bench.running(), asyncio.timeout(10):
        await twice.wait()
    assert cookies[:2] == [{}, {}]


async def test_a_film_that_is_exchanged_in_the_middle_is_refused_and_fetched_whole(tmp_path: Path, site: Site) -> None:
    url = site.serve("/koi.mp4", FILM, etag=None)
    bench = Bench(tmp_path)
    bench.part(OTHER)  # as if the server had been another one until now
    bench.fetcher.want([wanted(url)])
    async with bench.running():
        assert reason(await bench.until(SHA256, Presence.FAILED)) == "film_hash"
        path = (await bench.until(SHA256, Presence.PRESENT)).path
    assert path is not None and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256


async def test_the_part_is_continued_at_the_next_url_when_a_server_vanishes(tmp_path: Path, site: Site) -> None:
    async def vanishes(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(FILM))})
        await response.prepare(request)
        await response.write(FILM[:700_000])
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.close()
        return response

    site.answers["/a.mp4"] = vanishes
    bench = Bench(tmp_path)
    outcome = await bench.outcome(site.base + "/a.mp4", site.serve("/b.mp4", FILM))
    assert outcome.presence is Presence.PRESENT
    assert [asked[0] for asked in site.asked] == ["/a.mp4", "/b.mp4"]
    assert site.asked[1][1] is not None, "from where the first one left off"


async def test_a_slow_server_is_left_for_the_next_url_and_what_it_sent_is_kept(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "SLOW_S", 0.1)

    async def drips(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(FILM))})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for place in range(len(FILM)):
                await response.write(FILM[place : place + 1])
                await asyncio.sleep(0.02)
        return response

    site.answers["/slow.mp4"] = drips
    bench = Bench(tmp_path)
    assert reason(await bench.outcome(site.base + "/slow.mp4")) == "film_slow"
    kept = bench.store.part_of(SHA256).stat().st_size
    assert 0 < kept < 1000
    again = Bench(tmp_path)
    url = site.serve("/quick.mp4", FILM)
    assert (await again.outcome(site.base + "/slow.mp4", url)).presence is Presence.PRESENT
    assert site.asked[-1][0] == "/quick.mp4" and site.asked[-1][1] is not None


async def test_a_server_that_never_answers_is_given_up(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_S", 0.1)

    async def silent(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    site.answers["/koi.mp4"] = silent
    state = await Bench(tmp_path).outcome(site.base + "/koi.mp4")
    assert reason(state) == "film_http" and "in time" in detail(state)


# --- where a server leads -------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_and_continued(tmp_path: Path, site: Site, status: int) -> None:
    url = redirect(site, "/koi.mp4", site.serve("/real.mp4", FILM), status)
    bench = Bench(tmp_path)
    bench.part(FILM[:1000])
    assert (await bench.outcome(url)).presence is Presence.PRESENT
    assert site.asked[-1] == ("/real.mp4", "bytes=1000-", None)


async def test_endless_redirects_end(tmp_path: Path, site: Site) -> None:
    state = await Bench(tmp_path).outcome(redirect(site, "/koi.mp4", "/koi.mp4"))
    assert reason(state) == "film_http" and "more than 5 times" in detail(state)
    assert len(site.asked) == http.MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "ftp://films.example/koi.mp4", "gopher://x", "http://", "http://[x"]
)
async def test_a_redirect_to_what_is_no_web_address_is_refused(tmp_path: Path, site: Site, to: str) -> None:
    state = await Bench(tmp_path).outcome(redirect(site, "/koi.mp4", to))
    assert reason(state) == "film_http"
    assert "no web address" in detail(state) or to.startswith("http://")


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("name", ["127.0.0.2", "127.2", "2130706434", "inside.test"])
async def test_a_public_server_leads_nobody_into_the_venues_network(
    tmp_path: Path, site: Site, within: Site, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    look_up(monkeypatch, "inside.test", "127.0.0.2")
    to = within.serve("/koi.mp4", FILM).replace("127.0.0.2", name)
    assert reason(await Bench(tmp_path).outcome(redirect(site, "/koi.mp4", to))) == "film_redirect"
    assert site.asked and not within.asked


@pytest.mark.usefixtures("outside")
async def test_nor_does_one_that_is_named_and_redirects_twice(
    tmp_path: Path, site: Site, within: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up(monkeypatch, "films.test", "127.0.0.1")
    redirect(site, "/two.mp4", within.serve("/koi.mp4", FILM))
    url = redirect(site, "/one.mp4", "/two.mp4").replace("127.0.0.1", "films.test")
    assert reason(await Bench(tmp_path).outcome(url)) == "film_redirect"
    assert len(site.asked) == 2 and not within.asked


@pytest.mark.usefixtures("outside")
async def test_a_server_of_the_venue_may_lead_to_another_one_and_a_public_one_to_a_public_one(
    tmp_path: Path, site: Site, within: Site
) -> None:
    url = redirect(within, "/koi.mp4", within.serve("/real.mp4", FILM))
    assert (await Bench(tmp_path / "a").outcome(url)).presence is Presence.PRESENT
    url = redirect(site, "/koi.mp4", site.serve("/real.mp4", FILM))
    assert (await Bench(tmp_path / "b").outcome(url)).presence is Presence.PRESENT


def look_up(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> None:
    """Let a name lead to an address."""
    usual = resolver.DefaultResolver.resolve

    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> object:
        return await usual(self, address if host == name else host, port)  # type: ignore[arg-type]

    monkeypatch.setattr(resolver.DefaultResolver, "resolve", resolve)


# --- what a server says ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 \x1b[2JPWNED\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: PWNED\x1b\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 206 PWNED\r\nContent-Range: PWNED\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 302 Found\r\nLocation: PWNED://PWNED\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 999 PWNED\r\nContent-Length: 0\r\n\r\n",
        b"PWNED PWNED PWNED\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nPWNED\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nPWNED\r\nPWNED",
        b"HTTP/1.1 200 OK\r\nContent-Length: PWNED\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: PWNED\r\n" * 100_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"PWNED" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://PWNED.invalid/\xff\xfePWNED\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
)
async def test_nothing_that_a_server_says_is_repeated(
    tmp_path: Path, answer: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    state = await raw(answer, tmp_path)
    assert reason(state) in ("film_http", "film_size", "film_range")
    assert "PWNED" not in detail(state) and detail(state).isprintable() and len(detail(state)) < 400
    told = "".join(capfd.readouterr())
    assert "PWNED" not in told and "\x1b[2J" not in told


async def test_secrets_of_an_address_are_not_told(tmp_path: Path, site: Site) -> None:
    url = site.base.replace("http://", "http://me:word@") + "/none.mp4?token=s3cret"
    state = await Bench(tmp_path).outcome(url)
    assert "word" not in detail(state) and "s3cret" not in detail(state)
