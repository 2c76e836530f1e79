"""A whole agent whose cache is not as it should be: it starts, says what is wrong, and works as far as it can."""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from brokers import Mosquitto
from fetching import FILM, SHA256, serving
from makers import item_body, program_body

from agent.cache.disk import place_of
from agent.lab.processes import Processes

pytestmark = [pytest.mark.needs("mosquitto", "ffmpeg"), pytest.mark.timeout(120)]


def configured(folder: Path, broker: Mosquitto, cache: Path) -> Path:
    path = folder / "agent.toml"
    path.write_text(
        f'venue = "paris"\nshow = "reel-show"\ntimezone = "Europe/Paris"\nstate_dir = "{folder / "state"}"\n'
        f'[broker]\nurls = ["{broker.url}"]\n[clock]\nservers = ["127.0.0.1"]\nchrony = false\n'
        f'[display]\noutput = "null"\n[trust]\nrequire = false\n[cache]\ndir = "{cache}"\nreserve_gb = 0\n'
    )
    return path


async def statuses(broker: Mosquitto) -> AsyncIterator[dict[str, Any]]:
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe("framezero/v1/venue/paris/status", qos=1)
        async for message in client.messages:
            yield json.loads(bytes(message.payload))


async def until(broker: Mosquitto, good: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(40):
        async for status in statuses(broker):
            if good(status):
                return status
    raise AssertionError("unreachable")


def reasons(status: dict[str, Any]) -> dict[str, str]:
    return {reason["code"]: reason["detail"] for reason in status["reasons"]}


async def publish(broker: Mosquitto, topic: str, body: bytes) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.publish(f"framezero/v1/{topic}", body, qos=1, retain=True)


async def test_an_agent_starts_with_a_cache_that_cannot_be_used_and_with_an_odd_entry_in_it(
    processes: Processes, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.write_text("no folder")
    agent = [sys.executable, "-m", "agent.cli", "agent", "--config", str(configured(tmp_path, mosquitto, cache))]
    child = processes.start("agent", agent)
    status = await until(mosquitto, lambda status: "disk_error" in reasons(status))
    assert "name another one" in reasons(status)["disk_error"] and not status["ready"]
    processes.end(child)
    cache.unlink()
    odd = place_of(cache, SHA256)
    odd.mkdir(parents=True)
    processes.start("agent", agent)
    async with serving() as site:
        items = [item_body("a", sha256=SHA256, size=len(FILM), urls=[site.serve("/koi.mp4", FILM)])]
        await publish(mosquitto, "program/reel/1", program_body(items))
        status = await until(mosquitto, lambda status: "cache_entry" in reasons(status))
        assert str(odd) in reasons(status)["cache_entry"]
        # And once it is out of the way all goes on by itself: here to a film that is none, which is said.
        odd.rmdir()
        status = await until(mosquitto, lambda status: "film_mismatch" in reasons(status))
        assert status["cache"]["films"] == 1 and status["cache"]["missing"] == 0
    assert hashlib.sha256(odd.read_bytes()).hexdigest() == SHA256
