from pathlib import Path

import pytest

from agent import config
from agent.lab import agents, faketime
from agent.lab.agents import Place
from agent.lab.venues import VENUES


@pytest.fixture
def place(tmp_path: Path) -> Place:
    folder = tmp_path / 'a "quoted" folder'
    return Place(
        VENUES[3], folder, ":93", tmp_path / "Xvfb_screen0", 4001, 4002, (5001, 5002, 5003), 6001, tmp_path / "trust"
    )


def test_the_configuration_is_one_the_agent_takes(place: Place) -> None:
    agents.write(place)
    loaded = config.load(place.config, {})
    assert loaded.venue == "paris"
    assert loaded.groups == ["west"]
    assert loaded.timezone == "Europe/Paris"
    assert [(server.port, server.ours) for server in loaded.clock.servers] == [(5001, True), (5002, True), (5003, True)]
    assert loaded.clock.listen == "127.0.0.1:6001"
    assert loaded.broker.urls == ["mqtt://127.0.0.1:4001"]
    assert loaded.display.name == ":93"
    assert (loaded.trust.require, loaded.trust.keys) == (True, place.keys)
    assert loaded.state_dir == place.folder / "state"
    assert loaded.state_dir.is_dir()
    assert loaded.cache.dir.is_dir()


@pytest.mark.skipif(faketime.library() is None, reason="libfaketime is not installed")
def test_an_agent_lives_under_its_venues_skew(place: Place) -> None:
    words = agents.command(place, true_clock=False)
    assert "FAKETIME=-11 x0.999970" in words
    assert any(word.startswith("LD_PRELOAD=") and Path(word.partition("=")[2]).is_file() for word in words)
    assert words[-3:] == ["agent", "--config", str(place.config)]


def test_a_true_clock_needs_no_libfaketime(place: Place) -> None:
    words = agents.command(place, true_clock=True)
    assert not any("FAKETIME" in word or "LD_PRELOAD" in word for word in words)


def test_films_come_over_the_venues_own_line(place: Place) -> None:
    assert "http_proxy=http://127.0.0.1:4002" in agents.command(place, true_clock=True)
