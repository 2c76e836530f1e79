"""The films of a lab: barcode films made on the spot, or one's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from agent.lab.console import Narrator
from agent.lab.films import make_program
from agent.lab.processes import LabError
from agent.lab.readings import Mode
from agent.lab.rundir import FilmFacts
from agent.programs import Program

SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".m4v", ".ts", ".avi")


@dataclass(frozen=True, slots=True)
class Reel:
    """Films in the order of the program; `clips` are the numbers in their pictures, empty for one's own films."""

    paths: tuple[Path, ...]
    clips: tuple[int, ...]

    @property
    def mode(self) -> Mode:
        """How the meter tells their frames apart."""
        return "barcode" if self.clips else "signature"


def make(folder: Path, size: tuple[int, int], fps: Fraction | None, narrator: Narrator) -> Reel:
    """Make the lab's own films. Raises LabError."""
    with narrator.bar("making films") as progress:
        films = make_program(folder, width=size[0], height=size[1], fps=fps, progress=progress)
    narrator.say(f"{len(films)} test films, {float(sum(film.seconds for film in films)):g} s")
    return Reel(tuple(film.path for film in films), tuple(film.clip for film in films))


def take(folder: Path) -> Reel:
    """Take the films of a folder, in the order of their names. Raises LabError when there are none."""
    try:
        paths = sorted(path.resolve() for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise LabError(f"--films {folder}: cannot be read ({error.strerror}); name a folder with films", 2) from error
    if not paths:
        raise LabError(f"--films {folder}: holds no films ({', '.join(SUFFIXES)})", status=2)
    return Reel(tuple(paths), ())


def facts(reel: Reel, program: Program) -> list[FilmFacts]:
    """The films as the report needs them, from the program that was published. Raises LabError."""
    found = []
    clips: Sequence[int | None] = reel.clips or [None] * len(program.items)
    for item, clip in zip(program.items, clips, strict=True):
        if item.fps is None or item.frames is None:
            raise LabError(f"{item.name}: has no constant frame rate, so its frames cannot be measured", status=2)
        found.append(FilmFacts(name=item.name, clip=clip, fps=item.fps, frames=item.frames))
    return found
