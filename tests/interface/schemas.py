"""The JSON Schemas of deploy/interface, made from the models: what `tests/interface/export` writes."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agent.answered import Answer
from agent.control.claims import Claim
from agent.messages import Ask, Cue, Lift, Panic
from agent.programs import Program
from agent.told import Ack, AsRun, Presence, Status
from agent.trust import Envelope

INTERFACE = Path(__file__).parents[2] / "deploy" / "interface"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
MESSAGES: dict[str, type[BaseModel]] = {
    "ack": Ack,
    "answer": Answer,
    "ask": Ask,
    "asrun": AsRun,
    "claim": Claim,
    "cue": Cue,
    "envelope": Envelope,
    "lift": Lift,
    "panic": Panic,
    "presence": Presence,
    "program": Program,
    "status": Status,
}


def examples(name: str) -> list[Any]:
    """The examples of one message: examples/NAME.json and examples/NAME-….json."""
    paths = sorted(path for path in (INTERFACE / "examples").glob("*.json") if path.stem.split("-")[0] == name)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def schema_of(name: str) -> dict[str, Any]:
    """The schema of one message; what its docstrings say are its descriptions."""
    made = MESSAGES[name].model_json_schema(mode="validation")
    made = _tidy(made)
    head = {"$schema": DIALECT, "$id": f"urn:framezero:v1:{name}"}
    defs = {"$defs": made.pop("$defs")} if "$defs" in made else {}
    first = {key: made.pop(key) for key in ("title", "description", "type")}
    return {**head, **first, **made, **defs, "examples": examples(name)}


def files() -> dict[Path, str]:
    """Every file in schemas/, with the text that it has to have."""
    return {
        INTERFACE / "schemas" / f"{name}.json": json.dumps(schema_of(name), indent=1, ensure_ascii=False) + "\n"
        for name in MESSAGES
    }


def _tidy(node: Any, field: bool = False) -> Any:
    """Without pydantic's titles for fields, which only repeat their names, and OpenAPI's `discriminator`."""
    if isinstance(node, list):
        return [_tidy(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            kept[key] = {name: _tidy(each, field=True) for name, each in value.items()}
        elif key == "description":
            kept[key] = re.sub(r"(?<!\n)\n(?!\n)", " ", value)
        elif key != "discriminator" and not (field and key == "title"):
            kept[key] = _tidy(value)
    return kept
