import io
import json
import sys
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from agent.lab import displays, meter, observer
from agent.lab.observer import Observer
from agent.lab.processes import Processes
from agent.lab.skew import SkewWindow

S = 1_000_000_000


def filled() -> SkewWindow:
    window = SkewWindow(["tokyo", "paris"], 60 * S)
    for frame in range(3):
        window.see("tokyo", frame * 40_000_000, (1, frame))
        window.see("paris", frame * 40_000_000 + 2_000_000, (1, frame))
    window.settle(2 * S)
    return window


def test_what_is_told_has_the_walls_and_the_skew() -> None:
    word = observer.told(filled(), {"p50": 0.2, "p99": 0.3, "max": 1.0}, 5)
    assert word["skew_ms"]["p99"] == 2
    assert word["walls"]["paris"] == {"clip": 1, "frame": 2, "since_ns": 82_000_000, "lag_ms": 1.0}
    assert observer.line(word) == (
        "skew ms: median 2.00 p95 2.00 p99 2.00 max 2.00 (3 frames in 60 s) | tokyo -1.0 paris +1.0"
    )


def test_a_wall_that_is_right_has_no_sign_of_being_early() -> None:
    window = SkewWindow(["tokyo", "paris"], 60 * S)
    window.see("tokyo", 0, (1, 0))
    window.see("paris", 2_000, (1, 0))
    window.settle(2 * S)
    assert observer.line(observer.told(window, None, 5)).endswith("| tokyo +0.0 paris +0.0")


def test_nothing_is_said_to_be_in_sync_where_nothing_was_seen() -> None:
    assert "no frame" in observer.line(observer.told(SkewWindow(["tokyo"], S), None, 0))


async def test_what_the_meter_sees_becomes_the_skew_until_the_meter_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tokyo", "paris"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Xvfb_screen0").touch()
    readings = [{"meter": 1}, [0, 0, [1, 5]], [3_000_000, 1, [1, 5]], {"gap_ms": {"p99": 0.3}}]
    # One line comes in two pieces, and the last one has no end.
    text = "\n".join(map(json.dumps, readings)) + "\n[9, 0"
    program = "import sys, time\nfor piece in (sys.argv[2][:40], sys.argv[2][40:]):\n" + (
        "    with open(sys.argv[1], 'w') as out: out.write(piece)\n    time.sleep(0.05)\nsys.exit(3)\n"
    )
    monkeypatch.setattr(meter, "command", lambda out, *_: [sys.executable, "-c", program, str(out), text])
    monkeypatch.setattr(observer, "LOOK_S", 0.0)
    watching = Observer(["tokyo", "paris"], tmp_path, None)
    assert await watching.run() == 3
    word = watching.word()
    assert (word["frames"], word["gap_ms"]) == (0, {"p99": 0.3})  # of long ago, and so no longer in the last minute
    assert {name: wall["frame"] for name, wall in word["walls"].items()} == {"tokyo": 5, "paris": 5}


@pytest.mark.needs("Xvfb")
async def test_the_page_shows_the_walls(processes: Processes, tmp_path: Path) -> None:
    displays.start(processes, ["tokyo"], (320, 180), tmp_path)
    names = ["tokyo", "paris"]
    app = observer.application(Observer(names, tmp_path, None), names)
    async with TestClient(TestServer(app)) as client:
        assert '["tokyo", "paris"]' in await (await client.get("/")).text()
        answer = await client.get("/wall/tokyo.jpg")
        assert Image.open(io.BytesIO(await answer.read())).size == (320, 180)
        assert (await client.get("/wall/paris.jpg")).status == 503  # its display is not there
        assert (await client.get("/wall/..%2f..%2fetc.jpg")).status == 404
        assert (await (await client.get("/skew.json")).json())["frames"] == 0
