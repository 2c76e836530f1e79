"""The agent's sessions against a real mosquitto."""

import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import structlog
from brokers import Mosquitto, MosquittoFactory

import agent.mqtt
from agent.access import BrokerError
from agent.config import Broker
from agent.connection import MAX_PACKET_BYTES, Connection
from agent.messages import encode
from agent.mqtt import BrokerChange, Sessions, backoff_s
from agent.received import Received
from agent.told import Presence

ROOT = "framezero/v1"
BOOT = str(uuid.uuid4())


def presence(venue: str, boot: str) -> Presence:
    return Presence(
        venue=venue,
        online=True,
        boot=boot,
        agent="0",
        messages=[1],
        groups=[],
        show="demo",
        timezone="Asia/Tokyo",
        unsigned=True,
    )


class Running:
    """One agent's sessions with what they told."""

    boot = BOOT

    def __init__(self, *urls: str, venue: str = "tokyo", **settings: Any) -> None:
        self.got: list[Received] = []
        self.changes: list[BrokerChange] = []
        self.sessions = Sessions(
            Broker(urls=list(urls), **settings), presence(venue, self.boot), self.got.append, self.changes.append
        )

    @property
    def topics(self) -> list[str]:
        return [message.topic for message in self.got]


@asynccontextmanager
async def agent_on(*urls: str, venue: str = "tokyo", wait: bool = True, **settings: Any) -> AsyncIterator[Running]:
    running = Running(*urls, venue=venue, **settings)
    task = asyncio.create_task(running.sessions.run())
    try:
        if wait:
            await until(lambda: all(running.sessions.connected.values()))
        yield running
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def _same_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Running, "boot", BOOT)


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


@asynccontextmanager
async def operator(broker: Mosquitto, **settings: Any) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5, **settings) as client:
        yield client


async def say_hello(broker: Mosquitto) -> None:
    async with operator(broker) as client:
        await client.publish(f"{ROOT}/cue/_hello", b"{}", qos=1, retain=True)


async def seen(client: aiomqtt.Client, topic: str, count: int) -> list[bytes]:
    await client.subscribe(topic, qos=1)
    found: list[bytes] = []
    async with asyncio.timeout(10):
        async for message in client.messages:
            found.append(message.payload)
            if len(found) == count:
                break
    return found


async def test_hears_cues_programs_panics_and_asks_once_each(mosquitto: Mosquitto) -> None:
    await say_hello(mosquitto)
    async with operator(mosquitto) as client, agent_on(mosquitto.url) as running:
        for topic in (
            "cue",
            "cue/x",
            "program/reel/1",
            "panic",
            "panic/p",
            "ask/tokyo",
            "ask/all",
            "ask/paris",
            "venue/a/ack",
        ):
            await client.publish(f"{ROOT}/{topic}", b"1", qos=1)
        await until(lambda: len(running.got) >= 7)
        await asyncio.sleep(0.2)
        assert running.topics == ["cue", "cue/x", "program/reel/1", "panic", "panic/p", "ask/tokyo", "ask/all"]
        assert running.got[0] == Received("cue", b"1", False, mosquitto.url)
        assert running.sessions.faults == {}


async def test_presence_is_retained_online_and_offline_after_a_clean_end(mosquitto: Mosquitto) -> None:
    async with operator(mosquitto) as client:
        async with agent_on(mosquitto.url):
            (online,) = await seen(client, f"{ROOT}/venue/+/presence", 1)
            assert (json.loads(online)["online"], json.loads(online)["boot"]) == (True, BOOT)
        async with asyncio.timeout(5):
            offline = await anext(client.messages)
        assert (json.loads(offline.payload)["online"], json.loads(offline.payload)["goodbye"]) == (False, True)
    async with operator(mosquitto) as client:
        (kept,) = await seen(client, f"{ROOT}/venue/tokyo/presence", 1)
        assert json.loads(kept)["online"] is False


async def test_the_will_of_a_killed_agent_says_offline_with_its_boot(mosquitto: Mosquitto) -> None:
    program = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_mqtt
test_mqtt.Running.boot = {BOOT!r}
async def main():
    async with test_mqtt.agent_on({mosquitto.url!r}):
        await asyncio.sleep(60)
asyncio.run(main())
"""
    async with operator(mosquitto) as client:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=Path(__file__).parent.parent)
        try:
            (online,) = await seen(client, f"{ROOT}/venue/+/presence", 1)
            assert json.loads(online)["online"] is True
            process.kill()
            async with asyncio.timeout(5):
                will = await anext(client.messages)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            await process.wait()
        assert json.loads(will.payload) == {**json.loads(online), "online": False}


async def test_cues_sent_while_the_agent_is_away_are_delivered_three_of_three(mosquitto: Mosquitto) -> None:
    async with agent_on(mosquitto.url):
        pass
    async with operator(mosquitto) as client:
        for n in range(3):
            await client.publish(f"{ROOT}/cue/{n}", b"%d" % n, qos=1)  # not retained: only the session can keep them
    async with agent_on(mosquitto.url) as running:
        await until(lambda: len(running.got) >= 3)
        assert sorted(message.payload for message in running.got) == [b"0", b"1", b"2"]


async def test_acks_survive_a_killed_broker_and_states_only_as_the_newest(mosquitto: Mosquitto) -> None:
    async with agent_on(mosquitto.url) as running:
        mosquitto.stop(signal.SIGKILL)
        await until(lambda: not running.sessions.connected[mosquitto.url])
        for n in range(40):
            running.sessions.publish("venue/tokyo/ack", b"an answer", "answer")
            running.sessions.publish("venue/tokyo/ack", b"%d" % n, "ack")
            running.sessions.publish("venue/tokyo/status", b"%d" % n, "state")
        mosquitto.start()
        async with operator(mosquitto) as client:
            await client.subscribe(f"{ROOT}/venue/tokyo/ack", qos=1)
            await client.subscribe(f"{ROOT}/venue/tokyo/status", qos=1)
            acks: list[bytes] = []
            states: list[bytes] = []
            async with asyncio.timeout(20):
                async for message in client.messages:
                    (acks if message.topic.value.endswith("ack") else states).append(message.payload)
                    if len(acks) == 40 and states:
                        break
            assert acks == [b"%d" % n for n in range(40)]
            assert set(states) == {b"39"}
        await until(lambda: len(running.sessions._sites[0].box) == 0)


async def test_a_broker_that_is_down_at_the_start_is_said_once_and_joined_later(mosquittos: MosquittoFactory) -> None:
    up, late = mosquittos(), mosquittos()
    late.stop()
    with structlog.testing.capture_logs() as logs:
        async with agent_on(up.url, late.url, wait=False) as running:
            await until(lambda: running.sessions.connected[up.url] and late.url in running.sessions.faults)
            assert "nobody listens" in running.sessions.faults[late.url]
            await asyncio.sleep(2.5)
            assert len([line for line in logs if line.get("url") == late.url]) == 1
            late.start()
            await until(lambda: running.sessions.connected[late.url])
            assert running.sessions.connected == {up.url: True, late.url: True}
    assert not any("exc_info" in line for line in logs)


async def test_an_agent_without_the_hello_says_that_cues_may_not_arrive(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.mqtt, "HELLO_TIMEOUT_S", 0.3)
    async with agent_on(mosquitto.url) as running:
        await until(lambda: bool(running.sessions.faults))
        assert "cue/_hello did not arrive" in running.sessions.faults[mosquitto.url]
        assert running.changes[-1].connected
        await say_hello(mosquitto)
        await until(lambda: not running.sessions.faults)
        assert running.topics == []


async def test_a_broker_that_hides_cues_from_us_is_found_by_the_canary(
    mosquittos: MosquittoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.mqtt, "HELLO_TIMEOUT_S", 0.3)
    acl = tmp_path / "acl"
    acl.write_text(f"topic write {ROOT}/cue/#\nuser tokyo\ntopic readwrite {ROOT}/venue/#\n")
    acl.chmod(0o600)
    broker = mosquittos(f"acl_file {acl}")
    await say_hello(broker)
    async with agent_on(broker.url) as running:
        await until(lambda: bool(running.sessions.faults))
        assert "access list" in running.sessions.faults[broker.url]


async def test_a_publish_refused_by_the_access_list_is_reported_not_taken_for_success(
    mosquittos: MosquittoFactory, tmp_path: Path
) -> None:
    acl = tmp_path / "acl"
    acl.write_text(
        f"topic readwrite {ROOT}/cue/#\nuser tokyo\ntopic read {ROOT}/cue/#\ntopic write {ROOT}/venue/tokyo/presence\n"
    )
    acl.chmod(0o600)
    broker = mosquittos(f"acl_file {acl}")
    await say_hello(broker)
    with structlog.testing.capture_logs() as logs:
        async with agent_on(broker.url) as running:
            for _ in range(3):
                running.sessions.publish("venue/tokyo/ack", b"{}", "ack")
            await until(lambda: bool(running.sessions.faults))
            detail = running.sessions.faults[broker.url]
            assert "venue/tokyo/ack" in detail and "refused" in detail and "access list" in detail
            await until(lambda: len(running.sessions._sites[0].box) == 0)
    assert len([line for line in logs if line["event"] == "broker_fault"]) == 1


async def test_a_presence_that_may_not_be_written_is_said(mosquittos: MosquittoFactory, tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text(f"topic readwrite {ROOT}/cue/#\nuser tokyo\ntopic read {ROOT}/cue/#\n")
    acl.chmod(0o600)
    broker = mosquittos(f"acl_file {acl}")
    await say_hello(broker)
    async with agent_on(broker.url) as running:
        await until(lambda: f"{ROOT}/venue/tokyo/presence is lost there" in running.sessions.faults.get(broker.url, ""))


async def test_two_agents_with_one_name_say_so_and_back_off(mosquitto: Mosquitto) -> None:
    await say_hello(mosquitto)
    with structlog.testing.capture_logs() as logs:
        async with agent_on(mosquitto.url) as first:
            Running.boot = str(uuid.uuid4())
            async with agent_on(mosquitto.url) as second:
                both = (first.sessions, second.sessions)
                await until(lambda: any("same id" in fault for s in both for fault in s.faults.values()), 20)
                assert any("'tokyo'" in fault for s in both for fault in s.faults.values())
                before = len(logs)
                await asyncio.sleep(5)
    assert len([line for line in logs[before:] if line["event"] == "broker_lost"]) <= 3


async def test_a_restarted_agent_is_no_rival_of_its_last_life(mosquitto: Mosquitto) -> None:
    await say_hello(mosquitto)
    async with agent_on(mosquitto.url):
        mosquitto.stop()  # its presence stays retained as online
    mosquitto.start()
    Running.boot = str(uuid.uuid4())
    async with agent_on(mosquitto.url) as second:
        await asyncio.sleep(0.5)
        assert second.sessions.faults == {}
        mosquitto.stop()
        await until(lambda: not second.sessions.connected[mosquitto.url])
        mosquitto.start()
        await until(lambda: second.sessions.connected[mosquitto.url])
        await asyncio.sleep(0.5)
        assert second.sessions.faults == {}


async def test_wrong_credentials_are_named(mosquittos: MosquittoFactory, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    passwords.chmod(0o600)
    process = await asyncio.create_subprocess_exec("mosquitto_passwd", "-b", str(passwords), "tokyo", "right")
    assert await process.wait() == 0
    broker = mosquittos("allow_anonymous false", f"password_file {passwords}")
    wrong, right = tmp_path / "wrong", tmp_path / "right"
    wrong.write_text("wrong\n")
    right.write_text("right\n")
    async with agent_on(broker.url, wait=False, password_file=str(wrong)) as running:
        await until(lambda: bool(running.sessions.faults))
        assert "refuses user 'tokyo'" in running.sessions.faults[broker.url]
    async with agent_on(broker.url, password_file=str(right)):
        pass


@pytest.mark.parametrize(
    ("url", "settings", "word"),
    [
        ("mqtt://name.invalid:1883", {}, "cannot be resolved"),
        ("mqtt://bad..name:1883", {}, "cannot be resolved"),
        ("mqtt://127.0.0.1:99999", {}, "not a broker's address"),
        ("mqtt://user:secret@127.0.0.1:1883", {}, "username and password_file"),
        ("mqtt://127.0.0.1:1883", {"password_file": "/nowhere"}, "password_file /nowhere cannot be read"),
        ("mqtts://127.0.0.1:1883", {"ca": "/nowhere"}, "ca /nowhere cannot be used"),
        ("mqtts://127.0.0.1:1883", {"cert": "/nowhere"}, "certificate /nowhere"),
    ],
)
async def test_each_fault_outside_has_its_own_sentence(url: str, settings: dict[str, Any], word: str) -> None:
    async with agent_on(url, wait=False, **settings) as running:
        await until(lambda: bool(running.sessions.faults), 20)
        assert word in running.sessions.faults[url]


async def test_a_port_that_hangs_up_or_keeps_silent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.connection.CONNECT_TIMEOUT_S", 0.5)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    silent = socket.create_server(("127.0.0.1", 0))
    hanging_url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    silent_url = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
    with silent:
        async with agent_on(hanging_url, silent_url, wait=False) as running:
            await until(lambda: len(running.sessions.faults) == 2)
            assert "hung up" in running.sessions.faults[hanging_url]
            assert "does not answer as an MQTT broker" in running.sessions.faults[silent_url]
    server.close()
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_ending_while_an_attempt_hangs_leaves_nothing_behind(recwarn: pytest.WarningsRecorder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with agent_on(f"mqtt://127.0.0.1:{silent.getsockname()[1]}", wait=False):
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.05)
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A CA with a server's and a client's certificate, and another CA that nobody trusts."""
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)

    for ca in ("ca", "other"):
        run(*make, "-subj", f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    (tmp_path / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    for name, ca in (("server", "ca"), ("tokyo", "ca"), ("stranger", "other")):
        run(
            "openssl",
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            f"/CN={name}",
            "-keyout",
            f"{name}.key",
            "-out",
            "r",
        )
        signed = f"-CA {ca}.pem -CAkey {ca}.key -CAcreateserial -days 2 -extfile ext -out {name}.pem"
        run("openssl", "x509", "-req", "-in", "r", *signed.split())
    return tmp_path


async def test_tls_with_certificates_works_and_each_failure_is_named(
    mosquittos: MosquittoFactory, authority: Path
) -> None:
    broker = mosquittos(
        f"cafile {authority}/ca.pem",
        f"certfile {authority}/server.pem",
        f"keyfile {authority}/server.key",
        "require_certificate true",
        "use_identity_as_username true",
        scheme="mqtts",
    )
    ca: dict[str, Any] = {"ca": f"{authority}/ca.pem"}
    mine: dict[str, Any] = {"cert": f"{authority}/tokyo.pem", "key": f"{authority}/tokyo.key"}
    async with agent_on(broker.url, **ca, **mine):
        pass
    for settings, word in (
        (mine, "not trusted"),
        ({**mine, "ca": f"{authority}/other.pem"}, "not trusted"),
        (ca, "client certificate"),
        ({**ca, "cert": f"{authority}/stranger.pem", "key": f"{authority}/stranger.key"}, "client certificate"),
        ({**ca, "cert": f"{authority}/tokyo.pem", "key": f"{authority}/server.key"}, "cannot be used"),
    ):
        async with agent_on(broker.url, wait=False, **settings) as running:
            await until(lambda running=running: bool(running.sessions.faults))  # type: ignore[misc]
            assert word in running.sessions.faults[broker.url], settings
            assert ("set ca to the CA" in running.sessions.faults[broker.url]) == (word == "not trusted")
    elsewhere = broker.url.replace("127.0.0.1", "localhost")  # not the name that its certificate has
    async with agent_on(elsewhere, wait=False, **ca, **mine) as running:
        await until(lambda: bool(running.sessions.faults))
        assert "as its certificate names it" in running.sessions.faults[elsewhere]
    plain = broker.url.replace("mqtts", "mqtt")
    async with agent_on(plain, wait=False) as running:
        await until(lambda: bool(running.sessions.faults))
        assert "mqtts://" in running.sessions.faults[plain]


async def test_a_frozen_broker_is_found_by_the_keepalive(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.mqtt, "KEEPALIVE_S", 1)
    async with agent_on(mosquitto.url) as running:
        mosquitto.pause(True)
        await until(lambda: not running.sessions.connected[mosquitto.url])
        running.sessions.publish("venue/tokyo/ack", b"late", "ack")
        mosquitto.pause(False)
        await until(lambda: running.sessions.connected[mosquitto.url], 25)
        await until(lambda: len(running.sessions._sites[0].box) == 0)


def test_the_pause_grows_to_a_limit_and_is_longer_after_a_takeover() -> None:
    pauses = [backoff_s(n, taken_over=False, jitter=0.5) for n in range(8)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.5, 10.0)
    assert backoff_s(0, taken_over=True, jitter=0.0) >= 2.5
    assert backoff_s(10**9, taken_over=True, jitter=0.99) <= 60
    assert backoff_s(3, taken_over=False, jitter=0.1) != backoff_s(3, taken_over=False, jitter=0.2)


def test_a_fleet_comes_back_to_a_broker_evenly_and_soon() -> None:
    """10 000 agents lose their broker in one instant, for a minute; each attempt while it is away fails at once."""
    back_s, fleet, chance = 60.0, 10_000, random.Random(1)
    returns: Counter[int] = Counter()
    for _ in range(fleet):
        at_s, failures = 0.0, 0
        while at_s < back_s:
            at_s += backoff_s(failures, taken_over=False, jitter=chance.random())
            failures += 1
        returns[int(at_s - back_s)] += 1
    assert max(returns) < 20, "all are back within the longest pause"
    assert max(returns.values()) < fleet / 8, "no second sees a storm"


async def test_refused_subscriptions_stay_said_after_the_hello_and_after_a_reconnect(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = Connection.subscribe

    async def refuse_panics(connection: Connection, topics: Sequence[str]) -> list[str]:
        await refusing(connection, topics)
        return [topic for topic in topics if "panic" in topic]  # mosquitto grants all; other brokers do not

    monkeypatch.setattr(Connection, "subscribe", refuse_panics)
    await say_hello(mosquitto)
    async with agent_on(mosquitto.url) as running:
        for _ in range(2):
            await until(lambda: running.sessions.connected[mosquitto.url])
            await asyncio.sleep(0.3)  # the hello has come, and must not wipe it out
            assert f"{ROOT}/panic/#" in running.sessions.faults[mosquitto.url]
            mosquitto.stop()
            await until(lambda: not running.sessions.connected[mosquitto.url])
            mosquitto.start()


async def test_a_mended_access_list_is_found_without_a_new_connection(
    mosquittos: MosquittoFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.mqtt, "HELLO_TIMEOUT_S", 0.3)
    monkeypatch.setattr(agent.mqtt, "HELLO_AGAIN_S", 0.2)
    monkeypatch.setattr(agent.mqtt, "SUBSCRIBE_AGAIN_S", (0.3, 0.3))
    acl, ours = tmp_path / "acl", f"user tokyo\ntopic readwrite {ROOT}/venue/#\n"
    acl.write_text(f"topic write {ROOT}/cue/#\n{ours}")
    acl.chmod(0o600)
    broker = mosquittos(f"acl_file {acl}")
    await say_hello(broker)
    async with agent_on(broker.url) as running:
        await until(lambda: "cue/_hello did not arrive" in running.sessions.faults.get(broker.url, ""))
        acl.write_text(f"topic write {ROOT}/cue/#\n{ours}topic read {ROOT}/cue/#\n")
        broker.reload()
        await until(lambda: not running.sessions.faults)
        acl.write_text(f"topic write {ROOT}/cue/#\n{ours}")  # and what is taken away again is found as well
        broker.reload()
        await until(lambda: "cue/_hello did not arrive" in running.sessions.faults.get(broker.url, ""))
    assert all(change.connected for change in running.changes[:-1])


async def test_a_message_that_is_too_large_is_not_taken_and_ends_nothing(mosquitto: Mosquitto) -> None:
    await say_hello(mosquitto)
    async with operator(mosquitto) as client, agent_on(mosquitto.url) as running:
        await client.publish(f"{ROOT}/cue/x", b"x" * (MAX_PACKET_BYTES + 1), qos=1)
        await client.publish(f"{ROOT}/cue/y", b"y" * 256 * 1024, qos=1)
        await until(lambda: running.topics == ["cue/y"])
        assert running.sessions.connected[mosquitto.url]


async def test_a_message_that_the_broker_has_said_to_be_too_large_is_given_up_not_sent_for_ever(
    mosquittos: MosquittoFactory,
) -> None:
    broker = mosquittos("max_packet_size 2000")
    await say_hello(broker)
    async with agent_on(broker.url) as running:
        running.sessions.publish("venue/tokyo/asrun", b"x" * 3000, "asrun")
        running.sessions.publish("venue/tokyo/ack", b"after", "ack")
        await until(lambda: len(running.sessions._sites[0].box) == 0)
        assert "3000 bytes; the broker takes packets of at most 2000" in running.sessions.faults[broker.url]
        assert [change.connected for change in running.changes].count(False) == 0


async def test_a_second_agent_is_told_in_presence_and_forgotten_when_it_is_gone(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.rivals.REMEMBERED_S", 1.5)
    monkeypatch.setattr(agent.mqtt, "RIVAL_LOOK_S", 0.2)
    await say_hello(mosquitto)
    other = str(uuid.uuid4())
    async with operator(mosquitto) as client, agent_on(mosquitto.url) as running:
        assert running.sessions.rivalry == ""
        topic = f"{ROOT}/venue/tokyo/presence"
        await client.publish(topic, encode(presence("tokyo", other)), qos=1)
        await client.subscribe(topic, qos=1)
        told: list[Any] = []

        async def listen() -> None:
            async for message in client.messages:
                told.append(json.loads(message.payload))  # noqa: PERF401 - it is looked at while it grows

        listening = asyncio.create_task(listen())
        await until(lambda: any(one["rival"] == other for one in told))
        assert "venue name of its own" in running.sessions.rivalry
        await until(lambda: told[-1]["rival"] is None)
        assert running.sessions.rivalry == ""
        listening.cancel()


async def test_a_session_that_the_library_cancels_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    running, tries = Running("mqtt://127.0.0.1:1"), asyncio.Queue[int]()

    async def given_up(site: object) -> BrokerError:
        tries.put_nowait(1)
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future
        return BrokerError("not reached")

    monkeypatch.setattr(running.sessions, "_session", given_up)
    task = asyncio.create_task(running.sessions.run())
    async with asyncio.timeout(20):
        await tries.get()
        await tries.get()
    assert "given up" in running.changes[0].detail
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_line_that_falls_silent_while_it_connects_is_tried_again(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a cable pulled behind a relay: the session breaks, a connection is not answered, then all is well."""
    monkeypatch.setattr("agent.connection.CONNECT_TIMEOUT_S", 0.5)
    mosquitto.hello()
    silent, pipes = asyncio.Event(), set[asyncio.StreamWriter]()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipes.add(writer)
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipes.add(writer)
        if silent.is_set():
            silent.clear()
            return
        up, out = await asyncio.open_connection("127.0.0.1", mosquitto.port)
        await asyncio.gather(pump(reader, out), pump(up, writer), return_exceptions=True)

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with agent_on(f"mqtt://127.0.0.1:{port}") as running:
        silent.set()
        for pipe in pipes:
            pipe.transport.abort()
        await until(lambda: not all(running.sessions.connected.values()))
        await until(lambda: not silent.is_set(), 30)
        await until(lambda: all(running.sessions.connected.values()), 60)
    server.close()
