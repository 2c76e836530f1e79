import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cache.disk import disk_refusal
from agent.cache.store import Store
from agent.contents import Contents
from agent.messages import Refusal

FILM = b"a film " * 1000
SHA256 = hashlib.sha256(FILM).hexdigest()


def opened(root: Path) -> Store:
    store = Store(root)
    assert store.open() is None
    return store


def filled(root: Path, content: bytes = FILM) -> Store:
    store = opened(root)
    assert store.begin(SHA256) == 0
    store.part_of(SHA256).write_bytes(content)
    assert store.commit(SHA256, len(FILM)) is None
    return store


def code(outcome: Refusal | None) -> str | None:
    return outcome.code if outcome else None


def test_a_committed_film_is_whole_read_only_and_found_again_after_a_restart(tmp_path: Path) -> None:
    path = filled(tmp_path / "cache").path_of(SHA256)
    assert path is not None
    assert path.read_bytes() == FILM
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    again = opened(tmp_path / "cache")
    assert again.path_of(SHA256) == path
    assert again.check(SHA256) is None
    assert again.totals() == (1, len(FILM))


def test_what_is_being_fetched_is_not_offered_and_is_continued(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.begin(SHA256)
    store.part_of(SHA256).write_bytes(FILM[:100])
    assert store.path_of(SHA256) is None
    assert code(store.check(SHA256)) == "film_missing"
    assert opened(tmp_path).begin(SHA256) == 100


@pytest.mark.parametrize("content", [FILM[:-1] + b"X", FILM[:-1], FILM + b"X", b""])
def test_a_part_with_other_content_is_refused_and_deleted(tmp_path: Path, content: bytes) -> None:
    store = opened(tmp_path)
    store.begin(SHA256)
    store.part_of(SHA256).write_bytes(content)
    refused = store.commit(SHA256, len(FILM))
    assert code(refused) == "film_hash"
    assert not store.part_of(SHA256).exists()
    assert store.path_of(SHA256) is None
    assert opened(tmp_path).path_of(SHA256) is None


def test_the_right_content_under_a_wrong_size_is_refused(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.begin(SHA256)
    store.part_of(SHA256).write_bytes(FILM)
    assert code(store.commit(SHA256, len(FILM) + 1)) == "film_hash"


def damage_in_place(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(FILM[:-1] + b"X")


def truncate(path: Path) -> None:
    os.truncate(path, 10)


def swap(path: Path) -> None:
    times = path.stat()
    other = path.with_name("other")
    other.write_bytes(FILM[:-1] + b"X")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("harm", [damage_in_place, truncate, swap])
def test_a_changed_film_is_noticed_cheaply_and_never_offered_again(tmp_path: Path, harm: object) -> None:
    first = filled(tmp_path / "first").path_of(SHA256)
    assert first is not None
    assert callable(harm)
    harm(first)
    assert opened(tmp_path / "first").path_of(SHA256) is None  # noticed at the start …
    store = filled(tmp_path / "second")
    path = store.path_of(SHA256)
    assert path is not None
    harm(path)
    assert code(store.check(SHA256)) == "film_changed"  # … and while running
    assert store.path_of(SHA256) is None
    assert code(store.commit(SHA256, len(FILM))) == "film_hash"


def test_a_sound_film_from_a_copied_cache_is_verified_and_not_lost(tmp_path: Path) -> None:
    filled(tmp_path / "old")
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    store = opened(tmp_path / "new")
    assert store.path_of(SHA256) is None
    assert store.begin(SHA256) == len(FILM)
    assert store.commit(SHA256, len(FILM)) is None
    assert store.check(SHA256) is None


@pytest.mark.parametrize("seal", [b"", b"{", b"[]", json.dumps({"size": "1"}).encode(), b"\xff"])
def test_a_broken_seal_means_not_verified(tmp_path: Path, seal: bytes) -> None:
    path = filled(tmp_path).path_of(SHA256)
    assert path is not None
    path.with_suffix(".seal").write_bytes(seal)
    store = opened(tmp_path)
    assert store.path_of(SHA256) is None
    assert store.commit(SHA256, len(FILM)) is None


def test_a_film_that_vanished_is_missing(tmp_path: Path) -> None:
    store = filled(tmp_path)
    path = store.path_of(SHA256)
    assert path is not None
    path.unlink()
    assert store.check(SHA256) is not None
    assert store.path_of(SHA256) is None
    assert code(store.check(SHA256)) == "film_missing"


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    filled(tmp_path)
    strange = [tmp_path / "README", tmp_path / SHA256[:2] / "notes.txt", tmp_path / "zz" / SHA256]
    for path in strange:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    folder = tmp_path / "00" / ("00" + "1" * 62)
    folder.mkdir(parents=True)
    (tmp_path / "00" / ("00" + "2" * 62)).symlink_to(strange[0])
    store = opened(tmp_path)
    assert store.totals() == (1, len(FILM))
    assert all(path.read_text() == "mine" for path in strange)
    assert folder.is_dir()


def test_room_counts_parts_as_well(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.begin("0" * 64)
    store.part_of("0" * 64).write_bytes(b"12345")
    assert len(FILM) + 5 <= store.room().used <= len(FILM) + 5 + 500
    assert store.room().free > 0


def test_a_folder_that_cannot_be_used_is_a_refusal_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    refused = Store(tmp_path / "file").open()
    assert refused is not None
    assert str(tmp_path / "file") in refused.detail


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOSPC, "disk_full"), (errno.EROFS, "disk_denied"), (errno.EIO, "disk_error")]
)
def test_disk_errors_have_a_code_and_a_remedy(number: int, expected: str) -> None:
    refused = disk_refusal(OSError(number, os.strerror(number)), Path("/films/ab"))
    assert refused.code == expected
    assert "/films/ab" in refused.detail


def test_a_full_disk_at_the_commit_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)
    store.begin(SHA256)
    store.part_of(SHA256).write_bytes(FILM)

    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert code(store.commit(SHA256, len(FILM))) == "disk_full"
    assert store.path_of(SHA256) is None
    assert store.commit(SHA256, len(FILM)) is None


# --- odd entries ----------------------------------------------------------------------------------


def folder_at(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "inside").write_text("mine")


def link_at(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/etc/passwd")


ODD = "00" + "1" * 62


@pytest.mark.parametrize("suffix", ["", ".part", ".seal"])
@pytest.mark.parametrize("put", [folder_at, link_at])
def test_what_stands_where_a_film_belongs_is_a_fault_with_a_remedy_and_harms_no_other(
    tmp_path: Path, suffix: str, put: object
) -> None:
    filled(tmp_path)
    path = tmp_path / "00" / f"{ODD}{suffix}"
    assert callable(put)
    put(path)
    if suffix == ".seal":
        (tmp_path / "00" / ODD).write_bytes(FILM)
    store = opened(tmp_path)
    assert store.totals() == (1, len(FILM))
    faults = {fault.code: fault.detail for fault in store.faults}
    assert faults.keys() == {"cache_entry"}
    assert str(path) in faults["cache_entry"] and "move it out" in faults["cache_entry"]
    # What is not ours is not deleted, but for a link in the place of a seal: it says nothing of the film.
    assert os.path.lexists(path) or (put is link_at and suffix == ".seal")


def test_a_folder_in_the_place_of_a_film_refuses_that_film_only(tmp_path: Path) -> None:
    store = opened(tmp_path)
    folder_at(store.part_of(SHA256))
    refused = store.begin(SHA256)
    assert isinstance(refused, Refusal) and refused.code == "cache_entry"
    assert store.begin(ODD) == 0


def test_a_file_where_a_folder_of_films_belongs_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / SHA256[:2]).write_text("not a folder")
    store = opened(tmp_path)
    assert [fault.code for fault in store.faults] == ["cache_entry"]
    with pytest.raises(OSError, match=SHA256[:2]) as caught:
        store.begin(SHA256)
    assert disk_refusal(caught.value, store.part_of(SHA256)).code == "cache_entry"


def test_many_odd_entries_are_one_fault_and_gone_when_they_are(tmp_path: Path) -> None:
    for number in range(5):
        folder_at(tmp_path / "00" / f"00{number:062}")
    store = opened(tmp_path)
    [fault] = store.faults
    assert "and 4 more" in fault.detail
    shutil.rmtree(tmp_path / "00")
    assert store.open() is None and not store.faults


def test_films_on_a_disk_that_is_read_only_are_offered_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    (tmp_path / SHA256[:2] / (SHA256[:2] + "0" * 62)).write_bytes(b"unsealed")

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path))

    for module, name in ((Path, "touch"), (Path, "chmod"), (Path, "replace"), (Path, "unlink"), (os, "utime")):
        monkeypatch.setattr(module, name, read_only)
    store = Store(tmp_path)
    refused = store.open()
    assert code(refused) == "disk_denied"
    assert {fault.code for fault in store.faults} == {"disk_denied"}
    assert store.path_of(SHA256) is not None and store.check(SHA256) is None
    store.use(SHA256)


def test_a_film_that_may_not_be_read_is_said_and_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path).path_of(SHA256)
    store = opened(tmp_path)
    access = os.access
    monkeypatch.setattr(os, "access", lambda asked, mode: asked != path and access(asked, mode))
    assert code(store.check(SHA256)) == "disk_denied"
    assert opened(tmp_path).path_of(SHA256) is None
    assert [fault.code for fault in opened(tmp_path).faults] == ["disk_denied"]


def test_leftovers_of_a_crash_go_and_what_others_still_write_stays(tmp_path: Path) -> None:
    store = filled(tmp_path)
    place = tmp_path / SHA256[:2] / SHA256
    left = [place.with_suffix(suffix) for suffix in (".gone", ".new", ".seal-new", ".from")]
    orphan = tmp_path / "00" / f"{ODD}.seal"
    orphan.parent.mkdir()
    for path in (*left, orphan):
        path.write_bytes(b"left")
    busy = tmp_path / "00" / f"{ODD}.new"
    with busy.open("wb") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX)
        assert store.open() is None
        assert busy.exists()
    assert not any(path.exists() for path in (*left, orphan))
    assert store.open() is None
    assert not busy.exists() and store.totals() == (1, len(FILM))


# --- room and recency -----------------------------------------------------------------------------


def put(store: Store, content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    store.begin(sha256)
    store.part_of(sha256).write_bytes(content)
    assert store.commit(sha256, len(content)) is None
    return sha256


def by_age(store: Store) -> list[str]:
    return [sha256 for sha256, _, _ in sorted(store.films(), key=lambda film: film[2])]


def test_what_was_used_last_is_known_after_a_restart_and_whatever_the_clock_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(tmp_path)
    a, b, c = (put(store, content) for content in (b"a", b"b", b"c"))
    assert by_age(store) == [a, b, c]
    store.use(a)
    assert by_age(store) == by_age(opened(tmp_path)) == [b, c, a]
    monkeypatch.setattr(time, "time_ns", lambda: 1)  # a player without a battery wakes up in 1970
    again = opened(tmp_path)
    again.use(b)
    assert by_age(again) == by_age(opened(tmp_path)) == [c, a, b]
    assert again.check(b) is None


def test_an_evicted_film_is_gone_at_once_and_its_room_soon(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.evict(SHA256)
    assert store.path_of(SHA256) is None and opened(tmp_path).totals() == (0, 0)
    store = filled(tmp_path)
    store.evict(SHA256)
    store.delete_gone(SHA256)
    assert not list((tmp_path / SHA256[:2]).iterdir())


def test_a_part_can_go_too(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.begin(SHA256)
    store.part_of(SHA256).write_bytes(b"12345")
    [stray] = store.room().strays
    assert (stray.name, stray.size) == (f"{SHA256}.part", 5)
    store.evict(stray.name)
    store.delete_gone(stray.name)
    assert not store.room().strays and store.begin(SHA256) == 0


def test_a_film_that_another_process_has_put_there_is_noticed(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert not store.notice(SHA256)
    filled(tmp_path)
    assert store.notice(SHA256) and store.path_of(SHA256) is not None
    (tmp_path / "00").mkdir()
    (tmp_path / "00" / ODD).write_bytes(b"without a seal")
    assert not store.notice(ODD)


def test_a_film_is_never_in_its_place_without_its_seal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)
    store.begin(SHA256)
    store.part_of(SHA256).write_bytes(FILM)

    replace = Path.replace
    for stop_at in (1, 2):
        calls = iter(range(1, 3))

        def crash(self: Path, target: Path, calls: Iterator[int] = calls, stop_at: int = stop_at) -> Path:
            if next(calls) == stop_at:
                raise KeyboardInterrupt
            return replace(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", crash)
            with pytest.raises(KeyboardInterrupt):
                store.commit(SHA256, len(FILM))
        assert not (tmp_path / SHA256[:2] / SHA256).exists()
        assert opened(tmp_path).path_of(SHA256) is None
        assert opened(tmp_path).begin(SHA256) == len(FILM)
    assert opened(tmp_path).commit(SHA256, len(FILM)) is None


def test_a_damaged_film_is_kept_aside_and_counts_for_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path)
    refused = store.set_aside(SHA256)
    assert refused.code == "film_damaged" and "check the disk" in refused.detail
    assert store.path_of(SHA256) is None and opened(tmp_path).totals() == (0, 0)
    assert [stray.name for stray in store.room().strays] == [f"{SHA256}.bad"]


def test_what_is_in_a_film_is_remembered(tmp_path: Path) -> None:
    contents = Contents(codec="h264", width=320, height=180, rates=("30/1",), frames=90)
    store = opened(tmp_path)
    store.begin(SHA256)
    store.part_of(SHA256).write_bytes(FILM)
    assert store.commit(SHA256, len(FILM), look=lambda _path: contents) is None
    assert opened(tmp_path).contents_of(SHA256) == contents
    older = filled(tmp_path / "older")
    used = older.films()
    assert older.contents_of(SHA256) is None
    older.describe(SHA256, contents)
    again = opened(tmp_path / "older")
    assert again.contents_of(SHA256) == contents and again.check(SHA256) is None
    assert again.films() == used


def test_a_part_that_is_written_to_while_it_is_verified_is_refused(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.begin(SHA256)
    part = store.part_of(SHA256)
    part.write_bytes(FILM)

    def exchange(_path: Path) -> None:
        part.write_bytes(FILM[:-1] + b"X")
        os.utime(part, ns=(1, 1))

    assert code(store.commit(SHA256, len(FILM), look=exchange)) == "film_hash"
    assert store.path_of(SHA256) is None
