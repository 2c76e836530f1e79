import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from makers import T0, private
from typer.testing import CliRunner

from agent.control import keys_cli, signing
from agent.control.signing import Pen, SigningError
from agent.keyring import Keyring
from agent.trust import KINDS, MAY_SIGN, Opened, Role, Trust, open_body
from agent.units import UtcUs

RUNNER = CliRunner()


def nobody(file: str) -> str:
    raise AssertionError(f"asked for the passphrase of {file}")


def faults(*files: Path, word: str = "") -> str:
    with pytest.raises(SigningError) as caught:
        signing.load([str(file) for file in files], lambda _: word)
    return "\n".join(caught.value.faults)


@pytest.mark.parametrize("role", signing.ROLES)
def test_a_pair_signs_what_its_role_may_and_the_public_half_says_so(tmp_path: Path, role: Role) -> None:
    made = signing.make("alice", role, tmp_path, not_after=UtcUs(T0))
    (key,) = Keyring(tmp_path).look().keys
    assert (key.name, key.role, key.id, key.not_after) == ("alice", role, made.id, T0)
    pen = signing.load([str(made.private)], nobody)
    for kind in KINDS:
        able = role in MAY_SIGN[kind]
        assert (pen.lacks(kind) == "") == able
        if able:
            opened = open_body(pen.seal(kind, b"body"), (kind,), Trust((key,)), UtcUs(T0 - 1))
            assert opened == Opened(kind, b"body", frozenset([key.id]))


def test_the_private_file_is_the_owners_alone_and_the_folder_too(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = signing.make("alice", "show", tmp_path / "new")
    finally:
        os.umask(before)
    assert made.private.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    made = signing.make("alice", "show", tmp_path)
    content = made.private.read_bytes()
    with pytest.raises(SigningError, match="is there already"):
        signing.make("alice", "show", tmp_path)
    assert made.private.read_bytes() == content


def test_a_passphrase_locks_a_key(tmp_path: Path) -> None:
    made = signing.make("alice", "show", tmp_path, passphrase="five cities")
    assert b"ENCRYPTED" in made.private.read_bytes()
    assert signing.load([str(made.private)], lambda _: "five cities").keys[0].id == made.id
    assert "passphrase is wrong" in faults(made.private, word="four")


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    made = signing.make("alice", "show", tmp_path)
    made.private.chmod(0o640)
    assert f"chmod 600 {made.private}" in faults(made.private)
    assert "this is the public one" in faults(made.public), "whose mode is as it should be"


def test_all_that_is_wrong_with_keys_is_said_at_once_with_the_remedy(tmp_path: Path) -> None:
    made = signing.make("alice", "show", tmp_path)
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = {
        "empty.key": b"",
        "curve.key": other,
        "cut.key": made.private.read_bytes()[:-60],
        "king.key": made.private.read_bytes().replace(b"role: show", b"role: king"),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    made.public.chmod(0o600)
    told = faults(tmp_path / "none.key", made.public, *(tmp_path / name for name in files))
    for word in ("none.key: cannot be read", "this is the public one", "holds no private key", "no Ed25519 key"):
        assert word in told
    assert "cut.key: cannot be used" in told
    assert "role 'king' is none of show, content, panic" in told


def test_a_key_of_another_tool_signs_whatever_it_is_asked_to(tmp_path: Path) -> None:
    file = tmp_path / "plain.pem"
    file.write_bytes(
        private(1).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    file.chmod(0o600)
    pen = signing.load([str(file)], nobody)
    assert [pen.lacks(kind) for kind in KINDS] == [""] * len(KINDS)


def test_a_message_is_signed_by_every_key_that_may(tmp_path: Path) -> None:
    pairs = [signing.make(name, role, tmp_path) for name, role in (("a", "show"), ("b", "show"), ("c", "content"))]  # type: ignore[arg-type]  # literals in a loop
    pen = signing.load([str(pair.private) for pair in pairs], nobody)
    signatures = json.loads(pen.seal("cue", b"{}"))["signatures"]
    assert [signature["keyid"] for signature in signatures] == [pair.id for pair in pairs[:2]]
    assert Pen().seal("cue", b"{}") == b"{}"


def test_the_command_makes_a_pair_and_says_where_each_half_belongs(tmp_path: Path) -> None:
    result = RUNNER.invoke(keys_cli.app_keys, ["new", "alice", "--role", "show", "--to", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["name"], told["role"], Path(told["private"]).stat().st_mode & 0o777) == ("alice", "show", 0o600)
    again = RUNNER.invoke(keys_cli.app_keys, ["new", "alice", "--role", "show", "--to", str(tmp_path)])
    assert (again.exit_code, "is there already" in again.output) == (2, True)
    spoken = RUNNER.invoke(keys_cli.app_keys, ["new", "bob", "--role", "panic", "--to", str(tmp_path)])
    assert "signs panics" in spoken.output
    assert "no passphrase" in spoken.output


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["new", "No Name", "--role", "show"], "no name for a key"),
        (["new", "alice", "--role", "show", "--not-after", "tomorrow"], "--not-after"),
        (["new", "alice", "--role", "show", "--not-after", "2020-01-01T00:00:00Z"], "never sign"),
        (["new", "alice", "--role", "show", "--passphrase-file", "/nowhere"], "/nowhere: cannot be read"),
    ],
)
def test_a_wrong_command_makes_nothing(tmp_path: Path, arguments: list[str], word: str) -> None:
    result = RUNNER.invoke(keys_cli.app_keys, [*arguments, "--to", str(tmp_path / "keys")])
    assert (result.exit_code, word in result.output) == (2, True), result.output
    assert not (tmp_path / "keys").exists()


def test_commands_take_the_passphrase_from_a_file_and_never_ask_a_script(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("five cities\n")
    made = signing.make("alice", "content", tmp_path, passphrase="five cities")
    command = [sys.executable, "-m", "agent.cli", "cue", "black", "--broker", "mqtt://127.0.0.1:1", "--show", "x"]
    environ = {**os.environ, "HOME": str(tmp_path)}

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--key", str(made.private)],
            env={**environ, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    asked = run()
    assert (asked.returncode, "no terminal to ask" in asked.stderr) == (2, True), asked.stderr
    wrong_role = run(FRAMEZERO_CONTROL__PASSPHRASE_FILE=str(tmp_path / "word"))
    assert (wrong_role.returncode, "a cue is signed by a show key" in wrong_role.stderr) == (2, True)


def test_a_home_that_is_not_there_is_said() -> None:
    assert "write the whole path" in faults(Path("~no-such-user/a.key"))
    with pytest.raises(SigningError, match="write the whole path"):
        signing.passphrase_in(Path("~no-such-user/word"))
    made = RUNNER.invoke(keys_cli.app_keys, ["new", "a", "--role", "show", "--to", "~no-such-user/keys"])
    assert (made.exit_code, "write the whole path" in made.stderr) == (2, True)


@pytest.mark.parametrize("after", [0, 1])
def test_a_disk_that_fails_leaves_no_half_of_a_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    left = [after]

    def fsync(_handle: int) -> None:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= 1

    monkeypatch.setattr(signing.os, "fsync", fsync)  # type: ignore[attr-defined]
    with pytest.raises(SigningError, match="No space left"):
        signing.make("alice", "show", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_whoever_leaves_at_the_question_for_a_passphrase_is_told_as_such(tmp_path: Path) -> None:
    command = ["new", "alice", "--role", "show", "--to", str(tmp_path), "--passphrase", "--json"]
    done = RUNNER.invoke(keys_cli.app_keys, command, input="")
    assert (done.exit_code, json.loads(done.stdout)["exit"]) == (130, 130)
    assert list(tmp_path.iterdir()) == []


def test_the_keys_of_a_folder_are_listed_with_where_their_private_halves_are(tmp_path: Path) -> None:
    signing.make("alice", "show", tmp_path, passphrase="open")
    films = signing.make("films", "content", tmp_path, not_after=UtcUs(T0))
    button = signing.make("red-button", "panic", tmp_path)
    button.private.unlink()
    lone = signing.make("lone", "show", tmp_path)
    lone.public.unlink()
    done = RUNNER.invoke(keys_cli.app_keys, ["list", str(tmp_path), "--json"])
    found = {key["name"]: key for key in json.loads(done.stdout)["keys"]}
    assert (done.exit_code, {name: key["private"] for name, key in found.items()}) == (
        0,
        {"alice": "locked", "films": "yes", "lone": "yes", "red-button": "no"},
    )
    assert found["films"]["id"] == films.id and found["films"]["not_after"].startswith("20")
    assert (found["lone"]["id"], found["lone"]["public"]) == (lone.id, False)
    done = RUNNER.invoke(keys_cli.app_keys, ["list", str(tmp_path)])
    assert done.exit_code == 0 and "here, locked" in done.stdout and "ended" in done.stdout, done.stdout
    assert "lone: no .toml beside it" in done.stdout and "cues, panics, lifts" in done.stdout
    films.private.chmod(0o644)
    done = RUNNER.invoke(keys_cli.app_keys, ["list", str(tmp_path)])
    assert (done.exit_code, f"chmod 600 {films.private}" in done.stderr) == (1, True)
    done = RUNNER.invoke(keys_cli.app_keys, ["list", str(tmp_path / "nowhere")])
    assert (done.exit_code, "cannot be read" in done.stderr) == (2, True)
