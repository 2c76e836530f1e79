"""What deploy/interface/README.md says of `--json` is what the commands print."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto
from fake_venue import framezero, polled, presence, retain, status, told, venue
from test_control_kept import keep, obeys

from agent.messages import encode

README = Path(__file__).parents[2] / "deploy/interface/README.md"
SHOW = ("--show", "demo")
Shape = dict[str, set[str]]


def shapes() -> Iterator[tuple[str, Shape]]:
    """By command: its fields, each with those of its elements."""
    block = README.read_text().split("## What `framezero … --json` prints")[1].split("```")[1]
    for line in block.strip().splitlines():
        name, _, fields = line.partition("   (")[0].partition(" exit ")
        found = re.findall(r"([a-z0-9_]+)(?:\[([^]]*)\])?", f"exit {fields}")
        yield name.strip(), {field: set(inner.split()) for field, inner in found}


SHAPES = dict(shapes())


def same(name: str, out: str) -> Any:
    found, shape = told(out), SHAPES[name]
    assert found.keys() == shape.keys(), name
    for field, inner in shape.items():
        assert not inner or found[field], f"{name}: nothing in {field} to look at"
        for element in found[field] if inner else []:
            assert element.keys() == inner, f"{name}: {field}"
    return found


@pytest.mark.timeout(180)
async def test_every_shape_is_as_it_is_described(mosquitto: Mosquitto, tmp_path: Path) -> None:
    where = ("--json", "--broker", mosquitto.url)
    cue = await keep(mosquitto)
    await retain(mosquitto, "venue/oslo/presence", encode(presence("oslo", online=False)))
    await retain(mosquitto, "venue/tokyo/status", encode(status("tokyo")))
    commands: dict[str, tuple[str, ...]] = {
        "status": ("status", *where),
        "poll": ("poll", "reel", *where),
        "cue play …": ("cue", "black", "--timeout", "3s", *where, *SHOW),
        "cue cancel": ("cue", "cancel", cue.cue, "--timeout", "3s", *where, *SHOW),
        "cue list": ("cue", "list", *where),
        "alarms --once": ("alarms", "--once", *where),
        "keys new": ("keys", "new", "alice", "--role", "show", "--to", str(tmp_path / "keys"), "--json"),
        "an error": ("cue", "black", "--at", "12:00", *where, *SHOW),
    }
    async with venue(mosquitto, "tokyo", obeys, poll=polled()):
        outs = await asyncio.gather(*(framezero(*command) for command in commands.values()))
        ran = dict(zip(commands, outs, strict=True))
        raised = await framezero("cue", "panic", *where, *SHOW, "--venues", "tokyo")
        after = {
            "cue panic": raised,
            "cue panic --lift": await framezero("cue", "panic", "--lift", *where, *SHOW, "--venues", "tokyo"),
            "venue forget": await framezero("venue", "forget", "oslo", *where),
            "keys list": await framezero("keys", "list", str(tmp_path / "keys"), "--json"),
        }
    for name, (code, out, err) in {**ran, **after}.items():
        assert same(name, out)["exit"] == code, out + err
    # The others are in the tests of their own commands.
    elsewhere = {"publish", "check", "setup", "shot", "asrun", "show check", "board"}
    elsewhere |= {name for name in SHAPES if name.startswith("local ")}
    assert SHAPES.keys() - elsewhere == {**ran, **after}.keys()
