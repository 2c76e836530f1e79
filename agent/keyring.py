"""The public keys of a venue, from a folder of small TOML files that may change at any time.

A file is `name`, `role`, `key` (base64 of the 32 bytes) and, if it ends, `not_after` (a UTC time). A file that is gone
takes its key along at once. One that cannot be read as a key is a fault, and what it held before goes on counting: it
may be in the midst of being copied, and to revoke a key its file is removed. A folder that cannot be read is a fault
too; only one that is missing on two looks in a row leaves no key.
"""

import base64
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError, field_validator

from agent.messages import Model, Name, Refusal, WireTime, explain
from agent.trust import PublicKey, Role
from agent.units import UtcUs

MAX_KEYS = 64
MAX_FILE_BYTES = 4096
KEY_BYTES = 32

_Stamp = tuple[int, int, int, int]


class KeyFile(Model):
    """What stands in the file of one public key."""

    name: Name
    role: Role
    key: str
    not_after: WireTime | None = None

    @field_validator("not_after", mode="before")
    @classmethod
    def _date(cls, value: Any) -> Any:
        """TOML has times of its own, and one without a zone would leave it to guessing."""
        if not isinstance(value, datetime):
            return value
        if value.tzinfo is None:
            raise ValueError("has no zone; write it as 2026-12-31T00:00:00Z")
        return UtcUs(round((value - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6))

    @field_validator("key")
    @classmethod
    def _raw(cls, text: str) -> str:
        if len(base64.b64decode(text, validate=True)) != KEY_BYTES:
            raise ValueError(f"is not the base64 of the {KEY_BYTES} bytes of an Ed25519 public key")
        return text

    @property
    def public(self) -> PublicKey:
        """The key itself."""
        return PublicKey(self.name, self.role, base64.b64decode(self.key), self.not_after)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found: the keys that count, and what is amiss, each fault with its remedy."""

    keys: tuple[PublicKey, ...] = ()
    faults: tuple[Refusal, ...] = ()


@dataclass(slots=True)
class _Held:
    """One file as it was read: its stamp, the last key that could be read from it, and what is wrong with it now."""

    stamp: _Stamp | None
    key: PublicKey | None
    fault: str


@dataclass(slots=True)
class Keyring:
    """The keys in one folder. `look` is quick where nothing has changed, and never raises."""

    folder: Path
    _files: dict[str, _Held] = field(default_factory=dict)
    _missing: bool = False

    def look(self) -> Look:
        """Read what has changed since the last look."""
        try:
            found = sorted(path.name for path in self.folder.iterdir())
        except FileNotFoundError:
            if self._missing:
                self._files.clear()
            self._missing = True
            return self._found([f"{self.folder} is not there; make it, and put the show's public keys into it"])
        except OSError as error:
            return self._found([f"{self.folder} cannot be read ({error.strerror}); mend its rights or the disk"])
        self._missing = False
        names = [name for name in found if name.endswith(".toml") and name[0] != "."]
        faults = []
        if len(names) > MAX_KEYS:
            over = f"{len(names) - MAX_KEYS} more than the {MAX_KEYS} files that are read, {names[MAX_KEYS]} the first"
            faults.append(f"{self.folder} holds {over}; remove keys that are of no use any more")
        known, self._files = self._files, {}
        for name in names[:MAX_KEYS]:
            self._files[name] = _read(self.folder / name, known.get(name))
        return self._found(faults)

    def _found(self, faults: list[str]) -> Look:
        keys = tuple(held.key for held in self._files.values() if held.key is not None)
        faults += [f"{self.folder / name}: {held.fault}" for name, held in self._files.items() if held.fault]
        return Look(keys, tuple(Refusal(code="trust", detail=fault) for fault in faults))


def _read(path: Path, known: _Held | None) -> _Held:
    """One file, anew only if it is another than it was."""
    last = known.key if known is not None else None
    try:
        # Not blocking: what looks like a key may be a pipe.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            facts = os.fstat(handle)
            stamp = (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino)
            if known is not None and known.stamp == stamp:
                return known
            if not stat.S_ISREG(facts.st_mode):
                return _Held(stamp, last, "is no file; remove it")
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return _Held(None, last, f"cannot be read ({error.strerror}); mend its rights, or remove it")
    found = parse_key(text)
    if isinstance(found, PublicKey):
        return _Held(stamp, found, "")
    stays = "; its key as it was before still counts, to revoke it remove the file" if last is not None else ""
    return _Held(stamp, last, f"{found}{stays}")


def parse_key(text: bytes) -> PublicKey | str:
    """The key in a file of this text, or what is wrong with it."""
    if len(text) > MAX_FILE_BYTES:
        return f"is longer than {MAX_FILE_BYTES} bytes, which no key is; copy it anew or remove it"
    try:
        tree: Mapping[str, Any] = tomllib.loads(text.decode())
        return KeyFile.model_validate(tree).public
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"not TOML ({error}); copy it anew or remove it"
    except ValidationError as error:
        return f"{explain(error)}; make it with 'framezero keys new'"
