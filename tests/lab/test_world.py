import json
import tomllib
from pathlib import Path

import pytest

from agent.clock.ntp import measure
from agent.lab import broker, signers, up, world
from agent.lab.processes import LabError, Processes
from agent.lab.venues import VENUES
from agent.lab.world import Wishes


@pytest.mark.needs("Xvfb", "mosquitto", "chronyd")
def test_the_world_stands_with_all_its_lines(processes: Processes, tmp_path: Path) -> None:
    told: list[str] = []
    wishes = Wishes(tmp_path, VENUES[2:4], true_clocks=True, asymmetry_ms=8)
    standing = world.build(processes, wishes, told.append)
    processes.check()
    tokyo, paris = standing.places
    for place in standing.places:
        assert place.framebuffer.is_file()
        assert place.config.is_file()
        assert broker.accepts(place.broker_port)
        assert broker.accepts(place.content_port)
    # 2 ms there and 10 back: a clock behind this line is wrong by half of the difference.
    found = measure("127.0.0.1", paris.ntp_ports[0], 8, 1.0)
    assert found.doubt_ms == pytest.approx(6, abs=0.8)
    assert found.error_ms == pytest.approx(-4, abs=1)
    assert len(tokyo.ntp_ports) == 5
    assert tomllib.loads(standing.profile.read_text()) == {
        "broker": [standing.broker.url],
        "root": "framezero/v1",
        "show": "lab",
        "key": [str(signers.private(standing.wishes.out, role)) for role in ("show", "content", "panic")],
        "trust": str(signers.trusted(standing.wishes.out)),
    }
    described = json.loads(world.write_description(standing).read_text())
    assert [venue["venue"] for venue in described["venues"]] == ["tokyo", "paris"]
    assert described["content"]["url"] == standing.content_url
    assert described["pids"]["broker"] == standing.broker.child.pid
    assert any("2 displays" in line for line in told)
    help_text = up.instructions(standing, rev=1)
    assert f"--profile {standing.profile}" in help_text
    assert up.mosquitto_pub(standing, 1) in help_text


def test_an_asymmetry_lengthens_one_way_only() -> None:
    (back, *_) = world.ntp_links(VENUES[0], [1, 2, 3, 4, 5], 8)
    assert (back.up_ms, back.down_ms) == (4, 12)
    (there, *_) = world.ntp_links(VENUES[0], [1, 2, 3, 4, 5], -8)
    assert (there.up_ms, there.down_ms) == (12, 4)


@pytest.mark.parametrize("count", [0, 6])
def test_the_table_has_five_venues(count: int) -> None:
    with pytest.raises(LabError, match="1 to 5 venues"):
        world.venues(count)
