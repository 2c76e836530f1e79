"""How far back a source's samples lie on one line: what is older says nothing about the oscillator of now. Pure.

A crystal that warms up, or a server that is itself corrected, bends the line. Around a line that fits, residuals
change their sign as often as a thrown coin; around one that does not they come in few long runs (the runs test of
Wald and Wolfowitz, used to the same end by chrony's regress.c). chrony drops samples at a level of 10 %; here the
rate is fitted to all sources together and old minima are precious, so it takes three deviations (0.1 %).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from agent.clock.sample import Sample

LEAST = 8
"""Fewer samples are never called bent: chance alone makes few runs among them."""

_DEVIATIONS = 3.0


def coherent(samples: Sequence[Sample], freq: float) -> int:
    """How many of the newest samples (in the order of time) follow one line of the rate `freq`."""
    residuals = _residuals(samples, freq)
    count = len(residuals)
    while count > LEAST and _bent(residuals[-count:]):
        count = max(LEAST, count - max(1, count // 8))
    return count


def _residuals(samples: Sequence[Sample], freq: float) -> list[float]:
    if not samples:
        return []
    raw0, theta0_ns = samples[0].t1_raw, samples[0].t2_utc_ns - samples[0].t1_raw
    found = []
    for s in samples:
        middle_ns = ((s.t2_utc_ns - s.t1_raw) + (s.t3_utc_ns - s.t4_raw)) / 2 - theta0_ns
        found.append(middle_ns - freq * ((s.t1_raw + s.t4_raw) / 2 - raw0))
    return found


def _bent(residuals: Sequence[float]) -> bool:
    middle = median(residuals)
    above = [residual > middle for residual in residuals]
    ups = sum(above)
    downs = len(above) - ups
    if not ups or not downs:
        return False  # all alike, as on a wire without jitter
    runs = 1 + sum(a != b for a, b in pairwise(above))
    expected = 2 * ups * downs / (ups + downs) + 1
    variance = (expected - 1) * (expected - 2) / (ups + downs - 1)
    return runs < expected - _DEVIATIONS * math.sqrt(variance)
