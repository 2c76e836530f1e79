"""The film on the wall, from its start to the next one: its frames' errors, its speed, its health. Pure.

Due instants come from the newest mapping each time they are asked for: a film that runs for an hour follows a clock
that has become better since.
"""

from dataclasses import dataclass, field
from statistics import median

from agent.clock.mapping import Mapping
from agent.player.servo import ADRIFT_US, SOUND_TICKS, TICK_S, Anchors, Servo
from agent.player.trim import Trim
from agent.player.watch import FrameWatch, Seen
from agent.player.wire import Start
from agent.units import NS_PER_US, RawNs

FEWEST = 3
"""Frames that a correction needs."""
HUNG_S = 0.8
ADRIFT_TICKS = 2
"""One bad half second may be a stall that mpv makes good by itself."""
LEARNT_FRAMES = 5
SOUND_RECENT = 4
"""A correction of a film that sounds goes by the last two seconds."""
_NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class Showing:
    """One film that runs. `late` and `trims` count since the last report."""

    start: Start
    watch: FrameWatch
    trim: Trim
    servo: Servo
    anchors: Anchors
    sound: bool
    latency_us: int
    ended: bool = False
    late: int = 0
    trims: int = 0
    adrift_us: int | None = None
    _tick_raw: RawNs = field(init=False)
    _far: int = 0
    _left_out: int = 0
    _learnt: float | None = None
    _first: list[float] = field(default_factory=list)
    _errors: list[float] = field(default_factory=list)
    _medians_us: list[float] = field(default_factory=list)
    _told: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._next_tick(self.watch.alive_raw)

    def _next_tick(self, now: RawNs) -> None:
        self._tick_raw = RawNs(now + round(TICK_S * _NS_PER_S))

    def error_us(self, seen: Seen, clock: Mapping) -> float:
        """How late a frame came to be seen on the wall itself."""
        due = self.start.at + seen.position_us - self.start.position_us
        return clock.utc_at(seen.raw) + self.latency_us - due

    def learnt(self) -> float | None:
        """By how much the film's first frames came later than was foreseen; said once."""
        learnt, self._learnt = self._learnt, None
        return learnt

    def step(self, now: RawNs, clock: Mapping) -> float | None:
        """What was seen → the speed that the film needs from now on, None to leave it as it is."""
        self.gather(clock)
        if self.trim.extra:
            # The trim is half a second of known work; what was seen while it ran says nothing new.
            if now < self.trim.end:
                self._errors.clear()
                return None
            self.trim = Trim(0, 0.0, self.trim.begin, self.trim.end)
            self._errors.clear()
            self._next_tick(now)
            return self.servo.speed(clock.freq)
        if now < self._tick_raw:
            return None
        self._next_tick(now)
        if len(self._errors) < FEWEST or clock.stands_still(now):
            return None
        errors, self._errors = self._errors, []
        late_us = median(errors)
        self._far = self._far + 1 if abs(late_us) > ADRIFT_US else 0
        if not self._far:
            self.anchors.on_time()
        adrift = self._far >= ADRIFT_TICKS and self.anchors.may(now)
        self.adrift_us = round(late_us) if adrift else None
        self._medians_us.append(late_us)
        if len(self._medians_us) < (SOUND_TICKS if self.sound else 1):
            return None
        recent_us, self._medians_us = self._medians_us[-SOUND_RECENT:], []
        self.trims += 1
        return self.servo.correct(clock.freq, median(recent_us), sound=self.sound)

    def wake_raw(self) -> RawNs:
        """When `step` is due next."""
        return self.trim.end if self.trim.extra else self._tick_raw

    def gather(self, clock: Mapping) -> None:
        """Take in what was seen."""
        for seen in self.watch.take():
            error = self.error_us(seen, clock)
            self.late += bool(self.start.frame_us) and error > self.start.frame_us / 2
            self._errors.append(error)
            self._told.append(round(error))
            if len(self._first) < LEARNT_FRAMES:
                self._first.append(error - self.trim.left_us(seen.raw))
                if len(self._first) == LEARNT_FRAMES:
                    self._learnt = median(self._first)

    def left_out(self, count: int) -> None:
        """How many frames mpv's output says that it has left out since the film was loaded."""
        self.watch.dropped += max(0, count - self._left_out)
        self._left_out = count

    def told(self) -> tuple[list[int], int, int, int, int]:
        """Errors, frames, dropped, late and trims since the last time."""
        figures = (self._told, self.watch.frames, self.watch.dropped, self.late, self.trims)
        self._told, self.watch.frames, self.watch.dropped, self.late, self.trims = [], 0, 0, 0, 0
        return figures

    def hung(self, now: RawNs) -> bool:
        """Whether mpv has not moved for so long that it will not again; a film at its end need not."""
        if self.ended or not self.start.frame_us:
            return False
        return now - self.watch.alive_raw > HUNG_S * _NS_PER_S + self.start.frame_us * NS_PER_US
