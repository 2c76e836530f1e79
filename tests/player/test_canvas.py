"""The canvas on a real X server, and the easel without one held to it: after the same strokes both show the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from easels import FakeEasel, Picture

from agent.lab import displays
from agent.lab.displays import Display
from agent.lab.framebuffer import Framebuffer
from agent.lab.processes import Processes
from agent.player.canvas import Canvas, Easel
from agent.player.raster import Rect
from agent.player.slate import GROUND, ring
from agent.player.stage import BLACK, SLATE, X11Stage
from agent.player.wire import Screen

pytestmark = pytest.mark.needs("Xvfb")

RED, GREEN, BLUE = 0xC00000, 0x00C000, 0x0000C0
SIZE = (160, 90)
PLACE = Rect(20, 10, 60, 30)


def strokes(easel: Easel) -> Canvas:
    canvas = easel.canvas(PLACE)
    canvas.paint(RED, [Rect(0, 0, 60, 30)])
    canvas.paint(GREEN, [Rect(5, 5, 10, 20), Rect(30, 5, 10, 3)])
    easel.lift(canvas)
    canvas.reveal([Rect(0, 0, 60, 30)])
    canvas.paint(BLUE, [Rect(0, 0, 60, 30)])
    canvas.reveal([Rect(0, 0, 7, 9)])
    canvas.light(0xFFFFFF, [Rect(50, 20, 10, 10)])
    easel.flush()
    return canvas


def wanted() -> Picture:
    easel = FakeEasel(*SIZE)
    strokes(easel)
    assert easel.top is not None
    return easel.top.seen


@pytest.fixture
def display(processes: Processes, tmp_path: Path) -> Display:
    return displays.start(processes, ["wall"], SIZE, tmp_path / "displays")[0]


@pytest.fixture
def look(display: Display) -> Callable[[X11Stage], Picture]:
    """What is on the screen, a number a pixel, when the display has done all that it was told."""

    def colours(stage: X11Stage) -> Picture:
        stage.settle()
        screen = Framebuffer.open(display.framebuffer)
        rgb = screen.snapshot().astype(np.int32)
        screen.close()
        return (rgb[:, :, 0] << 16) + (rgb[:, :, 1] << 8) + rgb[:, :, 2]

    return colours


def stage_on(display: Display, rotate: int = 0, region: str = "") -> X11Stage:
    return X11Stage(
        Screen(
            output="x11",
            name=display.name,
            region=region,
            fit="contain",
            rotate=rotate,
            latency_us=0,
            decoder="auto",
            volume=0,
            slate="",
        )
    )


def part(picture: Picture, rect: Rect) -> Picture:
    return picture[rect.y : rect.y + rect.height, rect.x : rect.x + rect.width]


def test_only_what_was_revealed_or_lit_is_seen(display: Display, look: Callable[[X11Stage], Picture]) -> None:
    stage = stage_on(display)
    strokes(stage)
    seen = look(stage)
    assert (part(seen, PLACE) == wanted()).all()
    assert (seen != 0).sum() == PLACE.width * PLACE.height


@pytest.mark.parametrize("rotate", [90, 180, 270])
def test_on_a_turned_wall_it_is_turned(display: Display, look: Callable[[X11Stage], Picture], rotate: int) -> None:
    stage = stage_on(display, rotate)
    strokes(stage)
    # Turned back, anticlockwise, the picture is upright again.
    assert (part(np.rot90(look(stage), rotate // 90), PLACE) == wanted()).all()


def test_in_a_region_it_is_counted_from_there(display: Display, look: Callable[[X11Stage], Picture]) -> None:
    stage = stage_on(display, region="60,40,90,45")
    assert stage.raster == (90, 45)
    strokes(stage)
    assert (part(look(stage), Rect(80, 50, 60, 30)) == wanted()).all()


def test_it_stays_above_whatever_is_shown_or_covers_and_leaves_no_trace(
    display: Display, look: Callable[[X11Stage], Picture]
) -> None:
    stage = stage_on(display)
    stage.show(SLATE)
    slate = look(stage)
    assert (slate != GROUND).sum() == sum(rect.width for _, rect in ring(*SIZE)), "the slate is its ring"
    canvas = strokes(stage)
    changes: list[Callable[[], None]] = [
        lambda: stage.show(BLACK),
        lambda: stage.show(0),
        lambda: stage.cover(SLATE),
        lambda: stage.show(1),
        lambda: stage.cover(None),
        lambda: stage.cover(BLACK),
        lambda: stage.show(SLATE),
        lambda: stage.cover(None),
    ]
    for change in changes:
        change()
        assert (part(look(stage), PLACE) == wanted()).all()
    stage.drop(canvas)
    stage.flush()
    assert (look(stage) == slate).all()
