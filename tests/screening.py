"""Films of every kind, and what a player shows of them: held at given frames, and run from end to end.

Every film is an encode of the same barcoded pictures. It is published and played as a venue would: probed, and given to
the player under a name without an ending, as films lie in the cache.
"""

import asyncio
import math
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from test_process import Bench, Eye, Look, in_us

from agent.control.probe import Film, probe
from agent.lab.films import Film as Bars
from agent.lab.films import Painter
from agent.messages import Refusal
from agent.player.wire import Armed, Fired, Start
from agent.units import MediaUs, UtcUs, frames_to_us

SIZE = (320, 180)
SECONDS = Fraction(21, 10)
STILL_US = 5_000_000
HOLD_US = 450_000
SETTLED_US = 250_000

H264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p"
TONE = "-f lavfi -i sine=440:duration={seconds}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a film is made: as ffmpeg's options behind its inputs, or by a `shell` line whose `{out}` is the file.

    `first` is the picture that its frame 0 shows. `refused` is the probe's code where no wall could show it exactly.
    """

    name: str
    options: str = ""
    rate: str = "25"
    sound: str | None = None
    source: str = ""
    shell: str = ""
    clip: int = 1
    size: tuple[int, int] = SIZE
    seconds: Fraction = SECONDS
    first: int = 0
    refused: str | None = None

    @property
    def pictures(self) -> int:
        """How many pictures it has by this recipe."""
        return math.ceil(self.seconds * Fraction(self.rate))


class Kitchen:
    """Makes films in a folder, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, recipe: Recipe) -> Path:
        """The file of a recipe. Raises CalledProcessError when ffmpeg cannot make it."""
        path = self.folder / recipe.name
        if not path.exists():
            seconds = recipe.pictures / float(Fraction(recipe.rate))
            source = recipe.source or f"-r {recipe.rate} -i '{self._bars(recipe)}'"
            sound = (recipe.sound or "").format(seconds=seconds)
            line = f"ffmpeg -nostdin -v error -y {source} {sound} -fps_mode passthrough {recipe.options} '{{out}}'"
            line = (recipe.shell or line).format(out=path.name)
            subprocess.run(line, shell=True, check=True, cwd=self.folder, capture_output=True, timeout=60)
        return path

    def _bars(self, recipe: Recipe) -> Path:
        width, height = recipe.size
        path = self.folder / f"bars-{recipe.clip}-{recipe.pictures}-{width}x{height}.y4m"
        if not path.exists():
            painter = Painter(Bars(path, recipe.clip, recipe.pictures, Fraction(25), width, height))
            frames = b"".join(painter.picture(number).tobytes() for number in range(recipe.pictures))
            raw = f"-f rawvideo -pix_fmt rgb24 -video_size {width}x{height} -framerate 25 -i -"
            subprocess.run(
                ["ffmpeg", "-v", "error", *raw.split(), "-pix_fmt", "yuv420p", str(path)], input=frames, check=True
            )
        return path


def cached(film: Path, folder: Path) -> Path:
    """The film as the cache has it: without an ending that tells what it is."""
    place = folder / film.name.replace(".", "-")
    if not place.exists():
        shutil.copy(film, place)
    return place


def start_of(name: str, film: Film, at: int, frame: int = 0, *, held: bool = False, path: Path | None = None) -> Start:
    """The start that a venue's planner would make of a published film."""
    rate = Fraction(film.fps) if film.fps else None
    return Start(
        id=name,
        kind="film",
        at=UtcUs(at),
        path=str(path or film.path),
        position_us=frames_to_us(frame, rate) if rate else MediaUs(frame),
        begins_us=film.begins_us,
        frame_us=float(1_000_000 / rate) if rate else 0.0,
        held=held,
        sound=film.sound,
    )


def places(film: Film) -> list[int]:
    """Frames worth holding at: the first ones, some in the middle, the last ones."""
    if film.frames is None:
        return [0]
    wanted = (0, 1, film.frames // 2, film.frames - 2, film.frames - 1)
    return sorted({frame for frame in wanted if 0 <= frame < film.frames})


async def holds(bench: Bench, eye: Eye, name: str, film: Film, path: Path, frames: Sequence[int]) -> list[int | None]:
    """The pictures that stand on the wall when the film is held at these frames; None where it is none."""
    t0 = in_us(0.6)
    starts = [
        start_of(f"{name} held at {frame}", film, t0 + n * HOLD_US, frame, held=True, path=path)
        for n, frame in enumerate(frames)
    ]
    bench.renew_clock()
    bench.player.plan(starts)
    for start in starts:
        await bench.hear(Fired, start.id)
    await asyncio.sleep(SETTLED_US / 1e6)
    return [eye_at(eye, start.at + SETTLED_US) for start in starts]


def eye_at(eye: Eye, at: int) -> int | None:
    """The picture that stood on the wall at an instant."""
    look = next((look for look in reversed(eye.looks) if look.at <= at), None)
    return look.frame if look is not None and look.clip else None


async def run_through(bench: Bench, eye: Eye, name: str, film: Film, path: Path) -> list[Look]:
    """What was seen while the film ran from its first frame to its end, and black came."""
    assert film.frames is not None and film.fps is not None, "a still does not run"
    t0 = in_us(0.8)
    end = t0 + frames_to_us(film.frames, Fraction(film.fps))
    start, black = start_of(name, film, t0, path=path), Start(id=f"{name}, end", kind="black", at=UtcUs(end))
    bench.renew_clock()
    bench.player.plan([start, black])
    await bench.hear(Armed, start.id)
    await bench.hear(Fired, black.id)
    return eye.between(t0 - 1000, end)


def run_faults(looks: Sequence[Look], film: Film, first: int) -> list[str]:
    """What is wrong with a run: every picture in order, each once, nothing else."""
    assert film.frames is not None, "a still does not run"
    seen = [look.frame if look.clip else None for look in looks]
    wanted = list(range(first, first + film.frames))
    if seen == wanted:
        return []
    lost = [frame for frame in wanted if frame not in seen]
    strange = [frame for frame in seen if frame not in wanted]
    again = len(seen) - len(set(seen))
    return [f"ran with {len(lost)} lost {lost[:5]}, {len(strange)} strange {strange[:5]}, {again} seen again"]


async def faults_of(bench: Bench, eye: Eye, kitchen: Kitchen, recipe: Recipe, *, run: bool = True) -> list[str]:
    """What is wrong with how a film is probed and shown; [] where all is right."""
    file = await asyncio.to_thread(kitchen.make, recipe)
    found = await asyncio.to_thread(probe, file, STILL_US)
    if isinstance(found, Refusal):
        return [] if found.code == recipe.refused else [f"refused as {found.code}: {found.detail}"]
    if recipe.refused is not None:
        return [f"taken, though it should be refused as {recipe.refused}"]
    faults = []
    pictures = recipe.pictures - recipe.first
    if found.fps is not None and (found.fps, found.frames) != (str(Fraction(recipe.rate)), pictures):
        faults.append(f"probed as {found.frames} frames at {found.fps}, made {pictures} at {recipe.rate}")
    path = await asyncio.to_thread(cached, file, kitchen.folder)
    frames = places(found)
    shown = await holds(bench, eye, recipe.name, found, path, frames)
    faults += [
        f"at frame {frame} stood {seen}"
        for frame, seen in zip(frames, shown, strict=True)
        if seen != frame + recipe.first
    ]
    if run and found.frames is not None and not faults:
        faults = run_faults(await run_through(bench, eye, recipe.name, found, path), found, recipe.first)
        if faults:  # whatever else runs on a machine may cost a frame once
            faults = run_faults(await run_through(bench, eye, f"{recipe.name} again", found, path), found, recipe.first)
    return faults
