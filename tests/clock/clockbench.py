"""What tests/long/clockbench measures: our clock beside others, on made-up samples and on real sockets."""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from clock_world import Scenario, World
from rivals import LeastDelay, NtplibMean, Rival

from agent.clock.ntp import Comparison, measure
from agent.clock.sample import Sample
from agent.lab import ports, relay, timeservers
from agent.lab.processes import Child, Processes, find
from agent.lab.relay import Link

Say = Callable[[str], None]
LEARNING_S = 300.0
SETTLING_S = 10.0
EVERY_S = 1.0


@dataclass(frozen=True)
class Figures:
    """One clock under one kind of network; |error| in milliseconds, and how often it was outside its own bound."""

    on: str
    clock: str
    median_ms: float
    p95_ms: float
    max_ms: float
    bound_ms: float
    looks: int
    broken: int


def figures(on: str, clock: str, errors_ms: list[float], bounds_ms: list[float], doubt_ms: float = 0.0) -> Figures:
    """Sum up; `doubt_ms` is by how much an error itself may be wrong."""
    errors = [abs(error) for error in errors_ms]
    p95 = statistics.quantiles(errors, n=20, method="inclusive")[18]
    broken = sum(error - doubt_ms > bound for error, bound in zip(errors, bounds_ms, strict=True))
    median_bound = statistics.median(bounds_ms)
    return Figures(on, clock, statistics.median(errors), p95, max(errors), median_bound, len(errors), broken)


# --- simulated ----------------------------------------------------------------------------------


def clean(world: World) -> None:
    """The harness as it is."""


def near_liar(world: World) -> None:
    """The nearest server lies by 8 ms."""
    world.ways[0].wrong_ms = lambda at_s: 8.0


def far_liar(world: World) -> None:
    """The nearest server lies by 100 ms."""
    world.ways[0].wrong_ms = lambda at_s: 100.0


def busy(world: World) -> None:
    """Three times the jitter, and a spike in every fifth packet."""
    for way in world.ways:
        way.jitter_ms, way.spike = 6.0, 0.2


def unequal(world: World) -> None:
    """The way back from the nearest two servers is 10 ms longer."""
    for way in world.ways[:2]:
        way.down_ms += 10


WORLDS: dict[str, Callable[[World], None]] = {
    "clean": clean,
    "liar +8 ms": near_liar,
    "liar +100 ms": far_liar,
    "busy network": busy,
    "unequal ways": unequal,
}


def simulated(seeds: Iterable[int], until_s: float, say: Say) -> list[Figures]:
    """Every clock in every world; each hears the same samples at the same moments."""
    rows = []
    for name, change in WORLDS.items():
        found: dict[str, tuple[list[float], list[float]]] = {}
        for seed in seeds:
            _play(Scenario(until_s), seed, change, found)
        say(f"{name}: {until_s / 3600:g} h of clock, played")
        rows += [figures(name, clock, *lists) for clock, lists in found.items()]
    return rows


def _play(
    scenario: Scenario, seed: int, change: Callable[[World], None], found: dict[str, tuple[list[float], list[float]]]
) -> None:
    freq = -scenario.crystal.ppm * 1e-6
    rivals: list[Rival] = [NtplibMean("ntplib, mean", freq), LeastDelay("least delay", freq)]

    def overhear(sample: Sample) -> None:
        for rival in rivals:
            rival.hear(sample)

    world = World(scenario, seed, overhear=overhear)
    change(world)
    for look in world:
        if look.at_s < LEARNING_S or look.mapping is None:
            continue
        raw, true_ns = world.truth.raw(look.at_s), world.truth.utc_ns(look.at_s)
        said = [("framezero", look.error_us, look.bound_us)]
        for rival in rivals:
            utc_ns, bound_us = rival.says(raw)
            said.append((rival.name, (utc_ns - true_ns) / 1e3, bound_us))
        for clock, error_us, bound_us in said:
            errors, bounds = found.setdefault(clock, ([], []))
            errors.append(error_us / 1e3)
            bounds.append(bound_us / 1e3)


# --- real sockets -------------------------------------------------------------------------------

NEARNESS_MS = (4.0, 9.0, 14.0, 20.0, 25.0)
JITTER_MS = 2.0

OURS = Path(__file__).parent / "clock_agent.py"


def real(seconds: float, say: Say) -> list[Figures]:
    """Ours and chronyd on the same servers through the same relays. Raises LabError where something is missing."""
    rows = []
    for on, asymmetry_ms in (("five servers", 0.0), ("10 ms unequal", 10.0)):
        with tempfile.TemporaryDirectory(prefix="framezero-clockbench-") as folder:
            rows += _side_by_side(Path(folder), on, asymmetry_ms, seconds, say)
    return rows


def _side_by_side(folder: Path, on: str, asymmetry_ms: float, seconds: float, say: Say) -> list[Figures]:
    with Processes(folder / "logs") as processes:
        servers = timeservers.start(processes, len(NEARNESS_MS), folder / "servers")
        # The ways to the two nearest are unequal: were they all, no clock could know.
        links = [
            Link(f"s{i}", server.port, ms, ms + (asymmetry_ms if i < 2 else 0.0), JITTER_MS, host=f"127.0.0.{11 + i}")
            for i, (server, ms) in enumerate(zip(servers, NEARNESS_MS, strict=True))
        ]
        lines = relay.start(processes, "udp", links)
        addresses = [f"{link.host}:{lines.ports[link.name]}" for link in links]
        ours_port, chrony_port = ports.free("udp", 2)
        processes.start("ours", [sys.executable, str(OURS), f"127.0.0.1:{ours_port}", *addresses])
        _start_chronyd(processes, folder, chrony_port, addresses)
        say(f"{on}: measuring for {seconds:g} s")
        found: dict[str, list[Comparison]] = {"framezero": [], "chronyd": []}
        began = time.monotonic()
        while (age_s := time.monotonic() - began) < seconds + SETTLING_S:
            for clock, port in (("framezero", ours_port), ("chronyd", chrony_port)):
                try:
                    comparison = measure("127.0.0.1", port, rounds=6)
                except ConnectionError:
                    continue  # not in sync yet
                if age_s > SETTLING_S:
                    found[clock].append(comparison)
            time.sleep(EVERY_S)
    return [
        figures(on, clock, [c.error_ms for c in said], [c.bound_ms for c in said], max(c.doubt_ms for c in said))
        for clock, said in found.items()
    ]


def _start_chronyd(processes: Processes, folder: Path, port: int, servers: list[str]) -> Child:
    """A chronyd as client of these servers, as eager as it gets, that serves what it thinks the time is."""
    lines = [
        f"server {host} port {number} iburst minpoll 0 maxpoll 2"
        for host, number in (address.split(":") for address in servers)
    ]
    lines += [f"port {port}", "bindaddress 127.0.0.1", "allow 127.0.0.1", "cmdport 0", "bindcmdaddress /"]
    lines += [f"pidfile {folder / 'chronyd.pid'}", f"driftfile {folder / 'drift'}"]
    file = folder / "client.conf"
    file.write_text("\n".join(lines) + "\n")
    user = ["-u", "root"] if os.geteuid() == 0 else ["-U"]
    return processes.start("chronyd", [find("chronyd"), "-d", "-x", *user, "-f", str(file)])
