"""Films → a content-addressed site on disk and the next revision of a program at the brokers."""

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.control.link import Delivery, Link
from agent.control.probe import Film, probe
from agent.messages import MAX_BODY_BYTES, Refusal, encode, explain
from agent.programs import Item, Program, Variant
from agent.units import UtcUs

CHUNK_BYTES = 1 << 20
MOST_URLS = 8
"""As many as an item may have, see agent.programs.Item."""
Progress = Callable[[int], None]
_VARIANT = re.compile(r"(?P<name>.+?)=(?P<venue>@?[a-z0-9-]{1,63}):(?P<file>.+)", re.DOTALL)


class PublishError(Exception):
    """Nothing was published; `faults` says every reason, one line each, with the remedy."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Published:
    """What came of it: `reused` says that the newest revision was the same films already."""

    program: Program
    reused: bool
    deliveries: list[Delivery]


@dataclass(frozen=True, slots=True)
class VariantWish:
    """`--variant NAME=VENUE:FILE`: at a venue or @group the film of this name is shown from another file."""

    name: str
    venue: str
    file: Path


@dataclass(frozen=True, slots=True)
class Billing:
    """A film of the program with its variants, all probed."""

    film: Film
    variants: dict[str, Film]

    @property
    def films(self) -> list[Film]:
        """All files of it."""
        return [self.film, *self.variants.values()]


def parse_variants(texts: Sequence[str], files: Sequence[Path]) -> list[VariantWish]:
    """Read the options. Raises PublishError with all faults at once."""
    wishes: list[VariantWish] = []
    faults = []
    for text in texts:
        match = _VARIANT.fullmatch(text)
        if not match:
            faults.append(f"--variant {text!r}: write NAME=VENUE:FILE, such as koi.mp4=toronto-dundas:koi-tall.mp4")
            continue
        wish = VariantWish(match["name"], match["venue"], Path(match["file"]))
        named = {file for file in files if file.name == wish.name}
        if not named:
            known = ", ".join(sorted({file.name for file in files}))
            faults.append(f"--variant {text!r}: no film is named {wish.name!r}; the films are {known}")
        elif len(named) > 1:
            faults.append(f"--variant {text!r}: {len(named)} films are named {wish.name!r}; rename one of them")
        elif any((other.name, other.venue) == (wish.name, wish.venue) for other in wishes):
            faults.append(f"--variant {text!r}: {wish.venue} has a variant of {wish.name!r} already; leave one out")
        wishes.append(wish)
    if faults:
        raise PublishError(faults)
    return wishes


def check_names(program: str, base_urls: Sequence[str]) -> None:
    """Refuse a program id or addresses that no item could have. Raises PublishError with all faults at once."""
    faults = []
    if not re.fullmatch(r"[a-z0-9-]{1,63}", program):
        faults.append(f"--program {program!r}: use up to 63 lower-case letters, digits and hyphens")
    faults += [
        f"--url {url!r}: write the folder's address, such as https://films.example/show"
        for url in base_urls
        if not re.fullmatch(r"https?://[^\s?#]+", url)
    ]
    if len(base_urls) > MOST_URLS:
        faults.append(f"--url: {len(base_urls)} addresses, at most {MOST_URLS}; leave some out")
    if faults:
        raise PublishError(faults)


def probe_all(
    files: Sequence[Path],
    still_us: int,
    variants: Sequence[VariantWish] = (),
    told: Callable[[Path, int, int], None] = lambda *_: None,
) -> list[Billing]:
    """Probe every file, and compare variants with their films. Raises PublishError with all faults at once.

    `told` hears of each file before it is probed, how many were before it, and how many there are.
    """
    if shutil.which("ffprobe") is None:
        raise PublishError(["ffprobe is not installed; install ffmpeg"])
    wanted = dict.fromkeys([*files, *(wish.file for wish in variants)])
    found = {}
    for number, file in enumerate(wanted):
        told(file, number, len(wanted))
        found[file] = probe(file, still_us)
    faults = [film.detail for film in found.values() if isinstance(film, Refusal)]
    films = {file: film for file, film in found.items() if isinstance(film, Film)}
    bill = []
    for file in files:
        own = {wish.venue: films[wish.file] for wish in variants if wish.name == file.name and wish.file in films}
        if file in films:
            faults += [fault for venue, film in own.items() if (fault := _unlike(films[file], film, venue))]
            bill.append(Billing(films[file], own))
    if faults:
        raise PublishError(list(dict.fromkeys(faults)))
    return bill


def _unlike(film: Film, variant: Film, venue: str) -> str:
    """Why a wall with the variant could not be on the same frame as the others; '' when it can."""
    if (film.fps, film.frames) == (variant.fps, variant.frames):
        return ""
    lengths = f"it has {_length(variant)}, not {_length(film)}"
    remedy = "export both from the same timeline, with the same rate and frames"
    return f"{variant.path}: is no variant of {film.path.name} for {venue}: {lengths}; {remedy}"


def _length(film: Film) -> str:
    return f"{film.frames} frames at {film.fps} a second" if film.fps else "one picture"


def store(bill: Billing, site: Path, base_urls: Sequence[str], progress: Progress) -> Item:
    """Put a film and its variants into the site as `ab/ab12….mp4`, whole or not at all, and describe them.

    A film that is there already, and whole, is not copied again. `base_urls` are the site's addresses on the web, in
    the order in which walls try them. `progress` is told of bytes as they are read. Raises PublishError.
    """
    film = bill.film
    stored = {one.path: _store(one, site, base_urls, progress) for one in dict.fromkeys(bill.films)}
    try:
        variants = {
            venue: Variant(
                **stored[other.path],
                codec=other.codec,
                width=other.width,
                height=other.height,
                sound=None if other.sound == film.sound else other.sound,
                begins_us=other.begins_us,
            )
            for venue, other in bill.variants.items()
        }
        return Item(
            **stored[film.path],
            name=film.path.name,
            codec=film.codec,
            width=film.width,
            height=film.height,
            fps=film.fps,
            frames=film.frames,
            duration_us=film.duration_us,
            sound=film.sound,
            begins_us=film.begins_us,
            variants=variants,
        )
    except ValidationError as error:
        raise PublishError([f"{film.path}: {explain(error)}"]) from error


def _store(film: Film, site: Path, base_urls: Sequence[str], progress: Progress) -> dict[str, Any]:
    """Put one file into the site; how a message names it."""
    try:
        sha256 = _hash(film.path, progress)
        size = film.path.stat().st_size
        name = f"{sha256[:2]}/{sha256}{_suffix(film.path)}"
        target = site / name
        # What is there is read too: a copy that the disk has damaged would be refused by every wall, and stay.
        if not (target.is_file() and target.stat().st_size == size and _hash(target, lambda _: None) == sha256):
            _copy(film.path, target, sha256)
    except OSError as error:
        where = error.filename or film.path
        raise PublishError(
            [f"{where}: {error.strerror or error}; make room or mend the rights, then publish again"]
        ) from error
    return {"sha256": sha256, "size": size, "urls": [f"{url.rstrip('/')}/{name}" for url in base_urls]}


async def announce(link: Link, program: str, show: str, items: list[Item], now: UtcUs) -> Published:
    """Publish the program retained under its next revision, or find that the newest is the same.

    The link has settled with `program/{program}/+` among its topics. Raises PublishError.
    """
    newest = link.view.newest_rev(program)
    known = link.view.program(program, newest) if newest is not None else None
    if known is not None and (known.show, known.items) == (show, items):
        # A broker that has lost it gets it back, the body to the byte: revisions never change.
        body, message, reused = link.view.program_body(program, known.rev), known, True
    else:
        try:
            message = Program(v=1, program=program, rev=(newest or 0) + 1, show=show, issued=now, items=items)
        except ValidationError as error:
            raise PublishError([explain(error)]) from error
        body, reused = encode(message), False
    payload = link.pen.seal("program", body)
    if len(payload) > MAX_BODY_BYTES:
        raise PublishError(
            [
                f"the program takes {len(payload)} bytes, at most {MAX_BODY_BYTES} are allowed; use fewer films or a "
                "shorter --url"
            ]
        )
    deliveries = await link.publish(f"program/{program}/{message.rev}", payload)
    return Published(message, reused, deliveries)


def _suffix(path: Path) -> str:
    """The file's ending if it is plain, so that servers know the type; else none."""
    suffix = path.suffix.lower()
    return suffix if suffix[1:].isascii() and suffix[1:].isalnum() and len(suffix) <= 8 else ""


def _hash(path: Path, progress: Progress) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            progress(len(chunk))
    return digest.hexdigest()


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Copy by way of a temporary file beside the target, hashed again: the source may change while it is read."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f".{secrets.token_hex(8)}.part"
    digest = hashlib.sha256()
    try:
        with source.open("rb") as reader, part.open("xb") as writer:
            while chunk := reader.read(CHUNK_BYTES):
                digest.update(chunk)
                writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
        if digest.hexdigest() != sha256:
            raise PublishError([f"{source}: changed while it was read; publish again once it is complete"])
        part.chmod(0o644)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
