"""Ninety days of as-run records of some venues, on disk and over lines: how much it takes to keep and to collect them.

The books are filled without agents, since nobody waits ninety days; all else is real: agents (`display.output =
"null"`), mosquitto, a relay that makes each agent's line long, and the command `framezero asrun`.
"""

import json
import random
import resource
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from brokers import Mosquitto

from agent.book import FILE_NAME, Book
from agent.lab import relay
from agent.lab.processes import Processes
from agent.messages import Uuid
from agent.told import AsRun, ErrorSpread
from agent.units import US_PER_S, UtcUs

DAY_US = 86_400 * US_PER_S
BATCH = 2000
READY_S = 60.0
COMMAND_S = 900.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run has measured: sizes in MB, times in seconds."""

    venues: int
    days: float
    records: int
    """Of all venues together."""
    collected: int
    fill_s: float
    disk_mb: float
    """One venue's file."""
    collect_s: float
    tool_mb: float
    """The command's largest memory."""
    agent_mb: float
    """The largest memory of an agent's process."""
    exit_code: int


def fill(folder: Path, venue: str, begin: UtcUs, end: UtcUs, film_s: int) -> int:
    """Write a book as a wall would that loops films of so many seconds; returns how many records it has."""
    chance = random.Random(venue)
    book, cue = Book(folder), str(uuid.UUID(int=1, version=4))
    batch: list[tuple[AsRun, bool]] = []
    count = 0
    for second in range((end - begin) // US_PER_S):
        due = UtcUs(begin + second * US_PER_S)
        if second % film_s == 0:
            batch.append((_record(venue, "start", cue, due, chance), True))
        if second % 60 == 0:
            batch.append((_record(venue, "minute", cue, due, chance), True))
        if len(batch) >= BATCH:
            assert book.write(batch) is not None, book.fault
            count += len(batch)
            batch.clear()
    assert book.write(batch) is not None, book.fault
    book.close()
    return count + len(batch)


def _record(venue: str, kind: str, cue: Uuid, due: UtcUs, chance: random.Random) -> AsRun:
    error = round(chance.gauss(0, 500))
    far = abs(error) + chance.randrange(3000)
    spread = ErrorSpread(median=error, p95=far, p99=far + chance.randrange(2000), max=far + chance.randrange(9000))
    return AsRun.model_validate(
        {
            "venue": venue,
            "kind": kind,
            "cue": cue,
            "program": "winners-reel",
            "rev": 3,
            "item": chance.randrange(6),
            "sha256": f"{chance.randrange(6):x}" * 64,
            "due": due,
            "observed": due + error if kind == "start" else None,
            "error_us": spread,
            "frames": 1 if kind == "start" else 1800 - chance.randrange(3),
            "trims": chance.randrange(120),
            "bound_us": 6000 + chance.randrange(4000),
            "clock": "SYNC",
        }
    )


def measure(folder: Path, venues: int, days: float, film_s: int, delay_ms: float) -> Figures:
    """Fill books, start agents over lines of this delay each way, collect everything as CSV, and tell figures."""
    end = UtcUs(time.time_ns() // 1000 // US_PER_S * US_PER_S)
    begin = UtcUs(end - round(days * DAY_US))
    names = [f"venue-{number}" for number in range(venues)]
    began = time.monotonic()
    records = sum(fill(folder / name / "state", name, begin, end, film_s) for name in names)
    fill_s = time.monotonic() - began
    broker = Mosquitto(folder / "broker")
    broker.start()
    try:
        broker.hello()
        with Processes(folder / "logs") as processes:
            links = [relay.Link(name, broker.port, delay_ms, delay_ms) for name in (*names, "operator")]
            ports = relay.start(processes, "tcp", links).ports
            agents = [
                processes.start(name, [sys.executable, "-m", "agent.cli", "agent", "--config", str(config)])
                for name in names
                for config in [_config(folder / name, name, ports[name])]
            ]
            url = f"mqtt://127.0.0.1:{ports['operator']}"
            _until_present(url, venues)
            out = folder / "proof.csv"
            began = time.monotonic()
            argv = [sys.executable, "-m", "agent.cli", "asrun", "--broker", url, "--since", f"{days + 1:g}d"]
            done = subprocess.run([*argv, "--csv", "--out", str(out)], check=False, timeout=COMMAND_S)
            collect_s = time.monotonic() - began
            agent_mb = max(_peak_mb(agent.pid) for agent in agents)
    finally:
        broker.stop()
    with out.open("rb") as file:
        collected = sum(line.endswith(b"\r\n") for line in file) - 1
    return Figures(
        venues=venues,
        days=days,
        records=records,
        collected=collected,
        fill_s=round(fill_s, 1),
        disk_mb=round((folder / names[0] / "state" / FILE_NAME).stat().st_size / 1e6, 1),
        collect_s=round(collect_s, 1),
        tool_mb=round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 1),
        agent_mb=round(agent_mb, 1),
        exit_code=done.returncode,
    )


def _config(folder: Path, venue: str, port: int) -> Path:
    path = folder / "agent.toml"
    path.write_text(
        f'venue = "{venue}"\nshow = "archive"\ntimezone = "UTC"\nstate_dir = "{folder}/state"\n'
        f'[broker]\nurls = ["mqtt://127.0.0.1:{port}"]\n[clock]\nservers = ["127.0.0.1"]\n'
        f'[display]\noutput = "null"\n[cache]\ndir = "{folder}/cache"\nreserve_gb = 0\n[trust]\nrequire = false\n'
    )
    return path


def _until_present(url: str, venues: int) -> None:
    argv = [sys.executable, "-m", "agent.cli", "status", "--json", "--broker", url]
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        done = subprocess.run(argv, check=False, capture_output=True, timeout=READY_S)
        if sum(venue["online"] is True for venue in json.loads(done.stdout).get("venues", [])) == venues:
            return
    raise AssertionError("the agents are not there")


def _peak_mb(pid: int) -> float:
    """VmHWM of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
