"""Films on disk, named by their sha256: a film is there whole and verified, or it is not there.

``<dir>/ab/<sha256>`` is a committed film, ``<sha256>.part`` one that is being fetched, ``<sha256>.seal`` says what
the committed file looked like (size, mtime, inode) when its content was last verified. A film without a fitting seal
(crash between two steps, a disk restored from a copy, a file exchanged by hand) becomes a part again: whoever
fetches it next re-hashes it, and need not download it if it is sound. Everything else in the folder is left alone.
"""

import errno
import hashlib
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import ValidationError

from agent.messages import Count, Model, Refusal

log = structlog.get_logger()

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}


class Seal(Model):
    """What a film's file looked like when its content was verified: cheap to compare at arming."""

    size: Count
    mtime_ns: int
    inode: Count


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes on the disk and in the cache, parts included."""

    free: int
    used: int


def disk_refusal(error: OSError, path: Path) -> Refusal:
    """A failed file operation as a reason with its remedy."""
    if error.errno in _NO_SPACE:
        return Refusal(code="disk_full", detail=f"no space for {path}; delete films or give cache.dir a larger disk")
    if error.errno in _NO_RIGHT:
        return Refusal(
            code="disk_denied",
            detail=f"{path} cannot be written ({error.strerror}); give cache.dir to the agent's user",
        )
    return Refusal(code="disk_error", detail=f"{path}: {error.strerror or error}; check the disk")


def place_of(root: Path, sha256: str) -> Path:
    """Where a film lies in a cache folder when it is there whole."""
    return root / sha256[:2] / sha256


class Store:
    """The films below one folder.

    One agent owns the folder. `commit` takes as long as hashing takes: call it in a thread. Everything
    else is quick.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seals: dict[str, Seal] = {}

    def open(self) -> Refusal | None:
        """Make the folder and find the films in it. A refusal says why the folder cannot be used."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / ".writable"
            probe.touch()
            probe.unlink()
            for path in self.root.glob("[0-9a-f][0-9a-f]/*"):
                if _SHA256.fullmatch(path.name) and path.name.startswith(path.parent.name):
                    self._find(path)
        except OSError as error:
            return disk_refusal(error, self.root)
        return None

    def path_of(self, sha256: str) -> Path | None:
        """Where the film lies, or None while it is not there whole."""
        return self._path(sha256) if sha256 in self._seals else None

    def part_of(self, sha256: str) -> Path:
        """Where a film that is being fetched grows; its folder exists after `begin`."""
        return self._path(sha256).with_suffix(".part")

    def begin(self, sha256: str) -> int:
        """Get ready to fetch a film; returns how many bytes of it are there already. Raises OSError."""
        part = self.part_of(sha256)
        part.parent.mkdir(exist_ok=True)
        return part.stat().st_size if part.exists() else 0

    def totals(self) -> tuple[int, int]:
        """How many films are there, and their bytes."""
        return len(self._seals), sum(seal.size for seal in self._seals.values())

    def room(self) -> Room:
        """Space left and taken, looked up anew. Raises OSError."""
        used = sum(_size(path) for path in self.root.glob("[0-9a-f][0-9a-f]/*"))
        return Room(free=shutil.disk_usage(self.root).free, used=used)

    def commit(self, sha256: str, size: int) -> Refusal | None:
        """Verify a whole part and make it a film. A part with other content is deleted, and refused."""
        part, path = self.part_of(sha256), self._path(sha256)
        try:
            with part.open("rb") as file:
                found, length = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
                if found != sha256 or length != size:
                    return self._drop(part, _other_content(sha256, size, found, length))
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
            part.replace(path)
            self._seal(sha256, path)
        except OSError as error:
            return disk_refusal(error, part)
        return None

    def check(self, sha256: str) -> Refusal | None:
        """Whether a committed film's file is still the one that was verified: a comparison of size, mtime and inode.

        One that is not is offered no longer, and becomes a part that is re-hashed when it is fetched next.
        """
        seal = self._seals.get(sha256)
        if seal is None:
            return Refusal(
                code="film_missing", detail=f"film {sha256[:12]}… is not in the cache yet; wait or import it"
            )
        path = self._path(sha256)
        try:
            if _look(path) == seal:
                return None
            self._demote(sha256, path)
        except FileNotFoundError:
            del self._seals[sha256]
            log.error("a film vanished from the cache", sha256=sha256, path=str(path))
        except OSError as error:
            return disk_refusal(error, path)
        return Refusal(
            code="film_changed",
            detail=f"{path} was changed by someone else; it is verified and if need be fetched again",
        )

    def _path(self, sha256: str) -> Path:
        return place_of(self.root, sha256)

    def _find(self, path: Path) -> None:
        seal = path.with_suffix(".seal")
        try:
            if Seal.model_validate_json(seal.read_bytes()) == _look(path):
                self._seals[path.name] = _look(path)
                return
        except (FileNotFoundError, ValidationError):
            pass  # not verified as far as anyone can tell: the same as a seal that does not fit
        self._demote(path.name, path)

    def _seal(self, sha256: str, path: Path) -> None:
        """Everything reaches the disk in this order, so that a crash leaves an unsealed film at worst."""
        seal, fresh = _look(path), path.with_suffix(".seal-new")
        with fresh.open("wb") as file:
            file.write(seal.model_dump_json().encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path.with_suffix(".seal"))
        path.with_suffix(".from").unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._seals[sha256] = seal

    def _demote(self, sha256: str, path: Path) -> None:
        self._seals.pop(sha256, None)
        if not stat.S_ISREG(path.lstat().st_mode):
            log.error("a cached film is no regular file; it is ignored", path=str(path))
            return
        path.chmod(0o644)
        path.replace(self.part_of(sha256))
        path.with_suffix(".seal").unlink(missing_ok=True)
        log.warning("a cached film is not as it was sealed; it has to be verified again", sha256=sha256)

    def _drop(self, path: Path, reason: Refusal) -> Refusal:
        path.unlink(missing_ok=True)
        path.with_suffix(".from").unlink(missing_ok=True)
        log.error("a film with other content than its name says was deleted", path=str(path), detail=reason.detail)
        return reason


def _look(path: Path) -> Seal:
    found = path.lstat()
    return Seal(size=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:  # renamed or deleted while we looked
        return 0


def _other_content(sha256: str, size: int, found: str, length: int) -> Refusal:
    return Refusal(
        code="film_hash",
        detail=f"the film's content is not the one of the program: sha256 {found[:12]}… of {length} bytes instead of "
        f"{sha256[:12]}… of {size}; publish the program again or mend the copy on the server",
    )
