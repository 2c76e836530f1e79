"""The terminal desk and a real agent: GO is signed, its claim too, and the wall starts."""

from pathlib import Path

import pytest
from brokers import Mosquitto
from live import live_agent
from terminal import Terminal

from agent.control import signing
from agent.lab.processes import Processes

pytestmark = pytest.mark.needs("mosquitto", "chronyd")

SHOW = """
show = "bring-your-vision"
lead = "2s"
[[cue]]
id = "1"
name = "Black"
action = "black"
[[cue]]
id = "2"
name = "Slate"
action = "stop"
"""


async def test_go_from_the_terminal_starts_a_real_wall_and_the_other_desk_sees_who(
    mosquitto: Mosquitto, processes: Processes, tmp_path: Path
) -> None:
    signing.make("alice", "show", tmp_path / "mine")
    (tmp_path / "keys").mkdir()
    (tmp_path / "mine" / "alice.toml").rename(tmp_path / "keys" / "alice.toml")
    (tmp_path / "show.toml").write_text(SHOW)
    where = ["--broker", mosquitto.url, "--key", str(tmp_path / "mine" / "alice.key")]
    async with live_agent(tmp_path, mosquitto, processes, tmp_path / "keys") as agent:
        desks = [
            Terminal(["show", "run", str(tmp_path / "show.toml"), *where, "--as", name]) for name in ("anna", "ben")
        ]
        try:
            for desk in desks:
                await desk.shows("STANDBY 1")
            desks[0].press(" ")
            started = await agent.until("ack", lambda ack: ack["stage"] == "started")
            assert started["observed"] is not None
            for desk in desks:
                await desk.shows("STANDBY 2")
                await desk.shows("LAST 1 Black by anna")
                await desk.shows("✓ started")
            stages = [ack["stage"] for ack in agent.told["ack"] if ack["cue"] == started["cue"]]
            assert stages[0] == "accepted" and "refused" not in stages
        finally:
            for desk in desks:
                desk.close()
