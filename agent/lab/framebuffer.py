"""The screen of a fake display as a mapped file: where its pixels are, and how to read them.

Xvfb with `-fbdir DIR` keeps its screen in `DIR/Xvfb_screen0` in the format of `xwd` (XWDFile.h of X11): a header of
25 big-endian words, a colour map of 12 bytes an entry, then the lines of the picture, four bytes B G R X a pixel.
"""

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from agent.lab import barcode
from agent.lab.processes import LabError

Picture = npt.NDArray[np.uint8]
"""Lines × columns × (red, green, blue)."""

SIGNATURE_SIDE = 8
"""A signature samples so many lines of so many pixels."""

_HEADER = struct.Struct(">25I")
_VERSION, _Z_PIXMAP, _LSB_FIRST = 7, 2, 0
_PIXEL_BYTES = 4
_GREEN = 1


class Framebuffer:
    """A display's screen, mapped for reading. `memory` is the whole file; close it with `close`."""

    def __init__(self, path: Path, memory: mmap.mmap) -> None:
        self.path = path
        self.memory = memory
        (header, version, form, _, self.width, self.height, _, order, _, _, _, bits, self._line_bytes, *rest) = (
            _HEADER.unpack(memory[: _HEADER.size])
        )
        colours = rest[6]
        self._begin = header + colours * 12
        if (version, form, order, bits) != (_VERSION, _Z_PIXMAP, _LSB_FIRST, 8 * _PIXEL_BYTES):
            raise LabError(f"{path}: not a screen of 24 bits depth; start Xvfb with -screen 0 {{W}}x{{H}}x24")
        if len(memory) < self._begin + self._line_bytes * self.height:
            raise LabError(f"{path}: shorter than its header says; is the display still starting?")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map a screen. Raises LabError where there is none or it is of another kind."""
        try:
            with path.open("rb") as file:
                memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file, which a starting Xvfb makes first
            raise LabError(f"{path}: no framebuffer to read ({error}); start Xvfb with -fbdir") from error
        if len(memory) < _HEADER.size:
            raise LabError(f"{path}: too short for a framebuffer; is the display still starting?")
        return cls(path, memory)

    def close(self) -> None:
        """Unmap the screen."""
        self.memory.close()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    def barcode_slices(self) -> tuple[slice, slice]:
        """Where in `memory` the blocks of the frame row and of the clip row are read, on a film of the full screen.

        Raises LabError when the screen is too small for the code.
        """
        if self.width < barcode.MIN_WIDTH or self.height < barcode.MIN_HEIGHT:
            least = f"{barcode.MIN_WIDTH}x{barcode.MIN_HEIGHT}"
            raise LabError(f"{self.path}: {self.width}x{self.height} is too small for barcodes; at least {least}")
        column, step = barcode.centre_columns(self.width)
        upper, lower = (sum(barcode.row_span(row, self.height)) // 2 for row in (0, 1))
        return self._slice(upper, column, step, barcode.BLOCKS), self._slice(lower, column, step, barcode.BLOCKS)

    def signature_slices(self) -> tuple[slice, ...]:
        """Where in `memory` the 64 pixels of a signature are read: an even grid over the whole screen."""
        lines = [(2 * i + 1) * self.height // (2 * SIGNATURE_SIDE) for i in range(SIGNATURE_SIDE)]
        step = self.width // SIGNATURE_SIDE
        return tuple(self._slice(line, step // 2, step, SIGNATURE_SIDE) for line in lines)

    def _slice(self, line: int, column: int, step: int, count: int) -> slice:
        # Green carries most of the brightness.
        first = self._begin + line * self._line_bytes + column * _PIXEL_BYTES + _GREEN
        return slice(first, first + (count - 1) * step * _PIXEL_BYTES + 1, step * _PIXEL_BYTES)

    def snapshot(self) -> Picture:
        """The picture that stands on the screen now."""
        return self._picture(self._lines())

    def _lines(self) -> bytes:
        return self.memory[self._begin : self._begin + self._line_bytes * self.height]

    def _picture(self, lines: bytes) -> Picture:
        padded = np.frombuffer(lines, np.uint8).reshape(self.height, self._line_bytes)
        pixels = padded[:, : self.width * _PIXEL_BYTES].reshape(self.height, self.width, _PIXEL_BYTES)
        return np.ascontiguousarray(pixels[:, :, 2::-1])


def snapshots(paths: Mapping[str, Path]) -> dict[str, Picture]:
    """The pictures on several screens at nearly the same instant, by the names of the screens. Raises LabError."""
    screens = {name: Framebuffer.open(path) for name, path in paths.items()}
    lines = {name: screen._lines() for name, screen in screens.items()}  # all copies first, conversion after
    try:
        return {name: screen._picture(lines[name]) for name, screen in screens.items()}
    finally:
        for screen in screens.values():
            screen.close()
