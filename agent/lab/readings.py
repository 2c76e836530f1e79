"""What the meter writes and others read: JSON lines.

The first line says what is measured: `{"meter": 1, "mode": "barcode", "displays": ["tokyo", …], "start_ns": …,
"realtime": true}`. A change of a display is `[ns, display, value]`: the instant in CLOCK_REALTIME, the display's
place in the list, and what stands there now, `[clip, frame]` in barcode mode, a text in signature mode, null
where there is no film. About once a second stands `{"at_ns": …, "looks": …, "gap_ms": {"p50": …, "p99": …, "max":
…}}` over everything since the start (`gap_ms` null before the first gap): the last of them counts.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.lab.processes import LabError

Mode = Literal["barcode", "signature"]
Value = tuple[int, int] | str | None
"""Clip and frame of a test film; the signature of some picture; or None: nothing that is a film."""

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Change:
    """From `ns` (CLOCK_REALTIME) on a display showed `value`."""

    ns: int
    value: Value


@dataclass(frozen=True, slots=True)
class Gaps:
    """Milliseconds from one look of the meter to the next: how finely it saw."""

    p50: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Readings:
    """All that a meter saw, in order of time; `gaps` is None when it did not live for a second."""

    mode: Mode
    changes: dict[str, list[Change]]
    start_ns: int
    end_ns: int
    gaps: Gaps | None
    realtime: bool


def load(path: Path) -> Readings:
    """Read a meter's file, also of one that is still running or was killed. Raises LabError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LabError(f"{path}: cannot be read ({error.strerror}); name the folder of a lab run", status=2) from error
    # A last line that is not whole is one that is being written.
    lines = text[: text.rfind("\n") + 1].splitlines()
    try:
        return parse([json.loads(line) for line in lines])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise LabError(f"{path}: is not what a meter writes ({error!r}); run the lab again", status=2) from error


def parse(lines: list[Any]) -> Readings:
    """Readings from the lines of a meter's file. Raises ValueError, KeyError, TypeError or IndexError for others."""
    if not lines:
        raise ValueError("it is empty")
    head = lines[0]
    if head["meter"] != FORMAT or head["mode"] not in ("barcode", "signature"):
        raise ValueError(f"the first line is {head}")
    names: list[str] = head["displays"]
    changes: dict[str, list[Change]] = {name: [] for name in names}
    end_ns: int = head["start_ns"]
    gaps = None
    for line in lines[1:]:
        if isinstance(line, dict):
            gaps = Gaps(**line["gap_ms"]) if line["gap_ms"] else None
            end_ns = max(end_ns, line["at_ns"])
        else:
            ns, display, value = line
            changes[names[display]].append(Change(ns, tuple(value) if isinstance(value, list) else value))
            end_ns = max(end_ns, ns)
    return Readings(head["mode"], changes, head["start_ns"], end_ns, gaps, head["realtime"])
