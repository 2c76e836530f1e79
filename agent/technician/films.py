"""The films that this player has, by the programs in its agent's journal."""

from dataclasses import dataclass
from pathlib import Path

from agent.cache.disk import place_of
from agent.config import Config
from agent.journal import peek
from agent.messages import Refusal, decode
from agent.programs import Program

STILLS = frozenset(["png", "mjpeg", "webp", "bmp", "tiff", "gif", "jpegxl"])


@dataclass(frozen=True, slots=True)
class Film:
    """One film of a program, in the encode for this venue.

    `codec` is the program's word, which for a variant is that of its item: what the player goes by, and no more than a
    guess. `rate` is '' where frames come at no constant rate.
    """

    name: str
    sha256: str
    path: Path
    codec: str
    width: int
    height: int
    rate: str

    @property
    def is_still(self) -> bool:
        """Whether it is a picture and no film."""
        return not self.rate and self.codec in STILLS


@dataclass(frozen=True, slots=True)
class Stock:
    """What is in the cache; the names of what a program wants and the cache does not have; programs not understood."""

    here: tuple[Film, ...]
    missing: tuple[str, ...]
    unread: tuple[str, ...] = ()


def stock(config: Config) -> Stock | Refusal:
    """The films of all programs that the agent knows, each once. A refusal says why they cannot be known."""
    rows = peek(config.state_dir)
    if isinstance(rows, Refusal):
        return rows
    films: dict[str, Film] = {}
    unread = []
    for row in rows:
        # What stands in the journal was judged when it came; a player may have been given to another show since.
        program = decode(Program, row.payload)
        if isinstance(program, Refusal):
            unread.append(f"{row.program}/{row.rev}")
        elif program.show == config.show:
            films |= {film.sha256: film for film in _films(program, config)}
    here = tuple(film for film in films.values() if _is_there(film.path))
    return Stock(here, tuple(film.name for film in films.values() if film not in here), tuple(unread))


def stock_with_sound(config: Config) -> list[str]:
    """The names of the films of all programs that have sound here, as far as they can be known."""
    rows = peek(config.state_dir)
    found: dict[str, None] = {}
    for row in () if isinstance(rows, Refusal) else rows:
        program = decode(Program, row.payload)
        if not isinstance(program, Refusal) and program.show == config.show:
            for item in program.items:
                sound = item.for_venue(config.venue, tuple(config.groups)).sound
                if item.sound if sound is None else sound:
                    found[item.name] = None
    return list(found)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no right to look: that the cache may not be entered is a finding of its own
        return False


def _films(program: Program, config: Config) -> list[Film]:
    found = []
    for item in program.items:
        encode = item.for_venue(config.venue, tuple(config.groups))
        path = place_of(config.cache.dir, encode.sha256)
        found.append(
            Film(
                item.name, encode.sha256, path, encode.codec or item.codec, encode.width, encode.height, item.fps or ""
            )
        )
    return found
