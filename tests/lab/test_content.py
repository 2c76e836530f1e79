from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from agent.lab import content
from agent.lab.processes import Processes

FILM = bytes(range(256)) * 400


@pytest.fixture
async def site(processes: Processes, tmp_path: Path) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    folder = tmp_path / "site"
    (folder / "ab").mkdir(parents=True)
    (folder / "ab" / "film.mp4").write_bytes(FILM)
    (tmp_path / "secret").write_text("not for the net")
    server = content.start(processes, folder)
    async with aiohttp.ClientSession() as session:
        yield session, f"http://127.0.0.1:{server.port}"


async def test_a_file_comes_whole_and_in_ranges(site: tuple[aiohttp.ClientSession, str]) -> None:
    session, url = site
    async with session.get(f"{url}/ab/film.mp4") as whole:
        assert whole.status == 200
        assert await whole.read() == FILM
        tag = whole.headers["ETag"]
    async with session.get(f"{url}/ab/film.mp4", headers={"Range": "bytes=100-", "If-Range": tag}) as rest:
        assert rest.status == 206
        assert rest.headers["Content-Range"] == f"bytes 100-{len(FILM) - 1}/{len(FILM)}"
        assert await rest.read() == FILM[100:]


async def test_a_range_of_another_version_is_answered_with_the_whole(site: tuple[aiohttp.ClientSession, str]) -> None:
    session, url = site
    async with session.get(f"{url}/ab/film.mp4", headers={"Range": "bytes=100-", "If-Range": '"old"'}) as answer:
        assert answer.status == 200
        assert await answer.read() == FILM


async def test_a_range_past_the_end_is_416(site: tuple[aiohttp.ClientSession, str]) -> None:
    session, url = site
    async with session.get(f"{url}/ab/film.mp4", headers={"Range": f"bytes={len(FILM)}-"}) as answer:
        assert answer.status == 416


@pytest.mark.parametrize("path", ["/none.mp4", "/ab", "/%2e%2e/secret", "/..%2fsecret"])
async def test_nothing_else_is_served(site: tuple[aiohttp.ClientSession, str], path: str) -> None:
    session, url = site

    async with session.get(URL(url + path, encoded=True)) as answer:
        assert answer.status == 404
