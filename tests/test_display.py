"""What the player and the conductor are given of [display]."""

from pathlib import Path

from agent.config import Display
from agent.display import screen_of, slate_fault


def test_the_player_is_given_the_display_in_its_own_units() -> None:
    display = Display(output="null", mode="1920x1080@50", latency_ms=12.5, rotate=90, volume=30, slate="/a.png")
    screen = screen_of(display)
    assert (screen.output, screen.latency_us, screen.mode_hz, screen.rotate) == ("null", 12_500, 50.0, 90)
    assert (screen.volume, screen.slate, screen.fit) == (30, "/a.png", display.fit)
    assert screen_of(Display()).mode_hz is None


def test_a_slate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    slate = tmp_path / "slate.png"
    fault = slate_fault(str(slate))
    assert fault is not None and fault.code == "slate_broken" and str(slate) in fault.detail
    slate.write_bytes(b"")
    assert slate_fault(str(slate)) is slate_fault("") is None
