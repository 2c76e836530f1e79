"""As-run records for tests."""

from typing import Any

from makers import T0, S, uuid_of

from agent.told import AsRun, ErrorSpread
from agent.units import UtcUs

MINUTE = 60 * S


def record(number: int, kind: str = "minute", **changes: Any) -> AsRun:
    """A record of `paris`, the minute of that number since T0 unless something else is asked for."""
    fields: dict[str, Any] = {
        "venue": "paris",
        "kind": kind,
        "cue": uuid_of(1),
        "program": "reel",
        "rev": 1,
        "item": 0,
        "sha256": "a" * 64,
        "due": UtcUs(T0 + number * MINUTE),
        "observed": UtcUs(T0 + number * MINUTE + number % 900) if kind == "start" else None,
        "error_us": ErrorSpread(median=number % 900, p95=900, p99=1000 + number % 7, max=2000),
        "frames": 1 if kind == "start" else 1800,
        "bound_us": 8000,
        "clock": "SYNC",
    }
    return AsRun(**{**fields, **changes})
