import errno
import hashlib
import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from agent.cache.disk import disk_refusal
from agent.cache.store import Store
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
