import json
import re
from dataclasses import replace

from agent.lab import page
from agent.lab.analysis import Analysis, DisplayFacts, Skew


def empty() -> Analysis:
    return Analysis("barcode", [], Skew([(1.0, 0.5)], None, 0), None, [0.0], 2.0, "the meter did not run for a second")


def figures(**other: object) -> dict[str, object]:
    return {
        "venues": [],
        "due_utc": "2025-06-02T12:00:00.000000Z",
        "displays": [],
        "skew_ms": dict.fromkeys(("first", "median", "p95", "p99", "max")),
        "thresholds": {"max_p99_ms": 5.0},
        "films": [],
        "size": "320x180",
        "seconds": 2.0,
        "loops": 1,
        "void": None,
        "faults": [],
        "notes": [],
        **other,
    }


def test_the_page_needs_nothing_from_outside() -> None:
    text = page.render(empty(), figures())
    assert not re.search(r"(?:src|href|url)\s*[=(]|https?://|@import", text)
    assert "%REPORT%" not in text and "%DATA%" not in text


def test_the_data_is_whole() -> None:
    text = page.render(empty(), figures())
    found = re.search(r"^const data = (\{.*\});$", text, re.MULTILINE)
    assert found and json.loads(found[1])["skew"] == [[1.0, 0.5]]


def test_texts_cannot_become_markup() -> None:
    text = page.render(empty(), figures(faults=["<script>alert(1)</script>"], size="</p><b>"))
    assert "<script>alert" not in text and "</p><b>" not in text


def test_a_name_cannot_end_the_script() -> None:
    wall = DisplayFacts("</script>", None, [], None, None, 0, 0, None, [], [])
    text = page.render(replace(empty(), displays=[wall]), figures())
    assert text.count("</script>") == 1


def test_the_verdict_is_said() -> None:
    for other, words in (({}, "In sync"), ({"faults": ["x"]}, "Not in sync"), ({"void": "y"}, "Void")):
        assert f">{words}</p>" in page.render(empty(), figures(**other))
