from pathlib import Path
from typing import Any

import pytest

from agent.config import Display
from agent.lab import displays
from agent.lab.processes import Processes
from agent.player.profile import PI_5, Machine
from agent.technician.screen import Seen, judge, look, refresh_of

PC = Machine()
FHD = Seen(1920, 1080, 60.0)


def display(**changes: Any) -> Display:
    return Display.model_validate(changes)


def found(config: Display, seen: Seen | str | None, machine: Machine = PC) -> dict[str, str]:
    return {finding.code: finding.verdict for finding in judge(config, seen, machine)}


def told(config: Display, seen: Seen | str | None, machine: Machine = PC) -> str:
    return "\n".join(f"{finding.what} → {finding.mend}" for finding in judge(config, seen, machine))


def test_a_display_that_is_there_is_well() -> None:
    assert found(display(), FHD) == {"display": "ok"}
    assert "1920x1080 at 60 Hz" in told(display(), FHD)
    assert "refresh is not known" in told(display(), Seen(1920, 1080, None))


def test_a_display_of_an_impossible_number_is_one_that_is_not_there() -> None:
    assert "cannot be opened" in str(look(display(name=":99999999")))


def test_the_mode_counts_where_x_tells_no_refresh_and_only_there() -> None:
    config = display(mode="1920x1080@50")
    assert refresh_of(config, Seen(1920, 1080, None)) == 50.0
    assert refresh_of(config, FHD) == 60.0
    assert refresh_of(display(), Seen(1920, 1080, None)) is None
    assert refresh_of(display(mode="1920x1080"), None) is None
    assert "50 Hz counts" in told(config, Seen(1920, 1080, None))


def test_a_screen_of_another_mode_is_a_warning_with_the_command_that_sets_it() -> None:
    config = display(mode="3840x2160@50")
    assert found(config, FHD) == {"display": "ok", "display_mode": "warning", "display_rate": "warning"}
    assert "xrandr --output NAME --mode 3840x2160 --rate 50" in told(config, FHD)
    assert found(display(mode="1920x1080@59.94"), FHD) == {"display": "ok"}


def test_a_region_must_fit() -> None:
    assert found(display(region="0,0,640,480"), FHD) == {"display": "ok", "display_region": "ok"}
    assert found(display(region="1900,0,640,480"), FHD)["display_region"] == "fault"


def test_no_display_is_a_fault_and_none_wanted_a_warning() -> None:
    assert found(display(), "the display ':0' cannot be opened") == {"display_absent": "fault"}
    assert found(display(output="null"), None) == {"display_null": "warning"}


def test_a_pi_is_warned_of_4k() -> None:
    pi = Machine(compatible=(PI_5,))
    assert "display_4k" in found(display(), Seen(3840, 2160, 60.0), pi)
    assert "display_4k" not in found(display(), FHD, pi)
    assert "display_4k" not in found(display(), Seen(3840, 2160, 60.0), PC)


@pytest.mark.needs("Xvfb")
def test_a_real_x_server_is_looked_at(processes: Processes, tmp_path: Path) -> None:
    (screen,) = displays.start(processes, ["wall"], (320, 180), tmp_path / "displays")
    assert look(display(name=screen.name)) == Seen(320, 180, None)
    assert look(display(output="null")) is None
    absent = look(display(name=":4711"))
    assert isinstance(absent, str) and "display.name" in absent
