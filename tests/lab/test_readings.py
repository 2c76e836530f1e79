import json
from pathlib import Path

import pytest

from agent.lab import readings
from agent.lab.processes import LabError
from agent.lab.readings import Change, Gaps

HEAD = {"meter": 1, "mode": "barcode", "displays": ["tokyo", "paris"], "start_ns": 1000, "realtime": True}
GAP = {"p50": 0.2, "p99": 0.3, "max": 1.0}


def write(path: Path, *lines: object, tail: str = "") -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
    return path


def test_changes_are_sorted_to_their_displays(tmp_path: Path) -> None:
    path = write(
        tmp_path / "m",
        HEAD,
        [1001, 1, None],
        [1002, 0, [3, 4]],
        {"at_ns": 2000, "looks": 9, "gap_ms": GAP},
        [1999, 1, "ab"],
    )
    found = readings.load(path)
    assert found.changes == {"tokyo": [Change(1002, (3, 4))], "paris": [Change(1001, None), Change(1999, "ab")]}
    assert (found.start_ns, found.end_ns, found.gaps) == (1000, 2000, Gaps(0.2, 0.3, 1.0))


def test_a_file_cut_short_is_read_up_to_the_cut(tmp_path: Path) -> None:
    found = readings.load(write(tmp_path / "m", HEAD, [1001, 0, [3, 4]], tail="[1002, 0, [3,"))
    assert found.changes["tokyo"] == [Change(1001, (3, 4))]
    assert found.gaps is None and found.end_ns == 1001


@pytest.mark.parametrize(
    "lines", [[], [{"meter": 2}], [HEAD, [1, 7, None]], [HEAD, {"at_ns": 1, "gap_ms": {"p50": 1}}], ["x"]]
)
def test_another_file_is_refused(tmp_path: Path, lines: list[object]) -> None:
    with pytest.raises(LabError, match="not what a meter writes"):
        readings.load(write(tmp_path / "m", *lines))


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot be read"):
        readings.load(tmp_path / "none")
