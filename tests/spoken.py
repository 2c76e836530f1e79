"""What the source can say to a person: codes of alarms, of reasons and of what `framezero check` finds.

Read from its syntax, nothing of it is run: whoever writes `Refusal(code="new_one", …)` anywhere has it counted here.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from agent.control.alarm_rules import CODES

REPOSITORY = Path(__file__).resolve().parents[1]
AGENT = REPOSITORY / "agent"

Kind = Literal["alarm", "reason", "finding"]
KINDS: tuple[str, ...] = get_args(Kind)

NOT_AT_A_WALL = ("lab", "board", "control")
"""The lab is a tester's, the board repeats what walls and alarms say, and `publish` tells the command that mends."""
ASKED = ("control/poll.py", "control/shot.py")
"""What the operator's questions conclude by themselves of a wall that does not answer, or answers what is too old."""
FINDINGS = ("Finding", "_Found")
PLACES = {"Finding": 2, "Miss": 1}
"""Where these take their code, if it has no name there."""
NAMES = ("code", "reason")
"""A field, an argument or a variable of such a name holds a code."""
SPELLING = re.compile(r"[a-z][a-z0-9_]*")
INNER = {"broken", "deadline", "failed"}
"""How a trial of a film's decoder went, inside `check`, which tells it as `film_broken` and `film_unmeasured`."""


def said() -> dict[str, set[str]]:
    """The codes of each kind."""
    reasons: set[str] = set()
    findings: set[str] = set()
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(AGENT.rglob("*.py"))}
    constants = {name: value for tree in trees.values() for name, value in _constants(tree)}
    for path, tree in trees.items():
        relative = path.relative_to(AGENT)
        if relative.parts[0] in NOT_AT_A_WALL and relative.as_posix() not in ASKED:
            continue
        for of_check, code in _codes(tree, constants):
            if SPELLING.fullmatch(code):  # else it is a sentence: a mapping has a reason, too
                (findings if of_check else reasons).add(code)
    return {"alarm": set(CODES), "reason": reasons - INNER, "finding": findings}


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str() as value)):
                yield name, value


def _codes(tree: ast.Module, constants: dict[str, str]) -> Iterator[tuple[bool, str]]:
    """Each code with whether it is one of `check`."""
    makers, judging = _makers(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Call():
                called = _called(node)
                given = [keyword.value for keyword in node.keywords if keyword.arg in NAMES]
                place = PLACES.get(called, makers.get(called))
                if not given and place is not None and len(node.args) > place:
                    given = [node.args[place]]
                for value in given:
                    if isinstance(value, ast.Starred):
                        yield from ((False, code) for code in _returned(tree, value.value))
                    for code in _strings(value, constants):
                        yield called in (*FINDINGS, *judging), code
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in NAMES:
                yield from ((False, code) for code in _strings(value, constants))
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=value):
                for place, each in enumerate(names):
                    if isinstance(each, ast.Name) and each.id in NAMES:
                        yield from ((False, code) for code in _strings(value, constants, place))
            case ast.BoolOp(op=ast.Or(), values=[ast.Attribute(attr="_killed_for"), *others]):
                yield from ((False, code) for value in others for code in _strings(value, constants))


def _makers(tree: ast.Module) -> tuple[dict[str, int], set[str]]:
    """The functions of a module that take a code, with its place among their arguments; those that make a finding."""
    places, judging = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [each.arg for each in node.args.posonlyargs + node.args.args]
            bound = names[:1] == ["self"]
            for name in set(names) & set(NAMES):
                places[node.name] = names.index(name) - bound
            if node.name in places and isinstance(node.returns, ast.Name) and node.returns.id == "Finding":
                judging.add(node.name)
    return places, judging


def _returned(tree: ast.Module, call: ast.expr) -> Iterator[str]:
    """The codes of the pairs that a function of this module returns, which a caller hands on by `*`."""
    wanted = _called(call) if isinstance(call, ast.Call) else ""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name == wanted:
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    yield from _strings(node.value, {}, 0)


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _strings(value: ast.expr, constants: dict[str, str], place: int | None = None) -> Iterator[str]:
    """The strings that an expression may have as its value; `place` is which of a pair is meant."""
    match value:
        case ast.Constant(value=str() as text):
            yield text
        case ast.Name(id=name) if name in constants:
            yield constants[name]
        case ast.IfExp(body=one, orelse=other):
            yield from _strings(one, constants, place)
            yield from _strings(other, constants, place)
        case ast.Tuple(elts=parts) if place is not None and place < len(parts):
            yield from _strings(parts[place], constants)
        case ast.Call(func=ast.Attribute(value=ast.Dict(values=values), attr="get"), args=[_, *others]):
            for each in [*values, *others]:
                yield from _strings(each, constants)
