"""The table in README.md, the removals and the tests belong together: none is there without the others."""

import re
from pathlib import Path

from sabotaged import REMOVALS

HERE = Path(__file__).parent
THREATS = {
    "forged cue, owned broker",
    "replay, late delivery",
    "wrong venue or show",
    "old program",
    "wrong file",
    "time turned back",
    "broker or WAN loss",
    "crash",
    "silent ACL refusal",
    "odd JSON",
}
"""The rows of the design's threat table."""


def rows() -> list[list[str]]:
    lines = (HERE / "README.md").read_text().splitlines()
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return cells[1:]


def test_every_threat_is_attacked_and_every_removal_is_of_use() -> None:
    assert {row[0] for row in rows()} == THREATS
    assert {row[2] for row in rows()} == set(REMOVALS)


def test_every_attack_is_a_test_that_names_the_control_it_shows() -> None:
    texts = {path.name: path.read_text() for path in HERE.glob("test_threat_*.py")}
    for _, _, removed, test in rows():
        [text] = [text for text in texts.values() if re.search(rf"^async def {test}\(", text, re.MULTILINE)]
        assert f'"{removed}"' in text, test


def test_every_attack_stands_in_the_table() -> None:
    texts = "".join(path.read_text() for path in HERE.glob("test_threat_*.py"))
    tests = set(re.findall(r"^async def (test_\w+)\(", texts, re.MULTILINE))
    assert tests - {row[3] for row in rows()} == {"test_nothing_of_it_has_shaken_a_wall"}
