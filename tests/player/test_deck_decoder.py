"""A deck on a machine that pretends to be a Raspberry Pi: mpv is asked for its decoders, and the film plays without."""

import queue
from fractions import Fraction
from pathlib import Path

import pytest

from agent.lab import displays, films
from agent.lab.films import Film
from agent.lab.processes import Processes
from agent.player import machine
from agent.player.deck import Deck, DeckEvent
from agent.player.profile import PI_4, Machine
from agent.player.stage import X11Stage
from agent.player.wire import Screen, Start
from agent.units import UtcUs

PI4 = Machine("Raspberry Pi 4", (PI_4,), ("v3d",), v4l2=("bcm2835-codec-decode", "rpivid"))


@pytest.mark.needs("Xvfb", "ffmpeg")
def test_each_film_is_given_to_the_decoder_of_its_codec(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (display,) = displays.start(processes, ["wall"], (320, 180), tmp_path / "displays")
    film = Film(tmp_path / "a.mp4", 1, 90, Fraction(30), 320, 180)
    films.make_all([film])
    monkeypatch.setattr(machine, "read", lambda: PI4)
    monkeypatch.setenv("DISPLAY", display.name)
    screen = Screen(
        output="x11",
        name=display.name,
        region="",
        fit="contain",
        rotate=0,
        latency_us=0,
        decoder="auto",
        volume=0,
        slate="",
    )
    events: queue.Queue[DeckEvent] = queue.Queue()
    stage = X11Stage(screen)
    deck = Deck(0, screen, stage.window(0), events.put)
    try:
        assert (deck.profile.name, deck.profile.note) == ("raspberry-pi-4", "")
        for codec, wanted in (("h264", "v4l2m2m-copy"), ("vp9", "no"), ("hevc", "drm"), ("h264", "v4l2m2m-copy")):
            deck.prepare(Start(id=codec, kind="film", at=UtcUs(0), path=str(film.path), codec=codec), 1.0)
            while (event := events.get(timeout=20)).kind != "ready" or event.entry != deck.entry:
                assert event.kind != "broken", event
            assert deck._mpv.hwdec == wanted
            assert deck.decoder == "software", "there is no such hardware here, and it says so"
    finally:
        deck._mpv.terminate()
