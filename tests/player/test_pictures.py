"""Films of every kind on the wall, and where on it: the short form of tests/long/films, judged by the pixels."""

import asyncio
import itertools
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matrix import recipes
from screening import H264, SIZE, TONE, Kitchen, Recipe, cached, faults_of, start_of
from test_process import Bench, Eye, in_us, screen_on

from agent.control.probe import Film, probe
from agent.lab import displays
from agent.lab.displays import Display
from agent.lab.framebuffer import Framebuffer, Picture
from agent.lab.processes import Processes
from agent.player.wire import Failed, Fired, Hello, Missed, Start
from agent.units import UtcUs, frames_to_us

pytestmark = [pytest.mark.needs("Xvfb", "ffmpeg"), pytest.mark.timeout(90)]

S = 1_000_000
EXACT = (
    "h264-60000n.mp4",
    "no-edit-list-tone.mp4",
    "edit-list-into-gop.mp4",
    "late-picture.mkv",
    "vp9-altref-opus.webm",
)
REFUSED = ("stream.ts", "interlaced.mp4", "uneven.mp4", "two-pictures.mkv", "cut-off.mp4", "damaged.mp4")
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
QUARTERS: dict[tuple[int, ...], str] = {RED: "R", GREEN: "G", BLUE: "B", WHITE: "W", (0, 0, 0): "."}


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    """With the films that others are made of."""
    made = Kitchen(tmp_path_factory.mktemp("films"))
    for recipe in recipes():
        if recipe.name in ("long.mp4", "long-tone.mp4"):
            made.make(recipe)
    return made


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path / "logs") as all_of_them:
        yield all_of_them


@asynccontextmanager
async def wall(
    processes: Processes, folder: Path, size: tuple[int, int], **screen: Any
) -> AsyncIterator[tuple[Bench, Display]]:
    display = (await asyncio.to_thread(displays.start, processes, ["wall"], size, folder / "displays"))[0]
    bench = Bench(screen_on(display.name, **screen))
    try:
        yield bench, display
    finally:
        await bench.close()


async def test_odd_films_are_shown_to_the_frame_or_refused(
    processes: Processes, tmp_path: Path, kitchen: Kitchen
) -> None:
    chosen = [recipe for recipe in recipes() if recipe.name in EXACT + REFUSED]
    assert len(chosen) == len(EXACT + REFUSED)
    async with wall(processes, tmp_path, SIZE) as (bench, display):
        eye = Eye(display.framebuffer)
        eye.start()
        await bench.hear(Hello)
        faults = {recipe.name: await faults_of(bench, eye, kitchen, recipe, run=False) for recipe in chosen}
        eye.open = False
        eye.join()
    assert faults == {recipe.name: [] for recipe in chosen}


# --- boundaries ---------------------------------------------------------------------------------

MIXED = (
    Recipe("mixed-1.mp4", f"{H264} -bf 3 -use_editlist 0 -c:a aac", "25", sound=TONE, clip=11),
    Recipe("mixed-2.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8", "60000/1001", clip=12, size=(640, 360)),
    Recipe("mixed-3.mov", "-c:v prores_ks -c:a pcm_s16le", "24000/1001", sound=TONE, clip=13, size=(400, 224)),
    Recipe("mixed-4.mkv", "-c:v libx265 -preset ultrafast -x265-params log-level=none", "50", clip=14),
)


async def test_cuts_between_films_of_every_kind_show_the_last_frame_and_then_the_first(
    processes: Processes, tmp_path: Path, kitchen: Kitchen
) -> None:
    films = []
    for recipe in MIXED:
        found = probe(kitchen.make(recipe), 0)
        assert isinstance(found, Film), found
        films.append((recipe, found, cached(found.path, kitchen.folder)))
    async with wall(processes, tmp_path, SIZE, volume=100) as (bench, display):
        eye = Eye(display.framebuffer)
        eye.start()
        await bench.hear(Hello)
        at = t0 = in_us(1.5)
        starts = []
        for recipe, film, path in films:
            starts.append(start_of(recipe.name, film, at, path=path))
            at += frames_to_us(film.frames or 0, Fraction(film.fps or 1))
        starts.append(Start(id="end", kind="black", at=UtcUs(at)))
        for n, start in enumerate(starts):  # as the agent does: always the next two
            bench.renew_clock()
            bench.player.plan(starts[n : n + 2])
            await bench.hear(Fired, start.id)
        eye.open = False
        eye.join()
    shown = [(look.clip, look.frame) for look in eye.between(t0 - 1000, at)]
    assert shown == sorted(set(shown)), "black, or a frame that came back"
    for recipe, film, _ in films:
        seen = [frame for clip, frame in shown if clip == recipe.clip]
        assert film.frames is not None
        assert (seen[0], seen[-1]) == (0, film.frames - 1), recipe.name
        assert len(seen) >= 0.95 * film.frames, recipe.name


# --- geometry -----------------------------------------------------------------------------------


def quarters(width: int, height: int) -> Picture:
    picture = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    picture[:top, :left], picture[:top, left:], picture[top:, :left], picture[top:, left:] = RED, GREEN, BLUE, WHITE
    return picture


def paint(path: Path, picture: Picture, *options: str, frames: int = 1) -> Path:
    height, width, _ = picture.shape
    raw = f"-f rawvideo -pix_fmt rgb24 -video_size {width}x{height} -framerate 25 -i -"
    command = ["ffmpeg", "-v", "error", "-y", *raw.split(), *options, str(path)]
    subprocess.run(command, input=picture.tobytes() * frames, check=True)
    return path


def lit(picture: Picture) -> tuple[int, int, int, int]:
    """x, y, width and height of what is not black."""
    rows, columns = (np.flatnonzero((picture.max(2) > 40).any(axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)


def colours(picture: Picture) -> str:
    """The quarters of what is not black, line by line."""
    x, y, width, height = lit(picture)
    points = ((y + height * down // 4, x + width * across // 4) for down in (1, 3) for across in (1, 3))
    return "".join(QUARTERS.get(tuple(int(value > 128) * 255 for value in picture[point]), "?") for point in points)


GEOMETRY = [
    # a banner of LEDs, whole and with a picture of another shape
    ((1920, 192), (1920, 192), {}, (0, 0, 1920, 192), "RGBW"),
    ((1920, 192), (320, 180), {"fit": "contain"}, (789, 0, 341, 192), "RGBW"),
    ((1920, 192), (320, 180), {"fit": "cover", "rotate": 180}, (0, 0, 1920, 192), "WBGR"),
    # a portrait raster
    ((96, 320), (320, 96), {"rotate": 90}, (0, 0, 96, 320), "BRWG"),
    ((96, 320), (320, 180), {"rotate": 270, "fit": "stretch"}, (0, 0, 96, 320), "GWRB"),
    # a wall that is an odd part of the output
    ((640, 360), (320, 180), {"region": "101,33,99,301", "rotate": 90, "fit": "cover"}, (101, 33, 99, 301), "BRWG"),
    ((640, 360), (320, 180), {"region": "11,7,320,220", "fit": "contain"}, (11, 27, 320, 180), "RGBW"),
]


@pytest.mark.parametrize(("raster", "size", "screen", "where", "what"), GEOMETRY)
async def test_the_picture_lies_where_region_fit_and_rotate_put_it(
    processes: Processes,
    tmp_path: Path,
    raster: tuple[int, int],
    size: tuple[int, int],
    screen: dict[str, Any],
    where: tuple[int, int, int, int],
    what: str,
) -> None:
    """For a film, a still and the wall's own slate alike; the rest of the raster stays black."""
    film = paint(tmp_path / "film.mkv", quarters(*size), *("-c:v", "ffv1"), frames=50)
    still = paint(tmp_path / "still.png", quarters(*size))
    async with wall(processes, tmp_path, raster, **screen) as (bench, display):
        await bench.hear(Hello)
        t0 = in_us(1)
        starts = [
            Start(id="film", kind="film", at=UtcUs(t0), path=str(film), held=True),
            Start(id="still", kind="film", at=UtcUs(t0 + S // 2), path=str(still)),
            Start(id="slate", kind="slate", at=UtcUs(t0 + S), path=str(still)),
        ]
        bench.player.plan(starts)
        seen = {}
        for start in starts:
            await bench.hear(Fired, start.id)
            await asyncio.sleep(0.1)
            seen[start.id] = Framebuffer.open(display.framebuffer).snapshot()
    assert {name: (lit(picture), colours(picture)) for name, picture in seen.items()} == dict.fromkeys(
        seen, (where, what)
    )


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
async def test_rotation_moves_pixels_and_changes_none(processes: Processes, tmp_path: Path, rotate: int) -> None:
    blocks = np.random.default_rng(1).integers(0, 256, (45, 80, 3), np.uint8)
    picture = blocks.repeat(2, 0).repeat(2, 1)
    still = paint(tmp_path / "still.png", picture)
    height, width, _ = picture.shape
    raster = (width, height) if rotate % 180 == 0 else (height, width)
    async with wall(processes, tmp_path, raster, rotate=rotate) as (bench, display):
        await bench.hear(Hello)
        bench.player.plan([Start(id="still", kind="film", at=UtcUs(in_us(0.7)), path=str(still))])
        await bench.hear(Fired, "still")
        await asyncio.sleep(0.1)
        seen = Framebuffer.open(display.framebuffer).snapshot()
    assert np.array_equal(seen, np.rot90(picture, -rotate // 90))


async def test_what_is_transparent_is_black(processes: Processes, tmp_path: Path) -> None:
    picture = np.full((180, 320, 3), 255, np.uint8)
    half_clear = "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='if(lt(X,160),0,255)'"
    still = paint(tmp_path / "still.png", picture, "-vf", half_clear)
    async with wall(processes, tmp_path, SIZE) as (bench, display):
        await bench.hear(Hello)
        bench.player.plan([Start(id="still", kind="film", at=UtcUs(in_us(0.7)), path=str(still))])
        await bench.hear(Fired, "still")
        await asyncio.sleep(0.1)
        assert lit(Framebuffer.open(display.framebuffer).snapshot()) == (160, 0, 160, 180)


async def test_a_region_that_does_not_fit_is_refused_by_name(processes: Processes, tmp_path: Path) -> None:
    async with wall(processes, tmp_path, SIZE, region="100,0,320,180") as (bench, _):
        failed = await bench.hear(Failed)
    assert "display.region '100,0,320,180' does not fit the screen of 320x180" in failed.detail


# --- the slate ----------------------------------------------------------------------------------


async def test_a_slate_of_ones_own_loops_and_a_broken_one_is_told(
    processes: Processes, tmp_path: Path, kitchen: Kitchen
) -> None:
    film = kitchen.make(Recipe("slate.mp4", H264, clip=21, seconds=Fraction(1)))
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(b"no film" * 700)
    async with wall(processes, tmp_path, SIZE) as (bench, display):
        eye = Eye(display.framebuffer)
        eye.start()
        await bench.hear(Hello)
        t0 = in_us(1)
        looping, broken = (
            Start(id=name, kind="slate", at=UtcUs(at), path=str(path))
            for name, at, path in (("slate", t0, film), ("broken", t0 + 3 * S, noise))
        )
        bench.player.plan([looping, broken, Start(id="built-in", kind="slate", at=UtcUs(t0 + 4 * S))])
        await bench.hear(Fired, "slate")
        missed = await bench.hear(Missed, "broken")
        await bench.hear(Fired, "built-in")
        await asyncio.sleep(0.1)
        eye.open = False
        eye.join()
    frames = [look.frame for look in eye.between(t0 + 50_000, t0 + 3 * S) if look.clip == 21]
    assert sum(after < before for before, after in itertools.pairwise(frames)) >= 2, "it came round"
    assert missed.reason == "film_broken"
    assert not eye.looks[-1].clip and not eye.looks[-1].black
