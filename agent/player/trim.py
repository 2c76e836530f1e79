"""Taking out a start's own lateness, which is known: pure.

A film's phase is that of the moment in which mpv took the order to run; from the pixels, all of its frames are that
much late, plus a constant (measured: correlation 0.99, standard deviation 0.12 ms over 50 starts). The constant is
learnt from start to start, and the next order given so much earlier; what the moment itself adds is taken out by a
little more speed for half a second. Silent films only: with sound each change of speed costs about 10 ms.
"""

from dataclasses import dataclass

from agent.units import NS_PER_US, RawNs

TRIM_US = 500_000
MOST = 0.01
"""1 % for half a second is 5 ms; a longer lateness takes longer, nothing faster would stay unseen."""

RUN_LATE_US = 300.0
SHOW_LATE_US = 700.0
STILL_LATE_US = 300.0
"""What was measured under Xvfb with libmpv 0.35; a few starts replace it by what this machine does."""

GAIN = 0.25
STEP_US = 2_000.0
"""A single wild start moves what is known by no more than its share of this."""
GAIN_SOUND = 0.5
STEP_SOUND_US = 50_000.0
MOST_LATE_US = 5_000.0
MOST_LATE_SOUND_US = 100_000.0
"""Sound devices hold back so much, and a film's pictures follow its sound."""


@dataclass(frozen=True, slots=True)
class Trim:
    """Run faster by `extra` from `begin` to `end`; `late_us` is what that takes out."""

    late_us: int
    extra: float
    begin: RawNs
    end: RawNs

    def left_us(self, raw: RawNs) -> float:
        """How late the film still is, if all goes as it should."""
        share = (raw - self.begin) / max(1, self.end - self.begin)
        return self.late_us * (1 - min(1.0, max(0.0, share)))


def trim_of(late_us: int, now: RawNs) -> Trim:
    """The trim for a film that was let go so much too late."""
    length_us = max(TRIM_US, round(abs(late_us) / MOST))
    return Trim(late_us, late_us / length_us, now, RawNs(now + length_us * NS_PER_US))


def untrimmed(late_us: int, now: RawNs) -> Trim:
    """For a film whose speed is left alone: it stays as late as it is."""
    return Trim(late_us, 0.0, now, RawNs(now + 10**18))


@dataclass(slots=True)
class Lateness:
    """How long after its order a film runs, with and without sound, in µs; and how long after it a window is seen.

    The server has a deck's window to compose from what mpv drew, but the built-in slate and black at hand.
    """

    silent_us: float = RUN_LATE_US
    sounding_us: float = RUN_LATE_US
    deck_us: float = SHOW_LATE_US
    still_us: float = STILL_LATE_US

    def run_us(self, sound: bool) -> float:
        """The lateness of films of this kind."""
        return self.sounding_us if sound else self.silent_us

    def show_us(self, deck: bool) -> float:
        """The lateness of a deck's window, or of a built-in one."""
        return self.deck_us if deck else self.still_us

    def ran(self, sound: bool, error_us: float) -> None:
        """A film's frames came so much later than the order and this lateness said."""
        if sound:
            step_us = max(-STEP_SOUND_US, min(STEP_SOUND_US, error_us)) * GAIN_SOUND
            self.sounding_us = max(0.0, min(MOST_LATE_SOUND_US, self.sounding_us + step_us))
        else:
            self.silent_us = _learnt(self.silent_us, error_us)

    def shown(self, deck: bool, error_us: float) -> None:
        """A window was seen so much later than its instant."""
        if deck:
            self.deck_us = _learnt(self.deck_us, error_us)
        else:
            self.still_us = _learnt(self.still_us, error_us)


def _learnt(value_us: float, error_us: float) -> float:
    step_us = max(-STEP_US, min(STEP_US, error_us)) * GAIN
    return max(0.0, min(MOST_LATE_US, value_us + step_us))
