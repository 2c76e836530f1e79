"""The seal of a film, and what else lies about in the folder of films."""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from agent.cache.disk import denied, odd, place_of
from agent.contents import Contents
from agent.messages import Count, Model, Refusal

FOLDERS = "[0-9a-f][0-9a-f]"
ENTRIES = f"{FOLDERS}/*"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OURS = ("", ".part", ".seal", ".bad")


class Seal(Model):
    """What a film's file looked like when its content was verified, cheap to compare at arming; and what is in it."""

    size: Count
    mtime_ns: int
    inode: Count
    contents: Contents | None = None

    def fits(self, path: Path) -> bool:
        """Whether the file looks as it did. Raises OSError."""
        found = path.lstat()
        looks = (found.st_size, found.st_mtime_ns, found.st_ino)
        return stat.S_ISREG(found.st_mode) and looks == (self.size, self.mtime_ns, self.inode)


def read_seal(path: Path) -> Seal:
    """The seal of the film at `path`. Raises OSError and ValidationError."""
    return Seal.model_validate_json(path.with_suffix(".seal").read_bytes())


def write_seal(path: Path, seal: Seal) -> None:
    """Put the seal of the film at `path` on the disk, in place of the one before. Raises OSError."""
    fresh = path.with_suffix(".seal-new")
    with fresh.open("wb") as file:
        file.write(seal.model_dump_json().encode())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path.with_suffix(".seal"))


def is_ours(path: Path, root: Path) -> bool:
    """Whether a name in a folder of films is one that the cache gives: a film's, with an ending or without."""
    return bool(_SHA256.fullmatch(path.stem)) and path.parent == place_of(root, path.stem).parent


def films_in(root: Path) -> Iterator[Path]:
    """Whatever stands in the place of a film."""
    return (path for path in sorted(root.glob(ENTRIES)) if not path.suffix and is_ours(path, root))


def oddities(root: Path) -> Iterator[tuple[Path, Refusal]]:
    """What stands where the cache has a file or folder of its own, and what its user has no right to."""
    for folder in root.glob(FOLDERS):
        if not folder.is_dir():
            yield folder, odd(folder)
        elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            yield folder, denied(folder)
    for path in root.glob(ENTRIES):
        if path.suffix in _OURS and is_ours(path, root):
            try:
                regular = stat.S_ISREG(path.lstat().st_mode)
            except FileNotFoundError:  # renamed while we looked
                continue
            if not regular:
                yield path, odd(path)
            elif not path.suffix and not os.access(path, os.R_OK):
                yield path, denied(path)


def leftovers(root: Path) -> Iterator[Path]:
    """What a crash has left and nobody needs. Call it with the store locked."""
    for path in root.glob(ENTRIES):
        if not is_ours(path, root):
            continue
        owner = place_of(root, path.stem)
        lost = path.suffix == ".seal-new" or (path.suffix in (".gone", ".new") and _abandoned(path))
        lost |= path.suffix == ".seal" and not owner.exists()
        lost |= path.suffix == ".from" and not owner.with_suffix(".part").exists()
        if lost:
            yield path


def _abandoned(path: Path) -> bool:
    """Whether nobody writes a `.new` file any more: an import holds a lock on its own as long as it lives."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
