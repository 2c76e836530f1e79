"""What the meter sees while it measures: once a second, which frame stands on each wall, and how exactly it came."""

import asyncio
import json
import os
from dataclasses import dataclass
from typing import Any

from agent.lab.processes import Child
from agent.lab.programme import Programme

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """One wall: the film (counted from 1) and the frame on it, as far as its pixels tell; `error_ms` is seen − due."""

    film: int | None
    frame: int | None
    error_ms: float | None


def judge(state: dict[str, Any], programme: Programme) -> Seen | None:
    """What the meter's word about one display means; None when no film of the programme is there."""
    value, since_ns = state["value"], state["since_ns"]
    if isinstance(value, list):
        spot = programme.nearest(value[0], value[1], since_ns)
        if spot is None:
            return None
        return Seen(spot.item + 1, spot.frame, (since_ns - programme.due(spot)) / NS_PER_MS)
    error_ns = None if value is None else programme.grid_error_ns(since_ns)
    return None if error_ns is None else Seen(None, None, error_ns / NS_PER_MS)


class Pixels:
    """Listens to a meter from within the event loop."""

    def __init__(self, meter: Child, programme: Programme) -> None:
        assert meter.process.stdout is not None
        self.seen: dict[str, Seen] = {}
        self._file = meter.process.stdout.fileno()
        self._programme = programme
        self._text = b""
        asyncio.get_running_loop().add_reader(self._file, self._read)

    def close(self) -> None:
        """Stop listening; to be called before the meter is ended."""
        asyncio.get_running_loop().remove_reader(self._file)

    def _read(self) -> None:
        piece = os.read(self._file, 65536)
        if not piece:
            self.close()
        *lines, self._text = (self._text + piece).split(b"\n")
        for line in lines:
            told: dict[str, Any] = json.loads(line)["displays"]
            judged = {venue: judge(state, self._programme) for venue, state in told.items()}
            self.seen = {venue: seen for venue, seen in judged.items() if seen is not None}
