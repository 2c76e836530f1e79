"""Films on disk, named by their sha256: a film is there whole and verified, or it is not there.

``<dir>/ab/<sha256>`` is a committed film, ``<sha256>.part`` one that is being fetched, ``<sha256>.seal`` says what
the committed file looked like (size, mtime, inode) when its content was last verified, and was last touched when the
film was last used. A film without a fitting seal (a disk restored from a copy, a file exchanged by hand) becomes a part
again: whoever fetches it next re-hashes it, and need not download it if it is sound. ``<sha256>.bad`` was found
damaged and is kept to be looked at until its room is needed; ``<sha256>.gone`` and ``<sha256>.new`` are on their way
out and in. Everything else in the folder is left alone; what stands where one of these belongs is a fault.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import ValidationError

from agent.cache.disk import SHA256_CHARS, Rest, denied, digest, disk_refusal, odd, place_of, sync_folder
from agent.cache.seal import ENTRIES, Seal, films_in, is_ours, leftovers, oddities, read_seal, write_seal
from agent.contents import Contents
from agent.messages import Refusal

log = structlog.get_logger()

USED_AGAIN_S = 60.0
"""A film that is used all the time is not stamped more often."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A part or a damaged film, which takes room too: `name` is its file's, `used` as of films."""

    name: str
    size: int
    used: int


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes on the disk and in the cache, and what of those is no film."""

    free: int
    used: int
    strays: tuple[Stray, ...]


class Store:
    """The films below one folder.

    One agent owns the folder; `framezero import` may put films beside it. `commit`, `describe`, `room` and
    `delete_gone` take their time: call them in a thread. Everything else is quick.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seals: dict[str, Seal] = {}
        self._used: dict[str, int] = {}
        self._odd: dict[Path, Refusal] = {}
        self._known: dict[Path, Refusal] = {}
        self._fault: Refusal | None = None

    def open(self) -> Refusal | None:
        """Make the folder and find the films in it; may be called again. A refusal says why it cannot be written.

        What is readable is offered all the same: a film on a disk that has become read-only can be shown.
        """
        self._known, self._odd, self._fault = self._odd, {}, None
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with self.locked():
                self._sweep()
        except (FileExistsError, NotADirectoryError):
            detail = f"cache.dir: {self.root} is no folder, or lies in none; name another one"
            self._fault = Refusal(code="disk_error", detail=detail)
        except OSError as error:
            self._fault = disk_refusal(error, self.root)
        try:
            for path, fault in oddities(self.root):
                self._report(path, fault)
            for path in films_in(self.root):
                self._find(path)
        except OSError as error:
            self._fault = self._fault or disk_refusal(error, self.root)
        return self._fault

    @property
    def faults(self) -> list[Refusal]:
        """What is amiss with the folder, each with its remedy; what stands in the way is one fault however many."""
        odd_ones = list(self._odd.values())
        if len(odd_ones) > 1:
            more = Refusal(code=odd_ones[0].code, detail=f"{odd_ones[0].detail} (and {len(odd_ones) - 1} more)")
            odd_ones = [more]
        return [*filter(None, [self._fault]), *odd_ones]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the agent and an import from committing at the same moment. Raises OSError."""
        fd = os.open(self.root / ".lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def path_of(self, sha256: str) -> Path | None:
        """Where the film lies, or None while it is not there whole."""
        return place_of(self.root, sha256) if sha256 in self._seals else None

    def contents_of(self, sha256: str) -> Contents | None:
        """What is in a film that is there, None where nobody has looked."""
        return self._seals[sha256].contents if sha256 in self._seals else None

    def part_of(self, sha256: str) -> Path:
        """Where a film that is being fetched grows; its folder exists after `begin`."""
        return place_of(self.root, sha256).with_suffix(".part")

    def begin(self, sha256: str) -> int | Refusal:
        """Get ready to fetch a film: how many bytes of it are there already. Raises OSError."""
        part = self.part_of(sha256)
        part.parent.mkdir(exist_ok=True)
        for path in (part, place_of(self.root, sha256)):
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISREG(path.lstat().st_mode):
                    return odd(path)
        return part.stat().st_size if part.exists() else 0

    def totals(self) -> tuple[int, int]:
        """How many films are there, and their bytes."""
        seals = list(self._seals.values())
        return len(seals), sum(seal.size for seal in seals)

    def films(self) -> list[tuple[str, int, int]]:
        """Each film with its size and when it was last used (greater is later)."""
        return [(sha256, seal.size, self._used.get(sha256, 0)) for sha256, seal in list(self._seals.items())]

    def room(self) -> Room:
        """Space left and taken, looked up anew. Raises OSError."""
        used, strays = 0, []
        for path in self.root.glob(ENTRIES):
            with contextlib.suppress(FileNotFoundError):  # renamed or deleted while we looked
                found = path.lstat()
                used += found.st_size if stat.S_ISREG(found.st_mode) else 0
                if path.suffix in (".part", ".bad") and is_ours(path, self.root) and stat.S_ISREG(found.st_mode):
                    strays.append(Stray(path.name, found.st_size, found.st_mtime_ns))
        return Room(free=shutil.disk_usage(self.root).free, used=used, strays=tuple(strays))

    def commit(
        self,
        sha256: str,
        size: int,
        look: Callable[[Path], Contents | None] = lambda _path: None,
        rest: Rest = lambda: None,
        source: Path | None = None,
    ) -> Refusal | None:
        """Verify a whole part (or `source`, beside it) and make it a film; other content is deleted, and refused.

        `look` says what is in a file that has the right hash; `rest` is called now and then and may take its time.
        """
        part, path = source or self.part_of(sha256), place_of(self.root, sha256)
        try:
            with part.open("rb") as file:
                before = os.fstat(file.fileno())
                found = digest(file, rest)
                if (found, before.st_size) != (sha256, size):
                    return self._drop(part, _other_content(sha256, size, found, before.st_size))
                contents = look(part)
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
                after = os.fstat(file.fileno())
                if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                    return self._drop(part, _written_to(part))
            seal = Seal(size=size, mtime_ns=after.st_mtime_ns, inode=after.st_ino, contents=contents)
            with self.locked():
                # The seal first: a film that stands in its place always has one, after a crash as well.
                write_seal(path, seal)
                part.replace(path)
                path.with_suffix(".from").unlink(missing_ok=True)
                sync_folder(path.parent)
        except OSError as error:
            return disk_refusal(error, part)
        self._seals[sha256] = seal
        self.use(sha256)
        return None

    def drop_part(self, sha256: str) -> None:
        """Forget what was fetched of a film that is there by another way. Raises OSError."""
        for suffix in (".part", ".from"):
            place_of(self.root, sha256).with_suffix(suffix).unlink(missing_ok=True)

    def check(self, sha256: str) -> Refusal | None:
        """Whether a committed film's file is still the one that was verified: a comparison of size, mtime and inode.

        One that is not is offered no longer, and becomes a part that is re-hashed when it is fetched next.
        """
        seal = self._seals.get(sha256)
        if seal is None:
            return Refusal(
                code="film_missing", detail=f"film {sha256[:12]}… is not in the cache yet; wait or import it"
            )
        path = place_of(self.root, sha256)
        try:
            if seal.fits(path):
                return None if os.access(path, os.R_OK) else denied(path)
            self._demote(sha256, path)
        except FileNotFoundError:
            self._forget(sha256)
            log.error("a film vanished from the cache", sha256=sha256, path=str(path))
        except OSError as error:
            return disk_refusal(error, path)
        return Refusal(
            code="film_changed",
            detail=f"{path} was changed by someone else; it is verified and if need be fetched again",
        )

    def notice(self, sha256: str) -> bool:
        """Whether a film is there, by a cheap look; one that somebody else has put there whole meanwhile is found."""
        if sha256 in self._seals:
            return self.check(sha256) is None
        path = place_of(self.root, sha256)
        with contextlib.suppress(OSError, ValidationError):
            seal = read_seal(path)
            if seal.fits(path):
                self._take(sha256, seal, path)
                log.info("a film was put into the cache", sha256=sha256, size=seal.size)
        return sha256 in self._seals

    def survey(self) -> None:
        """Find every film that somebody else has put there. Raises OSError."""
        for path in films_in(self.root):
            if path.name not in self._seals:
                self.notice(path.name)

    def use(self, sha256: str) -> None:
        """Remember that a film is used now, over restarts too; a clock that was set back does not make it old."""
        now_ns, last = time.time_ns(), self._used.get(sha256, 0)
        newest = max(self._used.values(), default=0)
        if last == newest and 0 <= now_ns - last < USED_AGAIN_S * 1e9:
            return
        self._used[sha256] = stamp = max(now_ns, newest + 1)
        with contextlib.suppress(OSError):  # on a read-only disk nothing is evicted either
            os.utime(place_of(self.root, sha256).with_suffix(".seal"), ns=(stamp, stamp))

    def evict(self, name: str) -> None:
        """Take a film, or what else `room` named, out of the cache at once; `delete_gone` then frees its room.

        Raises OSError.
        """
        sha256 = name[:SHA256_CHARS]
        path = self.root / name[:2] / name
        path.replace(path.with_suffix(".gone"))
        if name == sha256:
            self._forget(sha256)
            path.with_suffix(".seal").unlink(missing_ok=True)
        elif path.suffix == ".part":
            path.with_suffix(".from").unlink(missing_ok=True)

    def delete_gone(self, name: str) -> None:
        """Delete what was evicted, which takes its time for a large file. Raises OSError."""
        (self.root / name[:2] / name[:SHA256_CHARS]).with_suffix(".gone").unlink(missing_ok=True)

    def set_aside(self, sha256: str) -> Refusal:
        """A film whose content is not what it was: it is offered no more, and kept as `.bad`. Raises OSError."""
        path = place_of(self.root, sha256)
        self._forget(sha256)
        path.replace(path.with_suffix(".bad"))
        path.with_suffix(".seal").unlink(missing_ok=True)
        detail = f"{path} has become another file on this disk; it was moved aside and is fetched again; check the disk"
        log.error("a film in the cache is damaged; it was moved aside", sha256=sha256, path=str(path))
        return Refusal(code="film_damaged", detail=detail)

    def describe(self, sha256: str, contents: Contents) -> None:
        """Remember what is in a film that was committed without a look into it. Raises OSError."""
        with self.locked():
            seal = self._seals.get(sha256)
            if seal is None:  # it had to go meanwhile
                return
            self._seals[sha256] = seal = seal.model_copy(update={"contents": contents})
            write_seal(place_of(self.root, sha256), seal)
        used = self._used.get(sha256, 0)
        os.utime(place_of(self.root, sha256).with_suffix(".seal"), ns=(used, used))

    def _sweep(self) -> None:
        """Leftovers of a crash go. Raises OSError where nothing can be written; an odd entry is a fault of its own."""
        probe = self.root / ".writable"
        probe.touch()
        probe.unlink()
        for path in leftovers(self.root):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self._report(path, disk_refusal(error, path))

    def _find(self, path: Path) -> None:
        try:
            found = read_seal(path)
            if found.fits(path):
                if os.access(path, os.R_OK):
                    self._take(path.name, found, path)
                return
        except (OSError, ValidationError):
            pass  # not verified as far as anyone can tell: the same as a seal that does not fit
        try:
            self._demote(path.name, path)
        except OSError as error:
            self._report(path, disk_refusal(error, path))

    def _take(self, sha256: str, seal: Seal, path: Path) -> None:
        self._seals[sha256] = seal
        self._used[sha256] = path.with_suffix(".seal").stat().st_mtime_ns

    def _forget(self, sha256: str) -> None:
        self._seals.pop(sha256, None)
        self._used.pop(sha256, None)

    def _report(self, path: Path, fault: Refusal) -> None:
        self._odd[path] = fault
        if self._known.get(path) != fault:  # said once, however often the folder is looked at
            log.error("the cache has a fault", path=str(path), reason=fault.code, detail=fault.detail)

    def _demote(self, sha256: str, path: Path) -> None:
        self._forget(sha256)
        if not stat.S_ISREG(path.lstat().st_mode):
            self._report(path, odd(path))
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


def _other_content(sha256: str, size: int, found: str, length: int) -> Refusal:
    return Refusal(
        code="film_hash",
        detail=f"the film's content is not the one of the program: sha256 {found[:12]}… of {length} bytes instead of "
        f"{sha256[:12]}… of {size}; publish the program again or mend the copy on the server",
    )


def _written_to(path: Path) -> Refusal:
    return Refusal(
        code="film_hash", detail=f"{path} was written to while it was verified; keep others out of cache.dir"
    )
