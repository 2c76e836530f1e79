"""Fetching from a real web server on loopback, one that can be told to misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from fetching import FILM, OTHER, OTHER_SHA256, SHA256, Bench, Site, reason, retry_quickly, serving, wanted

from agent.cache.fetch import FilmState, Presence, Wanted
from agent.cache.pace import Pace


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as site:
        yield site


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    retry_quickly(monkeypatch)


async def test_a_wanted_film_is_missing_then_fetched_then_there(tmp_path: Path, site: Site) -> None:
    bench = Bench(tmp_path)
    state = await bench.outcome(site.serve("/koi.mp4", FILM))
    assert state.presence is Presence.PRESENT
    assert state.path is not None
    assert state.path.read_bytes() == FILM
    told = [found.presence for _, found in bench.said]
    assert told[0] is Presence.MISSING
    assert Presence.FETCHING in told
    figures = bench.fetcher.snapshot()
    assert (figures.films, figures.bytes, figures.missing, figures.fetching) == (1, len(FILM), 0, None)


async def test_a_film_that_is_there_is_told_at_once_and_asks_no_server(tmp_path: Path, site: Site) -> None:
    await Bench(tmp_path).outcome(site.serve("/koi.mp4", FILM))
    site.asked.clear()
    again = Bench(tmp_path)
    again.fetcher.want([wanted(site.base + "/koi.mp4")])
    assert [state.presence for _, state in again.said] == [Presence.PRESENT]
    assert not site.asked


async def test_a_broken_line_is_continued_where_it_stopped(tmp_path: Path, site: Site) -> None:
    url = site.serve("/koi.mp4", FILM)
    good = site.answers["/koi.mp4"]

    async def breaks_once(request: web.Request) -> web.StreamResponse:
        site.answers["/koi.mp4"] = good
        response = web.StreamResponse(headers={"ETag": '"one"', "Content-Length": str(len(FILM))})
        await response.prepare(request)
        await response.write(FILM[:600_000])
        assert request.transport is not None
        request.transport.close()
        return response

    site.answers["/koi.mp4"] = breaks_once
    bench = Bench(tmp_path)
    bench.fetcher.want([wanted(url)])
    async with bench.running():
        assert reason(await bench.until(SHA256, Presence.FAILED)) == "film_http"
        await bench.until(SHA256, Presence.PRESENT)
    _, ranges, if_range = site.asked[1]
    assert ranges is not None
    assert 0 < int(ranges.removeprefix("bytes=").removesuffix("-")) <= 600_000
    assert if_range == '"one"'


async def test_another_file_on_the_same_url_is_fetched_whole(tmp_path: Path, site: Site) -> None:
    url = site.serve("/koi.mp4", FILM, etag='"two"')
    bench = Bench(tmp_path)
    bench.part(OTHER, url, '"one"')
    assert (await bench.outcome(url)).presence is Presence.PRESENT
    assert site.asked == [("/koi.mp4", f"bytes={len(OTHER)}-", '"one"')]


async def test_a_part_is_continued_from_another_url_without_its_etag(tmp_path: Path, site: Site) -> None:
    url = site.serve("/b/koi.mp4", FILM)
    bench = Bench(tmp_path)
    bench.part(FILM[:1000], site.base + "/a/koi.mp4", '"of a"')
    assert (await bench.outcome(url)).presence is Presence.PRESENT
    assert site.asked == [("/b/koi.mp4", "bytes=1000-", None)]


async def test_a_weak_etag_is_not_used(tmp_path: Path, site: Site) -> None:
    url = site.serve("/koi.mp4", FILM[:-1] + b"X", etag='W/"weak"')
    bench = Bench(tmp_path)
    await bench.outcome(url)
    site.serve("/koi.mp4", FILM, etag='W/"weak"')
    bench = Bench(tmp_path)
    bench.part(FILM[:1000])
    await bench.outcome(url)
    assert site.asked[-1] == ("/koi.mp4", "bytes=1000-", None)


async def test_a_whole_part_is_verified_without_asking_a_server(tmp_path: Path, site: Site) -> None:
    bench = Bench(tmp_path)
    bench.part(FILM)
    assert (await bench.outcome(site.base + "/gone.mp4")).presence is Presence.PRESENT
    assert not site.asked


async def test_a_part_longer_than_the_film_is_thrown_away(tmp_path: Path, site: Site) -> None:
    bench = Bench(tmp_path)
    bench.part(FILM + b"more")
    assert (await bench.outcome(site.serve("/koi.mp4", FILM))).presence is Presence.PRESENT


async def test_a_wrong_part_fails_the_hash_and_the_next_url_starts_afresh(tmp_path: Path, site: Site) -> None:
    bench = Bench(tmp_path)
    bench.part(b"X" * 1000)
    urls = site.serve("/a.mp4", FILM), site.serve("/b.mp4", FILM)
    assert (await bench.outcome(*urls)).presence is Presence.PRESENT
    assert [asked[:2] for asked in site.asked] == [("/a.mp4", "bytes=1000-"), ("/b.mp4", None)]


async def test_416_asks_for_the_whole_and_what_is_no_whole_replaces_nothing(tmp_path: Path, site: Site) -> None:
    url = site.serve("/koi.mp4", FILM[:1000])
    bench = Bench(tmp_path)
    bench.part(FILM[:2000])
    assert reason(await bench.outcome(url)) == "film_size"
    assert [asked[1] for asked in site.asked[:2]] == ["bytes=2000-", None]
    assert bench.store.part_of(SHA256).read_bytes() == FILM[:2000]


async def test_a_range_that_was_not_asked_for_is_not_appended(tmp_path: Path, site: Site) -> None:
    url = site.serve("/koi.mp4", FILM)
    good = site.answers["/koi.mp4"]

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        site.answers["/koi.mp4"] = good
        headers = {"Content-Range": f"bytes 5-{len(FILM) - 1}/{len(FILM)}"}
        return web.Response(status=206, body=FILM[5:], headers=headers)

    site.answers["/koi.mp4"] = elsewhere
    bench = Bench(tmp_path)
    bench.part(FILM[:1000])
    assert (await bench.outcome(url)).presence is Presence.PRESENT
    assert [asked[1] for asked in site.asked] == ["bytes=1000-", None]


async def test_wrong_content_is_said_and_fetched_again_once_the_server_is_mended(tmp_path: Path, site: Site) -> None:
    url = site.serve("/koi.mp4", FILM[:-1] + b"X")
    bench = Bench(tmp_path)
    bench.fetcher.want([wanted(url)])
    async with bench.running():
        assert reason(await bench.until(SHA256, Presence.FAILED)) == "film_hash"
        assert bench.store.path_of(SHA256) is None
        site.serve("/koi.mp4", FILM)
        await bench.until(SHA256, Presence.PRESENT)
    failed = [state for _, state in bench.said if state.presence is Presence.FAILED]
    assert len(failed) == 1, "the same failure is told once, however often it is tried"


async def test_wrong_content_counts_more_than_a_silent_mirror(tmp_path: Path, site: Site) -> None:
    bad = site.serve("/bad.mp4", FILM[:-1] + b"X")
    assert reason(await Bench(tmp_path).outcome(site.base + "/404", bad, site.base + "/404")) == "film_hash"


@pytest.mark.parametrize("content", [FILM + b"more", FILM[:-5]])
async def test_a_file_of_another_size_is_refused_before_its_body(tmp_path: Path, site: Site, content: bytes) -> None:
    bench = Bench(tmp_path)
    assert reason(await bench.outcome(site.serve("/koi.mp4", content))) == "film_size"
    assert not bench.store.part_of(SHA256).exists()


@pytest.mark.parametrize("endless", [True, False])
async def test_a_stream_of_another_size_is_cut_off(tmp_path: Path, site: Site, endless: bool) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await response.write(FILM[:-5])
            while endless:
                await response.write(OTHER)
                await asyncio.sleep(0.01)
        return response

    site.answers["/koi.mp4"] = stream
    bench = Bench(tmp_path)
    assert reason(await bench.outcome(site.base + "/koi.mp4")) == "film_size"
    assert not bench.store.part_of(SHA256).exists()


async def test_an_encoded_answer_is_refused(tmp_path: Path, site: Site) -> None:
    async def encoded(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=FILM, headers={"Content-Encoding": "gzip"})

    site.answers["/koi.mp4"] = encoded
    assert reason(await Bench(tmp_path).outcome(site.base + "/koi.mp4")) == "film_http"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/koi.mp4", "http://a..b/koi.mp4", "http://[::1/koi.mp4", "http://"])
async def test_an_unreachable_server_or_an_odd_url_is_a_reason_not_a_crash(tmp_path: Path, url: str) -> None:
    assert reason(await Bench(tmp_path).outcome(url)) == "film_http"


async def test_a_server_that_says_no_is_named_with_its_answer(tmp_path: Path, site: Site) -> None:
    state = await Bench(tmp_path).outcome(site.base + "/none.mp4")
    assert reason(state) == "film_http"
    assert state.reason is not None
    assert "404" in state.reason.detail
    assert site.base in state.reason.detail


async def test_the_reserve_is_never_cut_into(tmp_path: Path, site: Site) -> None:
    state = await Bench(tmp_path, reserve_gb=10**9).outcome(site.serve("/koi.mp4", FILM))
    assert reason(state) == "cache_full"
    assert state.reason is not None
    assert "cache.reserve_gb" in state.reason.detail
    assert not site.asked


async def test_the_quota_is_never_exceeded(tmp_path: Path, site: Site) -> None:
    state = await Bench(tmp_path, quota_gb=0.001).outcome(site.serve("/koi.mp4", FILM))
    assert reason(state) == "cache_full"
    assert not site.asked


async def test_the_most_urgent_comes_first_even_in_the_middle_of_another(tmp_path: Path, site: Site) -> None:
    started = asyncio.Event()
    url, other_url = site.serve("/koi.mp4", FILM), site.serve("/other.mp4", OTHER)
    good = site.answers["/koi.mp4"]

    async def slow(request: web.Request) -> web.StreamResponse:
        site.answers["/koi.mp4"] = good
        response = web.StreamResponse(headers={"ETag": '"one"', "Content-Length": str(len(FILM))})
        await response.prepare(request)
        await response.write(FILM[:500_000])
        started.set()
        await asyncio.sleep(60)
        return response

    site.answers["/koi.mp4"] = slow
    bench = Bench(tmp_path)
    bench.fetcher.want([wanted(url)])
    other = Wanted(OTHER_SHA256, len(OTHER), (other_url,), "other.mp4")
    async with bench.running():
        await started.wait()
        while not bench.store.begin(SHA256):  # noqa: ASYNC110  a file on disk grows without telling anyone
            await asyncio.sleep(0.01)
        bench.fetcher.want([other, wanted(url)])
        await bench.until(OTHER_SHA256, Presence.PRESENT)
        await bench.until(SHA256, Presence.PRESENT)
    assert [asked[0] for asked in site.asked] == ["/koi.mp4", "/other.mp4", "/koi.mp4"]
    assert site.asked[2][1] is not None, "the part was kept"


async def test_a_failing_film_does_not_hold_up_the_others(tmp_path: Path, site: Site) -> None:
    bench = Bench(tmp_path)
    other = Wanted(OTHER_SHA256, len(OTHER), (site.serve("/other.mp4", OTHER),), "other.mp4")
    bench.fetcher.want([wanted(site.base + "/none.mp4"), other])
    async with bench.running():
        await bench.until(SHA256, Presence.FAILED)
        await bench.until(OTHER_SHA256, Presence.PRESENT)
    assert bench.fetcher.snapshot().missing == 1


async def test_a_film_changed_on_disk_is_told_at_arming_and_fetched_again(tmp_path: Path, site: Site) -> None:
    bench = Bench(tmp_path)
    bench.fetcher.want([wanted(site.serve("/koi.mp4", FILM))])
    async with bench.running():
        path = (await bench.until(SHA256, Presence.PRESENT)).path
        assert path is not None
        assert bench.fetcher.check(SHA256) is None
        path.chmod(0o644)
        path.write_bytes(OTHER)
        bench.said.clear()
        refused = bench.fetcher.check(SHA256)
        assert refused is not None
        assert refused.code == "film_changed"
        assert [state.presence for _, state in bench.said] == [Presence.FAILED]
        await bench.until(SHA256, Presence.PRESENT)
    assert path.read_bytes() == FILM


def test_the_rate_is_kept_on_average() -> None:
    pace = Pace(24)  # 3 MB/s
    assert [pace.spend(1_500_000, now_s) for now_s in (10.0, 10.5, 10.9)] == pytest.approx([0.5, 0.5, 0.6])
    assert pace.spend(3_000_000, 100.0) == pytest.approx(1.0)  # a pause is not saved up
    assert Pace(0).spend(10**12, 0.0) == 0.0


async def test_the_rate_holds_for_a_film_that_is_continued_too(tmp_path: Path, site: Site) -> None:
    bench = Bench(tmp_path, rate_mbps=24)
    waits: list[float] = []
    pace = bench.fetcher._pace.spend
    bench.fetcher._pace.spend = lambda count, now_s: waits.append(pace(count, now_s)) or 0.0  # type: ignore[func-returns-value, method-assign]
    bench.part(FILM[:1_000_000])
    assert (await bench.outcome(site.serve("/koi.mp4", FILM))).presence is Presence.PRESENT
    assert max(waits) >= 500_000 / 3_000_000 * 0.9


async def test_a_callback_that_wants_anew_does_no_harm(tmp_path: Path, site: Site) -> None:
    url, other_url = site.serve("/koi.mp4", FILM), site.serve("/other.mp4", OTHER)
    other = Wanted(OTHER_SHA256, len(OTHER), (other_url,), "other.mp4")
    bench = Bench(tmp_path)
    listen = bench.fetcher._on_change

    def want_again(sha256: str, state: FilmState) -> None:
        listen(sha256, state)
        bench.fetcher.want([wanted(url), other])

    bench.fetcher._on_change = want_again
    bench.fetcher.want([wanted(url)])
    async with bench.running():
        await bench.until(SHA256, Presence.PRESENT)
        await bench.until(OTHER_SHA256, Presence.PRESENT)


async def test_what_fails_again_and_again_is_logged_once_and_told_once(
    tmp_path: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    often = asyncio.Event()

    async def away(_request: web.Request) -> web.StreamResponse:
        if len(site.asked) == 5:
            often.set()
        return web.Response(status=404 if len(site.asked) < 5 else 200, body=FILM)

    site.answers["/koi.mp4"] = away
    bench = Bench(tmp_path)
    bench.fetcher.want([wanted(site.base + "/koi.mp4")])
    async with bench.running(), asyncio.timeout(10):
        await often.wait()
        await bench.until(SHA256, Presence.PRESENT)
    said = [line for line in capsys.readouterr().out.splitlines() if "film not fetched" in line]
    assert len([line for line in said if "warning" in line]) == 1
    assert [state.presence for _, state in bench.said].count(Presence.FAILED) == 1
