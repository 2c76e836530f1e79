"""What has to go when a film comes, with a real store and a real server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fetching import FILM, OTHER, OTHER_SHA256, SHA256, Bench, Site, filled, reason, retry_quickly, serving, wanted

from agent.cache.fetch import Presence, Wanted
from agent.cache.room import Claim, Held, Space, make_room
from agent.cache.store import Store

GB = 1_000_000_000
ROOM = (len(FILM) + len(OTHER) // 2) / GB
"""A quota for one film of the two."""


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as site:
        yield site


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    retry_quickly(monkeypatch)


def other(site: Site, *, cued: bool) -> Wanted:
    return Wanted(OTHER_SHA256, len(OTHER), (site.serve("/other.mp4", OTHER),), "other.mp4", cued)


def koi(site: Site, *, cued: bool) -> Wanted:
    return wanted(site.serve("/koi.mp4", FILM), cued=cued)


async def test_what_nobody_wants_any_more_goes_and_is_told(tmp_path: Path, site: Site) -> None:
    filled(tmp_path, OTHER)
    bench = Bench(tmp_path, quota_gb=ROOM)
    bench.fetcher.want([koi(site, cued=False)])
    async with bench.running():
        await bench.until(SHA256, Presence.PRESENT)
    assert bench.store.path_of(OTHER_SHA256) is None
    assert (OTHER_SHA256, Presence.MISSING) in [(sha256, state.presence) for sha256, state in bench.said]


async def test_a_cued_film_pushes_out_one_that_is_nice_to_have_which_does_not_come_back(
    tmp_path: Path, site: Site
) -> None:
    filled(tmp_path, OTHER)
    bench = Bench(tmp_path, quota_gb=ROOM)
    bench.fetcher.want([other(site, cued=False)])
    bench.fetcher.want([koi(site, cued=True), other(site, cued=False)])
    async with bench.running():
        await bench.until(SHA256, Presence.PRESENT)
        told = [state.presence for sha256, state in bench.said if sha256 == OTHER_SHA256]
        assert told == [Presence.PRESENT, Presence.MISSING], "it would have its room if it were cued: that is no fault"
        await asyncio.sleep(0.2)  # it is tried again and again
    assert bench.store.path_of(SHA256) is not None and not [path for path, *_ in site.asked if "other" in path]


async def test_nothing_pushes_out_a_cued_film_and_the_reason_names_sizes_and_remedy(tmp_path: Path, site: Site) -> None:
    filled(tmp_path, OTHER)
    for cued in (True, False):
        bench = Bench(tmp_path, quota_gb=ROOM)
        bench.fetcher.want([other(site, cued=True), koi(site, cued=cued)])
        async with bench.running():
            state = await bench.until(SHA256, Presence.FAILED)
        assert reason(state) == "cache_full" and state.reason is not None
        assert all(word in state.reason.detail for word in ("0.002 GB", "cache.quota_gb", "cancel cues"))
        assert bench.store.path_of(OTHER_SHA256) is not None and not site.asked


async def test_a_film_that_is_nice_to_have_gets_its_room_as_soon_as_it_is_cued(tmp_path: Path, site: Site) -> None:
    filled(tmp_path, OTHER)
    bench = Bench(tmp_path, quota_gb=ROOM)
    bench.fetcher.want([other(site, cued=False), koi(site, cued=False)])
    async with bench.running():
        await asyncio.sleep(0.1)
        assert [state.presence for sha256, state in bench.said if sha256 == SHA256] == [Presence.MISSING]
        bench.fetcher.want([koi(site, cued=True), other(site, cued=False)])
        await bench.until(SHA256, Presence.PRESENT)


async def test_a_download_goes_on_when_its_film_is_cued_meanwhile(tmp_path: Path, site: Site) -> None:
    bench = Bench(tmp_path, rate_mbps=24)
    bench.fetcher.want([koi(site, cued=False)])
    async with bench.running():
        await bench.until(SHA256, Presence.FETCHING)
        bench.fetcher.want([koi(site, cued=True)])
        await bench.until(SHA256, Presence.PRESENT)
    assert len(site.asked) == 1


async def test_what_is_wanted_while_room_is_looked_for_stays(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cue may come in the moment between looking at the disk and removing: what goes is judged by what holds then."""
    filled(tmp_path, OTHER)
    bench = Bench(tmp_path, quota_gb=ROOM)
    look, loop = Store.room, asyncio.get_running_loop()

    def late(self: Store) -> object:
        found = look(self)
        now_cued = [other(site, cued=True), koi(site, cued=True)]
        asyncio.run_coroutine_threadsafe(_call(bench, now_cued), loop).result(5)
        return found

    monkeypatch.setattr(Store, "room", late)
    bench.fetcher.want([koi(site, cued=True)])
    async with bench.running():
        assert reason(await bench.until(SHA256, Presence.FAILED)) == "cache_full"
    assert bench.store.path_of(OTHER_SHA256) is not None


async def _call(bench: Bench, films: list[Wanted]) -> None:
    bench.fetcher.want(films)


async def test_parts_that_nobody_wants_and_damaged_films_go_first(tmp_path: Path, site: Site) -> None:
    store = filled(tmp_path, OTHER)
    store.set_aside(OTHER_SHA256)
    store.begin("0" * 64)
    store.part_of("0" * 64).write_bytes(b"x" * 1000)
    bench = Bench(tmp_path, quota_gb=(len(FILM) + 500) / GB)
    assert (await bench.outcome(site.serve("/koi.mp4", FILM))).presence is Presence.PRESENT
    assert not bench.store.room().strays


async def test_a_film_in_use_stays_and_the_one_unused_for_longest_goes(tmp_path: Path, site: Site) -> None:
    third = OTHER[::-1]
    filled(tmp_path, OTHER)
    store = filled(tmp_path, third)
    [third_sha256] = {sha256 for sha256, *_ in store.films()} - {OTHER_SHA256}
    store.use(OTHER_SHA256)
    bench = Bench(tmp_path, quota_gb=(len(FILM) + len(OTHER) * 1.5) / GB)
    assert (await bench.outcome(site.serve("/koi.mp4", FILM))).presence is Presence.PRESENT
    assert bench.store.path_of(OTHER_SHA256) is not None and bench.store.path_of(third_sha256) is None


def test_this_file_can_fail() -> None:
    """The same cache without claims would push out the very film that is on the wall."""
    on_wall = Held("wall", 10, Claim.NOBODY, 0)
    assert make_room(5, Claim.CUED, [on_wall], Space(free=100, reserve=0, used=10, quota=10)) == [on_wall]
