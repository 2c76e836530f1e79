import json
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from agent.lab import barcode, films
from agent.lab.films import Film
from agent.lab.processes import LabError

pytestmark = pytest.mark.needs("ffmpeg")


def probe(path: Path) -> dict[str, str]:
    shown = "stream=codec_name,pix_fmt,r_frame_rate,avg_frame_rate,nb_read_frames,width,height,start_time"
    argv = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", shown, "-of", "json", str(path)]
    (stream,) = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)["streams"]
    return dict(stream)


def codes(film: Film, width: int, height: int) -> list[tuple[int, int] | None]:
    """Decode a film, scaled to a size, and read its codes as the meter does."""
    argv = ["ffmpeg", "-v", "error", "-i", str(film.path), "-vf", f"scale={width}:{height}"]
    raw = subprocess.run([*argv, "-f", "rawvideo", "-pix_fmt", "gray", "-"], check=True, capture_output=True).stdout
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, height, width)
    column, step = barcode.centre_columns(width)
    columns = [column + step * block for block in range(barcode.BLOCKS)]
    lines = [sum(barcode.row_span(row, height)) // 2 for row in (0, 1)]
    return [
        barcode.decode(picture[lines[0], columns].tobytes(), picture[lines[1], columns].tobytes())
        for picture in pictures
    ]


@pytest.mark.parametrize(
    ("rate", "size", "screen"),
    [
        (Fraction(30), (320, 180), (320, 180)),
        (Fraction(60), (320, 180), (1280, 720)),
        (Fraction(30000, 1001), (640, 360), (320, 180)),
        (Fraction(25), (160, 90), (160, 90)),
        (Fraction(24), (270, 480), (270, 480)),
    ],
)
def test_every_frame_is_read_back_after_compression_and_scaling(
    tmp_path: Path, rate: Fraction, size: tuple[int, int], screen: tuple[int, int]
) -> None:
    film = films.make_film(tmp_path / "f.mp4", clip=5, frames=70, fps=rate, width=size[0], height=size[1])
    assert codes(film, *screen) == [(5, n) for n in range(70)]
    facts = probe(film.path)
    assert (facts["codec_name"], facts["pix_fmt"]) == ("h264", "yuv420p")
    assert Fraction(facts["r_frame_rate"]) == Fraction(facts["avg_frame_rate"]) == rate
    assert f"{facts['width']}x{facts['height']}" == f"{size[0]}x{size[1]}"
    assert float(facts["start_time"]) == 0


def test_a_key_frame_comes_at_least_every_second(tmp_path: Path) -> None:
    film = films.make_film(tmp_path / "f.mp4", clip=1, frames=75, fps=Fraction(25), width=160, height=90)
    argv = ["ffprobe", "-v", "error", "-skip_frame", "nokey", "-show_entries", "frame=pts_time", "-of", "json"]
    frames = json.loads(subprocess.run([*argv, str(film.path)], check=True, capture_output=True).stdout)["frames"]
    instants = [float(frame["pts_time"]) for frame in frames]
    assert instants[0] == 0
    assert max(b - a for a, b in zip(instants, [*instants[1:], 3.0], strict=True)) <= 1.0


def test_the_program_of_the_lab(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    made = films.make_program(tmp_path / "new" / "folder", width=160, height=90, progress=lambda *at: told.append(at))
    assert sum(film.seconds for film in made) == 20
    assert all(film.seconds >= 3 for film in made)
    assert [film.fps for film in made].count(Fraction(60)) == 1
    assert len({film.clip for film in made}) == len(made) == 5
    assert all(film.path.stat().st_size for film in made)
    total = sum(film.frames for film in made)
    assert told == [(n, total) for n in range(1, total + 1)]
    assert not list(tmp_path.rglob("*.part"))


def test_made_again_a_film_is_the_same(tmp_path: Path) -> None:
    one, other = (
        films.make_film(tmp_path / name, clip=2, frames=40, fps=Fraction(30), width=160, height=90).path.read_bytes()
        for name in ("one.mp4", "other.mp4")
    )
    assert one == other


def test_clips_differ_for_the_eye(tmp_path: Path) -> None:
    plan = films.plan(tmp_path, width=320, height=180)
    above = [films.Painter(film).picture(20)[40:130].mean(axis=(0, 1)) for film in plan]
    for a in range(len(above)):
        for b in range(a):
            assert np.abs(above[a] - above[b]).max() > 8


def test_one_rate_for_all(tmp_path: Path) -> None:
    plan = films.plan(tmp_path, width=320, height=180, fps=Fraction(30000, 1001))
    assert {film.fps for film in plan} == {Fraction(30000, 1001)}
    assert all(film.seconds >= 2 for film in plan)


@pytest.mark.parametrize(
    ("clip", "frames", "width", "height"),
    [(1, 10, 321, 180), (1, 10, 320, 181), (1, 10, 100, 60), (256, 10, 320, 180), (1, 0, 320, 180)],
)
def test_what_cannot_be_made_is_refused(tmp_path: Path, clip: int, frames: int, width: int, height: int) -> None:
    with pytest.raises(LabError, match="test film"):
        films.make_film(tmp_path / "f.mp4", clip=clip, frames=frames, fps=Fraction(30), width=width, height=height)


def test_an_encoder_that_fails_is_reported_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"ffmpeg made no film: .*No such file or directory"):
        films.make_film(tmp_path / "none" / "f.mp4", clip=1, frames=60, fps=Fraction(30), width=320, height=180)
