"""A whole agent as a technician starts it: real mosquitto, chronyd, Xvfb, libmpv and HTTP server, one venue."""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from brokers import Mosquitto, MosquittoFactory

from agent.lab import barcode, content, displays, films, timeservers
from agent.lab.framebuffer import Framebuffer
from agent.lab.processes import Child, Processes
from agent.units import UtcUs, format_utc

pytestmark = [pytest.mark.needs("Xvfb", "ffmpeg", "chronyd", "mosquitto"), pytest.mark.timeout(120)]

ROOT = "framezero/v1"
Told = dict[str, Any]


def clock_us() -> int:
    return time.time_ns() // 1000


async def comes_true(fact: Callable[[], bool], seconds: float, otherwise: Callable[[], str] = str) -> None:
    """Wait until something outside this process is so; looking is the only way to know."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, f"not within {seconds} s. {otherwise()}"
        await asyncio.sleep(0.02)


@dataclass
class Site:
    """Everything around one agent, and what the agent tells over the broker."""

    folder: Path
    broker: Mosquitto
    processes: Processes
    display: str
    framebuffer: Path
    web: Path
    url: str
    servers: list[int]
    told: dict[str, list[Told]] = field(default_factory=dict)

    def config(self, **changes: str) -> Path:
        lines = {"display": f'name = "{self.display}"', "broker": self.broker.url, "trust": "false", **changes}
        servers = ", ".join(f'{{host = "127.0.0.1", port = {port}, ours = true}}' for port in self.servers)
        path = self.folder / "agent.toml"
        path.write_text(
            f'venue = "paris"\nshow = "lab"\ntimezone = "Europe/Paris"\nstate_dir = "{self.folder}/state"\n'
            f'[broker]\nurls = ["{lines["broker"]}"]\n[clock]\nservers = [{servers}]\n'
            f'[display]\n{lines["display"]}\n[cache]\ndir = "{self.folder}/cache"\nreserve_gb = 0\n'
            f"[trust]\nrequire = {lines['trust']}\n"
        )
        return path

    def start_agent(self, **changes: str) -> Child:
        argv = [sys.executable, "-m", "agent.cli", "agent", "--config", str(self.config(**changes))]
        return self.processes.start("agent", argv)

    async def publish(self, topic: str, body: bytes, *, retain: bool = True) -> None:
        async with aiomqtt.Client("127.0.0.1", self.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.publish(f"{ROOT}/{topic}", body, qos=1, retain=retain)

    async def cue(self, do: Told, in_s: float, **changes: Any) -> str:
        name = str(uuid.uuid4())
        now = clock_us()
        body = {
            "v": 1,
            "cue": name,
            "show": "lab",
            "venues": ["*"],
            "at": format_utc(UtcUs(now + round(in_s * 1e6))),
            "issued": format_utc(UtcUs(now)),
            "expires": format_utc(UtcUs(now + 3_600_000_000)),
            "do": do,
        }
        await self.publish(f"cue/{name}", json.dumps({**body, **changes}).encode())
        return name

    async def program(self, name: str, film: films.Film, **changes: Any) -> None:
        data = film.path.read_bytes()
        (self.web / film.path.name).write_bytes(data)
        item = {
            "name": film.path.name,
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "codec": "h264",
            "width": film.width,
            "height": film.height,
            "fps": str(film.fps),
            "frames": film.frames,
            "sound": False,
            "urls": [f"{self.url}/{film.path.name}"],
        }
        body = {"v": 1, "program": name, "rev": 1, "show": "lab", "issued": format_utc(UtcUs(clock_us()))}
        await self.publish(f"program/{name}/1", json.dumps({**body, "items": [{**item, **changes}]}).encode())

    async def until(self, kind: str, good: Callable[[Told], bool], seconds: float = 20) -> Told:
        """The first message of a kind that is good; what was told before counts too."""
        found: list[Told] = []

        def look() -> bool:
            found.extend(message for message in self.told.get(kind, []) if good(message))
            return bool(found)

        await comes_true(look, seconds, lambda: f"no such {kind}; the last were {self.told.get(kind, [])[-3:]}")
        return found[0]

    async def ack(self, cue: str, stage: str) -> Told:
        return await self.until("ack", lambda ack: ack["cue"] == cue and ack["stage"] == stage)

    def frame(self) -> tuple[int, int] | None:
        screen = Framebuffer.open(self.framebuffer)
        upper, lower = screen.barcode_slices()
        seen = barcode.decode(screen.memory[upper], screen.memory[lower])
        screen.close()
        return seen

    async def listen(self) -> None:
        """Collect what the venue tells, over restarts of the broker."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", self.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
                    await client.subscribe(f"{ROOT}/venue/#", qos=1)
                    async for message in client.messages:
                        kind = str(message.topic).rpartition("/")[2]
                        assert isinstance(message.payload, bytes)
                        self.told.setdefault(kind, []).append(json.loads(message.payload))
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> films.Film:
    path = tmp_path_factory.mktemp("films") / "a.mp4"
    return films.make_film(path, clip=1, frames=90, fps=Fraction(30), width=320, height=180)


@pytest.fixture
async def site(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Site]:
    web = tmp_path / "web"
    web.mkdir()
    with Processes(tmp_path / "logs") as processes:
        display = displays.start(processes, ["paris"], (320, 180), tmp_path / "displays")[0]
        served = content.start(processes, web)
        servers = timeservers.start(processes, 3, tmp_path / "time")
        ports = [server.port for server in servers]
        made = Site(
            tmp_path,
            mosquitto,
            processes,
            display.name,
            display.framebuffer,
            web,
            f"http://127.0.0.1:{served.port}",
            ports,
        )
        await made.publish("cue/_hello", b"hello")
        listener = asyncio.create_task(made.listen())
        yield made
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


LOOP = {"action": "play", "program": "reel", "rev": 1, "loop": True}


async def test_one_cue_from_the_broker_to_the_pixels(site: Site, film: films.Film) -> None:
    site.start_agent()
    await site.program("reel", film)
    ready = await site.until("status", lambda status: status["ready"] and status["cache"]["films"] == 1)
    assert (ready["state"], ready["unsigned"], ready["clock"]["state"]) == ("slate", True, "SYNC")
    ask = {"v": 1, "ask": str(uuid.uuid4()), "want": "poll", "program": "reel"}
    await site.publish("ask/all", json.dumps(ask).encode(), retain=False)
    answer = await site.until("answer", lambda answer: answer["ask"] == ask["ask"])
    assert (answer["venue"], answer["poll"]["go"], answer["poll"]["films"]["present"]) == ("paris", True, 1), answer
    cue = await site.cue(LOOP, 3)
    accepted = await site.ack(cue, "accepted")
    assert (accepted["ready"], accepted["reason"]) == (True, None)
    await site.ack(cue, "armed")
    assert site.frame() is None
    started = await site.ack(cue, "started")
    assert abs(started["error_us"]) < 50_000
    assert started["joined"] is False
    playing = await site.until("status", lambda status: status["state"] == "playing" and status["frame"])
    assert (playing["cue"], playing["program"], playing["item"]) == (cue, "reel", 0)
    assert site.frame() is not None
    black = await site.cue({"action": "black"}, 1)
    await site.ack(black, "started")
    await site.ack(cue, "superseded")
    await asyncio.sleep(0.2)
    assert Framebuffer.open(site.framebuffer).snapshot().max() == 0
    stop = await site.cue({"action": "stop"}, 1)
    await site.ack(stop, "started")
    await asyncio.sleep(0.2)
    assert Framebuffer.open(site.framebuffer).snapshot().max() > 0


async def test_refusals_and_no_goes_are_acknowledged_with_reason_and_remedy(site: Site, film: films.Film) -> None:
    agent = site.start_agent()
    await site.until("status", lambda status: status["ready"])
    unknown = await site.cue({**LOOP, "program": "nobody-knows"}, 60)
    acked = await site.ack(unknown, "accepted")
    assert (acked["ready"], acked["reason"]) == (False, "program_unknown")
    assert "publish" in acked["detail"]
    await site.program("reel", film, sha256="0" * 64)
    spoilt = await site.cue(LOOP, 60)
    failed = await site.until("ack", lambda ack: ack["cue"] == spoilt and ack["reason"] == "film_hash")
    assert failed["ready"] is False
    await site.publish("cue", b'{"v": 1, "cue":', retain=False)
    assert (await site.ack("?", "refused"))["reason"] == "schema"
    other = await site.cue(LOOP, 60, show="another")
    assert (await site.ack(other, "refused"))["reason"] == "show"
    odd = await site.cue(LOOP, 60, colour="red")
    assert "colour" in (await site.ack(odd, "refused"))["detail"]
    old = await site.cue(LOOP, -100, expires=format_utc(UtcUs(clock_us() - 1)), issued="2025-01-01T00:00:00Z")
    assert (await site.ack(old, "refused"))["stage"] == "refused"
    assert agent.running
    assert "Traceback" not in agent.log.read_text()


async def test_with_trust_required_an_unsigned_cue_is_refused(site: Site, film: films.Film) -> None:
    site.start_agent(trust="true")
    status = await site.until("status", lambda status: not status["unsigned"] and status["display"])
    assert (status["ready"], "trust" in [reason["code"] for reason in status["reasons"]]) == (False, True)
    cue = await site.cue(LOOP, 60)
    refused = await site.ack(cue, "refused")
    assert refused["reason"] == "signature"


async def test_a_late_cue_and_a_restarted_agent_join_at_the_right_frame(site: Site, film: films.Film) -> None:
    agent = site.start_agent()
    await site.program("reel", film)
    await site.until("status", lambda status: status["ready"] and status["cache"]["films"] == 1)
    t0_us = clock_us() - 1_700_000
    cue = await site.cue(LOOP, 0, at=format_utc(UtcUs(t0_us)))
    assert (await site.ack(cue, "missed"))["reason"] == "late"
    assert (await site.ack(cue, "started"))["joined"] is True
    await asyncio.sleep(0.5)
    assert _on_time(site, t0_us)
    # Without any broker: what the journal and the cache hold is enough.
    site.broker.stop(signal.SIGKILL)
    agent_pid = agent.pid
    os.kill(agent_pid, signal.SIGKILL)
    await asyncio.sleep(0.5)
    site.processes.end(agent)
    site.start_agent()
    await comes_true(lambda: _on_time(site, t0_us), 15)


def _on_time(site: Site, t0_us: int) -> bool:
    """Whether the frame on the wall is the one that is due, give or take two frames for the look itself."""
    due = (clock_us() - t0_us) * 30 // 1_000_000 % 90
    seen = site.frame()
    return seen is not None and min((seen[1] - due) % 90, (due - seen[1]) % 90) <= 2


async def test_losing_broker_and_time_servers_never_stops_a_running_film(site: Site, film: films.Film) -> None:
    agent = site.start_agent()
    await site.program("reel", film)
    await site.until("status", lambda status: status["ready"] and status["cache"]["films"] == 1)
    cue = await site.cue(LOOP, 2)
    await site.ack(cue, "started")
    site.broker.stop(signal.SIGKILL)
    for child in site.processes.children:
        if child.name.startswith("timeserver"):
            site.processes.end(child)
    first = site.frame()
    await asyncio.sleep(4)
    assert site.frame() not in (None, first)
    assert agent.running
    site.broker.start()
    site.told.clear()
    await site.until("status", lambda status: status["state"] == "playing" and all(status["brokers"].values()))


async def test_what_was_shown_while_no_broker_was_there_survives_a_kill_and_is_collected_once(
    site: Site, film: films.Film, mosquittos: MosquittoFactory
) -> None:
    second = mosquittos()
    second.hello()
    brokers = (site.broker, second)
    urls = f'{site.broker.url}", "{second.url}'
    agent = site.start_agent(broker=urls)
    await site.program("reel", film)
    await site.until("status", lambda status: status["ready"] and status["cache"]["films"] == 1)
    cue = await site.cue(LOOP, 2)
    first = await site.until("asrun", lambda asrun: asrun["kind"] == "start")
    for broker in brokers:
        broker.stop(signal.SIGKILL)
    log = agent.log
    await comes_true(lambda: log.read_text().count("broker_lost") >= 2, 10)
    await asyncio.sleep(7)  # two starts at the least that no broker hears of
    os.kill(agent.pid, signal.SIGKILL)
    site.processes.end(agent)
    for broker in brokers:
        broker.start()
    site.told.clear()
    restarted = format_utc(UtcUs(clock_us()))
    site.start_agent(broker=urls)
    # It joins the film, or is ready just in time for the next loop.
    new = await site.until("asrun", lambda asrun: asrun["kind"] == "start" and asrun["due"] > restarted, 60)
    again = [asrun["seq"] for asrun in site.told["asrun"] if asrun["seq"] < new["seq"]]
    assert len(again) >= 2, "told before anything new"
    assert again == list(range(again[0], new["seq"]))
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent.cli", "asrun", "--since", "10m", "--json"),
        *(word for broker in brokers for word in ("--broker", broker.url)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await program.communicate()
    found = json.loads(out)
    assert [wall["fault"] for wall in found["venues"]] == [""]
    starts = [asrun for asrun in found["records"] if asrun["kind"] == "start"]
    assert {asrun["cue"] for asrun in starts} == {cue}
    assert [asrun["seq"] for asrun in found["records"]] == list(range(first["seq"], found["records"][-1]["seq"] + 1))
    assert len({asrun["due"] for asrun in starts}) == len(starts)


async def test_a_broker_that_is_down_at_the_start_is_named_and_found_later(site: Site) -> None:
    site.broker.stop()
    agent = site.start_agent()
    await asyncio.sleep(3)
    assert agent.running
    log = agent.log.read_text()
    assert site.broker.url in log
    assert "Traceback" not in log
    site.broker.start()
    await site.until("presence", lambda presence: presence["online"])


async def test_a_display_that_is_not_there_is_a_no_go_with_the_remedy(site: Site) -> None:
    (site.folder / "state/asrun.sqlite3").mkdir(parents=True)
    agent = site.start_agent(display='name = ":4712"')
    fault = await site.until("status", lambda status: status["state"] == "fault")
    assert fault["ready"] is False
    [reason] = [reason for reason in fault["reasons"] if reason["code"] == "display_absent"]
    assert ":4712" in reason["detail"]
    warned = await site.until("status", lambda status: bool(status["warnings"]))
    assert [warning["code"] for warning in warned["warnings"]] == ["asrun_book"], "no reason for a NO-GO"
    assert "asrun_book" not in {reason["code"] for reason in warned["reasons"]}
    cue = await site.cue({"action": "black"}, 60)
    assert (await site.ack(cue, "accepted"))["reason"] == "display_absent"
    assert agent.running


async def test_sigterm_ends_it_cleanly_and_says_offline(site: Site) -> None:
    agent = site.start_agent()
    await site.until("status", lambda status: status["ready"])
    os.kill(agent.pid, signal.SIGTERM)
    await site.until("presence", lambda presence: not presence["online"])
    await comes_true(lambda: not agent.running, 5)
    log = agent.log.read_text()
    assert "agent ends" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("venue = ", ["not TOML"]),
        ('venue = "Paris!"\nshwo = "lab"\n', ["venue", "shwo: unknown key; did you mean 'show'", "clock: is missing"]),
    ],
)
async def test_a_broken_configuration_is_explained_all_at_once(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent.cli", "agent", "--config", str(path), stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert all(word in said.decode() for word in words), said.decode()
    assert not re.search("Traceback", said.decode())


async def test_a_missing_configuration_and_a_state_that_cannot_be_written_are_explained(site: Site) -> None:
    (site.folder / "state").write_text("a file where a folder should be")
    agent = site.start_agent()
    await comes_true(lambda: not agent.running, 10)
    said = agent.log.read_text()
    assert "state" in said
    assert "Traceback" not in said
