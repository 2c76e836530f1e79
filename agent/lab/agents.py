"""The agents of the lab: their configuration, and starting them on clocks that are wrong."""

import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent import config
from agent.lab import faketime
from agent.lab.processes import Child, Processes
from agent.lab.venues import Venue

SHOW = "lab"
ROOT = "framezero/v1"


@dataclass(frozen=True, slots=True)
class Place:
    """One venue as its agent finds it: the loopback ports of its lines, its display, its folder.

    `clock_port` is where the agent serves its own clock, so that the lab can measure it; `keys` holds the public keys
    that it trusts.
    """

    venue: Venue
    folder: Path
    display: str
    framebuffer: Path
    broker_port: int
    content_port: int
    ntp_ports: tuple[int, ...]
    clock_port: int
    keys: Path

    @property
    def config(self) -> Path:
        """Where its agent.toml is."""
        return self.folder / "agent.toml"

    @property
    def name(self) -> str:
        """The name of its agent among the lab's processes, and of its log."""
        return f"agent-{self.venue.venue}"


def configuration(place: Place) -> str:
    """The agent.toml of a venue. Raises ConfigError where the agent would not take it."""
    venue = place.venue
    servers = ", ".join(f'{{ host = "127.0.0.1", port = {port}, ours = true }}' for port in place.ntp_ports)
    # JSON's strings are TOML's basic strings.
    text = f"""\
# Written by framezero lab. This player's clock: {venue.skew}; its lines are {venue.broker_ms:g} ms long one way.
venue = {json.dumps(venue.venue)}
groups = {json.dumps(list(venue.groups))}
show = {json.dumps(SHOW)}
timezone = {json.dumps(venue.timezone)}
state_dir = {json.dumps(str(place.folder / "state"))}

[broker]
urls = ["mqtt://127.0.0.1:{place.broker_port}"]
root = {json.dumps(ROOT)}

[clock]
servers = [{servers}]
listen = "127.0.0.1:{place.clock_port}"
chrony = false                         # one of this machine would keep its clock, not the player's

[display]
output = "x11"
name = {json.dumps(place.display)}

[cache]
dir = {json.dumps(str(place.folder / "cache"))}
quota_gb = 10
reserve_gb = 0.1

[trust]
keys = {json.dumps(str(place.keys))}
"""
    config.parse(tomllib.loads(text), str(place.config))
    return text


def write(place: Place) -> None:
    """Write the agent.toml of a venue and make its folders."""
    for folder in ("state", "cache"):
        (place.folder / folder).mkdir(parents=True, exist_ok=True)
    place.config.write_text(configuration(place), encoding="utf-8")


def command(place: Place, true_clock: bool) -> list[str]:
    """The command line of a venue's agent. Raises LabError where libfaketime is missing."""
    # The line to the content server is a proxy's: the films' URLs are the same for all, the way there is not.
    way = [f"http_proxy=http://127.0.0.1:{place.content_port}", "no_proxy="]
    argv = [sys.executable, "-m", "agent.cli", "agent", "--config", str(place.config)]
    return ["env", *way, *([] if true_clock else faketime.variables(place.venue.skew)), *argv]


def start(processes: Processes, places: Sequence[Place], true_clocks: bool) -> list[Child]:
    """Start the agents of all venues."""
    return [
        processes.start(
            place.name,
            command(place, true_clocks),
            tier="agents",
            remains=None if true_clocks else faketime.remains,
        )
        for place in places
    ]
