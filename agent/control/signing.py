"""The operator's private keys: made, read, and used to sign. They never leave this machine.

A private key is a PEM file (PKCS #8, as openssl reads and writes it), 0600, with its name and role in the lines above
it; a key from elsewhere has no such lines and signs whatever it is asked to. The public key is a TOML file that goes to
the venues (agent.keyring).
"""

import base64
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.trust import MAY_SIGN, KeyId, Kind, Role, key_id, seal
from agent.units import UtcUs, format_utc

ROLES: tuple[Role, ...] = get_args(Role)
MAX_FILE_BYTES = 16 * 1024
_LOCKED = b"ENCRYPTED"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SigningError(Exception):
    """A key cannot be made or used; `faults` says every reason, one line each, with the remedy."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One private key; `role` None is one that says nothing of its role."""

    name: str
    role: Role | None
    private: Ed25519PrivateKey

    @property
    def id(self) -> KeyId:
        """What venues know its public half by."""
        return key_id(self.private.public_key().public_bytes_raw())


@dataclass(frozen=True, slots=True)
class Pen:
    """The keys that sign what a command sends; without any, messages go bare, which labs only take."""

    keys: tuple[SigningKey, ...] = ()

    def lacks(self, kind: Kind) -> str:
        """Why it cannot sign a message of this kind, with the remedy; '' where it can, or where there is no key."""
        if not self.keys or self._able(kind):
            return ""
        names = ", ".join(f"{key.name} ({key.role})" for key in self.keys)
        roles = " or ".join(sorted(MAY_SIGN[kind]))
        return f"{names}: a {kind} is signed by a {roles} key; give one with --key FILE"

    def seal(self, kind: Kind, body: bytes) -> bytes:
        """A body as it travels: in an envelope signed by every key that may sign it; bare where there is no key."""
        return seal(kind, body, [key.private for key in self._able(kind)]) if self.keys else body

    def _able(self, kind: Kind) -> list[SigningKey]:
        return [key for key in self.keys if key.role is None or key.role in MAY_SIGN[kind]]


UNSIGNED = Pen()


@dataclass(frozen=True, slots=True)
class Made:
    """A new pair of keys and where it lies."""

    name: str
    role: Role
    id: KeyId
    private: Path
    public: Path


def make(name: str, role: Role, folder: Path, *, passphrase: str = "", not_after: UtcUs | None = None) -> Made:
    """Make a pair: `NAME.key` for this machine alone, `NAME.toml` for the venues. Raises SigningError.

    Nothing that exists is overwritten: a private key that is lost cannot be made again.
    """
    private = Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes_raw()
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        lock = serialization.BestAvailableEncryption(passphrase.encode())
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    head = f"framezero private key: keep it on this machine, give it to nobody\nname: {name}\nrole: {role}\n"
    end = "" if not_after is None else f"not_after = {format_utc(not_after)}\n"
    public_text = (
        f"# framezero public key {key_id(raw)}, for the folder trust.keys of each venue\n"
        f'name = "{name}"\nrole = "{role}"\nkey = "{base64.b64encode(raw).decode()}"\n{end}'
    )
    made = Made(name, role, key_id(raw), folder / f"{name}.key", folder / f"{name}.toml")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = [str(path) for path in (made.private, made.public) if path.exists()]
        if there:
            raise SigningError([f"{' and '.join(there)}: is there already; choose another name, or move it away"])
        _write(made.private, head.encode() + pem, 0o600)
        try:
            _write(made.public, public_text.encode(), 0o644)
        except BaseException:
            made.private.unlink()  # nobody has its other half, and its name would be taken
            raise
    except OSError as error:
        raise SigningError(
            [f"{error.filename or folder}: {error.strerror}; name a folder of yours with --to"]
        ) from error
    return made


def load(files: Sequence[str], ask: Callable[[str], str]) -> Pen:
    """Read private keys; `ask` is called with a file's name where it wants a passphrase. Raises SigningError."""
    keys, faults = [], []
    for file in dict.fromkeys(files):
        try:
            keys.append(_load(at_home(Path(file)), ask))
        except SigningError as error:
            faults += error.faults
    if faults:
        raise SigningError(faults)
    return Pen(tuple(keys))


def passphrase_in(file: Path) -> str:
    """The passphrase in a file: its first line. Raises SigningError."""
    try:
        words = at_home(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SigningError([f"{file}: cannot be read ({reason}); name the file that holds the passphrase"]) from error
    if not words or not words[0]:
        raise SigningError([f"{file}: its first line is empty; write the passphrase there"])
    return words[0]


def at_home(path: Path) -> Path:
    """A path with `~` written out. Raises SigningError where nobody knows whose home that is."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise SigningError([f"{path}: there is no such home on this machine; write the whole path"]) from error


def _write(path: Path, content: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
    except BaseException:
        path.unlink()
        raise


@dataclass(frozen=True, slots=True)
class Described:
    """What a private key's file tells without its passphrase; `id` is None where it is locked by one."""

    name: str
    role: Role | None
    id: KeyId | None
    locked: bool


def describe(path: Path) -> Described:
    """Look at a private key's file without unlocking it. Raises SigningError."""
    name, role, pem = _opened(path)
    if _LOCKED in pem:
        return Described(name, role, None, True)
    return Described(name, role, SigningKey(name, role, _private(path, pem, lambda _: "")).id, False)


def _load(path: Path, ask: Callable[[str], str]) -> SigningKey:
    name, role, pem = _opened(path)
    return SigningKey(name, role, _private(path, pem, ask))


def _opened(path: Path) -> tuple[str, Role | None, bytes]:
    """Name and role as the file has them, and the key in PEM."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise SigningError([f"{path}: cannot be read ({error.strerror}); name a key with --key FILE"]) from error
    head, mark, pem = text.partition(b"-----BEGIN ")
    lines = dict(line.partition(": ")[::2] for line in head.decode(errors="replace").splitlines())
    role = lines.get("role")
    if not mark or b"PRIVATE KEY" not in pem:
        hint = "; this is the public one, sign with the .key beside it" if path.suffix == ".toml" else ""
        raise SigningError([f"{path}: holds no private key{hint or '; make one with: framezero keys new'}"])
    if mode & _OTHERS:
        raise SigningError([f"{path}: others can read this private key; run: chmod 600 {path}"])
    if role is not None and role not in ROLES:
        raise SigningError([f"{path}: role {role!r} is none of {', '.join(ROLES)}"])
    return lines.get("name") or path.stem, role, mark + pem


def _private(path: Path, pem: bytes, ask: Callable[[str], str]) -> Ed25519PrivateKey:
    passphrase = ask(str(path)).encode() if _LOCKED in pem else None
    try:
        private = serialization.load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = "the passphrase is wrong" if passphrase is not None else "damaged"
        raise SigningError([f"{path}: cannot be used: {reason}, or no private key in PEM"]) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningError([f"{path}: is no Ed25519 key; make one with: framezero keys new"])
    return private
