"""The servo: from frame errors to the speed at which a film runs. Pure.

mpv counts its time on a crystal, so without a hand on it every film drifts by some ten parts per million, and a stall
leaves it behind. Twice a second the median error is taken out by a speed that differs from 1 by less than anybody
sees, and its sum is kept as `drift`, over all films: a proportional and an integral part, critically damped, so that
no error stays, however small. A film that sounds is corrected once in ten seconds and by less, since each change of
its speed is heard and moves its picture (playback.md, "Trims"). An error that would take too long is not chased: see
`ADRIFT_US`.
"""

from dataclasses import dataclass

from agent.units import RawNs

PROPORTIONAL = 1.2
"""Of the error, taken out in the next second."""
INTEGRAL = PROPORTIONAL**2 / 4
TICK_S = 0.5
SOUND_TICKS = 20
TICK_SOUND_S = SOUND_TICKS * TICK_S
MOST = 0.005
MOST_SOUND = 0.002
SMALL_US = 1_000
"""Only so small an error says something about the drift; a larger one had another cause."""
MOST_DRIFT = 0.0005
"""Crystals are within ± 200 ppm, sound devices within ± 100."""
ADRIFT_US = 15_000
"""At the most speed this would take 3 s. The other deck is prepared instead, and takes over at its instant."""
STEADY_TICKS = 10
PAUSE_FIRST_S = 4.0
PAUSE_MOST_S = 64.0
NEVER = RawNs(0)


@dataclass(slots=True)
class Servo:
    """`drift` is by how much films have to run faster than the mapping's rate has it."""

    drift: float = 0.0

    def speed(self, rate: float, trim: float = 0.0) -> float:
        """The speed without an error; `rate` is by how much UTC runs faster than the raw counter (`Mapping.freq`)."""
        return 1 + rate + self.drift + trim

    def correct(self, rate: float, late_us: float, *, sound: bool) -> float:
        """The speed until the next tick for a film that is so late."""
        tick_s, most = (TICK_SOUND_S, MOST_SOUND) if sound else (TICK_S, MOST)
        share = 1 / TICK_SOUND_S if sound else PROPORTIONAL
        push = share * late_us * 1e-6
        if abs(late_us) <= SMALL_US:
            integral = share**2 / 4 if sound else INTEGRAL
            self.drift += integral * tick_s * late_us * 1e-6
            self.drift = max(-MOST_DRIFT, min(MOST_DRIFT, self.drift))
        return self.speed(rate, max(-most, min(most, push)))


@dataclass(slots=True)
class Anchors:
    """How often films may be joined anew: a film that is too heavy for the machine would else be so all the time."""

    _pause_s: float = 0.0
    _until: RawNs = NEVER
    _steady: int = 0

    def on_time(self) -> None:
        """A tick without reproach; after five seconds of them nothing is held against the machine any more."""
        self._steady += 1
        if self._steady >= STEADY_TICKS:
            self._pause_s, self._until = 0.0, NEVER

    def may(self, now: RawNs) -> bool:
        """Whether a film that is adrift may be joined anew now; if so, the next one has to wait twice as long."""
        self._steady = 0
        if now < self._until:
            return False
        self._pause_s = min(max(2 * self._pause_s, PAUSE_FIRST_S), PAUSE_MOST_S)
        self._until = RawNs(now + round(self._pause_s * 1e9))
        return True
