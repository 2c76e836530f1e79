from pathlib import Path

import pytest
from brokers import free_port

from agent.lab import barcode, opening
from agent.lab.processes import LabError


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No profile but what the environment says."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FRAMEZERO_CONTROL__SHOW", "lab")
    return monkeypatch


def test_the_reel_is_of_films_that_the_meter_tells_apart() -> None:
    films = opening.reel(Path("/films"))
    assert len({film.clip for film in films}) == len(films) == 2
    assert all(film.seconds == 15 and film.frames <= barcode.MAX_FRAME for film in films)


def test_what_a_command_says_is_told_when_it_fails(profile: pytest.MonkeyPatch) -> None:
    profile.setenv("FRAMEZERO_CONTROL__BROKER", f"mqtt://127.0.0.1:{free_port()}")
    with pytest.raises(LabError, match="cue list"):
        opening.framezero("cue", "list")


def test_a_broker_that_never_comes_is_named(
    profile: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    profile.setenv("FRAMEZERO_CONTROL__BROKER", f"mqtt://127.0.0.1:{port}")
    profile.setattr(opening, "BROKER_S", 0.0)
    assert opening.main(["--films", str(tmp_path), "--url", "http://films"]) == 1
    assert str(port) in capsys.readouterr().err
