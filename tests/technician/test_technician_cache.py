"""`framezero check` and the cache: what lies about in it, and every film hashed again."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from test_importing import KOI, SKY, Player, forbid, sha
from typer.testing import CliRunner

from agent.cache import fetch
from agent.cache.disk import place_of
from agent.cache.fetch import Fetcher, FilmState, Presence, Wanted
from agent.cache.store import Store
from agent.config import Cache, Config, load
from agent.contents import Contents
from agent.technician import cache, channel, cli, visit
from agent.technician.films import Stock, stock
from agent.technician.findings import Finding


@pytest.fixture
def player(tmp_path: Path) -> Player:
    return Player(tmp_path)


def config(player: Player, **changes: float) -> Config:
    return load(player.config(**changes), {})


def keep(player: Player, content: bytes, contents: Contents | None = None) -> Path:
    """A film in the cache."""
    films = Store(player.cache)
    assert films.open() is None
    films.begin(sha(content))
    films.part_of(sha(content)).write_bytes(content)
    assert films.commit(sha(content), len(content), look=lambda _path: contents) is None
    return place_of(player.cache, sha(content))


def codes(findings: list[Finding]) -> dict[str, str]:
    return {finding.code: finding.verdict for finding in findings}


def flip(path: Path) -> None:
    times = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(bytes([KOI[0] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def truncate(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, 100)


def swap(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(SKY)
    other.replace(path)


def test_a_cache_in_order_is_ok_and_one_that_is_not_there_is_said(player: Player) -> None:
    assert codes(cache.look(config(player)))["cache_absent"] == "warning"
    keep(player, KOI)
    found = cache.look(config(player))
    assert codes(found)["cache"] == "ok" and not [one for one in found if one.verdict == "fault"]
    assert "1 film, 0.0 of 200 GB" in found[0].what


def test_what_is_wrong_with_a_cache_is_named_with_what_mends_it(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(player.folder))
    player.knows(("koi.mp4", KOI), width=640)
    keep(player, KOI, Contents(codec="h264", width=320, height=180, rates=("30/1",), frames=90))
    (player.cache / "00" / ("00" + "1" * 62)).mkdir(parents=True)
    (player.cache / sha(SKY)[:2]).mkdir()
    (player.cache / sha(SKY)[:2] / f"{sha(SKY)}.bad").write_bytes(b"")
    found = cache.look(config(player, reserve_gb=10**9))
    told = codes(found)
    assert {told[code] for code in ("cache_entry", "cache_full", "film_mismatch")} == {"fault"}
    assert {told[code] for code in ("ffprobe", "film_aside")} == {"warning"}
    assert all(one.mend or ";" in one.what for one in found), "each with its remedy"


def test_a_cache_is_looked_at_and_not_changed(player: Player) -> None:
    path = keep(player, KOI)
    path.with_suffix(".seal").unlink()
    before = sorted(player.cache.rglob("*"))
    cache.look(config(player))
    assert sorted(player.cache.rglob("*")) == before


@pytest.mark.parametrize("harm", [flip, truncate, swap])
def test_a_rehash_finds_what_has_become_another_film_and_moves_it_aside(
    player: Player, harm: Callable[[Path], None]
) -> None:
    player.knows(("koi.mp4", KOI))
    path, sound = keep(player, KOI), keep(player, SKY)
    harm(path)
    seen: list[str] = []
    found = cache.rehash(config(player), lambda _done, _total, name: seen.append(name))
    assert (found.sound, found.damaged, found.failed) == (1, ("koi.mp4",), ())
    assert "koi.mp4" in seen and not path.exists() and path.with_suffix(".bad").exists() and sound.exists()
    [finding] = cache.judge(found)
    assert (finding.verdict, finding.code) == ("fault", "film_damaged") and "koi.mp4" in finding.what
    assert codes(cache.judge(cache.rehash(config(player), lambda *_: None))) == {"rehash": "ok"}


def test_what_may_not_be_moved_is_said(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    flip(keep(player, KOI))

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", denied)
    found = cache.judge(cache.rehash(config(player), lambda *_: None))
    assert [(one.code, one.mend) for one in found] == [("disk_denied", "run this as the agent's user")]


async def test_a_running_agent_notices_says_so_and_fetches_the_film_again(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "LOOK_S", 0.1)
    path = keep(player, KOI)
    flip(path)
    said: asyncio.Queue[FilmState] = asyncio.Queue()
    films = Store(player.cache)
    assert films.open() is None
    fetcher = Fetcher(films, Cache(dir=player.cache), lambda _, state: said.put_nowait(state))
    fetcher.want([Wanted(sha(KOI), len(KOI), (), "koi.mp4")])
    task = asyncio.create_task(fetcher.run())
    async with asyncio.timeout(10):
        assert (await said.get()).presence is Presence.PRESENT
        await asyncio.to_thread(cache.rehash, config(player), lambda *_: None)
        state = await said.get()
        assert state.presence is Presence.FAILED and state.reason is not None
    task.cancel()


def test_check_does_it_when_it_is_asked_to(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    flip(keep(player, KOI))
    monkeypatch.setattr(cli, "_looked_at", lambda *_: (_Gauge(), []))
    monkeypatch.setattr(visit, "look", lambda _config: _Visits())
    monkeypatch.setattr(channel, "judge", lambda *_: [])
    monkeypatch.setattr(cli, "_decoding", lambda *_: ({}, []))
    for words, expected in (([], False), (["--rehash"], True)):
        told = _checked(player, words)
        assert ("film_damaged" in [finding["code"] for finding in told["findings"]]) is expected


class _Gauge:
    age_s = None


class _Visits:
    visits: tuple[()] = ()


def _checked(player: Player, words: list[str]) -> dict[str, Any]:
    app = typer.Typer()
    app.command()(cli.check)
    done = CliRunner().invoke(app, ["--config", str(player.config()), "--json", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_cache_that_may_not_be_entered_is_a_finding(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(player, KOI)
    player.knows(("koi.mp4", KOI))
    found = config(player)
    forbid(monkeypatch, player.cache)
    assert "disk_denied" in codes(cache.look(found)) or "cache_absent" in codes(cache.look(found))
    assert codes(cache.judge(cache.rehash(found, lambda *_: None))) in ({"disk_denied": "fault"}, {"rehash": "ok"})
    there = stock(found)
    assert isinstance(there, Stock) and there.here == ()
