"""What is heard of a film: recorded behind a real sound server, on a wall without a display."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from screening import H264, SIZE, TONE, Kitchen, Recipe, start_of
from test_process import Bench, in_us, screen_on

from agent.control.probe import Film, probe
from agent.lab import displays
from agent.lab.processes import Processes
from agent.player.wire import Fired, Hello

pytestmark = [pytest.mark.needs("Xvfb", "ffmpeg", "pulseaudio", "parec"), pytest.mark.timeout(60)]

HALF = 50
RATE = 8000


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path / "logs") as all_of_them:
        yield all_of_them


@pytest.fixture
def sound_server(processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A sound server whose loudspeaker is a recording."""
    place = tmp_path / "sound"
    monkeypatch.setenv("PULSE_SERVER", f"unix:{place}")
    monkeypatch.setenv("PULSE_RUNTIME_PATH", str(tmp_path))
    modules = ("module-null-sink sink_name=wall", f"module-native-protocol-unix socket={place} auth-anonymous=1")
    loads = [part for module in modules for part in ("-L", module)]
    server = processes.start("pulse", ["pulseaudio", "-n", "--exit-idle-time=-1", "--use-pid-file=no", *loads])
    processes.wait_for(place.exists, 10, server, "opening its socket")
    return str(place)


@pytest.mark.usefixtures("sound_server")
async def test_a_film_is_as_loud_as_the_wall_and_silent_where_it_should_be(
    processes: Processes, tmp_path: Path
) -> None:
    film = probe(Kitchen(tmp_path).make(Recipe("tone.mp4", f"{H264} -c:a aac", sound=TONE)), 0)
    assert isinstance(film, Film)
    display = displays.start(processes, ["wall"], SIZE, tmp_path / "displays")[0]
    heard = {}
    for volume, sound in ((100, True), (HALF, True), (0, True), (100, False)):
        bench = Bench(screen_on(display.name, volume=volume))
        try:
            await bench.hear(Hello)
            start = start_of("tone", film, in_us(0.8)).model_copy(update={"sound": sound})
            bench.player.plan([start])
            await bench.hear(Fired, "tone")
            heard[volume, sound] = await asyncio.to_thread(loudness, 1.0)
        finally:
            await bench.close()
    assert heard[100, True] > 2 * heard[HALF, True] > 0, heard
    assert heard[0, True] == heard[100, False] == 0, heard


def loudness(seconds: float) -> float:
    """How loud the next seconds are."""
    count = round(RATE * seconds) * 2
    command = ["parec", "-d", "wall.monitor", "--format=s16le", f"--rate={RATE}", "--channels=1", "--latency-msec=20"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        samples = np.frombuffer(recorder.stdout.read(count), "<i2")
        recorder.terminate()
    return float(np.sqrt((samples.astype(float) ** 2).mean()))
