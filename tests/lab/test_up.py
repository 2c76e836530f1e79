import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from agent.lab import up
from agent.lab.world import World
from agent.messages import Cue, decode


@dataclass
class FakeBroker:
    port: int = 1883


@dataclass
class FakeWorld:
    broker: FakeBroker


def test_the_line_for_mosquitto_pub_sends_a_cue_that_agents_take(tmp_path: Path) -> None:
    """The shell itself makes the text; a stand-in for mosquitto_pub writes it down."""
    line = up.mosquitto_pub(cast(World, FakeWorld(FakeBroker())), rev=7)
    shim = tmp_path / "mosquitto_pub"
    shim.write_text(
        f'#!/bin/sh\nfor last; do :; done\nprintf %s "$last" > {tmp_path}/body\necho "$@" > {tmp_path}/words\n'
    )
    shim.chmod(0o755)
    subprocess.run(["sh", "-c", line], check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    cue = decode(Cue, (tmp_path / "body").read_bytes())
    assert isinstance(cue, Cue)
    assert cue.do.model_dump() == {
        "action": "play",
        "program": "reel",
        "rev": 7,
        "loop": True,
        "from_us": 0,
        "held": False,
    }
    assert 15_000_000 < cue.at - cue.issued <= 21_000_000
    assert "-p 1883 -q 1 -t framezero/v1/cue -m" in (tmp_path / "words").read_text()
