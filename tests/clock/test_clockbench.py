import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "long" / "clockbench"


def bench(*options: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options, "--json"], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_on_the_same_samples_ours_errs_least_and_keeps_its_bound() -> None:
    status, found = bench("sim", "--seeds", "2", "--hours", "0.5")
    rows = {(row["on"], row["clock"]): row for row in found["simulated"]}
    assert status == 0 and len(rows) == 15
    for on in ("clean", "liar +8 ms", "liar +100 ms", "busy network"):
        ours = rows[on, "framezero"]
        assert ours["broken"] == 0 and ours["looks"] > 500
        for rival in ("ntplib, mean", "least delay"):
            assert ours["p95_ms"] < rows[on, rival]["p95_ms"]
    # The rivals are no straw men: where nobody lies, quickest-of-eight stays within its bound.
    assert rows["clean", "least delay"]["broken"] == 0
    assert rows["liar +100 ms", "least delay"]["broken"] > 0


@pytest.mark.needs("chronyd")
def test_beside_chronyd_on_real_sockets_both_are_measured() -> None:
    status, found = bench("real", "--seconds", "5")
    assert status == 0, "our bound was broken"
    assert [(row["on"], row["clock"]) for row in found["real"]] == [
        ("five servers", "framezero"),
        ("five servers", "chronyd"),
        ("10 ms unequal", "framezero"),
        ("10 ms unequal", "chronyd"),
    ]
    for row in found["real"]:
        assert row["looks"] >= 3
        assert 0 < row["bound_ms"] < 60
        assert row["max_ms"] < 20
