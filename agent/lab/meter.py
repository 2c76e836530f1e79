"""The meter: a process that watches the pixels of all displays and writes down every change.

    python -m agent.lab.meter --out FILE --mode barcode|signature name=PATH …

It is the photodiode of the lab and lives in true time: never start it under faketime. It looks at every display
some 4500 times a second, a few bytes each, and does the rest only where something changed. Its file is described in
readings.py. On standard output it prints one JSON line when it looks for the first time and then one a second, for
live tables: `{"time_ns": …, "displays": {"tokyo": {"value": [1, 23], "since_ns": …, "changes": 120}}, "gap_ms":
{…} or null, "realtime": true}`; nobody has to read them. It ends on SIGTERM and Ctrl-C with
status 0, and when its parent dies.
"""

import argparse
import contextlib
import ctypes
import gc
import hashlib
import json
import os
import signal
import stat
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.lab import barcode
from agent.lab.framebuffer import Framebuffer
from agent.lab.processes import LabError
from agent.lab.readings import FORMAT, Gaps, Mode, Value

PAUSE_S = 180e-6
"""Asked for between two looks; with waking up it becomes 0.22 ms. Waking up is what costs (25 µs on a virtual machine),
the look itself 3 µs for five displays: shorter pauses would take more than a seventh of a core."""

PRIORITY = 60
"""Under SCHED_FIFO: above the players, for a look takes microseconds and must not wait for a decoder."""

REPORT_S = 1.0

_PR_SET_PDEATHSIG, _PR_SET_TIMERSLACK = 1, 29


class GapCounter:
    """A histogram of the times between two looks, in steps of 10 µs up to 10 ms, and the longest one."""

    STEP_NS = 10_000
    STEPS = 1000

    def __init__(self) -> None:
        self.counts = [0] * (self.STEPS + 1)
        self.longest_ns = 0

    def add(self, gap_ns: int) -> None:
        """Count one gap."""
        self.counts[min(gap_ns // self.STEP_NS, self.STEPS)] += 1
        if gap_ns > self.longest_ns:
            self.longest_ns = gap_ns

    @property
    def total(self) -> int:
        """How many gaps were counted."""
        return sum(self.counts)

    def summary(self) -> Gaps | None:
        """Percentiles in milliseconds: the upper edge of their step, so never too good. None before the first gap."""
        if not self.total:
            return None
        return Gaps(self._percentile(0.50), self._percentile(0.99), self.longest_ns / 1e6)

    def _percentile(self, share: float) -> float:
        wanted = share * self.total
        passed = 0
        for step, count in enumerate(self.counts[:-1], start=1):
            passed += count
            if passed and passed >= wanted:
                return min(step * self.STEP_NS, self.longest_ns) / 1e6
        return self.longest_ns / 1e6


class Watched:
    """One display under the meter: where to look, what was seen last."""

    __slots__ = ("changes", "file", "memory", "mode", "name", "path", "seen", "since_ns", "slices", "value")

    def __init__(self, name: str, screen: Framebuffer, mode: Mode) -> None:
        self.name = name
        self.mode = mode
        self.path = screen.path
        self._take(screen)
        self.seen: bytes | None = None
        self.value: Value = None
        self.since_ns = 0
        self.changes = 0

    def _take(self, screen: Framebuffer) -> None:
        self.memory = screen.memory
        self.slices = screen.barcode_slices() if self.mode == "barcode" else screen.signature_slices()
        self.file = _identity(screen.path)

    def renew(self) -> None:
        """Look at the display's new screen where it has one: a display that was started again has a file of its own."""
        if _identity(self.path) in (None, self.file):
            return
        with contextlib.suppress(LabError):  # it is still starting; the next time it is there
            self._take(Framebuffer.open(self.path))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def value_of(seen: bytes, mode: Mode) -> Value:
    """What the bytes of one look mean: clip and frame, or a signature; None for no code, and for black."""
    if mode == "barcode":
        return barcode.decode(seen[: barcode.BLOCKS], seen[barcode.BLOCKS :])
    return hashlib.blake2b(seen, digest_size=8).hexdigest() if any(seen) else None


class Meter:
    """Watches displays until `stop` is called. The record goes to `record`, live lines to `live` (file descriptors)."""

    def __init__(self, displays: list[Watched], mode: Mode, record: int, live: int, realtime: bool) -> None:
        self._displays = displays
        self._mode = mode
        self._record, self._live = record, live
        self._realtime = realtime
        self._lines: list[str] = []
        self._gaps = GapCounter()
        self._stopped = False

    def stop(self, *_: object) -> None:
        """End after the look that is under way."""
        self._stopped = True

    def run(self) -> None:
        """Look until stopped, then write what is left."""
        start: dict[str, Any] = {"meter": FORMAT, "mode": self._mode, "displays": [d.name for d in self._displays]}
        self._note({**start, "start_ns": time.time_ns(), "realtime": self._realtime})
        self._look()
        self._report()
        before = time.monotonic_ns()
        next_report = before + int(REPORT_S * 1e9)
        while not self._stopped:
            time.sleep(PAUSE_S)
            now = time.monotonic_ns()
            self._gaps.add(now - before)
            before = now
            self._look()
            if now >= next_report:
                self._report()
                for display in self._displays:
                    display.renew()
                next_report += int(REPORT_S * 1e9)
        self._report()

    def _look(self) -> None:
        for index, display in enumerate(self._displays):
            memory = display.memory
            seen = b"".join([memory[piece] for piece in display.slices])
            if seen != display.seen:
                self._changed(index, display, seen, time.time_ns())

    def _changed(self, index: int, display: Watched, seen: bytes, ns: int) -> None:
        value = value_of(seen, self._mode)
        first = display.seen is None
        display.seen = seen
        if first or value != display.value:
            display.value, display.since_ns = value, ns
            display.changes += 1
            self._note([ns, index, value])

    def _note(self, line: Any) -> None:
        self._lines.append(json.dumps(line, separators=(",", ":")))

    def _report(self) -> None:
        gaps = self._gaps.summary()
        gap_ms = asdict(gaps) if gaps else None
        now = time.time_ns()
        self._note({"at_ns": now, "looks": self._gaps.total, "gap_ms": gap_ms})
        text, self._lines = "\n".join(self._lines) + "\n", []
        _write_all(self._record, text.encode())
        states = {d.name: {"value": d.value, "since_ns": d.since_ns, "changes": d.changes} for d in self._displays}
        live = {"time_ns": now, "displays": states, "gap_ms": gap_ms, "realtime": self._realtime}
        try:
            os.write(self._live, json.dumps(live).encode() + b"\n")
        except OSError:  # a full pipe, or nobody there any more: measuring goes on
            return


def command(out: Path, mode: Mode, framebuffers: Mapping[str, Path]) -> list[str]:
    """The command line that measures these displays, by name."""
    displays = [f"{name}={path}" for name, path in framebuffers.items()]
    return [sys.executable, "-m", "agent.lab.meter", "--out", str(out), "--mode", mode, *displays]


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _be_prompt(parent: int) -> bool:
    """Ask for SCHED_FIFO and the shortest timer slack, and to be ended with the parent; whether FIFO was given."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    if os.getppid() != parent:  # it died before it could be watched
        raise SystemExit(0)
    gc.disable()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        return False
    return True


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agent.lab.meter", description="Writes down what displays show.")
    parser.add_argument("--out", type=Path, required=True, help="file for the readings")
    parser.add_argument("--mode", choices=("barcode", "signature"), default="barcode")
    parser.add_argument("displays", nargs="+", metavar="NAME=PATH", help="a name and its Xvfb_screen0")
    arguments = parser.parse_args(argv)
    for text in arguments.displays:
        if "=" not in text:
            parser.error(f"{text!r}: write NAME=PATH")
    return arguments


def main(argv: list[str] | None = None) -> int:
    """Measure until told to end; the exit status."""
    parent = os.getppid()
    arguments = _arguments(sys.argv[1:] if argv is None else argv)
    mode: Mode = arguments.mode
    try:
        pairs = [text.split("=", 1) for text in arguments.displays]
        displays = [Watched(name, Framebuffer.open(Path(path)), mode) for name, path in pairs]
        record = os.open(arguments.out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except LabError as error:
        sys.stderr.write(f"meter: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"meter: --out {arguments.out}: cannot be written ({error.strerror})\n")
        return 2
    realtime = _be_prompt(parent)
    if not realtime:
        sys.stderr.write(
            "meter: SCHED_FIFO is not permitted; gaps may be longer (run as root, or raise RLIMIT_RTPRIO;"
            " in a container see deploy/compose.realtime.yaml)\n"
        )
    live = sys.stdout.fileno()
    if stat.S_ISFIFO(os.fstat(live).st_mode):  # a pipe that nobody empties must not stop the looks
        os.set_blocking(live, False)
    meter = Meter(displays, mode, record, live, realtime)
    signal.signal(signal.SIGTERM, meter.stop)
    signal.signal(signal.SIGINT, meter.stop)
    meter.run()
    os.close(record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
