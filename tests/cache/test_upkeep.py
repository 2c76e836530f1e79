"""Films that were sound when they came, and are looked at again."""

import asyncio
import contextlib
import fcntl
import os
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fetching import FILM, OTHER, OTHER_SHA256, SHA256, Bench, Site, filled, retry_quickly, serving, wanted

from agent.cache import upkeep
from agent.cache.fetch import Presence, Wanted
from agent.cache.lull import never
from agent.cache.upkeep import Upkeep, due
from agent.contents import Contents
from agent.units import UtcUs, parse_utc

NIGHT = parse_utc("2025-06-02T18:30:00Z")  # half past three in Tokyo
HOUR = 3_600_000_000


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as site:
        yield site


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    retry_quickly(monkeypatch)
    monkeypatch.setattr(upkeep, "BYTES_PER_S", 1e12)


def keeper(bench: Bench, look: Callable[[Path], Contents | None] = lambda _path: None) -> Upkeep:
    return Upkeep(bench.store, bench.fetcher, utc=lambda: NIGHT, zone="Asia/Tokyo", look=look, rest_s=never)


@pytest.mark.parametrize(
    ("now", "hours", "expected"),
    [
        (NIGHT, 24, True),
        (NIGHT, 21, True),
        (NIGHT, 19, False),
        (NIGHT + 6 * HOUR, 24, False),
        (NIGHT + 6 * HOUR, 37, True),  # a player that is off at night
        (NIGHT - HOUR, 24, False),
    ],
)
def test_films_are_verified_at_night_by_the_venues_time(now: int, hours: int, expected: bool) -> None:
    assert datetime.fromtimestamp(NIGHT / 1e6, UTC).hour == 18
    assert due(UtcUs(now), UtcUs(now - hours * HOUR), "Asia/Tokyo") is expected


def flip(path: Path) -> None:
    """One byte, and neither size nor time nor inode tell of it."""
    times = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(len(FILM) // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def truncate(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, 1000)


def swap(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(OTHER)
    other.replace(path)


@pytest.mark.parametrize("harm", [flip, truncate, swap])
async def test_a_film_that_has_become_another_one_is_found_moved_aside_and_fetched_anew(
    tmp_path: Path, site: Site, harm: Callable[[Path], None]
) -> None:
    filled(tmp_path, FILM)
    filled(tmp_path, OTHER)
    bench = Bench(tmp_path)
    other = Wanted(OTHER_SHA256, len(OTHER), (), "other.mp4")
    bench.fetcher.want([wanted(site.serve("/koi.mp4", FILM)), other])
    path = bench.store.path_of(SHA256)
    assert path is not None
    harm(path)
    if harm is flip:
        assert bench.fetcher.check(SHA256) is None, "that is why a hash is needed"
    assert await keeper(bench).verify() == 1
    told = [state for sha256, state in bench.said if sha256 == SHA256]
    assert told[-1].presence is Presence.FAILED and told[-1].reason is not None
    assert told[-1].reason.code == ("film_damaged" if harm is flip else "film_changed")
    bench.said.clear()
    async with bench.running():
        await bench.until(SHA256, Presence.PRESENT)
    assert path.read_bytes() == FILM
    assert path.with_suffix(".bad").exists() is (harm is flip)
    assert await keeper(bench).verify() == 2


async def test_a_disk_that_cannot_read_a_film_is_the_same_as_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path, FILM)
    bench = Bench(tmp_path)
    bench.fetcher.want([wanted()])

    def unreadable(*_: object) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(upkeep, "digest", unreadable)
    assert await keeper(bench).verify() == 0
    assert bench.store.path_of(SHA256) is None and bench.said[-1][1].presence is Presence.FAILED


async def test_it_runs_once_and_remembers_that_over_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "LOOK_S", 0.01)
    path = filled(tmp_path, FILM).path_of(SHA256)
    assert path is not None
    (tmp_path / upkeep.STAMP).write_text(str(NIGHT - 24 * HOUR))
    passes: list[int] = []
    for _ in range(2):
        bench = Bench(tmp_path)
        made = keeper(bench)
        verify = made.verify

        async def counted(verify: Callable[[], object] = verify) -> int:
            passes.append(1)
            return await verify()  # type: ignore[misc, no-any-return]

        monkeypatch.setattr(made, "verify", counted)
        task = asyncio.create_task(made.run())
        async with asyncio.timeout(20):
            while int((tmp_path / upkeep.STAMP).read_text()) != NIGHT:  # noqa: ASYNC110  a file tells nobody
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # and in this time it is not done again
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert passes == [1]
    assert int((tmp_path / upkeep.STAMP).read_text()) == NIGHT


async def test_a_new_cache_is_not_read_at_once_and_a_stamp_of_the_future_does_no_harm(tmp_path: Path) -> None:
    made = keeper(Bench(tmp_path))
    assert made._last(NIGHT) == NIGHT
    (tmp_path / upkeep.STAMP).write_text(str(NIGHT + 10**15))
    assert made._last(NIGHT) == NIGHT
    (tmp_path / upkeep.STAMP).write_text("noise")
    assert made._last(NIGHT) == NIGHT


async def test_films_that_nobody_looked_into_are_looked_into_and_told(tmp_path: Path) -> None:
    filled(tmp_path, FILM)
    bench = Bench(tmp_path)
    bench.fetcher.want([wanted()])
    contents = Contents(codec="h264", width=320, height=180)
    await keeper(bench).describe()
    assert len(bench.said) == 1, "without ffprobe nothing is known, and nothing new is said"
    await keeper(bench, lambda _path: contents).describe()
    assert bench.said[-1][1].contents == contents
    assert Bench(tmp_path).store.contents_of(SHA256) == contents


async def test_an_import_that_holds_the_lock_of_the_cache_holds_up_no_show(tmp_path: Path) -> None:
    filled(tmp_path, FILM)
    bench = Bench(tmp_path)
    looked, blocked = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def look(_path: Path) -> Contents:
        loop.call_soon_threadsafe(looked.set)
        return Contents(codec="h264")

    with (tmp_path / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def give_up() -> None:  # the loop stands still: nobody else would free the lock any more
            blocked.set()
            fcntl.flock(other, fcntl.LOCK_UN)

        timer = threading.Timer(5, give_up)
        timer.start()
        task = asyncio.create_task(keeper(bench, look).describe())
        await looked.wait()
        await asyncio.sleep(0.1)
        timer.cancel()
        assert not blocked.is_set() and not task.done()
        fcntl.flock(other, fcntl.LOCK_UN)
    await task
    assert Bench(tmp_path).store.contents_of(SHA256) == Contents(codec="h264")


def test_a_film_that_had_to_go_is_not_described(tmp_path: Path) -> None:
    filled(tmp_path, FILM)
    store = Bench(tmp_path).store
    path = store.path_of(SHA256)
    assert path is not None
    store.evict(SHA256)
    store.describe(SHA256, Contents(codec="h264"))
    assert not path.with_suffix(".seal").exists()


async def test_a_hash_is_given_up_when_the_agent_ends(tmp_path: Path) -> None:
    filled(tmp_path, FILM)
    bench = Bench(tmp_path)
    made = keeper(bench)
    made._ended.set()
    assert await made.verify() == 0
    assert bench.store.path_of(SHA256) is not None, "which says nothing against the film"
