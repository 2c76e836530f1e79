"""`framezero clock` and `framezero check` as a technician types them, on real sockets."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.lab import liar, timeservers
from agent.lab.ports import free
from agent.lab.processes import Processes


def write(folder: Path, servers: list[Any], **more: str) -> Path:
    named = ", ".join(
        f'{{ host = "{host}", port = {port}, ours = {str(ours).lower()} }}' for host, port, ours in servers
    )
    file = folder / "agent.toml"
    file.write_text(
        f'venue = "paris"\nshow = "s"\ntimezone = "Europe/Paris"\nstate_dir = "{folder / "state"}"\n'
        f'[broker]\nurls = ["mqtt://127.0.0.1:1"]\n[clock]\nservers = [{named}]\nchrony = false\n'
        f'[cache]\ndir = "{folder / "cache"}"\n'
    )
    return file


def framezero(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "agent.cli", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.needs("chronyd")
def test_clock_tells_of_every_source_why_it_is_in_or_out(processes: Processes, tmp_path: Path) -> None:
    good = [("127.0.0.1", server.port, False) for server in timeservers.start(processes, 3, tmp_path / "ntp")]
    lying = liar.start(processes, 80.0)
    dead = free("udp", 1)[0]
    servers = [*good, ("127.0.0.1", lying, False), ("127.0.0.1", dead, False), ("nonexistent.invalid", 123, False)]
    config = write(tmp_path, servers)
    done = framezero("clock", "--config", str(config), "--seconds", "4", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["state"], told["sources"], told["agreeing"], told["age_s"]) == ("SYNC", 6, 3, None)
    assert told["bound_us"] < 30_000 and abs(told["offset_host_us"]) < 1000
    sources = {source["name"]: source for source in told["per_source"]}
    assert sum(source["agrees"] for source in sources.values()) == 3
    assert "contradicts the majority by +80" in sources[f"127.0.0.1:{lying}"]["why"]
    assert "check the address" in sources[f"127.0.0.1:{dead}"]["why"]
    assert sources["nonexistent.invalid:123"]["code"] in ("dns", "dns_away")
    assert {"falseticker", "silent", "dns"} <= {finding["code"] for finding in told["findings"]}
    page = framezero("clock", "--config", str(config), "--seconds", "3")
    assert page.returncode == 0
    for word in ("SYNC", "✓", "✗", "·", "Europe/Paris", "UTC", "ms wrong", "contradicts the majority", "→ take"):
        assert word in page.stdout, page.stdout


@pytest.mark.needs("chronyd")
def test_one_of_our_own_is_enough_and_check_is_content(processes: Processes, tmp_path: Path) -> None:
    (server,) = timeservers.start(processes, 1, tmp_path / "ntp")
    config = write(tmp_path, [("127.0.0.1", server.port, True)])
    done = framezero("check", "--config", str(config), "--seconds", "2", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit"]) == (0, 0), done.stdout
    assert {"configuration", "sync"} <= {finding["code"] for finding in told["findings"]}


def test_check_names_what_mends_a_clock_that_nobody_answers(tmp_path: Path) -> None:
    config = write(tmp_path, [("127.0.0.1", free("udp", 1)[0], False)])
    done = framezero("check", "--config", str(config), "--seconds", "1")
    assert done.returncode == 1
    assert "three have to agree" in done.stdout and "✗ fault" in done.stdout and "→" in done.stdout


def test_a_configuration_that_cannot_be_used_is_all_its_faults(tmp_path: Path) -> None:
    config = write(tmp_path, [("127.0.0.1", 70000, False)])
    config.write_text(config.read_text().replace("Europe/Paris", "Mars/Olympus"))
    done = framezero("check", "--config", str(config), "--json")
    told = json.loads(done.stdout)
    assert done.returncode == told["exit"] == 2 and len(told["findings"]) == 2
    done = framezero("clock", "--config", str(config))
    assert done.returncode == 2 and "timezone" in done.stderr and not done.stdout
