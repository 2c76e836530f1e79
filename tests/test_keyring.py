import base64
import os
import shutil
from pathlib import Path

import pytest
from makers import T0, key_of

from agent.keyring import MAX_KEYS, Keyring
from agent.trust import PublicKey
from agent.units import format_utc


def text_of(key: PublicKey, /, **changes: str) -> str:

    lines = {"name": f'"{key.name}"', "role": f'"{key.role}"', "key": f'"{base64.b64encode(key.raw).decode()}"'}
    if key.not_after is not None:
        lines["not_after"] = f'"{format_utc(key.not_after)}"'
    return "".join(f"{name} = {value}\n" for name, value in {**lines, **changes}.items())


def put(folder: Path, *keys: PublicKey) -> None:
    folder.mkdir(exist_ok=True)
    for key in keys:
        (folder / f"{key.name}.toml").write_text(text_of(key))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path / "keys", key_of(1), key_of(2, "content"))
    return tmp_path / "keys"


def test_a_folder_of_keys(folder: Path) -> None:
    put(folder, key_of(3, "panic", T0))
    (folder / "README").write_text("not a key")
    (folder / ".hidden.toml").write_text("an editor's")
    look = Keyring(folder).look()
    assert set(look.keys) == {key_of(1), key_of(2, "content"), key_of(3, "panic", T0)}
    assert look.faults == ()


def test_a_date_may_be_tomls_own(folder: Path) -> None:
    (folder / "show-1.toml").write_text(text_of(key_of(1), not_after="2025-06-02T14:00:00+02:00"))
    assert key_of(1, "show", T0) in Keyring(folder).look().keys


def test_a_file_that_appears_counts_and_one_that_is_gone_does_not_at_once(folder: Path) -> None:
    ring = Keyring(folder)
    ring.look()
    put(folder, key_of(3))
    (folder / "show-1.toml").unlink()
    assert set(ring.look().keys) == {key_of(2, "content"), key_of(3)}


def test_a_file_that_is_written_anew_with_another_key_counts_as_that(folder: Path) -> None:
    ring = Keyring(folder)
    ring.look()
    before = (folder / "show-1.toml").stat()
    (folder / "show-1.toml").write_text(text_of(key_of(7), name='"show-1"'))
    os.utime(folder / "show-1.toml", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert key_of(7).raw in [key.raw for key in ring.look().keys]


def test_a_file_in_the_midst_of_being_copied_is_a_fault_and_its_key_stays(folder: Path) -> None:
    ring = Keyring(folder)
    ring.look()
    whole = (folder / "show-1.toml").read_text()
    (folder / "show-1.toml").write_text(whole[:30])
    look = ring.look()
    assert key_of(1) in look.keys
    assert ["to revoke it remove the file" in fault.detail for fault in look.faults] == [True]
    (folder / "show-1.toml").write_text(whole)
    assert ring.look().faults == ()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("name = ", "not TOML"),
        (b"\xff\xfe", "not TOML"),
        ("x" * 5000, "longer than"),
        (text_of(key_of(1), role='"king"'), "role"),
        (text_of(key_of(1), key='"AAAA"'), "32 bytes"),
        (text_of(key_of(1), key='"%%"'), "key"),
        (text_of(key_of(1), name='"No Name"'), "name"),
        (text_of(key_of(1), not_after="2025-06-02T14:00:00"), "zone"),
        (text_of(key_of(1), not_after='"tomorrow"'), "not_after"),
        (text_of(key_of(1), colour='"red"'), "colour"),
    ],
)
def test_what_is_no_key_is_a_fault_that_names_file_and_field(folder: Path, content: str | bytes, word: str) -> None:
    (folder / "odd.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    look = Keyring(folder).look()
    assert set(look.keys) == {key_of(1), key_of(2, "content")}
    (fault,) = look.faults
    assert (fault.code, "odd.toml" in fault.detail, word in fault.detail) == ("trust", True, True), fault.detail


def test_pipes_folders_and_dead_links_are_faults_and_hold_nobody_up(folder: Path) -> None:
    os.mkfifo(folder / "pipe.toml")
    (folder / "folder.toml").mkdir()
    (folder / "dead.toml").symlink_to(folder / "nothing")
    look = Keyring(folder).look()
    assert len(look.keys) == 2
    assert len(look.faults) == 3


def test_more_files_than_are_read_are_a_fault_that_names_the_first_of_them(folder: Path) -> None:
    for number in range(MAX_KEYS):
        put(folder, key_of(100 + number))
    look = Keyring(folder).look()
    assert len(look.keys) == MAX_KEYS
    assert "2 more" in look.faults[0].detail


def test_a_folder_that_is_swapped_costs_no_key(folder: Path, tmp_path: Path) -> None:
    ring = Keyring(folder)
    ring.look()
    folder.rename(tmp_path / "old")
    look = ring.look()
    assert (len(look.keys), "is not there" in look.faults[0].detail) == (2, True)
    (tmp_path / "old").rename(folder)
    assert ring.look().faults == ()
    shutil.rmtree(folder)
    assert [len(ring.look().keys) for _ in range(2)] == [2, 0], "missing twice in a row: gone"


def test_a_folder_that_cannot_be_read_is_a_fault_and_its_keys_stay(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Keyring(folder)
    ring.look()

    def broken(self: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "iterdir", broken)
    for _ in range(3):
        look = ring.look()
        assert (len(look.keys), "Input/output error" in look.faults[0].detail) == (2, True)
