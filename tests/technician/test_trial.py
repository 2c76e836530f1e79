from pathlib import Path
from typing import Any

import pytest
from makers import item_body, program_body
from test_technician_films import config, put

from agent.effects import KeepProgram
from agent.journal import Journal
from agent.player import benchmark
from agent.player.capacity import Library, Measured, Unmeasured
from agent.technician import players, trial
from agent.technician.decoding import Facts
from agent.technician.players import Player

SOFTWARE = Library(mpv="mpv 0.35.1", profile="software", hwdec="no", hardware=[], uses_hardware=False, realtime=True)
FAST = Measured(codec="h264", width=320, height=180, frames=500, seconds=1, at_s=0, decoder="software", elsewhere=0)


class Rig:
    """A venue with two films, whose benchmark and player are told; `measured` is what was measured."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.library: Library | Unmeasured = SOFTWARE
        self.player: Player | None = None
        self.measured: list[tuple[str, str, str, str]] = []
        self.progress: list[tuple[int, int, str]] = []
        self._config = config(folder)
        journal = Journal.open(folder / "state")
        assert isinstance(journal, Journal)
        still: dict[str, Any] = {"codec": "png", "fps": None, "frames": None, "duration_us": 5_000_000}
        journal.keep(
            KeepProgram("reel", 1, program_body([item_body("a"), item_body("b", 240, "60"), item_body("c", **still)]))
        )
        journal.close()
        for letter in "abc":
            put(folder, letter)
        patch.setattr(benchmark, "library", lambda *, output, decoder: self.library)
        patch.setattr(benchmark, "measure", self._measure)
        patch.setattr(players, "running", lambda display: self.player)

    def _measure(self, film: Path, *, codec: str, rate: str, decoder: str) -> Measured:
        self.measured.append((film.name[0], codec, rate, decoder))
        return FAST

    def look(self, *, measure: bool = True) -> Facts:
        return trial.look(self._config, 60.0, measure=measure, progress=lambda *told: self.progress.append(told))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(tmp_path, monkeypatch)


def test_each_film_is_measured_and_no_still(rig: Rig) -> None:
    found = rig.look()
    assert rig.measured == [("a", "h264", "30", "auto"), ("b", "h264", "60", "auto")]
    assert rig.progress == [(0, 2, "a.mp4"), (1, 2, "b.mp4")]
    assert [tried.result for tried in found.tried] == [FAST, FAST] and found.skipped == ""
    told = trial.as_json(found)
    assert told[1]["name"] == "b.mp4" and told[1]["fps"] == 500.0 and told[1]["rate"] == "60"


def test_films_can_be_left_out(rig: Rig) -> None:
    found = rig.look(measure=False)
    assert rig.measured == [] and found.skipped == "--no-films" and len(found.tried) == 2
    assert trial.as_json(found)[0]["fps"] is None


def test_a_playing_film_shares_its_hardware_with_nobody(rig: Rig) -> None:
    rig.player = Player(7, realtime=True, plays=True)
    rig.look()
    assert len(rig.measured) == 2, "the processor's time is given by priority"
    rig.library = SOFTWARE.model_copy(update={"uses_hardware": True})
    assert "is playing" in rig.look().skipped and len(rig.measured) == 2
    rig.player = Player(7, realtime=True, plays=False)
    assert rig.look().skipped == "" and len(rig.measured) == 4


def test_without_libmpv_nothing_is_measured(rig: Rig) -> None:
    rig.library = Unmeasured(code="libmpv_absent", detail="cannot be loaded")
    assert rig.look().skipped and rig.measured == []
