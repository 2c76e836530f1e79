import struct
from pathlib import Path

import pytest

from agent.lab import displays
from agent.lab.processes import Processes


@pytest.mark.needs("Xvfb")
def test_displays_accept_connections_and_show_their_framebuffers(processes: Processes, tmp_path: Path) -> None:
    xdisplay = pytest.importorskip("Xlib.display")
    walls = displays.start(processes, ["tokyo", "paris"], (320, 180), tmp_path / "displays")
    assert [wall.venue for wall in walls] == ["tokyo", "paris"]
    assert walls[0].name != walls[1].name
    for wall in walls:
        header = struct.unpack(">25I", wall.framebuffer.read_bytes()[:100])
        assert header[4:6] == (320, 180)
        assert wall.framebuffer == tmp_path / "displays" / wall.venue / "Xvfb_screen0"
    client = xdisplay.Display(walls[1].name)
    screen = client.screen()
    window = screen.root.create_window(0, 0, 320, 180, 0, screen.root_depth, background_pixel=0xFFFFFF)
    window.map()
    client.sync()
    assert walls[1].framebuffer.read_bytes()[-100:].count(b"\xff") >= 75
    assert b"\xff\xff\xff" not in walls[0].framebuffer.read_bytes()[-100:]
    client.close()
    processes.end_all()
    assert not Path(f"/tmp/.X11-unix/X{walls[0].name[1:]}").exists()


def test_a_size_is_read() -> None:
    assert displays.parse_size("320x180") == (320, 180)


@pytest.mark.parametrize("text", ["320", "320x", "0x0", "big", "320x180x24"])
def test_an_odd_size_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 320x180"):
        displays.parse_size(text)
