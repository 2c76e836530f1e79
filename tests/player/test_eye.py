"""The eye and the floor on a real X server, beside python-xlib's own windows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from Xlib import X
from Xlib import display as xdisplay

from agent.clock.kernel import raw_now_ns
from agent.lab import displays
from agent.lab.displays import Display
from agent.lab.framebuffer import snapshots
from agent.lab.processes import Processes
from agent.player.eye import open_eye
from agent.player.floor import Floor
from agent.units import RawNs

pytestmark = [pytest.mark.needs("Xvfb"), pytest.mark.timeout(60)]

WHITE, GREY = 0xFFFFFF, 0x808080


@pytest.fixture
def display(tmp_path: Path) -> Iterator[Display]:
    with Processes(tmp_path / "logs") as processes:
        yield displays.start(processes, ["wall"], (64, 32), tmp_path / "displays")[0]


def paint(x: Any, colour: int) -> None:
    root = x.screen().root
    root.fill_rectangle(root.create_gc(foreground=colour), 0, 0, 64, 32)
    x.sync()


def soon(seconds: float = 5.0) -> RawNs:
    return RawNs(raw_now_ns() + round(seconds * 1e9))


def test_a_change_is_seen_after_it_was_made_and_not_before_the_eye_opened(display: Display) -> None:
    eye = open_eye(display.name)
    assert eye is not None
    x = xdisplay.Display(display.name)
    paint(x, WHITE)
    eye.open()
    assert eye.wait(soon(0.1)) is None, "an old change was taken for a new one"
    eye.open()
    before = raw_now_ns()
    paint(x, GREY)
    seen = eye.wait(soon())
    assert seen is not None
    assert before < seen < raw_now_ns()


def test_a_watch_ends_at_its_instant_and_sees_what_comes_before(display: Display) -> None:
    eye = open_eye(display.name)
    assert eye is not None
    x = xdisplay.Display(display.name)
    eye.open()
    until = soon(0.05)
    assert eye.watch(until, 1_000_000) is None
    assert raw_now_ns() >= until
    eye.open()
    paint(x, GREY)
    seen = eye.watch(soon(), 1_000_000)
    assert seen is not None
    assert seen < raw_now_ns()


def test_many_changes_are_one_until_the_eye_is_opened_again(display: Display) -> None:
    eye = open_eye(display.name)
    assert eye is not None
    x = xdisplay.Display(display.name)
    eye.open()
    for colour in (WHITE, GREY, WHITE):
        paint(x, colour)
    assert eye.wait(soon()) is not None
    assert eye.wait(soon(0.1)) is None
    eye.open()
    paint(x, GREY)
    assert eye.wait(soon()) is not None


def test_an_eye_on_a_server_that_ends_says_so(tmp_path: Path) -> None:
    with Processes(tmp_path / "logs") as processes:
        wall = displays.start(processes, ["wall"], (64, 32), tmp_path / "displays")[0]
        eye = open_eye(wall.name)
        assert eye is not None
        eye.open()
        processes.end(wall.child)
        with pytest.raises(ConnectionError):
            eye.wait(soon())


def test_where_there_is_no_display_there_is_no_eye() -> None:
    assert open_eye(":4711") is None


def test_the_floor_is_black_below_the_windows_that_come_later_and_is_laid_once(display: Display) -> None:
    x = xdisplay.Display(display.name)
    paint(x, WHITE)  # a desktop
    floor = Floor(display.name)
    floor.lay()
    assert not snapshots({"wall": display.framebuffer})["wall"].any()
    window = x.screen().root.create_window(0, 0, 64, 32, 0, X.CopyFromParent, background_pixel=GREY)
    window.map()
    x.sync()
    floor.lay()
    assert snapshots({"wall": display.framebuffer})["wall"].all(), "the floor came up over a player's window"
    window.destroy()
    x.sync()
    assert not snapshots({"wall": display.framebuffer})["wall"].any()


def test_a_floor_without_a_display_waits_for_one() -> None:
    Floor(":4711").lay()
