"""Test films which say in every frame what they are, made on the spot with ffmpeg.

They carry the blocks of barcode.py for the meter, and for the eye a large frame number of dots over a slow light
in the clip's own colour. Made twice, they are the same byte for byte.
"""

import colorsys
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from agent.lab import barcode, glyphs
from agent.lab.framebuffer import Picture
from agent.lab.processes import LabError, find

WORKERS = 2
_HUES = (0.70, 0.47, 0.08, 0.93, 0.58, 0.33, 0.80, 0.15)
_DEFAULT_RATES = (Fraction(30), Fraction(30), Fraction(60), Fraction(30), Fraction(30))
_DEFAULT_SECONDS = (4, 5, 3, 5, 3)

Floats = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Told how many frames are made, and how many there will be; called from several threads, one at a time."""


@dataclass(frozen=True, slots=True)
class Film:
    """One test film. `clip` is the number in its lower row of blocks; there is no sound."""

    path: Path
    clip: int
    frames: int
    fps: Fraction
    width: int
    height: int

    @property
    def seconds(self) -> Fraction:
        """How long it lasts, exactly."""
        return self.frames / self.fps


def plan(folder: Path, *, width: int, height: int, fps: Fraction | None = None) -> list[Film]:
    """The films of the lab's own program, not yet made: 20 s in five films, one of them at 60 fps.

    With `fps` all of them have that rate.
    """
    films = []
    for clip, (rate, seconds) in enumerate(zip(_DEFAULT_RATES, _DEFAULT_SECONDS, strict=True), start=1):
        rate = fps or rate
        frames = round(rate * seconds)
        films.append(Film(folder / f"film-{clip}.mp4", clip, frames, rate, width, height))
    return films


def make_program(
    folder: Path, *, width: int, height: int, fps: Fraction | None = None, progress: Progress | None = None
) -> list[Film]:
    """Make the films of the lab's own program in a folder, in the order in which they play. Raises LabError."""
    folder.mkdir(parents=True, exist_ok=True)
    films = plan(folder, width=width, height=height, fps=fps)
    make_all(films, progress)
    return films


def make_all(films: Sequence[Film], progress: Progress | None = None) -> None:
    """Make films, two at a time. Raises LabError when one cannot be made."""
    total = sum(film.frames for film in films)
    made = 0
    lock, stop = threading.Lock(), threading.Event()

    def one_more() -> None:
        nonlocal made
        with lock:
            made += 1
            if progress is not None:
                progress(made, total)

    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for future in [pool.submit(_make, film, one_more, stop) for film in films]:
                future.result()
        finally:  # on an error and on Ctrl-C the others are not waited for
            stop.set()
            pool.shutdown(cancel_futures=True)


def make_film(path: Path, *, clip: int, frames: int, fps: Fraction, width: int, height: int) -> Film:
    """Make one film: H.264, 4:2:0, exact constant rate, a key frame at least every second, no sound.

    Raises LabError when size or number do not fit, or when ffmpeg fails.
    """
    film = Film(path, clip, frames, fps, width, height)
    _make(film, lambda: None, threading.Event())
    return film


def _make(film: Film, one_more: Callable[[], None], stop: threading.Event) -> None:
    _check(film)
    painter = Painter(film)
    part = film.path.with_name(film.path.name + ".part")
    with tempfile.TemporaryFile() as errors:
        encoder = subprocess.Popen(_command(film, part), stdin=subprocess.PIPE, stderr=errors)
        try:
            assert encoder.stdin is not None
            whole = _feed(encoder.stdin, painter, one_more, stop)
            encoder.wait()
        finally:
            if encoder.poll() is None:
                encoder.kill()
                encoder.wait()
        if encoder.returncode or not whole:
            part.unlink(missing_ok=True)
            errors.seek(0)
            raise LabError(f"{film.path}: ffmpeg made no film: {errors.read().decode(errors='replace').strip()}")
    part.replace(film.path)


def _feed(pipe: IO[bytes], painter: "Painter", one_more: Callable[[], None], stop: threading.Event) -> bool:
    """Paint all frames into a pipe; whether all were taken."""
    try:
        with pipe:
            for number in range(painter.film.frames):
                if stop.is_set():
                    return False
                pipe.write(painter.picture(number).tobytes())
                one_more()
    except BrokenPipeError:  # the encoder ended early; its status and words say why
        return False
    return True


def _check(film: Film) -> None:
    if film.width % 2 or film.height % 2 or film.width < barcode.MIN_WIDTH or film.height < barcode.MIN_HEIGHT:
        raise LabError(
            f"a test film of {film.width}x{film.height} cannot be made: "
            f"both must be even, and at least {barcode.MIN_WIDTH}x{barcode.MIN_HEIGHT}",
            status=2,
        )
    if not (0 < film.frames <= barcode.MAX_FRAME + 1 and 0 <= film.clip <= barcode.MAX_CLIP):
        raise LabError(
            f"a test film has 1 to {barcode.MAX_FRAME + 1} frames and a clip number up to {barcode.MAX_CLIP}", status=2
        )


def _command(film: Film, target: Path) -> list[str]:
    rate = f"{film.fps.numerator}/{film.fps.denominator}"
    size = f"{film.width}x{film.height}"
    key = str(max(1, int(film.fps)))
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", size, "-framerate", rate, "-i", "-"]
    # One thread each: two films at a time fill the machine, and threads would change the bits from host to host.
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-threads", "1", "-pix_fmt", "yuv420p"]
    same = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]
    return [
        *(find("ffmpeg"), "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *source, *codec),
        *("-g", key, *same, "-movflags", "+faststart", "-f", "mp4", str(target)),
    ]


class Painter:
    """Paints the frames of one film: whatever does not move is painted once."""

    def __init__(self, film: Film) -> None:
        self.film = film
        hue = _HUES[film.clip % len(_HUES)]
        self._near, self._far = _colour(hue, 0.75, 1.0), _colour(hue + 0.12, 0.85, 0.9)
        self._x = np.linspace(0, 1, film.width, dtype=np.float32)
        self._y = np.linspace(0, 1, film.height, dtype=np.float32)
        sky = 0.05 + 0.16 * self._y[:, None] ** 2
        self._still = np.broadcast_to(sky[:, :, None] * self._near, (film.height, film.width, 3)).copy()
        self._label(f"FILM {film.clip}", left=True)
        self._label(f"{float(film.fps):.6g} FPS", left=False)
        self._digits = [glyphs.text(digit, self._pitch) for digit in "0123456789"]

    @property
    def _pitch(self) -> int:
        """Pixels from dot to dot of the large number, which has at least four digits."""
        return max(2, min(self.film.width // 32, self.film.height // 16))

    def _label(self, line: str, *, left: bool) -> None:
        mask = glyphs.text(line, max(1, self.film.height // 90))
        margin = self.film.height // 15
        column = margin if left else self.film.width - margin - mask.shape[1]
        place = self._still[margin : margin + mask.shape[0], column : column + mask.shape[1]]
        place += mask[:, :, None] * (0.55 * self._near + 0.2)

    def picture(self, number: int) -> Picture:
        """The frame with this number."""
        film = self.film
        picture = self._still.copy()
        turn = 2 * np.pi * number / float(film.fps) / 6  # the light comes round every six seconds
        self._glow(picture, 0.5 + 0.42 * np.sin(turn), 0.30, 0.20, 0.42 * self._near)
        self._glow(picture, 0.5 - 0.38 * np.cos(turn * 0.7), 0.62, 0.26, 0.38 * self._far)
        self._number(picture, number)
        self._bar(picture, number)
        self._blocks(picture, number)
        return (np.clip(picture, 0, 1) * 255).astype(np.uint8)

    def _glow(self, picture: Floats, x: float, y: float, size: float, colour: Floats) -> None:
        across = np.exp(-(((self._x - np.float32(x)) / size) ** 2))
        down = np.exp(-(((self._y - np.float32(y)) / size) ** 2))
        picture += (down[:, None] * across[None, :])[:, :, None] * colour

    def _number(self, picture: Floats, number: int) -> None:
        step = (glyphs.COLUMNS + 1) * self._pitch
        text = f"{number:04d}"
        column = (self.film.width - len(text) * step + self._pitch) // 2
        line = round(0.46 * self.film.height) - glyphs.LINES * self._pitch // 2
        for digit in text:
            mask = self._digits[int(digit)]
            place = picture[line : line + mask.shape[0], column : column + mask.shape[1]]
            place += mask[:, :, None] * (np.float32(0.92) - place)
            column += step

    def _bar(self, picture: Floats, number: int) -> None:
        top, bottom = round(0.80 * self.film.height), round(0.82 * self.film.height)
        done = max(1, round((number + 1) * self.film.width / self.film.frames))
        picture[top:bottom] *= 0.5
        picture[top:bottom, :done] = 0.8 * self._near + 0.2

    def _blocks(self, picture: Floats, number: int) -> None:
        for row, word in enumerate(barcode.words(self.film.clip, number)):
            top, bottom = barcode.row_span(row, self.film.height)
            picture[top:bottom] = 0
            for block in range(barcode.BLOCKS):
                first, behind = barcode.block_span(block, self.film.width)
                picture[top:bottom, first:behind] = word >> (barcode.BLOCKS - 1 - block) & 1


def _colour(hue: float, saturation: float, value: float) -> Floats:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)
