"""Attacks with pictures: what a wall has open while it plays tells which film is on it."""

import asyncio
import os
import time
from hashlib import sha256
from pathlib import Path

import pytest
from films_served import Film, Served
from yard import FIRST, Told, Wall, Watch, comes_true, cue_body, ground, signed, start

pytestmark = [pytest.mark.needs("mosquitto", "chronyd", "ffmpeg"), pytest.mark.timeout(120)]


def play(program: str, rev: int = 1, *, at_s: float = 2) -> Told:
    return cue_body(at_s, {"action": "play", "program": program, "rev": rev, "loop": True})


def flip(data: bytes) -> bytes:
    """The last byte, which nothing but a hash looks at, with one bit changed."""
    return data[:-1] + bytes([data[-1] ^ 1])


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def tamper(wall: Wall, film: Film, data: bytes) -> None:
    """Change a film in the cache: in its place if the size stays and only a bit differs, else as another file."""
    path = wall.cache / film.sha256[:2] / film.sha256
    path.chmod(0o644)
    if data == film.data[: len(data)]:
        os.truncate(path, len(data))
    elif data == flip(film.data):
        with path.open("r+b") as file:
            file.write(data)
    else:
        other = path.with_suffix(".other")
        other.write_bytes(data)
        other.replace(path)


async def shown_over(walls: list[Wall], seconds: float) -> list[set[str]]:
    """What each wall has had on it at one time or another."""
    shown: list[set[str]] = [set() for _ in walls]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for wall, files in zip(walls, shown, strict=True):
            files |= wall.shown_files()
        await asyncio.sleep(0.2)
    return shown


async def fetched(watch: Watch, walls: list[Wall], films: int) -> None:
    for wall in walls:
        await watch.until(wall, "status", lambda status: status["cache"]["films"] == films and status["ready"])


async def test_another_body_comes_under_an_old_revision(tmp_path: Path) -> None:
    """Signed by the content key, and a newer revision as well: a cue plays what was published when it was written."""
    with ground(tmp_path) as (site, broker):
        walls = [whole, mutable, unpinned] = start(site, "revisions_mutable", "revision_unpinned")
        served = Served(site)
        right, wrong, newer = (served.film(name) for name in ("right", "wrong", "newer"))
        published = served.program("reel", 1, right)
        other = served.program("reel", 1, wrong)
        async with Watch(broker) as watch:
            await watch.hello()
            await watch.ready(*walls)
            cue = play("reel", at_s=4)
            await watch.send(published, (f"cue/{cue['cue']}", signed(cue, FIRST)))
            for wall in walls:
                await watch.until(wall, "status", lambda status: status["cache"]["films"] == 1)
            await watch.send(other, served.program("reel", 2, newer))
            for wall, film in ((whole, right), (mutable, wrong), (unpinned, newer)):
                await watch.ack(wall, cue["cue"], "started")
                await comes_true(lambda wall=wall, film=film: wall.shown_files() == {film.sha256}, 5)  # type: ignore[misc]


async def test_a_server_sends_wrong_films(tmp_path: Path) -> None:
    """Another film of the same size and looks, and the right one with a byte that flipped under way."""
    with ground(tmp_path) as (site, broker):
        walls = [whole, credulous] = start(site, "arrival_unchecked")
        served = Served(site)
        right, other, flipped = (served.film(name) for name in ("right", "other", "flipped"))
        right.served.write_bytes(other.data)
        flipped.served.write_bytes(flip(flipped.data))
        async with Watch(broker) as watch:
            await watch.hello()
            await watch.ready(*walls)
            await watch.send(served.program("reel", 1, right, flipped))
            await fetched(watch, [credulous], 2)
            cue = play("reel")
            await watch.send((f"cue/{cue['cue']}", signed(cue, FIRST)))
            refused = await watch.ack(whole, cue["cue"], "accepted")
            assert (refused["ready"], refused["reason"]) == (False, "film_hash")
            await watch.ack(credulous, cue["cue"], "started")
            shown = await shown_over(walls, 4.5)
            assert shown == [set(), {other.sha256, digest(flip(flipped.data))}]


async def test_films_are_changed_in_the_cache_before_they_are_armed(tmp_path: Path) -> None:
    """A byte flips, a file loses its end, and one is exchanged for another: the wall fetches them again."""
    with ground(tmp_path) as (site, broker):
        walls = start(site, "seal_unchecked")
        served = Served(site)
        good = [flipped, cut, swapped] = [served.film(name) for name in ("flipped", "cut", "swapped")]
        async with Watch(broker) as watch:
            await watch.hello()
            await watch.ready(*walls)
            await watch.send(served.program("reel", 1, *good))
            await fetched(watch, walls, 3)
            bad = [flip(flipped.data), cut.data[:-100], swapped.data.replace(b"swapped", b"foreign")]
            for wall in walls:
                for film, data in zip(good, bad, strict=True):
                    tamper(wall, film, data)
            cue = play("reel")
            await watch.send((f"cue/{cue['cue']}", signed(cue, FIRST)))
            for wall in walls:
                await watch.ack(wall, cue["cue"], "started")
            shown = await shown_over(walls, 7)
            assert shown == [{film.sha256 for film in good}, set(map(digest, bad))]
