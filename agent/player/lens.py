"""A copy of what the display shows, without holding the X server up: python-xlib.

The X server does one request at a time, and a film's next frame waits behind it. So the picture is taken in two steps:
one CopyArea of the wall's part of the root window, with everything that lies on it, into a pixmap of the server's own
(measured under Xvfb: 0.1 ms at 320x180, 0.6 ms at 1920x1080, 3 ms at 3840x2160; nothing moves in between, so that no
picture is torn), and then that pixmap is read in small bands with a pause behind each, in which the server serves
whoever has come.

What the X server does not have is not in the picture: a video plane that the hardware lays over it, or the wall itself.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from Xlib import X
from Xlib import error as xerror

from agent.clock.kernel import raw_now_ns
from agent.player.fitting import bands
from agent.player.raster import Rect
from agent.player.stage import StageError, open_display, region_of
from agent.units import RawNs

BAND_BYTES = 128 * 1024
PAUSE_S = 0.001
PIXEL_BYTES = 4
SURE_NS = 3_000_000
TRIES = 3
_DEPTHS = (24, 32)
_MASKS = (0xFF0000, 0xFF00, 0xFF)


@dataclass(frozen=True, slots=True)
class Negative:
    """The wall's pixels where the X server keeps them; `raw` is when they were copied, by the raw counter."""

    raw: RawNs
    pixmap: Any
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Copy:
    """The wall's pixels as the display has them: rows from the top, four bytes a pixel (blue, green, red, none)."""

    width: int
    height: int
    pixels: bytearray


class Lens:
    """One connection to an X server, opened when it is needed and kept until it breaks."""

    def __init__(self, display: str, region: str) -> None:
        self._name = display
        self._region = region
        self._x: Any = None
        self._negative: tuple[int, int, Any] | None = None

    def expose(self) -> Negative:
        """Copy the wall within the server: a matter of a millisecond, to be done without delay. Raises StageError.

        A server that was started anew since the last time is connected to anew.
        """
        if self._x is not None:
            with contextlib.suppress(xerror.ConnectionClosedError, OSError):
                return self._expose()
            self._x = None
        with self._told():
            return self._expose()

    def read(self, negative: Negative) -> Copy:
        """Fetch the pixels, band by band: there is no hurry. Raises StageError."""
        row_bytes = negative.width * PIXEL_BYTES
        pixels = bytearray(negative.height * row_bytes)
        with self._told():
            for top, rows in bands(negative.height, row_bytes, BAND_BYTES):
                band = negative.pixmap.get_image(0, top, negative.width, rows, X.ZPixmap, 0xFFFFFFFF).data
                pixels[top * row_bytes : (top + rows) * row_bytes] = band
                time.sleep(PAUSE_S)
        return Copy(negative.width, negative.height, pixels)

    def _expose(self) -> Negative:
        if self._x is None:
            self._x, self._negative = open_display(self._name), None
        screen = self._x.screen()
        self._check(screen)
        now = screen.root.get_geometry()  # a display may change its mode
        wall = region_of(self._region, now.width, now.height)
        pixmap = self._pixmap(screen, wall.width, wall.height)
        context = screen.root.create_gc(subwindow_mode=X.IncludeInferiors, graphics_exposures=False)
        for _ in range(TRIES):
            raw, doubt_ns = self._copy(screen.root, pixmap, context, wall)
            if doubt_ns <= SURE_NS:
                break
        context.free()
        return Negative(raw, pixmap, wall.width, wall.height)

    def _pixmap(self, screen: Any, width: int, height: int) -> Any:
        """Where the server copies to: kept from one picture to the next, and filled once, in bands.

        Memory that a server has never touched costs it more than the copy does (measured: 17 ms for 33 MB).
        """
        if self._negative is None or self._negative[:2] != (width, height):
            if self._negative is not None:
                self._negative[2].free()
            pixmap = screen.root.create_pixmap(width, height, screen.root_depth)
            context = pixmap.create_gc(foreground=screen.black_pixel)
            for top, rows in bands(height, width * PIXEL_BYTES, BAND_BYTES):
                pixmap.fill_rectangle(context, 0, top, width, rows)
                self._x.sync()
            context.free()
            self._negative = width, height, pixmap
        return self._negative[2]

    def _copy(self, root: Any, pixmap: Any, context: Any, wall: Rect) -> tuple[RawNs, int]:
        """One request; when it was done, between its sending and the server's word for it, and how far those lie apart.

        They lie far apart where this process was not given its turn: then it is worth another try.
        """
        self._x.sync()
        before = raw_now_ns()
        pixmap.copy_area(context, root, wall.x, wall.y, wall.width, wall.height, 0, 0)
        self._x.sync()
        after = raw_now_ns()
        return RawNs((before + after) // 2), after - before

    def _check(self, screen: Any) -> None:
        visual = next(v for d in screen.allowed_depths for v in d.visuals if v.visual_id == screen.root_visual)
        masks = (visual.red_mask, visual.green_mask, visual.blue_mask)
        info = self._x.display.info
        bits = next(each.bits_per_pixel for each in info.pixmap_formats if each.depth == screen.root_depth)
        if screen.root_depth not in _DEPTHS or bits != 8 * PIXEL_BYTES or masks != _MASKS or info.image_byte_order != 0:
            depth = f"{screen.root_depth} bits of depth in pixels of {bits}"
            raise StageError(f"the display {self._name!r} has {depth}, which cannot be photographed; run it with 24")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What python-xlib raises in its own words."""
        try:
            yield
        except (xerror.ConnectionClosedError, OSError) as error:
            self._x = None
            raise StageError(f"the display {self._name!r} has gone; start the X server again") from error
        except xerror.XError as error:
            self._x = None
            detail = f"the display {self._name!r} refuses to be copied ({type(error).__name__}); its log may say why"
            raise StageError(detail) from error
