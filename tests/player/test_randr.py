"""RandR as Xvfb answers it, and modes as the standards (CEA-861, VESA DMT) time them; no real display was seen."""

from pathlib import Path

import pytest
from Xlib import display as xdisplay

from agent.lab import displays
from agent.lab.processes import Processes
from agent.player.randr import rate_of, refresh_hz


def mode(dot_clock: int, h_total: int, v_total: int, flags: int = 0) -> dict[str, int]:
    return {"dot_clock": dot_clock, "h_total": h_total, "v_total": v_total, "flags": flags}


@pytest.mark.parametrize(
    ("timing", "hz"),
    [
        (mode(148_500_000, 2200, 1125), 60.0),
        (mode(148_500_000, 2640, 1125), 50.0),
        (mode(148_351_648, 2200, 1125), 59.94),
        (mode(74_250_000, 2640, 1125, flags=0x10), 50.0),  # 1080i: fifty fields a second
        (mode(25_175_000, 800, 525), 59.94),
        (mode(12_587_500, 800, 262, flags=0x20), 30.03),
    ],
)
def test_the_rate_of_a_mode(timing: dict[str, int], hz: float) -> None:
    assert rate_of(timing) == pytest.approx(hz, abs=0.01)


def test_a_mode_without_timing_has_none() -> None:
    assert rate_of(mode(0, 0, 0)) is None


class FakeScreen:
    """An X server with two outputs side by side, in the shapes that python-xlib gives."""

    def __init__(self, extension: bool = True) -> None:
        self._extension = extension
        self.root = self
        self.modes = [{"id": 1, **mode(148_500_000, 2200, 1125)}, {"id": 2, **mode(148_500_000, 2640, 1125)}]
        self.crtcs = [11, 12, 13]
        self.config_timestamp = 0

    def has_extension(self, name: str) -> bool:
        return self._extension and name == "RANDR"

    def screen(self) -> "FakeScreen":
        return self

    def xrandr_get_screen_resources(self) -> "FakeScreen":
        return self

    def xrandr_get_crtc_info(self, crtc: int, timestamp: int) -> object:
        class Info:
            x, y, width, height, mode = {11: (0, 0, 0, 0, 0), 12: (0, 0, 1920, 1080, 1)}.get(
                crtc, (1920, 0, 1920, 1080, 2)
            )

        return Info()


def test_the_output_that_shows_the_wall_counts() -> None:
    assert refresh_hz(FakeScreen(), 0, 0) == 60.0
    assert refresh_hz(FakeScreen(), 1920, 0) == 50.0
    assert refresh_hz(FakeScreen(), 5000, 0) is None
    assert refresh_hz(FakeScreen(extension=False), 0, 0) is None


@pytest.mark.needs("Xvfb")
def test_xvfb_knows_no_rate(processes: Processes, tmp_path: Path) -> None:
    (screen,) = displays.start(processes, ["wall"], (320, 180), tmp_path / "displays")
    connection = xdisplay.Display(screen.name)
    try:
        assert connection.has_extension("RANDR")
        assert refresh_hz(connection, 0, 0) is None
    finally:
        connection.close()
