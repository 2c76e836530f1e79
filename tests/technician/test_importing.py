"""`framezero import` as a technician types it, with disks as people bring them."""

import asyncio
import errno
import fcntl
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from makers import item_body, program_body
from typer.testing import CliRunner

from agent.cache.disk import place_of
from agent.cache.fetch import Fetcher, FilmState, Presence, Wanted
from agent.cache.probe import Probe
from agent.cache.store import Store
from agent.config import Cache
from agent.contents import Contents
from agent.control.probe import Film
from agent.control.publish import Billing, store
from agent.effects import KeepProgram
from agent.journal import Journal
from agent.technician import importing
from agent.technician.import_cli import import_films

KOI, SKY = random.Random(1).randbytes(5_000_000), random.Random(2).randbytes(5_000_000)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Player:
    """A venue's player without an agent, and a disk that somebody brings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "usb"
        self.disk.mkdir(parents=True)
        self.cache = folder / "cache"

    def config(self, **cache: float) -> Path:
        more = "".join(f"{key} = {value}\n" for key, value in {"reserve_gb": 0, **cache}.items())
        path = self.folder / "agent.toml"
        path.write_text(
            f'venue = "paris"\nshow = "reel-show"\ntimezone = "Europe/Paris"\nstate_dir = "{self.folder / "state"}"\n'
            f'[broker]\nurls = ["mqtt://127.0.0.1:1"]\n[clock]\nservers = ["127.0.0.1"]\n'
            f'[cache]\ndir = "{self.cache}"\n{more}'
        )
        return path

    def knows(self, *films: tuple[str, bytes], program: str = "reel", **changes: Any) -> None:
        """The agent has taken a program with these films."""
        items = [
            item_body("a", name=name, sha256=sha(content), size=len(content), **changes) for name, content in films
        ]
        journal = Journal.open(self.folder / "state")
        assert isinstance(journal, Journal)
        assert journal.keep(KeepProgram(program, 1, program_body(items, program=program))) is None
        journal.close()

    def put(self, name: str, content: bytes) -> Path:
        path = self.disk / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def run(self, **cache: float) -> tuple[int, dict[str, Any]]:
        app = typer.Typer()
        app.command()(import_films)
        done = CliRunner().invoke(app, [str(self.disk), "--config", str(self.config(**cache)), "--json"])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, json.loads(done.stdout)

    def store(self) -> Store:
        found = Store(self.cache)
        assert found.open() is None
        return found

    def has(self, *contents: bytes) -> bool:
        """Whether the cache has these films, whole, and no others; and nothing else lies about."""
        films = self.store()
        assert all(place_of(self.cache, sha(content)).read_bytes() == content for content in contents)
        assert not [path for path in self.cache.glob("??/*") if path.suffix not in ("", ".seal")]
        return {sha256 for sha256, *_ in films.films()} == {sha(content) for content in contents}


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Player:
    """Noise is a film here, for there is no ffprobe that would know better."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return Player(tmp_path)


def codes(told: dict[str, Any]) -> list[str]:
    return [refusal["code"] for refusal in told["refused"]]


# --- what is taken --------------------------------------------------------------------------------


def test_what_programs_want_is_found_by_content_whatever_it_is_called(player: Player) -> None:
    player.knows(("koi.mp4", KOI), ("sky.mp4", SKY))
    player.put("New Folder/Final (2) ✓ ünïcode.MOV", KOI)
    player.put("other.mp4", SKY)
    player.put("same size.mp4", KOI[::-1])
    player.put("holiday.jpg", b"not ours")
    code, told = player.run()
    assert code == 0
    assert {one["name"] for one in told["imported"]} == {"koi.mp4", "sky.mp4"}
    assert player.has(KOI, SKY)
    code, told = player.run()
    assert (code, len(told["present"]), told["imported"]) == (0, 2, [])


def test_the_folder_that_publish_wrote_is_taken_before_any_program_is_known(player: Player) -> None:
    source = player.folder / "koi.mp4"
    source.write_bytes(KOI)
    film = Film(source, "h264", 320, 180, "30", 90, None, False)
    item = store(Billing(film, {}), player.disk / "site", ["http://films.example"], lambda _: None)
    code, told = player.run()
    assert code == 0
    assert told["imported"][0]["sha256"] == item.sha256 and not told["imported"][0]["known"]
    assert player.has(KOI)


def test_the_cache_of_another_player_can_be_brought_as_it_is(player: Player) -> None:
    other = Store(player.disk)
    assert other.open() is None
    other.begin(sha(KOI))
    other.part_of(sha(KOI)).write_bytes(KOI)
    assert other.commit(sha(KOI), len(KOI)) is None
    player.put(f"{sha(SKY)[:2]}/{sha(SKY)}.part", SKY)
    code, _ = player.run()
    assert code == 0 and player.has(KOI)


def test_what_is_still_missing_is_said(player: Player) -> None:
    player.knows(("koi.mp4", KOI), ("sky.mp4", SKY))
    player.put("koi.mp4", KOI)
    code, told = player.run()
    assert (code, [one["name"] for one in told["missing"]]) == (1, ["sky.mp4"])
    assert player.has(KOI)


def test_an_empty_disk_is_no_success(player: Player) -> None:
    assert player.run()[0] == 1


def test_films_of_another_show_are_not_wanted(player: Player) -> None:
    journal = Journal.open(player.folder / "state")
    assert isinstance(journal, Journal)
    item = item_body("a", sha256=sha(KOI), size=len(KOI))
    assert journal.keep(KeepProgram("reel", 1, program_body([item], show="rehearsal"))) is None
    journal.close()
    player.put("koi.mp4", KOI)
    assert player.run()[0] == 1


def test_what_is_named_by_a_hash_and_is_no_film_is_left_out(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    koi, backup = player.put(f"{sha(KOI)}.mp4", KOI), player.put(f"blobs/{sha(SKY)}", SKY)
    faults = {koi.name: "", backup.name: "no film"}
    monkeypatch.setattr(Probe, "look", lambda _self, path: Contents(fault=faults.get(path.name, "")))
    code, told = player.run()
    assert (code, told["notes"]) == (0, ["1 file named by a hash, but no film; left out"])
    assert player.has(KOI)


def test_a_film_that_is_not_what_its_program_says_is_told(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Probe, "look", lambda _self, _path: Contents(codec="hevc", width=320, height=180))
    player.knows(("koi.mp4", KOI))
    player.put("koi.mp4", KOI)
    code, told = player.run()
    assert code == 1 and "hevc" in told["imported"][0]["misfit"]


async def test_a_running_agent_sees_the_film_within_seconds(player: Player) -> None:
    player.knows(("koi.mp4", KOI))
    player.put("koi.mp4", KOI)
    said: asyncio.Queue[FilmState] = asyncio.Queue()
    fetcher = Fetcher(player.store(), Cache(dir=player.cache), lambda _, state: said.put_nowait(state))
    fetcher.want([Wanted(sha(KOI), len(KOI), ("http://127.0.0.1:1/koi.mp4",), "koi.mp4")])
    task = asyncio.create_task(fetcher.run())
    async with asyncio.timeout(20):
        while (await said.get()).presence is not Presence.FAILED:
            pass
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agent.cli", "import", str(player.disk), "--config", str(player.config())),
            stdout=subprocess.PIPE,
        )
        told, _ = await process.communicate()
        assert process.returncode == 0 and b"1 film imported" in told
        while (await said.get()).presence is not Presence.PRESENT:
            pass
    task.cancel()


# --- what is refused ------------------------------------------------------------------------------


def test_a_file_that_is_not_what_its_name_says_is_refused_and_another_copy_is_taken(player: Player) -> None:
    player.put(f"a/{sha(KOI)}.mp4", KOI[:-1] + b"X")
    code, told = player.run()
    assert (code, codes(told)) == (1, ["film_hash"])
    assert "copy it onto the disk again" in told["refused"][0]["detail"] and player.has()
    player.put(f"b/{sha(KOI)}.mp4", KOI)
    assert player.run()[0] == 0 and player.has(KOI)


def test_links_are_not_followed_and_that_is_said(player: Player, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / f"{sha(KOI)}.mp4").write_bytes(KOI)
    (player.disk / "folder").symlink_to(outside)
    (player.disk / f"{sha(KOI)}.mp4").symlink_to(outside / f"{sha(KOI)}.mp4")
    (player.disk / "loop").symlink_to(player.disk)
    code, told = player.run()
    assert code == 1 and told["notes"] == ["3 symbolic links not followed; copy the files themselves"]
    assert player.has()


def forbid(monkeypatch: pytest.MonkeyPatch, below: Path) -> None:
    """As for a user who may list the folder above, or not even that, and touch nothing in it. Root may, so patched."""
    real = {"stat": Path.stat, "lstat": Path.lstat}

    def looked(how: str) -> Callable[..., os.stat_result]:
        def look(path: Path, **options: Any) -> os.stat_result:
            if path.is_relative_to(below):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real[how](path, **options)

        return look

    monkeypatch.setattr(Path, "stat", looked("stat"))
    monkeypatch.setattr(Path, "lstat", looked("lstat"))


def test_what_may_not_be_read_is_said_and_left_out(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    shut = player.put("shut/a.mp4", SKY).parent
    player.put("shut/b/c.mp4", SKY)
    player.put(f"open/{sha(KOI)}.mp4", KOI)
    with monkeypatch.context() as patch:
        forbid(patch, shut / "a.mp4")
        forbid(patch, shut / "b")
        code, told = player.run()
    assert (code, told["notes"]) == (0, [f"{shut} cannot be read (Permission denied); it was left out"])
    assert player.has(KOI)


def test_a_disk_that_may_not_be_looked_at_is_said(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch, player.disk)
    code, told = player.run()
    # From Python 3.14 on it looks as if it was not there.
    assert code == 2 and ("Permission denied" in told["faults"][0] or "is the disk mounted" in told["faults"][0])


def test_odd_names_do_no_harm(player: Player) -> None:
    player.knows(("[red]koi[/red]\x1b[2J.mp4", KOI))
    with open(os.fsencode(player.disk) + b"/\xff\xfe\x1b[31m.mp4", "wb") as file:  # noqa: PTH123  no path is text here
        file.write(KOI)
    code, told = player.run()
    assert code == 0 and "\x1b" not in json.dumps(told, ensure_ascii=False)
    done = subprocess.run(
        [sys.executable, "-m", "agent.cli", "import", str(player.disk), "--config", str(player.config())],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0 and b"\x1b[2J" not in done.stdout + done.stderr


def test_what_cannot_be_read_is_said_and_the_rest_is_taken(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = player.put(f"{sha(SKY)}.mp4", SKY), player.put(f"{sha(KOI)}.mp4", KOI)
    opened = Path.open

    def failing(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self == bad:
            raise OSError(errno.EIO, "Input/output error")
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", failing)
    code, told = player.run()
    assert (code, codes(told)) == (1, ["source"])
    assert "Input/output error" in told["refused"][0]["detail"] and str(bad) in told["refused"][0]["detail"]
    assert good.exists() and player.has(KOI)


def test_a_full_disk_is_said_and_leaves_nothing_behind(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    player.put(f"{sha(KOI)}.mp4", KOI)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(importing.Import, "_copy", full)
    code, told = player.run()
    assert (code, codes(told)) == (1, ["disk_full"]) and "delete films" in told["refused"][0]["detail"]


@pytest.mark.parametrize(("limit", "named"), [({"quota_gb": 0.001}, "quota_gb"), ({"reserve_gb": 10**9}, "reserve_gb")])
def test_quota_and_reserve_hold(player: Player, limit: dict[str, float], named: str) -> None:
    player.knows(("koi.mp4", KOI))
    player.put("koi.mp4", KOI)
    code, told = player.run(**limit)
    assert (code, codes(told)) == (1, ["cache_full"]) and named in told["refused"][0]["detail"]
    assert player.has()


def test_films_that_no_program_names_make_room_for_those_that_one_does_and_never_the_other_way_round(
    player: Player,
) -> None:
    disk = player.put(f"{sha(SKY)}.mp4", SKY)
    assert player.run()[0] == 0 and player.has(SKY)
    disk.unlink()
    player.knows(("koi.mp4", KOI))
    player.put("koi.mp4", KOI)
    assert player.run(quota_gb=0.006)[0] == 0 and player.has(KOI)
    player.put(f"{sha(SKY)}.mp4", SKY)
    code, told = player.run(quota_gb=0.006)
    assert (code, codes(told)) == (1, ["cache_full"]) and player.has(KOI)


def test_a_film_that_a_known_program_names_stays_whatever_is_brought(player: Player) -> None:
    player.knows(("koi.mp4", KOI))
    player.put("koi.mp4", KOI)
    assert player.run(quota_gb=0.006)[0] == 0
    player.knows(("sky.mp4", SKY), program="later")
    player.put("sky.mp4", SKY)
    code, told = player.run(quota_gb=0.006)
    assert (code, codes(told)) == (1, ["cache_full"]) and player.has(KOI)


def test_two_imports_of_one_film_do_not_meet(player: Player) -> None:
    player.put(f"{sha(KOI)}.mp4", KOI)
    place = place_of(player.cache, sha(KOI))
    place.parent.mkdir(parents=True)
    with place.with_suffix(".new").open("wb") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        assert codes(player.run()[1]) == ["busy"]
        busy.seek(0)
    assert player.run()[0] == 0 and player.has(KOI)


def test_a_cache_that_cannot_be_used_and_a_disk_that_is_not_there_are_usage(player: Player) -> None:
    player.cache.write_text("not a folder")
    code, told = player.run()
    assert code == 2 and str(player.cache) in told["faults"][0]
    player.disk = player.folder / "absent"
    code, told = player.run()
    assert code == 2 and "mounted" in told["faults"][0]


def test_an_import_that_comes_as_another_ends_does_not_touch_the_film(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = player.put(f"{sha(KOI)}.mp4", KOI)
    assert player.run()[0] == 0
    place, real = place_of(player.cache, sha(KOI)), fcntl.flock

    def late(file: Any, how: int) -> None:
        if not isinstance(file, int):  # the other one puts the film into its place just before the lock is free
            place.with_suffix(".new").replace(place)
        real(file, how)

    place.chmod(0o644)
    place.rename(place.with_suffix(".new"))
    monkeypatch.setattr(importing.fcntl, "flock", late)  # type: ignore[attr-defined]
    assert codes(player.run()[1]) == ["busy"]
    assert disk.exists() and place.read_bytes() == KOI


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Iterator[Player]:
    """A player whose cache belongs to another user than root, who we are; and the disk is root's alone."""
    if os.geteuid() != 0:
        pytest.skip("only root can work for another user")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)  # not tmp_path, which is root's alone
    player = Player(folder)
    player.cache.mkdir()
    os.chown(player.cache, 65534, 65534)
    player.disk.chmod(0o700)
    monkeypatch.setenv("PATH", str(player.disk))  # no ffprobe: noise is a film here
    yield player
    shutil.rmtree(folder)


def test_what_root_imports_belongs_to_the_agent(others: Player) -> None:
    others.put(f"{sha(KOI)}.mp4", KOI).chmod(0o600)
    assert others.run()[0] == 0
    assert others.has(KOI)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in others.cache.rglob("*")} == {(65534, 65534)}
    assert (os.geteuid(), os.getegid()) == (0, 0)


def test_a_cache_that_root_makes_belongs_to_whom_the_journal_does(others: Player) -> None:
    others.knows(("koi.mp4", KOI))
    os.chown(others.folder / "state", 65534, 65534)
    others.cache.rmdir()
    others.put("koi.mp4", KOI)
    assert others.run()[0] == 0
    assert others.cache.stat().st_uid == 65534 and others.has(KOI)


@pytest.mark.parametrize("name", [".lock", "{0:.2}", "{0:.2}/{0}.new", "{0:.2}/{0}.seal-new"])
def test_a_link_in_the_cache_does_not_lead_root_astray(others: Player, name: str) -> None:
    roots = others.folder / "roots"
    roots.mkdir(mode=0o700)
    target = roots / "shadow"
    target.write_text("secret")
    link = others.cache / name.format(sha(KOI))
    if link.parent != others.cache:
        link.parent.mkdir()
        os.chown(link.parent, 65534, 65534)
    link.symlink_to(target if link.suffix or link.name == ".lock" else roots)
    others.put(f"{sha(KOI)}.mp4", KOI)
    assert others.run()[0] != 0
    assert (target.read_text(), target.stat().st_uid, roots.stat().st_uid) == ("secret", 0, 0)
    assert list(roots.iterdir()) == [target]
