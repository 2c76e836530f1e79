"""Letters of dots for test films."""

import numpy as np
import numpy.typing as npt

from agent import glyphs
from agent.glyphs import COLUMNS, LINES

__all__ = ["COLUMNS", "LINES", "Mask", "text"]

Mask = npt.NDArray[np.float32]
"""Brightness from 0 to 1, lines × columns."""


def text(line: str, pitch: int) -> Mask:
    """A line of text with `pitch` pixels from dot to dot; a letter that is not known is a box."""
    gap = np.zeros((LINES, 1), np.float32)
    parts = [part for letter in line for part in (_dots(letter), gap)][:-1]
    return np.asarray(np.kron(np.hstack(parts), _dot(pitch)), np.float32)


def _dots(letter: str) -> Mask:
    return np.array([[float(dot) for dot in row] for row in glyphs.dots(letter)], np.float32)


def _dot(pitch: int) -> Mask:
    """One round dot with a soft edge; at small sizes a plain square."""
    if pitch < 4:
        return np.ones((pitch, pitch), np.float32)
    place = np.arange(pitch) - (pitch - 1) / 2
    distance = np.hypot(place[:, None], place[None, :])
    return np.asarray(np.clip(pitch * 0.46 - distance + 0.5, 0, 1), np.float32)
