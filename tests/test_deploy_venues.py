"""The sample configurations of deploy/venues: an agent would take them, and a show could be run with them."""

from pathlib import Path

import pytest

from agent import config
from agent.config import Config
from agent.technician.judge import FEW_SERVERS, GOOD_OPERATORS, GOOD_SERVERS, operator_of

FOLDER = Path(__file__).parents[1] / "deploy" / "venues"
SAMPLES = sorted(FOLDER.glob("*.toml"))


def load(path: Path, **environ: str) -> Config:
    return config.load(path, environ)


def test_the_five_cities_are_there_and_no_two_share_a_name() -> None:
    venues = [load(path).venue for path in SAMPLES]
    assert venues == [
        "hongkong-causeway-bay",
        "paris-opera",
        "shanghai-nanjing-road",
        "tokyo-shibuya",
        "toronto-dundas",
    ]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_a_whole_configuration_of_a_venue(path: Path) -> None:
    found = load(path)
    assert found.venue == path.stem
    assert len(found.broker.urls) == 2 and all(url.startswith("mqtts://") for url in found.broker.urls)
    assert found.broker.ca and found.broker.cert and found.broker.key
    assert found.trust.require and found.groups
    assert len(found.clock.servers) >= GOOD_SERVERS > FEW_SERVERS
    assert len({operator_of(server.host) for server in found.clock.servers}) >= GOOD_OPERATORS


def test_credentials_of_systemd_take_the_place_of_the_files(tmp_path: Path) -> None:
    """As a unit sets them with `Environment=FRAMEZERO_BROKER__CERT=%d/venue.pem`."""
    folder = "/run/credentials/framezero.service"
    environ = {
        "FRAMEZERO_BROKER__CERT": f"{folder}/venue.pem",
        "FRAMEZERO_BROKER__KEY": f"{folder}/venue.key",
        "FRAMEZERO_BROKER__PASSWORD_FILE": f"{folder}/password",
    }
    broker = load(SAMPLES[0], **environ).broker
    assert (broker.cert, broker.key, broker.password_file) == tuple(environ.values())
    assert broker.ca == "/etc/framezero/ca.pem"
