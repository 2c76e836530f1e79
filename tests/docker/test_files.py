"""The files themselves, without an engine: what they must not need, and that compose takes them."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_docker import cannot

from agent.lab.venues import VENUES
from agent.technician import health

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE, REALTIME = DEPLOY / "compose.yaml", DEPLOY / "compose.realtime.yaml"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
CITIES = {venue.venue for venue in VENUES}


def compose(*files: Path, **env: str) -> Any:
    """What docker-compose makes of these files."""
    named = [word for file in files for word in ("--file", str(file))]
    argv = ["docker-compose", *named, "config"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **env}, timeout=60)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


@pytest.mark.needs("docker-compose")
def test_compose_takes_the_file_and_it_has_the_services_that_are_promised() -> None:
    services = compose(COMPOSE)["services"]
    assert CITIES | {"broker", "time", "films", "board", "meter", "keys", "opening"} == set(services)
    assert compose(COMPOSE, REALTIME)["services"]["meter"]["cpu_rt_runtime"] == 150_000
    # Plain numbers: compose v2 takes nothing else there, nor from the environment.
    prompt = yaml.safe_load(REALTIME.read_text())["services"]
    assert prompt == {name: {"cpu_rt_runtime": 150_000} for name in CITIES | {"meter"}}


@pytest.mark.needs("docker-compose")
def test_nothing_gains_rights_or_comes_from_elsewhere_and_no_log_fills_a_disk() -> None:
    rights = {"keys": {"CHOWN", "DAC_OVERRIDE", "FOWNER"}}
    prompt = {"SETGID", "SETPCAP", "SETUID", "SYS_NICE"}
    for name, service in compose(COMPOSE)["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        wanted = rights.get(name, prompt if name in CITIES | {"meter"} else set())
        assert set(service.get("cap_add", [])) == wanted, name
        assert service["pull_policy"] == "never", name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"] == {"max-size": "5m", "max-file": "2"}, name


@pytest.mark.needs("docker-compose")
def test_each_wall_has_the_clock_of_the_lab_and_takes_another() -> None:
    services = compose(COMPOSE)["services"]
    for venue in VENUES:
        offset, rate = services[venue.venue]["environment"]["FRAMEZERO_SKEW"].split()
        assert float(offset) == venue.offset_s
        assert float(rate.removeprefix("x")) == pytest.approx(1 + venue.ppm * 1e-6, abs=1e-9)
    changed = compose(COMPOSE, SHANGHAI_SKEW="+2 x1.0001", PARIS_SKEW="")["services"]
    assert changed["shanghai"]["environment"]["FRAMEZERO_SKEW"] == "+2 x1.0001"
    assert changed["paris"]["environment"]["FRAMEZERO_SKEW"] == ""


@pytest.mark.needs("docker-compose")
def test_nothing_is_privileged_or_open_to_other_computers() -> None:
    for name, service in compose(COMPOSE)["services"].items():
        assert not {"privileged", "devices", "pid", "ipc"} & set(service), name
        assert service.get("network_mode") in (None, "none"), name
        ports = service.get("ports", [])
        assert all(str(port).startswith("127.0.0.1:") for port in ports), (name, ports)
        # Who begins as root keeps one capability, and setpriv makes it somebody else; the keys are given to others.
        if service.get("user", "").startswith("root") and name != "keys":
            assert service["cap_drop"] == ["ALL"]
            assert service["entrypoint"][:2] == ["setpriv", "--reuid=framezero"]


@pytest.mark.needs("docker-compose")
def test_a_wall_sees_nobody_elses_papers() -> None:
    for name, service in compose(COMPOSE)["services"].items():
        volumes = {str(volume).partition(":")[0] for volume in service.get("volumes", [])}
        secret = {volume for volume in volumes if volume.endswith("-settings")} | (volumes & {"authority", "operator"})
        if name != "keys":
            assert secret <= {f"{name}-settings", "operator"}
            assert "operator" not in secret or name in ("board", "opening")


def test_the_image_is_built_from_plain_debian_by_any_builder_for_any_processor() -> None:
    assert re.search(r"^ARG BASE=debian:bookworm-slim$", DOCKERFILE, re.MULTILINE)
    origins = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))
    assert origins == {"${BASE}", "builder", "agent"}
    commands = "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#"))
    assert not re.search(r"--mount|TARGETARCH|amd64|x86_64|PIP_CERT|certs/", commands)
    assert commands.count("apt-get install") == commands.count("--no-install-recommends")
    assert commands.count("apt-get install") == commands.count("rm -rf /var/lib/apt/lists/*")


def test_looking_whether_a_wall_is_healthy_costs_less_than_the_wall() -> None:
    options = re.search(r"^HEALTHCHECK --interval=(\d+)s --timeout=(\d+)s .*--retries=(\d+)", DOCKERFILE, re.MULTILINE)
    assert options is not None
    interval_s, timeout_s, retries = map(int, options.groups())
    assert 0.1 / interval_s < 0.005  # of one processor; an agent at rest takes at most 0.01
    assert timeout_s > health.APART_S + 2 * health.ANSWER_S
    assert interval_s * retries <= 60  # until it is said


def test_what_is_built_from_is_named_and_nothing_else_is_sent() -> None:
    lines = (DEPLOY.parent / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} >= {"agent", "pyproject.toml", "deploy/constraints.txt"}
    assert json.dumps(lines).count("!deploy") == 2


def test_in_continuous_integration_the_engines_tests_are_not_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\nexport CI=true\n" in (DEPLOY.parent / ".ci" / "run").read_text()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no engine"):
        cannot("no engine")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no engine"):
        cannot("no engine")
