"""An agent and the technician's check at brokers that deploy/broker has set up: certificates, revocation, access."""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from deployed import ROOT, Authority, Broker, client, may_write
from test_mqtt import agent_on, until

from agent.access import BrokerError
from agent.control import signing
from agent.lab.processes import Child, Processes
from agent.received import Received
from agent.units import UtcUs, format_utc

pytestmark = [pytest.mark.needs("mosquitto", "mosquitto_pub", "openssl"), pytest.mark.timeout(120)]

Told = dict[str, Any]


def settings(authority: Authority, name: str) -> dict[str, Any]:
    access = authority.access("", "venue", name)
    return {"ca": access.ca, "cert": access.cert, "key": access.key}


def configure(folder: Path, authority: Authority, brokers: list[Broker], certificate: str = "tokyo") -> Path:
    made = signing.make("alice", "show", folder / "pair")
    (folder / "keys").mkdir()
    (folder / "keys" / "alice.toml").write_bytes(made.public.read_bytes())
    files = "".join(f'{key} = "{value}"\n' for key, value in settings(authority, certificate).items())
    path = folder / "agent.toml"
    path.write_text(
        f'venue = "tokyo"\nshow = "s"\ntimezone = "Asia/Tokyo"\nstate_dir = "{folder}/state"\n'
        f"[broker]\nurls = {json.dumps([broker.url for broker in brokers])}\n{files}"
        f'[clock]\nservers = [{{host = "127.0.0.1", port = 9}}]\nchrony = false\n'
        f'[display]\noutput = "null"\n[cache]\ndir = "{folder}/cache"\nreserve_gb = 0\n'
        f'[trust]\nkeys = "{folder}/keys"\n'
    )
    return path


class Operator:
    """Alice, who hears every venue."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Told]] = []

    def take(self, message: Received) -> None:
        self.told.append((message.topic.rpartition("/")[2], json.loads(message.payload)))

    async def first(self, kind: str, good: Callable[[Told], bool]) -> Told:
        await until(lambda: any(one == kind and good(told) for one, told in self.told), 30)
        return next(told for one, told in self.told if one == kind and good(told))


async def command(authority: Authority, broker: Broker, name: str) -> tuple[int, Told]:
    """One of the operator's commands, as Alice."""
    access = authority.access(broker.url, "operator", "alice")
    ways = ["--broker", access.url, "--ca", access.ca, "--cert", access.cert, "--cert-key", access.key, "--json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent.cli", name, *ways, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return process.returncode or 0, json.loads(said)


def start(processes: Processes, config: Path) -> Child:
    return processes.start("agent", [sys.executable, "-m", "agent.cli", "agent", "--config", str(config)])


async def test_an_agent_from_end_to_end_over_tls_and_a_second_one_of_its_name(
    authority: Authority, broker: Broker, processes: Processes, tmp_path: Path
) -> None:
    config = configure(tmp_path, authority, [broker])
    pen = signing.load([str(tmp_path / "pair" / "alice.key")], lambda _: "")
    start(processes, config)
    alice = Operator()
    async with client(authority, broker, "operator", "alice") as connection:
        await connection.subscribe([f"{ROOT}/venue/#"])

        async def listen() -> None:
            async for message in connection.messages():
                alice.take(message)

        listening = asyncio.create_task(listen())
        presence = await alice.first("presence", lambda told: told["online"])
        assert (presence["messages"], presence["rival"]) == ([1], None)
        now = time.time_ns() // 1000
        cue = str(uuid.uuid4())
        body = {
            "v": 1,
            "cue": cue,
            "show": "s",
            "venues": ["*"],
            "at": format_utc(UtcUs(now + 60_000_000)),
            "issued": format_utc(UtcUs(now)),
            "expires": format_utc(UtcUs(now + 600_000_000)),
            "do": {"action": "black"},
        }
        assert not await connection.send(f"{ROOT}/cue/{cue}", pen.seal("cue", json.dumps(body).encode()), retain=True)
        accepted = await alice.first("ack", lambda told: told["cue"] == cue)
        assert accepted["stage"] == "accepted"
        status = await alice.first("status", lambda told: told["pending"] == 1)
        assert (status["brokers"], status["broker_faults"]) == ({broker.url: True}, {})
        assert not {"broker", "identity"} & {reason["code"] for reason in status["reasons"]}

        async with client(authority, broker, "venue", "tokyo") as second:
            other = json.dumps({**presence, "boot": str(uuid.uuid4())}).encode()
            assert await may_write(second, "venue/tokyo/presence", other)
            alarmed = await alice.first("presence", lambda told: told["boot"] == presence["boot"] and told["rival"])
            assert alarmed["rival"] == json.loads(other)["boot"]
            told = await alice.first("status", lambda told: "identity" in [one["code"] for one in told["reasons"]])
            assert told["ready"] is False
        code, told = await command(authority, broker, "status")
        assert (code, told["brokers"]) == (1, {broker.url: True})
        assert [(one["venue"], one["silent"]) for one in told["venues"]] == [("tokyo", False)]
        listening.cancel()
        with suppress(asyncio.CancelledError, BrokerError):
            await listening


async def test_files_that_were_replaced_are_read_at_the_next_connection(authority: Authority, broker: Broker) -> None:
    old = authority.folder_of("venue", "tokyo")
    here = authority.folder.parent / "etc-framezero"
    files: dict[str, Any] = {key: str(here / Path(file).name) for key, file in settings(authority, "tokyo").items()}

    def install() -> None:
        here.mkdir(exist_ok=True)
        for file in old.iterdir():
            (here / file.name).write_bytes(file.read_bytes())

    install()
    async with agent_on(broker.url, **files) as running:
        authority.certify("revoke", "tokyo")
        broker.set_up()
        broker.restart()
        await until(lambda: "revoked" in running.sessions.faults.get(broker.url, ""), 20)
        authority.certify("venue", "tokyo")
        install()
        await until(lambda: running.sessions.connected[broker.url], 40)
        await until(lambda: not running.sessions.faults)


async def check(config: Path, *words: str) -> tuple[int, list[Told]]:
    argv = [sys.executable, "-m", "agent.cli", "check", "--config", str(config), "--json", "--seconds", "1", *words]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    told = json.loads(said)
    return process.returncode or 0, [one for one in told["findings"] if one["area"] == "broker"]


async def test_check_visits_the_brokers_and_finds_what_an_access_list_hides(
    authority: Authority, brokers_of: Callable[[], Broker], tmp_path: Path
) -> None:
    one, other = brokers_of(), brokers_of()
    config = configure(tmp_path, authority, [one, other])
    _, findings = await check(config)
    assert [(found["verdict"], found["code"]) for found in findings] == [("ok", "serves"), ("ok", "serves")], findings
    acl = one.prefix / "framezero" / "acl"
    acl.write_text(
        "".join(line for line in acl.read_text().splitlines(True) if "cue/#" not in line and "/ack" not in line)
    )
    one.restart()
    other.stop()
    code, findings = await check(config)
    found = {one["code"]: one for one in findings}
    assert code == 1
    assert found["hello"]["verdict"] == "fault" and "'tokyo'" in found["hello"]["mend"]
    assert "venue/tokyo/ack" in found["access"]["what"] and "/status" not in found["access"]["what"]
    assert found["unreachable"]["verdict"] == "fault", "no other broker serves"


async def test_check_names_a_certificate_of_another_venue_and_one_that_ends(
    authority: Authority, broker: Broker, tmp_path: Path
) -> None:
    authority.certify("--days", "9", "renew", "paris")
    key = authority.folder_of("venue", "paris") / "venue.key"
    key.chmod(0o644)
    code, findings = await check(configure(tmp_path, authority, [broker], "paris"))
    found = {one["code"]: one for one in findings}
    assert code == 1
    assert "certificate of 'paris', and this venue is 'tokyo'" in found["name"]["what"]
    assert "ends in 8 days" in found["ends"]["what"]
    assert found["key_rights"]["mend"] == f"sudo chmod o= {key}"
    assert "venue/tokyo/presence" in found["access"]["what"]
