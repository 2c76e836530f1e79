"""Putting a written agent.toml and public keys into place: whole or not at all, and only what was read back before."""

import difflib
import grp
import os
import tempfile
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.config import ConfigError, load
from agent.keyring import MAX_FILE_BYTES, parse_key
from agent.trust import PublicKey

GROUP = "framezero"
MODE, KEY_MODE, FOLDER_MODE = 0o640, 0o644, 0o755


class CannotPlaceError(Exception):
    """A file or a folder cannot be read or written; the text names the remedy."""


@dataclass(frozen=True, slots=True)
class KeyCopy:
    """A file of a public key that is to be copied: its name there, and what is in it."""

    name: str
    text: bytes
    key: PublicKey

    def told(self, folder: Path) -> str:
        """What copying it into a folder of trusted keys means, in words."""
        there = folder / self.name
        try:
            another = there.read_bytes() != self.text
        except OSError:
            another = False
        told = f"trusts {self.key.name} ({self.key.role}, {self.key.id}): {there}"
        return f"{told}, in place of another key of that name" if another else told


def existing(file: Path) -> tuple[str, dict[str, Any]]:
    """The text and the tree of a configuration that is there; empty ones where none is. Raises CannotPlaceError."""
    try:
        text = file.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        return "", {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CannotPlaceError(f"{file} is there and is not TOML ({error}); mend it, or move it away first") from error
    except OSError as error:
        raise CannotPlaceError(f"{file} cannot be read ({error.strerror}); {_as_root(file)}") from error


def refusal(file: Path) -> str | None:
    """Why this user cannot write this file, with the remedy; None where it can."""
    folder = file.parent
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            return f"{folder} is no folder; name another file with --config"
        if os.access(folder, os.W_OK | os.X_OK):
            return f"{file} is a folder; name a file with --config" if file.is_dir() else None
    except PermissionError:
        pass  # nor may it be looked at
    return f"{file} cannot be written by this user ({folder} belongs to another); {_as_root(file)}"


def _as_root(file: Path) -> str:
    return f"sudo framezero setup --config {file}, or name a file of your own with --config"


def public_keys(places: list[str]) -> list[KeyCopy] | str:
    """The public keys in these files and folders; a sentence where one is none. A private key is never taken."""
    found: dict[str, KeyCopy] = {}
    for place in map(Path, places):
        try:
            # What begins with a dot is not looked at by the agent either: other systems leave such files on sticks.
            files = sorted(place.glob("[!.]*.toml")) if place.is_dir() else [place]
            if not files:
                return f"{place} holds no .toml file of a public key"
            for file in files:
                with file.open("rb") as opened:
                    text = opened.read(MAX_FILE_BYTES + 1)
                if b"PRIVATE KEY" in text:
                    return (
                        f"{file} is a private key: it stays with its owner, and is no player's business; "
                        "give the .toml file beside it"
                    )
                if file.suffix != ".toml":
                    return f"{file} does not end in .toml, as the files of public keys do"
                if isinstance(key := parse_key(text), str):
                    return f"{file}: {key}"
                found[file.name] = KeyCopy(file.name, text, key)
        except OSError as error:
            return f"{place} cannot be read ({error.strerror}); is the disk mounted?"
    return list(found.values())


def difference(before: str, after: str, file: Path) -> str:
    """What a new text changes of the one that is there, as diff -u shows it."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), str(file), f"{file} (new)", n=1
    )
    return "".join(lines)


def place(file: Path, text: str, now: datetime) -> Path | None:
    """Write the file whole, or not at all; where one was it is kept beside it, and its name returned.

    Raises CannotPlaceError, also where what was written would not be read as a configuration.
    """
    try:
        file.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        written = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                opened.write(text)
                opened.flush()
                _to_the_group(handle)
                os.fsync(handle)
            load(written, {})
            backup = _kept(file, now)
            written.replace(file)
        finally:
            written.unlink(missing_ok=True)
    except ConfigError as error:
        raise CannotPlaceError(f"what was written would not be taken, so nothing was changed: {error}") from error
    except OSError as error:
        raise CannotPlaceError(f"{file} cannot be written ({error.strerror}); {_as_root(file)}") from error
    return backup


def _to_the_group(handle: int) -> None:
    os.fchmod(handle, MODE)
    if os.geteuid() == 0:
        try:
            os.fchown(handle, 0, grp.getgrnam(GROUP).gr_gid)
        except KeyError:
            os.fchmod(handle, 0o644)  # there is no such group yet, and whatever user the agent gets has to read it


def _kept(file: Path, now: datetime) -> Path | None:
    """A copy of what is there, under the time of now."""
    if not file.exists():
        return None
    backup = file.with_name(f"{file.name}.{now:%Y-%m-%dT%H%M%SZ}")
    backup.write_bytes(file.read_bytes())
    backup.chmod(file.stat().st_mode & 0o777)
    return backup


def place_keys(folder: Path, keys: list[KeyCopy]) -> None:
    """Copy public keys into the folder that the agent reads. Raises CannotPlaceError."""
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        for key in keys:
            # A name that does not end in .toml is not looked at: a running agent sees the whole key or none.
            half = folder / f".{key.name}.part"
            half.write_bytes(key.text)
            half.chmod(KEY_MODE)
            half.replace(folder / key.name)
    except OSError as error:
        raise CannotPlaceError(
            f"{folder} cannot be written ({error.strerror}); sudo, or another --trust-keys"
        ) from error
