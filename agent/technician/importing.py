"""Films from a disk that somebody carried into the venue, into the cache: by their content, whatever they are called.

What a known program wants is found by size and hash. What `framezero publish` has named by its hash is taken even where
no program that is known here names it: the disk may be there before the network. The agent may be running: each film
appears whole, and at once.
"""

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.cache.disk import CHUNK_BYTES, disk_refusal, place_of
from agent.cache.probe import Probe
from agent.cache.room import Claim, Shortfall, Space, make_room
from agent.cache.shelf import held_of
from agent.cache.store import Store
from agent.config import Config
from agent.contents import Contents, mismatch
from agent.journal import peek
from agent.messages import Refusal, decode
from agent.printable import printable
from agent.programs import Item, Program, Variant

_NAMED = re.compile(r"(?P<sha256>[0-9a-f]{64})(\.[a-z0-9]{1,7})?")
_OF_A_CACHE = (".part", ".from", ".seal", ".bad", ".gone", ".new")
GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Want:
    """A film that may be taken. `uses` are the items of programs that name it; none if only a file's name does."""

    sha256: str
    size: int
    name: str
    uses: tuple[tuple[Item, Item | Variant], ...] = ()


Progress = Callable[[Want, int], None]
"""Told as a film is copied, and how many bytes of it are."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A film that was taken; `misfit` says why a program cannot use it all the same."""

    want: Want
    source: Path
    misfit: Refusal | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an import. `missing` are films of programs that are neither on the disk nor in the cache."""

    imported: tuple[Imported, ...]
    present: tuple[Want, ...]
    missing: tuple[Want, ...]
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether every known program has its films now, nothing was refused, and anything was to be had."""
        misfits = [one for one in self.imported if one.misfit]
        return not (self.missing or self.refused or misfits) and bool(self.imported or self.present)


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a disk with their sizes, and what could not be looked at."""

    sizes: dict[Path, int]
    notes: tuple[str, ...]


def scan(folder: Path, cache: Path) -> Files:
    """All files below a folder; links are not followed, for they may lead off the disk, and the cache is left out."""
    sizes: dict[Path, int] = {}
    notes: list[str] = []
    links = 0
    own = cache.resolve()

    def unreadable(error: OSError) -> None:
        notes.append(f"{shown(error.filename)} cannot be read ({error.strerror}); it was left out")

    for at, folders, names in os.walk(folder, onerror=unreadable):
        here, found = Path(at), dict[str, os.stat_result]()
        for name in [*folders, *names]:
            try:
                found[name] = (here / name).lstat()
            except PermissionError as error:  # a folder that may be listed, and in which nothing may be touched
                error.filename = at
                unreadable(error)
                break
            except OSError as error:
                unreadable(error)
        links += sum(stat.S_ISLNK(facts.st_mode) for facts in found.values())
        real = [name for name in folders if name in found and stat.S_ISDIR(found[name].st_mode)]
        folders[:] = [name for name in real if (here / name).resolve() != own]
        regular = [name for name in names if name in found and stat.S_ISREG(found[name].st_mode)]
        sizes |= {here / name: found[name].st_size for name in regular}
    if links:
        notes.append(f"{links} symbolic link{'' if links == 1 else 's'} not followed; copy the files themselves")
    return Files(sizes, tuple(notes))


def wanted_by_programs(config: Config) -> list[Want] | Refusal:
    """The films of all programs that the agent knows; none where no agent has run yet."""
    rows = peek(config.state_dir)
    if isinstance(rows, Refusal):
        return [] if rows.code == "journal_absent" else rows
    found: dict[str, Want] = {}
    for row in rows:
        program = decode(Program, row.payload)
        if isinstance(program, Refusal) or program.show != config.show:
            continue
        for item in program.items:
            encode = item.for_venue(config.venue, tuple(config.groups))
            before = found.get(encode.sha256)
            uses = (*(before.uses if before else ()), (item, encode))
            found[encode.sha256] = Want(encode.sha256, encode.size, before.name if before else item.name, uses)
    return list(found.values())


def misfit(want: Want, contents: Contents | None) -> Refusal | None:
    """Why a program that names a film cannot use it; None where all can, or nobody has looked into it."""
    found = [mismatch(contents, item, encode) for item, encode in want.uses] if contents else []
    return next((one for one in found if one), None)


class Import:
    """One import into the cache of a venue, beside its agent."""

    def __init__(self, config: Config, progress: Progress) -> None:
        self._config = config
        self._progress = progress
        self._store = Store(config.cache.dir)
        self._probe = Probe()

    def run(self, folder: Path) -> Outcome | Refusal:
        """Take what is wanted and what is named by its hash. A refusal says why nothing could be taken."""
        wants = wanted_by_programs(self._config)
        if isinstance(wants, Refusal):
            return wants
        if (refused := self._prepare()) is not None:
            return refused
        files = scan(folder, self._config.cache.dir)
        known = {want.sha256 for want in wants}
        present = [want for want in wants if self._store.path_of(want.sha256)]
        open_wants = [want for want in wants if want not in present]
        named = [want for want in _named(files) if want.sha256 not in known]
        present += [want for want in named if self._store.path_of(want.sha256)]
        imported: list[Imported] = []
        refused_ones: list[Refusal] = []
        missing: list[Want] = []
        no_films = 0
        for want in [*open_wants, *(want for want in named if want not in present)]:
            outcome = self._obtain(want, files)
            if isinstance(outcome, Imported):
                imported.append(outcome)
            elif isinstance(outcome, Refusal):
                refused_ones.append(outcome)
            elif want.uses:
                missing.append(want)
            else:
                no_films += 1
        notes = list(files.notes)
        if no_films:
            notes.append(f"{no_films} file{'' if no_films == 1 else 's'} named by a hash, but no film; left out")
        return Outcome(tuple(imported), tuple(present), tuple(missing), tuple(refused_ones), tuple(notes))

    def _prepare(self) -> Refusal | None:
        root = self._config.cache.dir
        try:
            if not root.exists():
                root.mkdir(parents=True)
                _give(root, self._config.state_dir)
            with _as_owner_of(root), self._store.locked():
                self._store.survey()
        except OSError as error:
            return disk_refusal(error, root)
        return None

    def _obtain(self, want: Want, files: Files) -> Imported | Refusal | None:
        """Find a film among the files and take it; None where none of them is it."""
        failed: Refusal | None = None
        for path in _candidates(want, files):
            if not want.uses and (contents := self._probe.look(path)) is not None and contents.fault:
                continue  # other programs name files by their hashes too
            refused = self._make_room(want) or self._take(want, path)
            if refused is None:
                return Imported(want, path, misfit(want, self._store.contents_of(want.sha256)))
            # Another file of the same size is no fault, unless it says by its name that it is this one.
            if refused.code != "film_hash" or _sha256_of(path) == want.sha256:
                failed = refused
            if refused.code not in ("film_hash", "source"):
                break  # the next file would not fit either
        return failed

    def _take(self, want: Want, source: Path) -> Refusal | None:
        """Copy a file beside its place, verify what came to lie there, and put it into its place."""
        try:
            file = source.open("rb")
        except OSError as error:
            return _unread(source, error)
        try:
            with file, _as_owner_of(self._store.root):
                refused = self._take_opened(want, source, file)
        except OSError as error:
            return disk_refusal(error, place_of(self._store.root, want.sha256))
        if refused is not None and refused.code == "film_hash":
            what = "its content is not what its name says" if _sha256_of(source) else "it is another film"
            return Refusal(code="film_hash", detail=f"{shown(source)}: {what}; copy it onto the disk again")
        return refused

    def _take_opened(self, want: Want, source: Path, file: BinaryIO) -> Refusal | None:
        """Raises OSError of the cache's disk."""
        place = place_of(self._store.root, want.sha256)
        fresh = place.with_suffix(".new")
        busy = Refusal(code="busy", detail=f"{want.name} is being imported by somebody else; wait for that")
        try:
            place.parent.mkdir(exist_ok=True)
            with fresh.open("ab") as copy:
                # Held until the film is in its place: so the agent knows that this is no leftover.
                fcntl.flock(copy, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _is_at(copy, fresh):
                    return busy  # or was: what we have opened may be the film itself by now
                copy.truncate(0)
                refused = self._copy(source, file, copy.write, want)
                if refused is None:
                    copy.flush()
                    refused = self._store.commit(want.sha256, want.size, self._probe.look, source=fresh)
                if refused is not None:
                    fresh.unlink(missing_ok=True)
                return refused
        except KeyboardInterrupt:
            fresh.unlink(missing_ok=True)
            raise
        except BlockingIOError:
            return busy

    def _copy(self, source: Path, file: BinaryIO, write: Callable[[bytes], int], want: Want) -> Refusal | None:
        """Raises OSError of the cache's disk; the fault of the other disk is a refusal."""
        done = 0
        while True:
            try:
                chunk = file.read(CHUNK_BYTES)
            except OSError as error:
                return _unread(source, error)
            if not chunk:
                return None
            done += write(chunk)
            self._progress(want, done)

    def _make_room(self, want: Want) -> Refusal | None:
        """Have films go that no known program names; what the agent may need is never touched."""
        cache = self._config.cache
        try:
            while True:
                with _as_owner_of(self._store.root):
                    room = self._store.room()
                # Asked again before each: a program may have come meanwhile.
                wants = wanted_by_programs(self._config)
                if isinstance(wants, Refusal):
                    return wants
                claims = {one.sha256: Claim.CUED for one in wants}
                space = Space(room.free, round(cache.reserve_gb * GB), room.used, round(cache.quota_gb * GB))
                # For a film that nobody knows yet nothing that is there has to go.
                held = held_of(self._store, room, claims, want.sha256) if want.uses else []
                going = make_room(want.size, Claim.NICE, held, space)
                if isinstance(going, Shortfall):
                    return _full(want, going, self._config)
                if not going:
                    return None
                with _as_owner_of(self._store.root):
                    self._store.evict(going[0].name)
                    self._store.delete_gone(going[0].name)
        except OSError as error:
            return disk_refusal(error, self._store.root)


def _named(files: Files) -> Iterator[Want]:
    """The files that are named by a hash, each hash once."""
    found: dict[str, Want] = {}
    for path, size in files.sizes.items():
        sha256 = _sha256_of(path)
        if sha256 is not None and size:
            found.setdefault(sha256, Want(sha256, size, path.name))
    return iter(found.values())


def _sha256_of(path: Path) -> str | None:
    """The hash that a file is named by, as `publish` and the cache do."""
    found = _NAMED.fullmatch(path.name)
    return found["sha256"] if found and path.suffix not in _OF_A_CACHE else None


def _candidates(want: Want, files: Files) -> Sequence[Path]:
    """Files of the right size, those that are named by the hash first, then those that have the film's own name."""
    fits = [path for path, size in files.sizes.items() if size == want.size]

    def likely(path: Path) -> tuple[bool, bool, str]:
        return (_sha256_of(path) != want.sha256, path.name != want.name, str(path))

    # What is named by another hash is another film.
    return sorted((path for path in fits if _sha256_of(path) in (None, want.sha256)), key=likely)


def shown(path: str | Path) -> str:
    """A name from a foreign disk for a terminal: it may hold anything but '/' and NUL."""
    return printable(os.fsencode(path).decode("utf-8", "replace"))


def _give(path: Path, like: Path) -> None:
    """A folder that root makes belongs to whom another one belongs to, or the agent could do nothing with it."""
    if os.geteuid() == 0 and like.exists():
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextlib.contextmanager
def _as_owner_of(root: Path) -> Iterator[None]:
    """Root works in the cache as the user whose cache it is.

    So what it makes is that user's; and a link that somebody has laid there, to a file of root's, is followed with that
    user's rights only.
    """
    owner, groups = root.stat(), os.getgroups()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    os.setgroups([])
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether what is open is still what stands at a path: it may have been renamed since."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def _unread(source: Path, error: OSError) -> Refusal:
    detail = f"{shown(source)} cannot be read ({error.strerror}); check the disk, or copy the film onto it again"
    return Refusal(code="source", detail=detail)


def _full(want: Want, shortfall: Shortfall, config: Config) -> Refusal:
    limit = f"cache.quota_gb = {config.cache.quota_gb:g}"
    if shortfall.limit == "reserve":
        limit = f"cache.reserve_gb = {config.cache.reserve_gb:g}"
    detail = (
        f"{printable(want.name)} of {want.size / GB:.3f} GB does not fit within {limit}, "
        f"{shortfall.size / GB:.3f} GB are lacking; what known programs name stays; "
        "change the limit, or give cache.dir a larger disk"
    )
    return Refusal(code="cache_full", detail=detail)
