import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from agent.keyring import Keyring
from agent.lab import signers, up
from agent.lab.world import World
from agent.messages import Cue, decode
from agent.trust import Opened, Trust, open_body


@dataclass
class FakeBroker:
    port: int = 1883


@dataclass
class FakeWishes:
    out: Path


@dataclass
class FakeWorld:
    broker: FakeBroker
    wishes: FakeWishes


@pytest.mark.needs("openssl")
def test_the_lines_for_mosquitto_pub_send_a_signed_cue_that_agents_take(tmp_path: Path) -> None:
    """The shell itself makes the text; a stand-in for mosquitto_pub writes it down."""
    (tmp_path / "a 'quoted' folder").mkdir()
    out = tmp_path / "a 'quoted' folder"
    signers.make(out)
    line = up.mosquitto_pub(cast(World, FakeWorld(FakeBroker(), FakeWishes(out))), rev=7)
    shim = tmp_path / "mosquitto_pub"
    shim.write_text(
        f'#!/bin/sh\nfor last; do :; done\nprintf %s "$last" > {tmp_path}/body\necho "$@" > {tmp_path}/words\n'
    )
    shim.chmod(0o755)
    subprocess.run(["sh", "-c", line], check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    trust = Trust(Keyring(signers.trusted(out)).look().keys)
    opened = open_body((tmp_path / "body").read_bytes(), ("cue",), trust, None)
    assert isinstance(opened, Opened), opened
    cue = decode(Cue, opened.body)
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
