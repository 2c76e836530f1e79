"""asyncapi.yaml names every topic that the agent uses, and only what is there.

No schema of AsyncAPI itself is at hand offline: what the specification requires of the parts that are used here is
written down below (github.com/asyncapi/spec, v3.0.0).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from brokers import MosquittoFactory
from live import ROOT, live_agent
from schemas import INTERFACE, MESSAGES

from agent.lab.processes import Processes

FILE = INTERFACE / "asyncapi.yaml"
DOCUMENT: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
AGENT = INTERFACE.parents[1] / "agent"
MAY_HOLD = {
    "document": {"asyncapi", "id", "info", "defaultContentType", "servers", "channels", "operations", "components"},
    "server": {"host", "protocol", "protocolVersion", "description", "security", "bindings"},
    "channel": {"address", "title", "description", "parameters", "messages"},
    "operation": {"action", "channel", "title", "bindings", "reply"},
    "message": {"title", "summary", "contentType", "payload"},
    "mqtt of an operation": {"qos", "retain", "messageExpiryInterval", "bindingVersion"},
}
MUST_HOLD = {
    "document": {"asyncapi", "info"},
    "server": {"host", "protocol"},
    "channel": {"address", "messages"},
    "operation": {"action", "channel", "bindings"},
    "message": {"payload"},
    "mqtt of an operation": {"qos", "retain", "bindingVersion"},
}
CHANNELS: dict[str, Any] = DOCUMENT["channels"]
OPERATIONS: dict[str, Any] = DOCUMENT["operations"]
ADDRESSES = {channel["address"]: name for name, channel in CHANNELS.items()}


def followed(node: Any) -> Any:
    """What a reference stands for."""
    while isinstance(node, dict) and "$ref" in node:
        file, _, pointer = node["$ref"].partition("#")
        tree = yaml.safe_load((INTERFACE / file).read_text(encoding="utf-8")) if file else DOCUMENT
        for step in pointer.strip("/").split("/") if pointer else []:
            tree = tree[step]
        node = tree
    return node


def references(node: Any) -> Iterator[dict[str, str]]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def parts(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Every part of the document of one kind, with its name."""
    found = {
        "document": {"document": DOCUMENT},
        "server": DOCUMENT["servers"],
        "channel": CHANNELS,
        "operation": OPERATIONS,
        "message": DOCUMENT["components"]["messages"],
        "mqtt of an operation": {name: mqtt(name) for name in OPERATIONS},
    }
    return list(found[kind].items())


def mqtt(operation: str) -> dict[str, Any]:
    bindings = followed(OPERATIONS[operation]["bindings"])
    assert set(bindings) == {"mqtt"}
    found: dict[str, Any] = bindings["mqtt"]
    return found


def channel_of(topic: str) -> str | None:
    """The channel that a topic, or a subscription with wildcards, belongs to."""
    for address, name in ADDRESSES.items():
        steps, given = address.split("/"), topic.split("/")
        if len(steps) == len(given) and all(a == b or a[0] == "{" for a, b in zip(steps, given, strict=True)):
            return name
    return None


@pytest.mark.parametrize("kind", MAY_HOLD)
def test_every_part_has_what_it_needs_and_nothing_else(kind: str) -> None:
    for name, part in parts(kind):
        assert MUST_HOLD[kind] <= set(part) <= MAY_HOLD[kind], name


def test_the_frame_is_that_of_version_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    assert {server["protocol"] for server in DOCUMENT["servers"].values()} == {"mqtt", "secure-mqtt"}


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 50
    for reference in found:
        assert followed(reference), reference


def test_a_reference_that_leads_nowhere_is_seen() -> None:
    with pytest.raises(KeyError):
        followed({"$ref": "#/channels/nowhere"})
    with pytest.raises(FileNotFoundError):
        followed({"$ref": "./schemas/nowhere.json"})


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_explains_its_parameters_and_is_used(name: str) -> None:
    channel = CHANNELS[name]
    named = set(re.findall(r"{(\w+)}", channel["address"]))
    assert named == set(channel.get("parameters", {}))
    assert all(followed(each)["description"] for each in channel.get("parameters", {}).values())
    users = [each for each in OPERATIONS.values() if each["channel"]["$ref"] == f"#/channels/{name}"]
    assert len(users) == 1
    assert users[0]["action"] == ("send" if channel["address"].startswith(f"{ROOT}/venue/") else "receive")
    assert "Written by" in users[0]["title"]


def test_every_message_has_its_schema_and_every_schema_its_message() -> None:
    used = {
        Path(message["payload"]["$ref"]).stem
        for _, message in parts("message")
        if "$ref" in message["payload"] and message["payload"]["$ref"].startswith("./schemas/")
    }
    # A claim is what operators' desks say to each other: no agent has to do with it.
    assert used == set(MESSAGES) - {"claim"}
    carried = {
        followed(message)["payload"].get("$ref") for each in CHANNELS.values() for message in each["messages"].values()
    }
    assert carried == {message["payload"].get("$ref") for _, message in parts("message")}


def test_the_broker_is_told_what_the_contract_says() -> None:
    retained = {name: mqtt(name)["retain"] for name in OPERATIONS}
    passing = {"takePlainCue", "hearAsk", "tellAck", "tellAsRun", "tellAnswer"}
    assert {name for name, kept in retained.items() if not kept} == passing
    assert {mqtt(name)["qos"] for name in OPERATIONS} == {1}
    assert mqtt("takeCue")["messageExpiryInterval"]["maximum"] == 31 * 86_400


def written_topics() -> set[str]:
    """The topics that stand in the agent's source, `x` for whatever is put in."""
    found = set()
    for path in [AGENT / name for name in ("daemon.py", "mqtt.py", "voice.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = None
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(each.value) if isinstance(each, ast.Constant) else "x" for each in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            if text and re.fullmatch(r"(cue|program|panic|ask|venue)(/[\w+#]+)+", text):
                found.add(text)
    return found


def test_every_topic_in_the_source_is_there() -> None:
    topics = written_topics()
    assert {"cue/#", "ask/all", "venue/x/ack", "venue/x/answer", "venue/x/asrun"} <= topics
    for topic in topics - {"cue/#"}:
        assert channel_of(f"{ROOT}/{topic}"), topic


def asked_for(topic: str, subscription: str) -> bool:
    """Whether a subscription brings this topic (MQTT 5, section 4.7)."""
    steps, wanted = topic.split("/"), subscription.split("/")
    if wanted[-1] == "#":
        return steps[: len(wanted) - 1] == wanted[:-1]
    return len(steps) == len(wanted) and all(b in ("+", a) for a, b in zip(steps, wanted, strict=True))


@pytest.mark.needs("mosquitto", "chronyd")
async def test_a_live_agent_subscribes_and_publishes_as_written(
    tmp_path: Path, mosquittos: MosquittoFactory, processes: Processes
) -> None:
    broker = mosquittos("log_type all")
    async with live_agent(tmp_path, broker, processes) as agent:
        await agent.publish("cue", (INTERFACE / "examples" / "cue-stop.json").read_bytes())
        await agent.until("ack", lambda ack: ack["stage"] == "refused")
        await agent.publish("ask/all", (INTERFACE / "examples" / "ask-poll.json").read_bytes())
        await agent.until("answer", lambda answer: answer["refused"]["code"] == "old")
    assert {"presence", "status", "ack", "answer"} <= set(agent.told)
    for kind in agent.told:
        assert channel_of(f"{ROOT}/venue/paris-opera/{kind}"), kind
    log = (broker.directory / "mosquitto.log").read_text()
    subscribed = set(re.findall(rf"framezero-paris-opera \d ({ROOT}/\S+)", log))
    topics = {
        name: re.sub(r"{\w+}", "paris-opera" if "venue" in channel["address"] else "x", channel["address"])
        for name, channel in CHANNELS.items()
    }
    for operation in OPERATIONS.values():
        topic = topics[operation["channel"]["$ref"].rpartition("/")[2]]
        assert operation["action"] == "send" or any(asked_for(topic, each) for each in subscribed), topic
    for each in subscribed:
        assert any(asked_for(topic, each) for topic in topics.values()) or channel_of(each), each
