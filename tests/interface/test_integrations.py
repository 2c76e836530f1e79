"""The samples of deploy/integrations against what a real agent tells: over MQTT, and at its Prometheus endpoint."""

import asyncio
import itertools
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import aiomqtt
import cuts
import jinja2.sandbox
import pytest
import yaml
from brokers import Mosquitto, free_port
from prometheus_client.parser import text_string_to_metric_families

from agent.control.alarm_rules import CODES, Rules
from agent.figures import STAGES, STATES
from agent.lab import timeservers
from agent.lab.processes import Processes

SAMPLES = Path(__file__).parents[2] / "deploy" / "integrations"
EXAMPLES = SAMPLES.parent / "interface" / "examples"
VENUE = "tokyo-shibuya"
Told = dict[str, Any]


class Wall:
    """What one real agent has told."""

    def __init__(self, broker: Mosquitto, presence: Told, statuses: list[Told], metrics: str) -> None:
        self.broker = broker
        self.presence = presence
        self.statuses = statuses
        self.metrics = metrics


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wall]:
    """An agent that is ready, with its statuses from its first on, as Home Assistant and Prometheus get them."""
    folder = tmp_path_factory.mktemp("wall")
    broker = Mosquitto(folder / "broker")
    broker.start()
    broker.hello()
    port = free_port()
    try:
        with Processes(folder / "logs") as processes:
            servers = [one.port for one in timeservers.start(processes, 3, folder / "time")]
            lost = f'textfile = "{folder}/nowhere/framezero.prom"\n'
            config = cuts.configure(folder / VENUE, VENUE, broker.url, servers)
            config.write_text(f'{config.read_text()}[metrics]\nlisten = "127.0.0.1:{port}"\n{lost}')

            async def until_ready() -> tuple[Told, list[Told]]:
                statuses: list[Told] = []
                presence: Told = {}
                async with (
                    asyncio.timeout(cuts.READY_S),
                    aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client,
                ):
                    await client.subscribe(f"{cuts.ROOT}/venue/{VENUE}/#", qos=1)
                    processes.start("agent", [sys.executable, "-m", "agent.cli", "agent", "--config", str(config)])
                    while not (presence and statuses and statuses[-1]["ready"]):
                        message = await anext(client.messages)
                        assert isinstance(message.payload, bytes)
                        told = json.loads(message.payload)
                        if str(message.topic).endswith("presence"):
                            presence = told
                        else:
                            statuses.append(told)
                return presence, statuses

            presence, statuses = asyncio.run(until_ready())
            url = f"http://127.0.0.1:{port}/metrics"
            metrics = subprocess.run(
                ["curl", "-sS", url], capture_output=True, text=True, check=True, timeout=30
            ).stdout
            yield Wall(broker, presence, statuses, metrics)
    finally:
        broker.stop()


def example(name: str) -> Told:
    found: Told = json.loads((EXAMPLES / name).read_text())
    return found


def in_panic(status: Told) -> Told:
    return {**status, "panic": "0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11", "state": "panic", "program": None, "item": None}


# --- Home Assistant -------------------------------------------------------------------------------


def rendered(template: str, payload: Told) -> str:
    """As Home Assistant does it: a sandbox, `value_json`, and undefined names are faults here."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    return environment.from_string(template).render(value_json=payload, value=json.dumps(payload)).strip()


def entities() -> list[tuple[str, Told]]:
    loaded = yaml.safe_load((SAMPLES / "home-assistant.yaml").read_text())["mqtt"]
    return [(kind, entity) for kind, many in loaded.items() for entity in many]


def judge(kind: str, entity: Told, said: str) -> None:
    """Whether Home Assistant would take this state for this entity."""
    assert len(said) <= 255, "a state has at most 255 characters"
    if kind == "binary_sensor":
        assert said in ("ON", "OFF")
    elif entity.get("device_class") == "timestamp" and said != "None":
        assert datetime.fromisoformat(said).tzinfo is not None
    elif "unit_of_measurement" in entity and said != "None":
        float(said)


@pytest.mark.needs("mosquitto", "chronyd", "curl")
@pytest.mark.timeout(120)
async def test_home_assistant_reads_what_a_real_agent_tells_and_its_button_is_answered(wall: Wall) -> None:
    names = [entity["unique_id"] for _, entity in entities()]
    assert len(names) == len(set(names)) > 12
    for kind, entity in entities():
        if kind == "button":
            continue
        topic = entity["state_topic"]
        assert topic.startswith(f"{cuts.ROOT}/venue/{VENUE}/")
        if topic.endswith("presence"):
            payloads = [wall.presence, {**wall.presence, "online": False}]
        else:
            assert entity["expire_after"] == 12
            recorded = example("status.json")
            payloads = [*wall.statuses, recorded, in_panic(recorded)]
        for payload in payloads:
            judge(kind, entity, rendered(entity["value_template"], payload))
            if "json_attributes_template" in entity:
                attributes = json.loads(rendered(entity["json_attributes_template"], payload))
                assert attributes["reasons"] == payload["reasons"]
        for way in entity.get("availability", []):
            assert way["topic"] == f"{cuts.ROOT}/venue/{VENUE}/presence"
            assert rendered(way["value_template"], wall.presence) == "online"
    by_name = {entity["name"]: entity["value_template"] for kind, entity in entities() if kind != "button"}
    first, last = wall.statuses[0], wall.statuses[-1]
    assert rendered(by_name["NO-GO"], first) == "ON" and rendered(by_name["NO-GO"], last) == "OFF"
    assert rendered(by_name["Why not ready"], last) == "ready"
    assert rendered(by_name["Why not ready"], first).split(", ") == [reason["code"] for reason in first["reasons"]]
    assert rendered(by_name["Program"], example("status.json")) == "winners-reel rev 3, film 1"
    [button] = [entity for kind, entity in entities() if kind == "button"]
    ask = rendered(button["command_template"], {})
    async with aiomqtt.Client("127.0.0.1", wall.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        await client.subscribe(f"{cuts.ROOT}/venue/+/answer", qos=1)
        await client.publish(button["command_topic"], ask, qos=button["qos"])
        async with asyncio.timeout(10):
            answer = await anext(client.messages)
    assert isinstance(answer.payload, bytes)
    told = json.loads(answer.payload)
    assert told["ask"] == json.loads(ask)["ask"] and told["poll"]["go"] is True


# --- Prometheus and Grafana -----------------------------------------------------------------------

_METRIC = re.compile(r"\bframezero_[a-z0-9_]+(?:\{[^}]*\})?")


def used(expression: str) -> list[tuple[str, dict[str, str]]]:
    """The metrics that an expression names, with the labels by which it chooses."""
    found = []
    for name, _, labels in (match.group().rstrip("}").partition("{") for match in _METRIC.finditer(expression)):
        chosen = dict(re.findall(r'(\w+)=~?"([^"]*)"', labels))
        found.append((name, chosen))
    return found


# Told while a film plays, is fetched, or where the machine knows: a wall at rest in a container has none of them.
SOMETIMES = {
    "framezero_sync_error_median_seconds",
    "framezero_sync_error_p99_seconds",
    "framezero_next_cue_seconds",
    "framezero_next_cue_timestamp_seconds",
    "framezero_fetching_bytes",
    "framezero_fetching_size_bytes",
    "framezero_temperature_celsius",
    "framezero_throttled",
    "framezero_no_go",
}


@pytest.mark.needs("mosquitto", "chronyd", "curl")
@pytest.mark.timeout(120)
def test_dashboard_and_rules_name_only_figures_that_a_real_agent_has(wall: Wall) -> None:
    known: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(wall.metrics):
        known.setdefault(family.name, set())
        for sample in family.samples:
            known.setdefault(sample.name, set()).update(sample.labels)
            assert sample.labels["venue"] == VENUE
    dashboard = json.loads((SAMPLES / "grafana.json").read_text())
    rules = yaml.safe_load((SAMPLES / "framezero.rules.yml").read_text())["groups"][0]["rules"]
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [rule["expr"] for rule in rules]
    names = {name for query in queries for name, _ in used(query)}
    assert len(names) > 20
    assert names - set(known) <= SOMETIMES, "names that no agent has"
    for query in queries:
        for name, labels in used(query):
            assert not known.get(name) or set(labels) <= known[name], (query, known[name])
            for label, values in (("state", (*STATES, "UNSYNC|HOST")), ("stage", STAGES)):
                assert labels.get(label, values[0]) in values
    variable = dashboard["templating"]["list"][1]["query"]["query"]
    assert variable == "label_values(framezero_ready, venue)" and "framezero_ready" in known
    annotations = "".join(json.dumps(rule["annotations"]) for rule in rules)
    assert set(re.findall(r"\$labels\.(\w+)", annotations)) <= {"venue", "instance", "reason", "broker"}


@pytest.mark.needs("mosquitto", "chronyd", "curl")
def test_figures_that_cannot_be_written_are_a_warning_and_no_reason_not_to_go(wall: Wall) -> None:
    last = wall.statuses[-1]
    [warning] = last["warnings"]
    assert (last["ready"], warning["code"]) == (True, "metrics")
    assert "nowhere/framezero.prom cannot be written" in warning["detail"]


def test_panels_lie_beside_each_other_and_not_over_each_other() -> None:
    panels = json.loads((SAMPLES / "grafana.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"], (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_what_prometheus_is_told_to_scrape() -> None:
    sample = yaml.safe_load((SAMPLES / "prometheus.yml").read_text())
    assert sample["rule_files"] == ["framezero.rules.yml"]
    assert sample["scrape_configs"][0]["job_name"] == "framezero"


# --- Node-RED -------------------------------------------------------------------------------------

_RUN = """
const nodes = JSON.parse(require('fs').readFileSync(process.argv[1]));
const calls = JSON.parse(require('fs').readFileSync(0));
const contexts = {};
let now = 1000000;
Date.now = () => now;
console.log(JSON.stringify(calls.map(([name, msg, later]) => {
    now += (later || 0) * 1000;
    const node = nodes.find(one => one.name === name && one.type === 'function');
    const kept = contexts[name] = contexts[name] || {};
    const context = {get: key => kept[key], set: (key, value) => { kept[key] = value; }};
    return new Function('msg', 'context', node.func)(msg, context) ?? null;
})));
"""


def node_red(*calls: tuple[Any, ...]) -> list[Any]:
    """Run function nodes of the flow, one message after the other, as Node-RED does."""
    argv = ["node", "-e", _RUN, str(SAMPLES / "node-red.json")]
    done = subprocess.run(argv, input=json.dumps(calls), capture_output=True, text=True, check=True, timeout=30)
    found: list[Any] = json.loads(done.stdout)
    return found


@pytest.mark.needs("node", "mosquitto", "chronyd", "curl")
@pytest.mark.timeout(120)
def test_node_red_puts_what_a_real_agent_tells_into_words(wall: Wall) -> None:
    verdict = "verdict, on change"
    statuses = [wall.statuses[0], wall.statuses[-1], wall.statuses[-1], example("status.json")]
    said = node_red(*[(verdict, {"payload": status}) for status in statuses])
    first = wall.statuses[0]["reasons"][0]
    assert said[0]["payload"].startswith(f"{VENUE}: NO-GO {first['code']}: {first['detail']}")
    assert said[1]["payload"].startswith(f"{VENUE}: ready, {wall.statuses[-1]['state']}, clock ±")
    assert said[2] is None
    assert said[3]["payload"] == "paris-opera: ready, playing, clock ±8.2 ms, 4.57 ms p99"


@pytest.mark.needs("node")
def test_node_red_tells_a_silence_once_and_what_became_of_cues() -> None:
    silence, status = "silent for 12 s", {"payload": example("status.json")}
    tick = {"payload": "tick"}
    said = node_red(
        (silence, {**status, "retain": True}),
        (silence, tick, 60),
        (silence, status),
        (silence, tick, 11),
        (silence, tick, 2),
        (silence, tick, 2),
        (silence, status),
    )
    texts = [[one["payload"] for one in many[0]] for many in said]
    assert texts[:4] == [[], [], [], []] and texts[5] == []
    assert texts[4][0].startswith("paris-opera: SILENT since ") and texts[6] == ["paris-opera: heard again"]
    acks = ["ack-accepted.json", "ack-not-ready.json", "ack-refused.json", "ack-started.json"]
    quiet, no_go, refused, started = node_red(*[("what became of cues", {"payload": example(name)}) for name in acks])
    assert quiet is None
    assert "NO-GO cue" in no_go["payload"] and "REFUSED cue" in refused["payload"]
    assert "ms off" in started["payload"]


def test_the_flow_is_wired_to_nodes_that_there_are() -> None:
    nodes = json.loads((SAMPLES / "node-red.json").read_text())
    ids = {node["id"] for node in nodes}
    assert len(ids) == len(nodes)
    for node in nodes:
        assert {to for wires in node.get("wires", []) for to in wires} <= ids
        assert node.get("z", "fz-tab") in ids and node.get("broker", "fz-broker") in (*ids, "127.0.0.1")
    assert not [node for node in nodes if node["type"] == "mqtt out"], "nothing here sends to the walls"


# --- what the README says -------------------------------------------------------------------------


@pytest.mark.needs("jq")
def test_the_one_liners_read_the_messages() -> None:
    text = (SAMPLES / "README.md").read_text()
    [statuses, starts] = re.findall(r"jq --unbuffered -r '(.*?)'", text, re.DOTALL)

    def jq(program: str, name: str) -> str:
        argv = ["jq", "-r", program, str(EXAMPLES / name)]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    assert jq(statuses, "status.json").split("\t")[:5] == ["paris-opera", "GO", "playing", "8.2", "4.572"]
    assert jq(starts, "asrun-start.json").startswith('"')
    assert jq(starts, "asrun-minute.json") == ""


@pytest.mark.parametrize("name", ["status", "presence", "ack", "asrun", "answer"])
def test_each_field_that_a_venue_tells_is_explained(name: str) -> None:
    schema = json.loads((EXAMPLES.parent / "schemas" / f"{name}.json").read_text())
    for title, model in {name: schema, **schema.get("$defs", {})}.items():
        bare = [key for key, value in model.get("properties", {}).items() if "description" not in value]
        assert bare == [], f"{title} has fields without a meaning"


def test_the_table_of_alarms_in_the_readme_is_one_that_is_taken() -> None:
    text = (SAMPLES / "README.md").read_text()
    [table] = re.findall(r"```toml\n(\[alarms\].*?)```", text, re.DOTALL)
    rules = Rules.model_validate(tomllib.loads(table)["alarms"])
    defaults = Rules()
    for field in ("clock_bound_ms", "sync_median_ms", "sync_p99_ms", "disk_free_gb", "temp_c"):
        assert getattr(rules, field) == getattr(defaults, field)
    assert (rules.films_before_min, rules.ready_before_min) == (defaults.films_before_min, defaults.ready_before_min)
    assert set(rules.off) <= set(CODES)
