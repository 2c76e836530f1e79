"""What the technician is told: never a finding without what mends it."""

import ast
import io
from pathlib import Path

import pytest
from rich.console import Console

from agent.technician import findings
from agent.technician.findings import Finding

FOLDER = Path(findings.__file__).parent
BAD = {"warning", "fault"}


def unmended(text: str) -> list[int]:
    """The lines that make a finding which is not good, without a remedy behind code and sentence."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if not node.func.id.startswith(("Finding", "_f", "_decoder")):
            continue
        for place, word in enumerate(node.args):
            verdicts = {part.value for part in ast.walk(word) if isinstance(part, ast.Constant)}
            if isinstance(word, ast.Constant | ast.IfExp) and verdicts & BAD:
                behind = node.args[place + 1 :]
                if len(behind) < 3 or (isinstance(behind[2], ast.Constant) and not behind[2].value):
                    found.append(node.lineno)
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_every_finding_that_is_not_good_has_what_mends_it(path: Path) -> None:
    assert unmended(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        'Finding("cache", "fault", "code", "what")',
        '_found("warning", "code", "what", "")',
        '_film("warning" if x else "fault", code, what)',
    ],
)
def test_this_test_can_fail(text: str) -> None:
    assert unmended(text) == [1]


def test_what_others_have_said_moves_no_cursor() -> None:
    bad = Finding("broker", "fault", "unreachable", "says \x1b[2J\x1b]0;pwned\x07no", "do \x1b[31mit")
    console = Console(width=80, file=io.StringIO())
    console.print(findings.table([bad]))
    assert isinstance(console.file, io.StringIO) and "\x1b" not in console.file.getvalue()
    assert "says no" in console.file.getvalue()


def test_a_fault_alone_makes_the_status_bad() -> None:
    good, warning = Finding("a", "ok", "c", "w"), Finding("a", "warning", "c", "w", "m")
    assert findings.status([good, warning]) == 0
    assert findings.status([good, warning, Finding("a", "fault", "c", "w", "m")]) == 1
