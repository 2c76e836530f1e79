"""The schemas of deploy/interface say what the models say, and every example is a message."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError, validators
from schemas import DIALECT, INTERFACE, MESSAGES, examples, files, schema_of

from agent.messages import Refusal, decode
from agent.told import Told
from agent.trust import KINDS, Opened, Trust, open_body

README = INTERFACE.parents[1] / "README.md"
UNSAYABLE = (
    "expires must lie after issued",
    "at must lie before expires",
    "at least 2 s long",
    "is not between 0 and 240",
    "day is out of range for month",
    "a message has at most",
)
"""What a schema cannot ask for: how fields compare, what two of them make, how long a month is, how many bytes."""
ODD: list[Any] = [None, True, 0, -1, 1, 2, 1.5, 2**53, "", "x", "X" * 300, "*", "@", "é", [], ["*"], {}, {"x": 1}]


def _pattern(_: Any, pattern: str, text: Any, __: Any) -> Iterator[ValidationError]:
    # In JSON Schema, as in the models, `$` is the very end; Python's stands before a last newline as well.
    if isinstance(text, str) and not re.search(pattern.replace("$", r"\Z"), text):
        yield ValidationError(f"{text!r} does not match {pattern!r}")


Validator: type[Any] = validators.extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
# jsonschema's stubs leave it without types.


def changes(node: Any) -> Iterator[Any]:
    """Every message that is one structural change away from this one."""
    if isinstance(node, dict):
        yield {**node, "unknown": 1}
        for key, value in node.items():
            yield {name: each for name, each in node.items() if name != key}
            yield {(f"{name}x" if name == key else name): each for name, each in node.items()}
            for other in (*ODD, *changes(value)):
                yield {**node, key: other}
    elif isinstance(node, list):
        yield [*node, *node]
        yield node * 400
        for index, value in enumerate(node):
            for other in (*ODD, *changes(value)):
                yield [*node[:index], other, *node[index + 1 :]]
    elif isinstance(node, str):
        yield from (f"{node}\n", f" {node}", node.upper(), node[:-1], node[1:], f"{node}/2", node.replace("0", "5"))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield from (str(node), -node, node + 0.5)


def open_signed(data: bytes) -> Opened | Refusal:
    """What a venue makes of an envelope, whoever signed it."""
    opened = open_body(data, KINDS, Trust(require=False), None)
    bare = Refusal(code="schema", detail="no envelope")
    return bare if isinstance(opened, Opened) and opened.kind is None else opened


def test_every_file_is_what_the_models_say() -> None:
    wanted = files()
    assert sorted(wanted) == sorted((INTERFACE / "schemas").iterdir())
    stale = [path.name for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run tests/interface/export"


@pytest.mark.parametrize("name", MESSAGES)
def test_a_schema_is_one_of_its_dialect_and_describes_itself(name: str) -> None:
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["title"] and schema["description"] and schema["examples"]


@pytest.mark.parametrize("name", MESSAGES)
def test_every_example_is_a_message(name: str) -> None:
    for example in examples(name):
        Validator(schema_of(name)).validate(example)
        assert not isinstance(decode(MESSAGES[name], json.dumps(example).encode()), Refusal)


def test_every_example_is_of_some_message() -> None:
    assert {path.stem.split("-")[0] for path in (INTERFACE / "examples").glob("*.json")} == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_schema_and_model_refuse_the_same(name: str) -> None:
    validator, model = Validator(schema_of(name)), MESSAGES[name]
    refused = 0
    for example in examples(name):
        for changed in changes(copy.deepcopy(example)):
            text = json.dumps(changed)
            read = open_signed(text.encode()) if name == "envelope" else decode(model, text.encode())
            refused += isinstance(read, Refusal)
            if isinstance(read, Refusal) and any(words in read.detail for words in UNSAYABLE):
                continue
            if name == "envelope" and not isinstance(read, Refusal):
                continue  # a signature that is none does no harm to a venue, and a schema may say so
            assert validator.is_valid(changed) == (not isinstance(read, Refusal)), (read, text)
    assert refused > 50, "the changes break messages"


@pytest.mark.parametrize("name", [name for name, model in MESSAGES.items() if issubclass(model, Told)])
def test_what_a_newer_venue_adds_is_passed_over(name: str) -> None:
    for example in examples(name):
        Validator(schema_of(name)).validate({**example, "added": {"later": 1}})


@pytest.mark.parametrize("page", [README, INTERFACE / "README.md"], ids=["project", "interface"])
def test_every_message_on_a_page_is_one(page: Path) -> None:
    blocks = re.findall(r"^```json\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        assert any(not isinstance(decode(model, block.encode()), Refusal) for model in MESSAGES.values()), block
