"""From mpv's `time-pos` transitions to frame errors: pure.

`time-pos` steps when a frame is queued, a nearly constant time before its flip. That lead differs by host and rate
and cannot be read anywhere, so it is taken from the film's own first frames, whose lateness is known from the start
and its trim. What remains is how later frames move against that: drift, stalls, jitter, and a trim that did not work.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from agent.player.trim import Trim
from agent.units import RawNs

CALIBRATION_FRAMES = 8
WINDOW_S = 60


@dataclass(slots=True)
class FrameWatch:
    """The frames of one start. `due_raw` is the instant of the held frame at `position_us`."""

    due_raw: RawNs
    position_us: int
    trim: Trim
    frame_us: float
    late: int = 0
    _lead: float | None = None
    _phases: list[float] = field(default_factory=list)
    _errors: deque[tuple[RawNs, float]] = field(default_factory=deque)

    def saw(self, raw: RawNs, position_us: float) -> None:
        """A frame was queued; the first one, still held, says nothing about time."""
        if position_us <= self.position_us + 1:
            return
        phase = (raw - self.due_raw) / 1000 - (position_us - self.position_us)
        if self._lead is None:
            self._phases.append(phase - self.trim.left_us(raw))
            if len(self._phases) < CALIBRATION_FRAMES:
                return
            self._lead = median(self._phases)
        error = phase - self._lead
        self._errors.append((raw, error))
        if self.frame_us and error > self.frame_us / 2:
            self.late += 1
        while raw - self._errors[0][0] > WINDOW_S * 1_000_000_000:
            self._errors.popleft()

    def errors_us(self) -> tuple[int, int, int]:
        """Signed median, p99 of the absolute error and the seconds that they stand for."""
        if not self._errors:
            return self.trim.late_us, abs(self.trim.late_us), 0
        values = [error for _, error in self._errors]
        worst = sorted(abs(value) for value in values)
        seconds = (self._errors[-1][0] - self._errors[0][0]) // 1_000_000_000
        return round(median(values)), round(worst[int(0.99 * (len(worst) - 1))]), int(seconds)
