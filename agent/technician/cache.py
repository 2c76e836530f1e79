"""What `framezero check` finds about the cache, and its `--rehash`: every film is read and hashed again."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.cache import probe
from agent.cache.disk import digest, disk_refusal
from agent.cache.seal import ENTRIES, films_in, oddities
from agent.cache.store import Store
from agent.config import Cache, Config
from agent.messages import Refusal
from agent.technician.findings import Finding, Verdict
from agent.technician.importing import GB, Want, misfit, wanted_by_programs
from agent.technician.words import count

NAMES_TOLD = 3
LOWEST = 19

Progress = Callable[[int, int, str], None]
"""Told before each film: how many are done, how many there are, the film's name."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """What a re-hash found: films that are sound; damaged ones by name, moved aside; and what it could not do."""

    sound: int
    damaged: tuple[str, ...]
    failed: tuple[Refusal, ...]


def look(config: Config) -> list[Finding]:
    """Whether the cache can do its work: its folder, its space, what lies about in it, films that do not fit."""
    root = config.cache.dir
    try:
        there = root.is_dir()
    except OSError as error:
        fault = disk_refusal(error, root)
        return [*_prober(), _found("fault", fault.code, fault.detail, f"namei -l {root}")]
    if not there:
        mend = f"start the agent, or: sudo install -d -o framezero {root}"
        return [*_prober(), _found("warning", "cache_absent", f"{root} is not there yet", mend)]
    wants = wanted_by_programs(config)
    store = Store(root)
    try:
        store.survey()
        found = [*_rights(root), *_space(config.cache, store)]
    except OSError as error:
        fault = disk_refusal(error, root)
        return [*_prober(), _found("fault", fault.code, fault.detail, f"ls -la {root}")]
    found += [*_prober(), *_odd(root), *_aside(root)]
    if not isinstance(wants, Refusal):
        found += _misfits(store, wants)
    return found


def rehash(config: Config, progress: Progress) -> Hashed:
    """Read and hash every film, at the lowest priority; one that is another by now is moved aside.

    A running agent notices within half a minute, says so, and fetches it again.
    """
    os.setpriority(os.PRIO_PROCESS, 0, LOWEST)
    store = Store(config.cache.dir)
    try:
        films = list(films_in(config.cache.dir))
    except OSError as error:
        return Hashed(0, (), (disk_refusal(error, config.cache.dir),))
    wants = wanted_by_programs(config)
    names = {} if isinstance(wants, Refusal) else {want.sha256: want.name for want in wants}
    sound, damaged, failed = 0, [], []
    for number, path in enumerate(films):
        name = names.get(path.name, f"{path.name[:12]}…")
        progress(number, len(films), name)
        try:
            if not path.is_file() or path.is_symlink():
                continue  # that is a finding of its own
            if _digest(path) == path.name:
                sound += 1
            else:
                store.set_aside(path.name)
                damaged.append(name)
        except FileNotFoundError:
            continue  # the agent needed its room
        except OSError as error:
            failed.append(disk_refusal(error, path))
    return Hashed(sound, tuple(damaged), tuple(failed))


def judge(hashed: Hashed) -> list[Finding]:
    """What a re-hash means."""
    found = [_found("fault", failure.code, failure.detail, "run this as the agent's user") for failure in hashed.failed]
    if hashed.damaged:
        what = f"damaged on this disk, and moved aside: {_listed(hashed.damaged)}"
        mend = (
            "wait until it is fetched again, or sudo framezero import; mind the disk: sudo journalctl -k, smartctl -a"
        )
        found.append(_found("fault", "film_damaged", what, mend))
    if not found:
        found.append(_found("ok", "rehash", f"{count(hashed.sound, 'film')} read and hashed, each as its name says"))
    return found


def _digest(path: Path) -> str:
    """The hash of what the disk has, '' where it cannot read it. Raises OSError where it may not be read."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            return digest(file, lambda: None)
        except OSError:
            return ""


def _rights(root: Path) -> list[Finding]:
    if os.access(root, os.R_OK | os.W_OK | os.X_OK):
        return []
    mend = f"sudo chown -R framezero {root}; or run this as the agent: sudo -u framezero framezero check"
    return [_found("fault", "disk_denied", f"{root} cannot be written by this user", mend)]


def _space(cache: Cache, store: Store) -> list[Finding]:
    room = store.room()
    films, size = store.totals()
    told = f"{count(films, 'film')}, {size / GB:.1f} of {cache.quota_gb:g} GB; {room.free / GB:.1f} GB free on the disk"
    if room.free < cache.reserve_gb * GB:
        mend = f"du -x -d2 / | sort -n | tail; or lower cache.reserve_gb ({cache.reserve_gb:g})"
        return [_found("fault", "cache_full", f"{told}, less than cache.reserve_gb = {cache.reserve_gb:g}", mend)]
    return [_found("ok", "cache", told)]


def _prober() -> list[Finding]:
    if probe.available():
        return []
    return [_found("warning", "ffprobe", "no ffprobe: films are not compared with their programs", probe.REMEDY)]


def _odd(root: Path) -> list[Finding]:
    found = []
    for path, fault in list(oddities(root))[:NAMES_TOLD]:
        away = f"ls -ld {path}, and move it away: sudo mv {path} /var/tmp/"
        mend = f"sudo chown framezero: {path}" if fault.code == "disk_denied" else away
        found.append(_found("fault", fault.code, fault.detail, mend))
    return found


def _aside(root: Path) -> list[Finding]:
    bad = [path for path in root.glob(ENTRIES) if path.suffix == ".bad"]
    if not bad:
        return []
    what = f"{count(len(bad), 'film')} found damaged on this disk before, and kept aside"
    return [
        _found("warning", "film_aside", what, f"mind the disk: sudo journalctl -k, smartctl -a; rm {root}/??/*.bad")
    ]


def _misfits(store: Store, wants: list[Want]) -> list[Finding]:
    found = [misfit(want, store.contents_of(want.sha256)) for want in wants]
    again = "framezero publish, on the operator's side: the next revision of its program"
    return [_found("fault", one.code, one.detail, again) for one in found if one]


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - NAMES_TOLD
    return ", ".join(names[:NAMES_TOLD]) + (f" and {more} more" if more > 0 else "")


def _found(verdict: Verdict, code: str, what: str, mend: str = "") -> Finding:
    return Finding("cache", verdict, code, what, mend)
