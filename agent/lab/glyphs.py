"""Letters of dots for test films, in the manner of an LED wall; no font file is needed."""

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.float32]
"""Brightness from 0 to 1, lines × columns."""

LINES, COLUMNS = 7, 5

_DOTS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00010 00100 01000 11111",
    "3": "11111 00010 00100 00010 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    "F": "11111 10000 10000 11110 10000 10000 10000",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "S": "01111 10000 10000 01110 00001 00001 11110",
    ".": "00000 00000 00000 00000 00000 01100 01100",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}


def text(line: str, pitch: int) -> Mask:
    """A line of text with `pitch` pixels from dot to dot. Raises KeyError for a letter that has no dots."""
    gap = np.zeros((LINES, 1), np.float32)
    parts = [part for letter in line for part in (_dots(letter), gap)][:-1]
    return np.asarray(np.kron(np.hstack(parts), _dot(pitch)), np.float32)


def _dots(letter: str) -> Mask:
    return np.array([[float(dot) for dot in row] for row in _DOTS[letter].split()], np.float32)


def _dot(pitch: int) -> Mask:
    """One round dot with a soft edge; at small sizes a plain square."""
    if pitch < 4:
        return np.ones((pitch, pitch), np.float32)
    place = np.arange(pitch) - (pitch - 1) / 2
    distance = np.hypot(place[:, None], place[None, :])
    return np.asarray(np.clip(pitch * 0.46 - distance + 0.5, 0, 1), np.float32)
