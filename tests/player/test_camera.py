"""The camera on a real X server: its pictures are compared with the framebuffer, and it is killed, stopped and left."""

import asyncio
import base64
import io
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from easels import Picture
from PIL import Image
from test_process import screen_on
from Xlib import X
from Xlib import display as xdisplay

from agent.answered import MAX_JPEG_BYTES
from agent.effects import Shoot
from agent.lab import displays
from agent.lab.displays import Display
from agent.lab.framebuffer import Framebuffer
from agent.lab.processes import Processes, listens
from agent.messages import Refusal
from agent.player import camera as cameras
from agent.player.camera import Camera
from agent.player.jpeg import develop, picture
from agent.player.lens import Lens
from agent.player.raster import Rect
from agent.player.stage import StageError
from agent.player.wire import Screen
from agent.shots import Print
from agent.units import RawNs

pytestmark = [pytest.mark.needs("Xvfb"), pytest.mark.timeout(60)]

SIZE = (320, 180)
SCHED_IDLE = 5
RED, GREEN, BLUE, WHITE = 0xFF0000, 0x00FF00, 0x0000FF, 0xFFFFFF
QUARTERS = {RED: (0, 0), GREEN: (1, 0), BLUE: (0, 1), WHITE: (1, 1)}


@dataclass
class Album:
    """A camera that runs, and what it gives: by the ask's id, with the numbers of the copies that were made."""

    camera: "Camera[int]"
    copies: list[RawNs] = field(default_factory=list)
    given: dict[str, tuple[Print, int] | Refusal] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def order(self, ask: str, width: int = 1280) -> None:
        self.camera.shoot(Shoot(ask, width))

    async def answer(self, ask: str) -> tuple[Print, int] | Refusal:
        async with asyncio.timeout(30):
            while ask not in self.given:
                self.news.clear()
                await self.news.wait()
        return self.given.pop(ask)

    async def take(self, ask: str = "one", width: int = 1280) -> tuple[Print, int]:
        self.order(ask, width)
        outcome = await self.answer(ask)
        assert not isinstance(outcome, Refusal), outcome
        return outcome

    async def refused(self, ask: str = "one") -> Refusal:
        self.order(ask)
        outcome = await self.answer(ask)
        assert isinstance(outcome, Refusal), outcome
        return outcome


@asynccontextmanager
async def running(screen: Screen) -> AsyncIterator[Album]:
    def moment(raw: RawNs) -> int:
        album.copies.append(raw)
        return len(album.copies)

    def done(order: Shoot, outcome: tuple[Print, int] | Refusal) -> None:
        album.given[order.ask] = outcome
        album.news.set()

    album = Album(Camera(screen, moment, done))
    task = asyncio.create_task(album.camera.run())
    try:
        yield album
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def alive(pid: int) -> bool:
    """Whether the process is there, and not only its name."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def tasks_of(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/task").iterdir())


def cpu_ticks(task: Path) -> int:
    """Of one thread, in hundredths of a second."""
    fields = (task / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def comes_true(fact: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


@pytest.fixture
def display(processes: Processes, tmp_path: Path) -> Display:
    return displays.start(processes, ["wall"], SIZE, tmp_path / "displays")[0]


@pytest.fixture
def paint(display: Display) -> Callable[[dict[int, Rect]], None]:
    """Put a window on the screen in front of all others for each colour."""
    x = xdisplay.Display(display.name)

    def draw(colours: dict[int, Rect]) -> None:
        for colour, at in colours.items():
            window = x.screen().root.create_window(
                at.x, at.y, at.width, at.height, 0, X.CopyFromParent, background_pixel=colour, override_redirect=True
            )
            window.map()
        x.sync()

    return draw


def again(processes: Processes, name: str, screen: str) -> None:
    """Start another display under the name of one that has ended."""
    child = processes.start("again", ["Xvfb", name, "-screen", "0", screen, "-nolisten", "tcp", "-noreset"])
    unix = Path(f"/tmp/.X11-unix/X{name[1:]}")
    processes.leaves(unix)
    processes.wait_for(partial(listens, unix), 10, child, "accepting connections")


def quarters(width: int, height: int, x: int = 0, y: int = 0) -> dict[int, Rect]:
    """Four colours, clockwise from the upper left: red, green, white, blue."""
    w, h = width // 2, height // 2
    return {colour: Rect(x + column * w, y + row * h, w, h) for colour, (column, row) in QUARTERS.items()}


def pixels(made: Print) -> Picture:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(made.jpeg))).convert("RGB")).astype(np.int32)


def corner(seen: Picture, right: float, down: float) -> int:
    """The strong colours at a place of the picture, as one number."""
    found = seen[round(down * seen.shape[0]), round(right * seen.shape[1])] > 127
    return int(found[0]) * RED | int(found[1]) * GREEN | int(found[2]) * BLUE


def corners(seen: Picture) -> list[int]:
    """Clockwise from the upper left."""
    return [corner(seen, *at) for at in ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))]


async def test_the_picture_is_that_of_the_framebuffer_whatever_lies_on_top(
    display: Display, paint: Callable[[dict[int, Rect]], None]
) -> None:
    paint(quarters(*SIZE))
    paint({0x123456: Rect(100, 60, 120, 60)})
    screen = Framebuffer.open(display.framebuffer)
    async with running(screen_on(display.name)) as album:
        made, _ = await album.take()
    wanted = screen.snapshot().astype(np.int32)
    screen.close()
    assert (made.width, made.height, made.wall_width, made.wall_height) == (*SIZE, *SIZE)
    found = pixels(made)
    assert np.abs(found - wanted).mean() < 3
    assert corners(found) == [RED, GREEN, WHITE, BLUE]
    assert np.abs(found[90, 160] - (0x12, 0x34, 0x56)).max() < 12


@pytest.mark.parametrize(
    ("rotate", "clockwise"),
    [
        (0, [RED, GREEN, WHITE, BLUE]),
        # Driven turned clockwise by so much, the picture is turned back.
        (90, [GREEN, WHITE, BLUE, RED]),
        (180, [WHITE, BLUE, RED, GREEN]),
        (270, [BLUE, RED, GREEN, WHITE]),
    ],
)
def test_only_the_wall_is_in_it_and_upright(
    display: Display, paint: Callable[[dict[int, Rect]], None], rotate: int, clockwise: list[int]
) -> None:
    paint({0x808080: Rect(0, 0, *SIZE)})
    paint(quarters(120, 60, 40, 20))
    lens = Lens(display.name, "40,20,120,60")
    upright = picture(lens.read(lens.expose()), rotate)
    assert upright.size == ((60, 120) if rotate % 180 else (120, 60))
    assert corners(np.asarray(upright)) == clockwise


async def test_asks_that_come_together_share_one_copy_each_at_its_own_width(display: Display) -> None:
    async with running(screen_on(display.name)) as album:
        for ask, width in (("a", 1280), ("b", 64), ("c", 1280)):
            album.order(ask, width)
        outcomes = [await album.answer(ask) for ask in "abc"]
        (a, of_a), (b, of_b), (c, of_c) = [outcome for outcome in outcomes if not isinstance(outcome, Refusal)]
        assert (of_a, of_b, of_c) == (1, 1, 1) and a is c
        assert (a.width, a.height, b.width, b.height) == (320, 180, 64, 36)
        await asyncio.sleep(2.05)
        _, later = await album.take("d")
        assert later == 2 and len(album.copies) == 2


async def test_a_camera_that_is_killed_is_replaced_at_once(display: Display) -> None:
    async with running(screen_on(display.name)) as album:
        await album.take()
        first = album.camera.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        made, copy = await album.take("two", 64)
        assert album.camera.pid not in (None, first)
        assert (made.width, copy) == (64, 2), "the new one has no copy of the old one's"


async def test_a_camera_that_breaks_ends_no_agent(display: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer is longer than any should be."""
    monkeypatch.setattr(cameras, "LINE_BYTES", 100)
    async with running(screen_on(display.name)) as album:
        refused = await album.refused()
        assert refused.code == "shot_failed" and "log says why" in refused.detail
        monkeypatch.setattr(cameras, "LINE_BYTES", 256 * 1024)
        await album.take("two")


async def test_a_display_that_hangs_is_told_and_holds_nothing_up(
    display: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(screen_on(display.name)) as album:
        await album.take()
        monkeypatch.setattr(cameras, "TAKE_S", 0.5)
        monkeypatch.setattr(cameras, "FRESH_US", 0)
        begun: list[str] = []
        monkeypatch.setattr(cameras.Camera, "_start", lambda _: begun.append("another one"))
        os.kill(display.child.pid, signal.SIGSTOP)
        try:
            refused = await album.refused("hung")
        finally:
            os.kill(display.child.pid, signal.SIGCONT)
            monkeypatch.undo()
        assert begun == [], "it would wait for the same thing"
        assert refused.code == "shot_failed" and "does the display answer?" in refused.detail
        await album.take("again")


async def test_a_display_that_is_not_there_is_told_and_one_that_comes_is_used(
    processes: Processes, tmp_path: Path
) -> None:
    first = displays.start(processes, ["wall"], SIZE, tmp_path / "first")[0]
    async with running(screen_on(first.name)) as album:
        await album.take()
        processes.end(first.child)
        await asyncio.sleep(2.05)
        refused = await album.refused("gone")
        assert refused.code == "display_absent" and "start the X server" in refused.detail
        again(processes, first.name, "200x100x24")
        made, _ = await album.take("back")
        assert (made.wall_width, made.wall_height) == (200, 100)


def test_a_region_that_does_not_fit_is_named(display: Display) -> None:
    with pytest.raises(StageError, match=r"display.region '300,0,100,100' does not fit"):
        Lens(display.name, "300,0,100,100").expose()


def test_a_display_without_true_colours_is_refused(processes: Processes, tmp_path: Path) -> None:
    first = displays.start(processes, ["wall"], SIZE, tmp_path / "first")[0]
    processes.end(first.child)
    again(processes, first.name, "64x64x16")
    with pytest.raises(StageError, match="run it with 24"):
        Lens(first.name, "").expose()


async def test_its_work_is_the_least_urgent_of_all_and_it_goes_with_the_agent(display: Display) -> None:
    async with running(screen_on(display.name)) as album:
        await album.take()
        pid = album.camera.pid
        assert pid is not None
        (work,) = [task for task in tasks_of(pid) if int(task.name) != pid]
        assert os.sched_getscheduler(int(work.name)) == SCHED_IDLE
        assert os.getpriority(os.PRIO_PROCESS, int(work.name)) == 19
        # The other one starts an interpreter, and copies: all else is this one's work.
        assert cpu_ticks(work) > 2 * cpu_ticks(work.with_name(str(pid)))
    assert album.camera.pid is None and not alive(pid)


async def test_it_dies_with_an_agent_that_is_killed(display: Display) -> None:
    body = f"""
import asyncio
from agent.player.camera import Camera
from agent.effects import Shoot
from agent.player.wire import Screen
screen = Screen.model_validate_json({screen_on(display.name).model_dump_json()!r})
camera = Camera(screen, lambda raw: None, lambda order, outcome: print(camera.pid, flush=True))
camera.shoot(Shoot("one", 64))
asyncio.run(camera.run())
"""
    agent = await asyncio.create_subprocess_exec(sys.executable, "-c", body, stdout=asyncio.subprocess.PIPE)
    assert agent.stdout is not None
    camera = int(await agent.stdout.readline())
    assert alive(camera)
    agent.kill()
    await agent.wait()
    await comes_true(lambda: not alive(camera))


async def test_nobody_who_asks_no_more_keeps_it(display: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "IDLE_S", 0.2)
    async with running(screen_on(display.name)) as album:
        await album.take()
        await comes_true(lambda: album.camera.pid is None)
        monkeypatch.setattr(cameras, "FRESH_US", 0)
        await album.take("later")


def test_more_than_can_be_waited_for_are_refused() -> None:
    given: list[tuple[str, object]] = []
    camera = Camera(screen_on(":0"), lambda _raw: None, lambda order, outcome: given.append((order.ask, outcome)))
    for number in range(cameras.WAITING + 1):
        camera.shoot(Shoot(str(number), 1280))
    ((ask, refused),) = given
    assert ask == str(cameras.WAITING) and isinstance(refused, Refusal) and refused.code == "rate"


def test_even_noise_fits_into_a_message() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (1080, 1920, 3), np.uint8), "RGB")
    jpeg, width, height = develop(noise, 1280)
    assert len(jpeg) <= MAX_JPEG_BYTES and width >= 320 and abs(width / height - 16 / 9) < 0.02
    assert Image.open(io.BytesIO(jpeg)).size == (width, height)
