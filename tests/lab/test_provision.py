import grp
import json
import os
import stat
import tomllib
from pathlib import Path

import pytest

from agent import config
from agent.lab import provision
from agent.lab.provision import Provision
from agent.lab.venues import VENUES

SCRIPTS = Path(__file__).parents[2] / "deploy" / "broker"


def test_each_venue_has_a_configuration_that_its_agent_takes() -> None:
    for venue in VENUES:
        found = config.parse(tomllib.loads(provision.agent_toml(venue)), "agent.toml")
        assert (found.venue, found.trust.require) == (venue.venue, True)


def test_the_skew_of_a_container_is_no_setting_of_its_agent() -> None:
    tree = tomllib.loads(provision.agent_toml(VENUES[0]))
    assert config.parse(tree, "agent.toml", {"FRAMEZERO_SKEW": "+1 x1"}).venue == VENUES[0].venue


@pytest.mark.needs("mosquitto", "openssl")
def test_everybody_gets_their_own_papers_and_a_second_run_changes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("gives files to others, for which it has to be root")
    monkeypatch.setattr(provision, "USER", "nobody")
    monkeypatch.setattr(provision, "GROUP", "nogroup")
    (tmp_path / "broker").mkdir()
    for _ in range(2):
        Provision(tmp_path, SCRIPTS).make()
        kept = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*.key"))}
    assert kept == {path: path.read_bytes() for path in sorted(tmp_path.rglob("*.key"))}
    for venue in VENUES:
        place = tmp_path / "venues" / venue.venue
        assert {path.name for path in place.rglob("*") if path.is_file()} == {
            "agent.toml", "ca.pem", "venue.pem", "venue.key", "lab-show.toml", "lab-content.toml", "lab-panic.toml",
        }  # fmt: skip
        key = (place / "venue.key").stat()
        assert (stat.S_IMODE(key.st_mode), key.st_uid, key.st_gid) == (0o640, 0, grp.getgrnam("nogroup").gr_gid)
    profile = tomllib.loads((tmp_path / "operator" / "control.toml").read_text())
    assert all((tmp_path / "operator" / key).exists() for key in profile["key"])
    for path in (tmp_path / "operator").rglob("*.*"):  # what signs is for its owner only
        assert (stat.S_IMODE(path.stat().st_mode), path.owner()) == (0o600, "nobody"), path
    assert not list((tmp_path / "venues").rglob("lab-*.key"))
    assert "lab" in json.dumps(profile["show"])
