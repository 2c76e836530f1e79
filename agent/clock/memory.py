"""What the clock remembers on disk: over a restart of the agent, and over one of the host.

Two files. ``clock.json`` in the state directory keeps the crystal's rate and the time floor, written hourly. The floor
is the earliest time that it can be; the host's own clock is not believed before it. To reset it, stop the agent and
delete the file. ``mapping.json`` in the runtime directory keeps the line and the report of this boot, written every
minute and with each change: an agent that is restarted goes on with it, and `framezero clock` shows it.
"""

import json
import os
from collections.abc import Mapping as Dict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agent.clock.envelope import MOST_SKEW, Rate
from agent.clock.estimate import Line
from agent.clock.kernel import boot_id, raw_now_ns
from agent.clock.leap import Leap
from agent.clock.orders import EARLIEST_UTC, Past
from agent.clock.report import ClockReport
from agent.messages import Refusal
from agent.units import RawNs, UtcUs

STATE_FILE = "clock.json"
RUNTIME_FILE = "mapping.json"


@dataclass(frozen=True, slots=True)
class Learnt:
    """What outlives a boot."""

    freq: float | None
    sigma: float | None
    floor: UtcUs


@dataclass(frozen=True, slots=True)
class Current:
    """What outlives the agent, but not the boot."""

    boot: str
    pid: int
    raw: RawNs
    asleep_ns: int
    line: Line | None
    leap: Leap | None
    report: ClockReport
    offset_host_us: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the agent that runs on this host wrote last, `age_s` ago; the bound has grown since, the ages too."""

    report: ClockReport
    age_s: float
    offset_host_us: int | None


_LEARNT = TypeAdapter(Learnt)
_CURRENT = TypeAdapter(Current)


def runtime_dir(state_dir: Path, environ: Dict[str, str]) -> Path:
    """Where systemd has us put what ends with the boot (RuntimeDirectory=), else the state directory."""
    named = environ.get("RUNTIME_DIRECTORY", "")
    return Path(named.partition(":")[0]) if named else state_dir


class Memory:
    """The two files of one agent."""

    def __init__(self, state_dir: Path, runtime: Path) -> None:
        self._state = state_dir / STATE_FILE
        self._runtime = runtime / RUNTIME_FILE
        self._boot = boot_id()

    def recall(self) -> tuple[Past, list[Refusal]]:
        """What is remembered, and what could not be read: that is worth a warning, and the clock begins afresh."""
        faults = []
        rate, floor = None, EARLIEST_UTC
        learnt = _read(_LEARNT, self._state)
        if isinstance(learnt, Refusal):
            faults.append(learnt)
        elif learnt is not None:
            floor = max(floor, learnt.floor)
            if learnt.freq is not None and learnt.sigma is not None and abs(learnt.freq) < 1e-3:
                # Temperature and age have moved it since, nobody knows by how much.
                rate = Rate(learnt.freq, max(learnt.sigma, MOST_SKEW / 10))
        current = _read(_CURRENT, self._runtime)
        if isinstance(current, Refusal):
            faults.append(current)
        elif current is not None and current.boot == self._boot and current.raw <= raw_now_ns():
            return Past(rate, floor, current.line, current.leap, current.asleep_ns), faults
        return Past(rate, floor), faults

    def keep_learnt(self, past: Past) -> Refusal | None:
        """Write the rate, if it is known, and the floor; a rate that was known before stays."""
        before = _read(_LEARNT, self._state)
        rate = past.rate.expected(0.0) if past.rate else None
        if rate is None and isinstance(before, Learnt) and before.freq is not None and before.sigma is not None:
            rate = Rate(before.freq, before.sigma)
        learnt = Learnt(rate.freq if rate else None, rate.sigma if rate else None, past.floor)
        return _write(self._state, asdict(learnt), durable=True)

    def keep_current(self, past: Past, report: ClockReport, now: RawNs, offset_host_us: int | None) -> Refusal | None:
        """Write the line and the report."""
        kept = (past.asleep_ns, past.line, past.leap)
        current = Current(self._boot, os.getpid(), now, *kept, report, offset_host_us)
        # It is worth nothing after a power cut, and waiting for a memory card would hold up the event loop.
        return _write(self._runtime, asdict(current), durable=False)


def last_seen(folder: Path) -> Seen | None:
    """What the agent that runs on this host wrote last; None where none runs, or none that has written here."""
    current = _read(_CURRENT, folder / RUNTIME_FILE)
    if not isinstance(current, Current) or current.boot != boot_id() or not Path(f"/proc/{current.pid}").exists():
        return None
    age_s = (raw_now_ns() - current.raw) / 1e9
    return Seen(current.report.aged(age_s), age_s, current.offset_host_us) if age_s >= 0 else None


def _read(form: TypeAdapter[Any], path: Path) -> Any:
    try:
        return form.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        return Refusal(
            code="clock_memory", detail=f"{path} cannot be used ({_brief(error)}); the clock begins without it"
        )


def _write(path: Path, content: dict[str, Any], *, durable: bool) -> Refusal | None:
    """Write so that a reader sees the old file or the new one, and does so after a power cut too if it is `durable`."""
    draft = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        return Refusal(
            code="clock_memory", detail=f"{path} cannot be written ({_brief(error)}); make room, or make it writable"
        )
    return None


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
