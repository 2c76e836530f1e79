"""The scripts of deploy/interface, run as others would: real openssl, Node, mosquitto_pub, broker and agent."""

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto, MosquittoFactory
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from live import ROOT, LiveAgent, live_agent
from schemas import INTERFACE

from agent.control import signing
from agent.lab.processes import Processes
from agent.messages import Cue, Lift, Panic, Refusal, decode
from agent.trust import Kind, Opened, PublicKey, Role, Trust, open_body, seal

SHOW = "bring-your-vision"
PLAY = '{"action": "play", "program": "winners-reel", "rev": 3, "loop": true}'
needs_sh = pytest.mark.needs("openssl", "mosquitto", "mosquitto_pub", "mosquitto_sub")


@dataclass(frozen=True)
class Key:
    """A pair as `framezero keys new` makes it, its public half in the folder that an agent reads."""

    file: Path
    public: PublicKey


def make_key(folder: Path, name: str, role: Role = "show", passphrase: str = "") -> Key:
    made = signing.make(name, role, folder, passphrase=passphrase)
    public = folder / "keys" / made.public.name
    public.parent.mkdir(exist_ok=True)
    made.public.rename(public)
    (raw,) = re.findall(r'key = "(.*)"', public.read_text())
    return Key(made.private, PublicKey(name, role, base64.b64decode(raw)))


def run(
    *argv: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    whole = {**os.environ, **(env or {})}
    return subprocess.run(argv, input=stdin, env=whole, cwd=cwd, capture_output=True, timeout=60, check=False)


def opened(data: bytes, kind: Kind, *keys: Key, threshold: int = 1) -> bytes:
    """The body of an envelope, if these keys' signatures of it are good."""
    found = open_body(data, (kind,), Trust(tuple(key.public for key in keys), threshold), None)
    assert isinstance(found, Opened), found
    assert found.signers == {key.public.id for key in keys}
    return found.body


def read_cue(body: bytes) -> Cue:
    found = decode(Cue, body)
    assert not isinstance(found, Refusal), found
    return found


def send(script: str, *args: str, brokers: list[Mosquitto], keys: list[Key], **env: str) -> str:
    """Run a script; returns the id that it prints."""
    where = " ".join(f"127.0.0.1:{broker.port}" for broker in brokers)
    named = " ".join(str(key.file) for key in keys)
    done = run(INTERFACE / script, *args, env={"BROKERS": where, "SHOW": SHOW, "KEYS": named, **env})
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def kept(broker: Mosquitto) -> list[dict[str, Any]]:
    """Every retained message on a broker, with its topic, its payload and the expiry that is left."""
    done = run("mosquitto_sub", "-V", "5", "-p", str(broker.port), "-t", f"{ROOT}/#", "-F", "%j", "-W", "1")
    return [json.loads(line) for line in done.stdout.splitlines()]


@needs_sh
def test_a_cue_is_signed_retained_and_forgotten_in_time(tmp_path: Path, mosquittos: MosquittoFactory) -> None:
    brokers, keys = [mosquittos(), mosquittos()], [make_key(tmp_path, "one"), make_key(tmp_path, "two")]
    before = time.time_ns() // 1000
    cue = send(
        "send-cue.sh",
        PLAY,
        "+30 seconds",
        brokers=brokers,
        keys=keys,
        VENUES='["paris-opera", "@asia"]',
        LIFE="2 hours",
    )
    envelopes = set()
    for broker in brokers:
        (message,) = kept(broker)
        assert message["topic"] == f"{ROOT}/cue/{cue}"
        assert message["retain"]
        assert 7100 < message["properties"]["message-expiry-interval"] <= 7200
        envelopes.add(message["payload"])
    (envelope,) = envelopes
    read = read_cue(opened(envelope.encode(), "cue", *keys, threshold=2))
    assert (read.cue, read.show, read.venues) == (cue, SHOW, ["paris-opera", "@asia"])
    assert read.do.model_dump() == {**json.loads(PLAY), "from_us": 0, "held": False}
    after = time.time_ns() // 1000
    assert before <= read.issued <= after
    assert before <= read.at - 30_000_000 <= after
    assert before <= read.expires - 7_200_000_000 <= after


@needs_sh
def test_a_panic_and_its_lift_stand_under_both_topics(tmp_path: Path, mosquitto: Mosquitto) -> None:
    panic_key, show_key = make_key(tmp_path, "panic", "panic"), make_key(tmp_path, "show")
    panic = send("send-panic.sh", "slate", brokers=[mosquitto], keys=[panic_key])
    messages = kept(mosquitto)
    assert {message["topic"] for message in messages} == {f"{ROOT}/panic", f"{ROOT}/panic/{panic}"}
    (envelope,) = {message["payload"] for message in messages}
    read = decode(Panic, opened(envelope.encode(), "panic", panic_key))
    assert isinstance(read, Panic) and (read.panic, read.to, read.venues) == (panic, "slate", ["*"])
    assert send("send-panic.sh", panic, brokers=[mosquitto], keys=[show_key], VENUES='["paris-opera"]') == panic
    found = {message["topic"].removeprefix(f"{ROOT}/"): message["payload"] for message in kept(mosquitto)}
    assert found[f"panic/{panic}"] == envelope, "for the other venues it goes on"
    assert len(found) == 3 and any(topic.startswith(f"panic/{panic}-") for topic in found)
    lift = decode(Lift, opened(found["panic"].encode(), "lift", show_key))
    assert isinstance(lift, Lift) and (lift.lift, lift.venues) == (panic, ["paris-opera"])
    send("send-panic.sh", panic, brokers=[mosquitto], keys=[show_key])
    messages = kept(mosquitto)
    found = {message["topic"].removeprefix(f"{ROOT}/"): message["payload"] for message in messages}
    assert found["panic"] == found[f"panic/{panic}"] != envelope
    assert all(
        message["retain"] and "message-expiry-interval" not in message.get("properties", {}) for message in messages
    )


@pytest.mark.needs("openssl")
def test_the_example_is_what_the_script_and_we_make_of_it() -> None:
    folder = INTERFACE / "examples"
    body, wanted = (folder / "cue-black.json").read_bytes(), (folder / "envelope.json").read_bytes()
    pem = folder / "rfc8032-test1.pem"
    assert run(INTERFACE / "seal.sh", "cue", pem, stdin=body).stdout == wanted
    private = load_pem_private_key(pem.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    assert seal("cue", body, [private]) == wanted.rstrip()
    (raw,) = re.findall(r'key = "(.*)"', (folder / "rfc8032-test1.toml").read_text())
    assert base64.b64decode(raw) == private.public_key().public_bytes_raw()


@pytest.mark.needs("openssl", "jq")
def test_two_people_sign_one_body(tmp_path: Path) -> None:
    keys = [make_key(tmp_path, "show-1"), make_key(tmp_path, "show-2")]
    (tmp_path / "seal.sh").symlink_to(INTERFACE / "seal.sh")
    (tmp_path / "cue.json").symlink_to(INTERFACE / "examples" / "cue-play.json")
    done = run("bash", "-c", readme("jq -s"), cwd=tmp_path)
    assert opened((tmp_path / "both.json").read_bytes(), "cue", *keys, threshold=2), done.stderr


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("body", [b"{}", b"", b"\n\n{} \n", '{"é": "名"}'.encode()])
def test_a_body_is_signed_byte_for_byte(tmp_path: Path, body: bytes) -> None:
    key = make_key(tmp_path, "one")
    done = run(INTERFACE / "seal.sh", "program", key.file, stdin=body, env={"LC_ALL": "C.UTF-8"})
    found = open_body(done.stdout, ("program",), Trust((PublicKey("one", "content", key.public.raw),)), None)
    assert isinstance(found, Opened) and found.body == body


@pytest.mark.needs("openssl", "script")
def test_a_passphrase_is_asked_for_once(tmp_path: Path) -> None:
    key = make_key(tmp_path, "one", passphrase="open sesame")
    (tmp_path / "body").write_bytes(b"{}")
    command = f"{INTERFACE}/seal.sh cue {key.file} < {tmp_path}/body > {tmp_path}/envelope"
    terminal = run("script", "-q", "-e", "-E", "never", "-c", command, "/dev/null", stdin=b"open sesame\n").stdout
    assert terminal.count(b"pass phrase") == 1
    assert opened((tmp_path / "envelope").read_bytes(), "cue", key) == b"{}"


@pytest.mark.needs("node")
@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_a_cue_from_another_language(tmp_path: Path, passphrase: str) -> None:
    key, cue = make_key(tmp_path, "one", passphrase=passphrase), str(uuid.uuid4())
    at = "2099-06-02T12:00:00.123456Z"
    done = run("node", INTERFACE / "send-cue.js", SHOW, key.file, "+30", PLAY, cue, env={"PASSPHRASE": passphrase})
    read = read_cue(opened(done.stdout, "cue", key))
    assert (read.cue, read.show, read.venues) == (cue, SHOW, ["*"])
    assert 29_000_000 < read.at - read.issued <= 31_000_000
    done = run("node", INTERFACE / "send-cue.js", SHOW, key.file, at, PLAY, env={"PASSPHRASE": passphrase})
    body = json.loads(opened(done.stdout, "cue", key))
    assert body["at"] == at and uuid.UUID(body["cue"])


@pytest.mark.needs("openssl", "mosquitto_pub")
@pytest.mark.parametrize(
    ("argv", "env", "status", "word"),
    [
        (["send-cue.sh"], {}, 2, "Usage: send-cue.sh"),
        (["send-cue.sh", PLAY, "+1 hour"], {"SHOW": ""}, 2, "Usage: send-cue.sh"),
        (["send-cue.sh", PLAY, "when it rains"], {}, 2, "when it rains"),
        (["send-cue.sh", "black", "+1 hour"], {}, 2, "Usage: send-cue.sh"),
        (["send-cue.sh", PLAY, "+1 hour"], {"KEYS": "/nowhere.pem"}, 1, "/nowhere.pem"),
        (["send-cue.sh", PLAY, "+1 hour"], {}, 1, "refused"),
        (["send-panic.sh", "pink"], {}, 2, "Usage: send-panic.sh"),
        (["send-panic.sh", "black"], {}, 1, "refused"),
        (["seal.sh", "salad", "x.pem"], {}, 2, "Usage: seal.sh"),
        (["seal.sh", "cue", "/nowhere.pem"], {}, 1, "/nowhere.pem"),
    ],
)
def test_what_cannot_be_sent_says_why(
    tmp_path: Path, argv: list[str], env: dict[str, str], status: int, word: str
) -> None:
    key = make_key(tmp_path, "one")
    where = {"BROKERS": "127.0.0.1:1", "SHOW": SHOW, "KEYS": str(key.file), **env}
    done = run(INTERFACE / argv[0], *argv[1:], env=where)
    assert (done.returncode, word in done.stderr.decode()) == (status, True), done.stderr.decode()


@pytest.mark.needs("openssl")
def test_a_key_of_another_kind_does_not_sign(tmp_path: Path) -> None:
    file = tmp_path / "ec.pem"
    done = run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file)
    assert done.returncode == 0, done.stderr
    done = run(INTERFACE / "seal.sh", "cue", file, stdin=b"{}")
    assert (done.returncode, done.stdout, b"no Ed25519 key" in done.stderr) == (1, b"", True), done.stderr


@needs_sh
def test_one_broker_of_two_is_enough(tmp_path: Path, mosquitto: Mosquitto) -> None:
    key = make_key(tmp_path, "one")
    done = run(
        INTERFACE / "send-cue.sh",
        PLAY,
        "+1 hour",
        env={"BROKERS": f"127.0.0.1:1 127.0.0.1:{mosquitto.port}", "SHOW": SHOW, "KEYS": str(key.file)},
    )
    assert (done.returncode, b"refused" in done.stderr) == (0, True)


@needs_sh
@pytest.mark.parametrize("argv", [["send-cue.sh", PLAY, "+1 hour"], ["send-panic.sh", "black"]])
def test_a_broker_that_forbids_it_has_not_taken_it(
    tmp_path: Path, mosquittos: MosquittoFactory, argv: list[str]
) -> None:
    (tmp_path / "acl").write_text("topic read #\n")
    broker = mosquittos(f"acl_file {tmp_path}/acl")
    where = {"BROKERS": f"127.0.0.1:{broker.port}", "SHOW": SHOW, "KEYS": str(make_key(tmp_path, "one").file)}
    done = run(INTERFACE / argv[0], *argv[1:], env=where)
    assert (done.returncode, b"Not authorized" in done.stderr) == (1, True), done.stderr


def readme(word: str) -> str:
    """The commands of the README in which this stands."""
    text = (INTERFACE / "README.md").read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL) if word in block]
    return str(block)


async def shell(command: str) -> None:
    done = await asyncio.to_thread(subprocess.run, ["bash", "-c", command], cwd=INTERFACE, timeout=30)
    assert done.returncode == 0


async def heard(agent: LiveAgent, cue: str, command: str) -> str:
    """What the README's way to wait for the answers prints until a cue is accepted."""
    command = command.replace("cue-a.example -p 8883 --cafile ca.pem", f"127.0.0.1 -p {agent.broker.port}")
    listener = await asyncio.create_subprocess_shell(
        command, env={**os.environ, "CUE": cue}, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert listener.stdout is not None
    try:
        async with asyncio.timeout(30):
            return (await listener.stdout.readline()).decode()
    finally:
        os.killpg(listener.pid, 15)
        await listener.wait()


@needs_sh
@pytest.mark.needs("chronyd", "node", "jq")
async def test_a_live_agent_takes_what_others_sign_and_nothing_else(
    tmp_path: Path, mosquitto: Mosquitto, processes: Processes
) -> None:
    key, panic_key = make_key(tmp_path, "show"), make_key(tmp_path, "panic", "panic")
    async with live_agent(tmp_path, mosquitto, processes, tmp_path / "keys") as agent:
        from_js = str(uuid.uuid4())
        listening = asyncio.create_task(heard(agent, from_js, readme("venue/+/ack' -W")))
        await asyncio.sleep(0.5)
        stranger = make_key(tmp_path / "keys", "stranger")
        for sender, stage, reason in ((key, "accepted", "program_unknown"), (stranger, "refused", "signature")):
            cue = await asyncio.to_thread(send, "send-cue.sh", PLAY, "+1 hour", brokers=[mosquitto], keys=[sender])
            assert (await agent.ack(cue, stage))["reason"] == reason
        pipe = (
            readme("node send-cue.js")
            .replace("CUE=$(cat /proc/sys/kernel/random/uuid)", f"CUE={from_js}")
            .replace("show.key", str(key.file))
        )
        pipe = pipe.replace("cue-a.example -p 8883 --cafile ca.pem", f"127.0.0.1 -p {mosquitto.port}")
        await shell(pipe)
        await agent.ack(from_js, "accepted")
        assert (await listening).split("\t")[:3] == ["paris-opera", "accepted", "true"]
        panic = await asyncio.to_thread(send, "send-panic.sh", "black", brokers=[mosquitto], keys=[panic_key])
        await agent.ack(panic, "started")
        await asyncio.to_thread(send, "send-panic.sh", panic, brokers=[mosquitto], keys=[panic_key])
        # Who may cry panic may not lift it.
        await agent.until("ack", lambda ack: (ack["stage"], ack["reason"]) == ("refused", "role"))
        await asyncio.to_thread(send, "send-panic.sh", panic, brokers=[mosquitto], keys=[key])
        await agent.ack(panic, "cancelled")


@needs_sh
@pytest.mark.needs("chronyd")
async def test_a_lab_takes_a_bare_body_and_anybody_may_ask(
    tmp_path: Path, mosquitto: Mosquitto, processes: Processes
) -> None:
    command = readme('"action": "identify"').replace("-p 1883", f"-p {mosquitto.port}")
    ask = readme("ask/all").replace("cue-a.example -p 8883 --cafile ca.pem", f"127.0.0.1 -p {mosquitto.port}")
    async with live_agent(tmp_path, mosquitto, processes) as agent:
        await shell(command)
        assert (await agent.until("ack", lambda _: True))["stage"] == "accepted"
        await shell(ask)
        answer = await agent.until("answer", lambda _: True)
        assert answer["poll"]["go"] is False
        assert answer["poll"]["reasons"][0]["code"] == "program_unknown"


@needs_sh
@pytest.mark.needs("chronyd", "jq")
async def test_anybody_may_ask_for_a_picture_and_a_venue_without_a_display_says_so(
    tmp_path: Path, mosquitto: Mosquitto, processes: Processes
) -> None:
    jpeg = b"\xff\xd8\xff the picture"
    answer = {"v": 1, "shot": {"jpeg": base64.b64encode(jpeg).decode()}}
    command = readme('"want": "shot"').replace(
        "cue-a.example -p 8883 --cafile ca.pem", f"127.0.0.1 -p {mosquitto.port}"
    )
    command = command.replace("-W 10", "-W 4").replace(">paris.jpg", f">{tmp_path}/paris.jpg")
    async with live_agent(tmp_path, mosquitto, processes) as agent:
        asked = asyncio.create_task(shell(command))
        refused = await agent.until("answer", lambda answer: answer["want"] == "shot")
        assert refused["refused"]["code"] == "no_display" and 'display.output = "x11"' in refused["refused"]["detail"]
        # Another answer to the same ask, with a picture: what the example does with that.
        body = json.dumps({**answer, "ask": refused["ask"]}).encode()
        await agent.publish("venue/paris-opera/answer", body)
        await asked
    found = await asyncio.to_thread((tmp_path / "paris.jpg").read_bytes)
    assert found == jpeg


def test_the_scripts_are_short_and_can_be_run() -> None:
    for script in sorted([*INTERFACE.glob("*.sh"), *INTERFACE.glob("*.js")]):
        assert os.access(script, os.X_OK), script
        assert len(script.read_text(encoding="utf-8").splitlines()) <= 40, script
        if script.suffix == ".sh" and shutil.which("bash"):
            subprocess.run(["bash", "-n", script], check=True)
