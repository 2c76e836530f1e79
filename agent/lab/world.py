"""The whole lab: displays, time servers, broker, content server, relays and five venues, up together.

`World` is what stands; `build` makes it stand. Everything is a process of `Processes` and ends with it.
"""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.lab import agents, broker, content, displays, liar, ports, relay, signers, timeservers
from agent.lab.agents import Place
from agent.lab.processes import LabError, Processes
from agent.lab.relay import Link
from agent.lab.venues import VENUES, Venue

CONTENT_FOLDER = "content"
DISPLAY_FOLDER = "displays"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What kind of lab is wanted.

    `asymmetry_ms` makes the way back from every time server longer by so much (negative: the way there). A clock
    cannot see that: it will be wrong by half of it. `liar_ms` is by how much the nearest time server lies.
    """

    out: Path
    venues: tuple[Venue, ...] = VENUES
    size: tuple[int, int] = (320, 180)
    true_clocks: bool = False
    asymmetry_ms: float = 0.0
    liar_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class World:
    """A lab that stands; its agents are started by themselves."""

    wishes: Wishes
    processes: Processes
    broker: broker.Broker
    content: content.Content
    places: tuple[Place, ...]
    udp: relay.Relay
    tcp: relay.Relay
    keys: tuple[Path, ...]

    @property
    def content_folder(self) -> Path:
        """What the content server serves."""
        return self.wishes.out / CONTENT_FOLDER

    @property
    def content_url(self) -> str:
        """Where it serves it."""
        return f"http://127.0.0.1:{self.content.port}"

    @property
    def profile(self) -> Path:
        """The profile with which the operator's commands reach this lab."""
        return self.wishes.out / "control.toml"

    def pull(self, venue: str, cut: bool) -> None:
        """Cut all lines of a venue, to the broker, the films and the time servers, or restore them."""
        for line in (self.udp, self.tcp):
            for link in line.ports:
                if link.startswith(f"{venue}-"):
                    line.cut(link, cut)

    def start_agents(self) -> None:
        """Start the agents of all venues."""
        agents.start(self.processes, self.places, self.wishes.true_clocks)


def venues(count: int) -> tuple[Venue, ...]:
    """The first so many of the table. Raises LabError when it has not so many."""
    if not 1 <= count <= len(VENUES):
        raise LabError(f"--venues {count}: the lab has 1 to {len(VENUES)} venues", status=2)
    return VENUES[:count]


def ntp_links(venue: Venue, servers: Sequence[int], asymmetry_ms: float) -> list[Link]:
    """The lines from a venue to the time servers, which listen on these ports."""
    return [
        Link(
            name=f"{venue.venue}-ntp-{number}",
            port=port,
            up_ms=way_ms + max(0.0, -asymmetry_ms),
            down_ms=way_ms + max(0.0, asymmetry_ms),
            jitter_ms=venue.ntp_jitter_ms,
        )
        for number, (way_ms, port) in enumerate(zip(venue.ntp_ms, servers, strict=True), start=1)
    ]


def build(processes: Processes, wishes: Wishes, say: Callable[[str], None]) -> World:
    """Make everything but the agents stand; tell what is done. Raises LabError."""
    out, names = wishes.out, [venue.venue for venue in wishes.venues]
    walls = displays.start(processes, names, wishes.size, out / DISPLAY_FOLDER)
    say(f"{len(walls)} displays of {wishes.size[0]}x{wishes.size[1]}: {' '.join(wall.name for wall in walls)}")
    servers = timeservers.start(processes, len(wishes.venues[0].ntp_ms), out / "timeservers")
    cue_broker = broker.start(processes, out / "broker")
    asyncio.run(broker.hello(cue_broker.port, agents.ROOT))
    films = content.start(processes, out / CONTENT_FOLDER)
    say(f"{len(servers)} time servers, broker on port {cue_broker.port}, content on port {films.port}")
    ntp_ports = [server.port for server in servers]
    if wishes.liar_ms:
        ntp_ports[0] = liar.start(processes, wishes.liar_ms)
        say(f"the nearest time server lies by {wishes.liar_ms:+g} ms")
    # True clocks are the same clock: a line that is far away would make an estimate of each.
    near = wishes.true_clocks and not wishes.asymmetry_ms
    far = () if near else wishes.venues
    udp_links = [link for venue in far for link in ntp_links(venue, ntp_ports, wishes.asymmetry_ms)]
    tcp_links = [
        Link(f"{venue.venue}-{what}", port, venue.broker_ms, venue.broker_ms)
        for venue in wishes.venues
        for what, port in (("broker", cue_broker.port), ("content", films.port))
    ]
    udp = relay.start(processes, "udp", udp_links)
    tcp = relay.start(processes, "tcp", tcp_links)
    say(f"{len(udp_links) + len(tcp_links)} lines to {len(names)} cities")
    clock_ports = ports.free("udp", len(wishes.venues))
    places = tuple(
        Place(
            venue=venue,
            folder=out / "venues" / venue.venue,
            display=wall.name,
            framebuffer=wall.framebuffer,
            broker_port=tcp.ports[f"{venue.venue}-broker"],
            content_port=tcp.ports[f"{venue.venue}-content"],
            ntp_ports=tuple(ntp_ports if near else (udp.ports[link.name] for link in ntp_links(venue, ntp_ports, 0))),
            clock_port=clock_port,
            keys=signers.trusted(out),
        )
        for venue, wall, clock_port in zip(wishes.venues, walls, clock_ports, strict=True)
    )
    keys = signers.make(out)
    for place in places:
        agents.write(place)
    world = World(wishes, processes, cue_broker, films, places, udp, tcp, tuple(keys))
    world.profile.write_text(profile(world), encoding="utf-8")
    return world


def profile(world: World) -> str:
    """The control.toml for the operator's commands."""
    return (
        f"# framezero status --profile {world.profile}\n"
        f"broker = [{json.dumps(world.broker.url)}]\n"
        f"root = {json.dumps(agents.ROOT)}\nshow = {json.dumps(agents.SHOW)}\n"
        f"key = {json.dumps([str(key) for key in world.keys])}\n"
        f"trust = {json.dumps(str(signers.trusted(world.wishes.out)))}\n"
    )


def describe(world: World) -> dict[str, object]:
    """The content of lab.json: everything that a tester's own tools need to find."""
    pids = {child.name: child.pid for child in world.processes.children}
    return {
        "pid": os.getpid(),
        "show": agents.SHOW,
        "root": agents.ROOT,
        "brokers": [world.broker.url],
        "profile": str(world.profile),
        "content": {"folder": str(world.content_folder), "url": world.content_url},
        "venues": [
            {
                "venue": place.venue.venue,
                "groups": list(place.venue.groups),
                "timezone": place.venue.timezone,
                "display": place.display,
                "framebuffer": str(place.framebuffer),
                "config": str(place.config),
                "log": str(world.processes.logs / f"{place.name}.log"),
                "clock": f"127.0.0.1:{place.clock_port}",
                "skew": "+0 x1" if world.wishes.true_clocks else place.venue.skew,
                "pid": pids.get(place.name),
                "command": agents.command(place, world.wishes.true_clocks),
            }
            for place in world.places
        ],
        "pids": pids,
    }


def write_description(world: World) -> Path:
    """Write lab.json; returns where it is."""
    path = world.wishes.out / "lab.json"
    path.write_text(json.dumps(describe(world), indent=2) + "\n", encoding="utf-8")
    return path
