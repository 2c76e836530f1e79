"""`framezero clock` and `framezero check` as a technician types them, on real sockets."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import typer
from brokers import Mosquitto
from makers import item_body, program_body
from test_json_shapes import SHAPES
from typer.testing import CliRunner

from agent.cache.disk import place_of
from agent.clock.kernel import raw_now_ns
from agent.clock.mapping import ClockState
from agent.clock.memory import Memory
from agent.clock.orders import Past
from agent.clock.report import ClockReport, SourceReport
from agent.control import signing
from agent.effects import KeepProgram
from agent.journal import Journal
from agent.lab import liar, timeservers
from agent.lab.ports import free
from agent.lab.processes import Processes
from agent.technician import cli
from agent.told import Status
from agent.units import RawNs


def write(folder: Path, servers: list[Any], **more: str) -> Path:
    named = ", ".join(
        f'{{ host = "{host}", port = {port}, ours = {str(ours).lower()} }}' for host, port, ours in servers
    )
    if not (folder / "keys").exists():
        signing.make("alice", "show", folder / "keys")
        signing.make("films", "content", folder / "keys")
    file = folder / "agent.toml"
    file.write_text(
        f'venue = "paris"\nshow = "s"\ntimezone = "Europe/Paris"\nstate_dir = "{folder / "state"}"\n'
        f'[broker]\nurls = ["mqtt://127.0.0.1:1"]\n[clock]\nservers = [{named}]\nchrony = false\n'
        f'[cache]\ndir = "{folder / "cache"}"\n[display]\noutput = "null"\n'
        f'[trust]\nkeys = "{folder / "keys"}"\n'
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
    codes = {finding["code"] for finding in told["findings"]}
    assert {"falseticker", "unreachable"} <= codes and codes & {"dns", "dns_away"} and told["exit"] == 0
    page = framezero("clock", "--config", str(config), "--seconds", "3")
    assert page.returncode == 0
    for word in ("SYNC", "✓", "✗", "·", "Europe/Paris", "UTC", "ms wrong", "contradicts the majority", "→ take"):
        assert word in page.stdout, page.stdout


@pytest.mark.needs("chronyd")
def test_one_of_our_own_is_enough_and_check_is_content(
    processes: Processes, tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    mosquitto.hello()
    monkeypatch.setenv("FRAMEZERO_BROKER__URLS", json.dumps([mosquitto.url]))
    (server,) = timeservers.start(processes, 1, tmp_path / "ntp")
    config = write(tmp_path, [("127.0.0.1", server.port, True)])
    done = framezero("check", "--config", str(config), "--seconds", "2", "--json")
    told = json.loads(done.stdout)
    assert told.keys() == SHAPES["check"].keys() and all(
        finding.keys() == SHAPES["check"]["findings"] for finding in told["findings"]
    )
    assert (done.returncode, told["exit"]) == (0, 0), done.stdout
    codes = {finding["code"] for finding in told["findings"]}
    assert {"configuration", "source", "sync", "one_source", "serves", "one_broker"} <= codes
    assert [broker["serves"] for broker in told["brokers"]] == [True]


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
    assert {finding["mend"] for finding in told["findings"]} == {f"edit {config}, then run this again"}
    assert json.loads(framezero("clock", "--config", str(config), "--json").stdout) == told
    done = framezero("clock", "--config", str(config))
    assert done.returncode == 2 and "timezone" in done.stderr and "→ edit" in done.stderr and not done.stdout


def findings_of(config: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> list[dict[str, str]]:
    """What `check` says, in this process."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    app.command()(cli.check)
    done = CliRunner().invoke(app, ["--config", str(config), "--json", "--seconds", "1"])
    return list(json.loads(done.stdout)["findings"])


def test_a_configuration_that_is_not_there_is_to_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "agent.toml"
    [missing] = findings_of(config, monkeypatch, {})
    assert missing["verdict"] == "fault" and missing["mend"].startswith(f"sudo framezero setup --config {config}")
    config.mkdir()
    [folder] = findings_of(config, monkeypatch, {})
    assert folder["mend"].startswith("ls -l")


def test_a_configuration_that_may_not_be_read_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(path: Path, **how: Any) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    config = write(tmp_path, [("127.0.0.1", 1, False)])
    monkeypatch.setattr(Path, "read_text", forbid)
    # Also for one that is not root: the command line itself must not refuse the file with a usage error.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    [unreadable] = findings_of(config, monkeypatch, {})
    assert "Permission denied" in unreadable["what"] and "sudo -u framezero" in unreadable["mend"]


def test_a_fault_of_the_environment_is_mended_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = write(tmp_path, [("127.0.0.1", 1, False)])
    [fault] = findings_of(config, monkeypatch, {"FRAMEZERO_DISPLAY__ROTATE": "45"})
    assert fault["mend"].startswith("unset FRAMEZERO_DISPLAY__ROTATE")


def test_the_agents_word_is_taken_and_said_to_be_so_unless_measuring_is_wanted(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    mosquitto.hello()
    monkeypatch.setenv("FRAMEZERO_BROKER__URLS", json.dumps([mosquitto.url]))
    port = free("udp", 1)[0]
    config = write(tmp_path, [("127.0.0.1", port, False)])
    config.write_text(config.read_text().replace("[clock]", "[clock]\ncorrection_ms = 0.5"))
    source = SourceReport(f"127.0.0.1:{port}", False, True, "agrees")
    report = ClockReport(ClockState.HOLDOVER, "no time server answers any more", 8000.0, -50.0, 1.4, 1, 0, (source,))
    Memory(tmp_path, tmp_path / "state").keep_current(Past(), report, raw_now_ns(), 0)

    def told(command: str, *words: str) -> tuple[int, dict[str, dict[str, str]]]:
        done = framezero(command, "--config", str(config), "--seconds", "1", "--json", *words)
        return done.returncode, {finding["code"]: finding for finding in json.loads(done.stdout)["findings"]}

    status, by_word = told("check")
    assert status == 0 and "agent's own word" in by_word["source"]["what"] and "holdover" in by_word
    page = framezero("clock", "--config", str(config)).stdout
    assert "correction_ms = 0.5 applied" in page and "agent's own word" in page
    assert told("clock")[0] == 0, "both commands go by the agent's own rule: holdover is good while the bound is"
    status, asked = told("check", "--measure")
    assert status == 1 and "measured just now" in asked["source"]["what"] and "unreachable" in asked
    assert told("clock", "--measure")[0] == 1
    Memory(tmp_path, tmp_path / "state").keep_current(Past(), report, RawNs(raw_now_ns() - 200 * 10**9), 0)
    status, stale = told("check")
    assert status == 1 and "agent_silent" in stale and "measured just now" in stale["source"]["what"]


@pytest.mark.needs("ffmpeg")
def test_check_measures_the_films_that_this_player_has(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    made = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=320x180:r=30:d=3",
        "-pix_fmt",
        "yuv420p",
        str(film),
    ]
    subprocess.run(made, check=True)
    sha256 = hashlib.sha256(film.read_bytes()).hexdigest()
    place = place_of(tmp_path / "cache", sha256)
    place.parent.mkdir(parents=True)
    film.rename(place)
    journal = Journal.open(tmp_path / "state")
    assert isinstance(journal, Journal)
    journal.keep(KeepProgram("reel", 1, program_body([item_body("a", sha256=sha256), item_body("b")], show="s")))
    config = write(tmp_path, [("127.0.0.1", free("udp", 1)[0], False)])
    done = framezero("check", "--config", str(config), "--seconds", "1", "--json")
    journal.close()
    told = json.loads(done.stdout)
    found = {finding["code"]: finding for finding in told["findings"]}
    assert {"display_null", "profile", "realtime", "films_missing", "films"} <= set(found), done.stdout
    assert "a.mp4 (h264 320x180, 30 fps)" in found["films"]["what"] and "b.mp4" in found["films_missing"]["what"]
    [measured] = told["films"]
    assert (measured["sha256"], measured["decoder"], measured["codec"]) == (sha256, "software", "h264")
    assert measured["fps"] > 30 and "decoding film 1 of 1: a.mp4" in done.stderr
    done = framezero("check", "--config", str(config), "--seconds", "1", "--no-films")
    assert "no film was measured: --no-films" in done.stdout and "decoding film" not in done.stderr


def test_a_display_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    config = write(tmp_path, [("127.0.0.1", free("udp", 1)[0], True)])
    config.write_text(config.read_text().replace('output = "null"', 'name = ":4711"'))
    told = json.loads(framezero("check", "--config", str(config), "--seconds", "1", "--json", "--no-films").stdout)
    [absent] = [finding for finding in told["findings"] if finding["area"] == "display"]
    assert (absent["verdict"], absent["code"]) == ("fault", "display_absent") and ":4711" in absent["what"]


def test_the_short_check_asks_nobody_and_decodes_nothing(tmp_path: Path) -> None:
    config = write(tmp_path, [("127.0.0.1", free("udp", 1)[0], False)])
    done = framezero("check", "--short", "--json", "--config", str(config))
    told = json.loads(done.stdout)
    areas = {finding["area"] for finding in told["findings"]}
    assert not areas & {"clock", "broker", "films"} and {"configuration", "trust", "cache", "display"} <= areas
    assert told["films"] == told["brokers"] == [] and told.keys() == SHAPES["check"].keys()


@pytest.mark.needs("mosquitto")
async def test_an_agent_tells_what_its_player_found_of_itself(
    processes: Processes, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    config = write(tmp_path, [("127.0.0.1", free("udp", 1)[0], False)])
    config.write_text(config.read_text().replace("mqtt://127.0.0.1:1", mosquitto.url))
    (tmp_path / "keys" / "films.toml").unlink()
    processes.start("agent", [sys.executable, "-m", "agent.cli", "agent", "--config", str(config)])
    async with (
        asyncio.timeout(60),
        aiomqtt.Client("127.0.0.1", mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5) as client,
    ):
        await client.subscribe("framezero/v1/venue/paris/status")
        async for message in client.messages:
            test = Status.model_validate_json(bytes(message.payload)).self_test
            if test is not None:
                break
    assert test is not None and test.good and [one.code for one in test.findings if one.verdict == "fault"] == ["keys"]
    assert "framezero keys new" in test.findings[0].mend
