"""What the cache does with files, and how failed operations on them are told."""

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from agent.messages import Refusal

CHUNK_BYTES = 1 << 22
BYTES_PER_GB = 1_000_000_000
SHA256_CHARS = 64
Rest = Callable[[], None]
"""Called between pieces of long work, in the thread that does it; comes back when it may go on."""

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP}


def place_of(root: Path, sha256: str) -> Path:
    """Where a film lies in a cache folder when it is there whole."""
    return root / sha256[:2] / sha256


def disk_refusal(error: OSError, path: Path) -> Refusal:
    """A failed file operation as a reason with its remedy."""
    if error.errno in _NO_SPACE:
        return Refusal(code="disk_full", detail=f"no space for {path}; delete films or give cache.dir a larger disk")
    if error.errno in _NO_RIGHT:
        return denied(path, error.strerror or "")
    if error.errno in _IN_THE_WAY:
        named = error.filename2 or error.filename or path  # the second is where something was to be moved to
        return odd(Path(os.fsdecode(named)))
    return Refusal(code="disk_error", detail=f"{path}: {error.strerror or error}; check the disk")


def denied(path: Path, why: str = "this user has no right to it") -> Refusal:
    """A file or folder that the agent's user has no right to."""
    return Refusal(
        code="disk_denied",
        detail=f"{path} cannot be used ({why}); give cache.dir to the agent's user, on a disk mounted for writing",
    )


def odd(path: Path) -> Refusal:
    """Something that stands where the cache has a file or a folder of its own."""
    return Refusal(code="cache_entry", detail=f"{path} is in the way of a film; move it out of the cache: rm -r {path}")


def digest(file: BinaryIO, rest: Rest) -> str:
    """The sha256 of a file from where it stands to its end. Raises OSError."""
    found = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        found.update(chunk)
        rest()
    return found.hexdigest()


def sync_folder(path: Path) -> None:
    """Have what was renamed in a folder reach the disk. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
