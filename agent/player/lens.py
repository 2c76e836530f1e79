"""A copy of what the display shows, without holding the X server up: python-xlib.

The X server does one request at a time, and a film's next frame waits behind it. So the picture is taken in two steps:
one CopyArea of the wall's part of the root window, with everything that lies on it, into a pixmap of the server's own
(measured under Xvfb: 0.2 ms at 320x180, 0.6 ms at 1920x1080; nothing moves in between, so that no picture is torn),
and then that pixmap is read in small bands with a pause behind each, in which the server serves whoever has come.

What the X server does not have is not in the picture: a video plane that the hardware lays over it, or the wall itself.
"""

import contextlib
import time
from collections.abc import Callable
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
_DEPTHS = (24, 32)
_MASKS = (0xFF0000, 0xFF00, 0xFF)


@dataclass(frozen=True, slots=True)
class Copy:
    """The wall's pixels as the display has them: rows from the top, four bytes a pixel (blue, green, red, none)."""

    raw: RawNs
    """When it was copied, by the raw counter."""

    width: int
    height: int
    pixels: bytearray


class Lens:
    """One connection to an X server, opened when it is needed and kept until it breaks."""

    def __init__(self, display: str, region: str) -> None:
        self._name = display
        self._region = region
        self._x: Any = None

    def look(self, copied: Callable[[RawNs], None]) -> Copy:
        """Copy the wall; `copied` is called once the display has done its part. Raises StageError.

        A server that was started anew since the last look is connected to anew.
        """
        if self._x is not None:
            with contextlib.suppress(xerror.ConnectionClosedError, OSError):
                return self._look(copied)
            self._x = None
        try:
            return self._look(copied)
        except (xerror.ConnectionClosedError, OSError) as error:
            self._x = None
            raise StageError(f"the display {self._name!r} has gone; start the X server again") from error

    def _look(self, copied: Callable[[RawNs], None]) -> Copy:
        if self._x is None:
            self._x = open_display(self._name)
        screen = self._x.screen()
        self._check(screen)
        now = screen.root.get_geometry()  # a display may change its mode
        wall = region_of(self._region, now.width, now.height)
        pixmap = screen.root.create_pixmap(wall.width, wall.height, screen.root_depth)
        try:
            raw = self._copy(screen.root, pixmap, wall)
            copied(raw)
            return Copy(raw, wall.width, wall.height, self._read(pixmap, wall))
        except xerror.XError as error:
            detail = f"the display {self._name!r} refuses to be copied ({type(error).__name__}); its log may say why"
            raise StageError(detail) from error
        finally:
            pixmap.free()
            self._x.flush()

    def _check(self, screen: Any) -> None:
        visual = next(v for d in screen.allowed_depths for v in d.visuals if v.visual_id == screen.root_visual)
        masks = (visual.red_mask, visual.green_mask, visual.blue_mask)
        info = self._x.display.info
        bits = next(each.bits_per_pixel for each in info.pixmap_formats if each.depth == screen.root_depth)
        if screen.root_depth not in _DEPTHS or bits != 8 * PIXEL_BYTES or masks != _MASKS or info.image_byte_order != 0:
            depth = f"{screen.root_depth} bits of depth in pixels of {bits}"
            raise StageError(f"the display {self._name!r} has {depth}, which cannot be photographed; run it with 24")

    def _copy(self, root: Any, pixmap: Any, wall: Rect) -> RawNs:
        """One request; the instant is the middle between its sending and the server's word that it is done."""
        context = root.create_gc(subwindow_mode=X.IncludeInferiors, graphics_exposures=False)
        self._x.sync()
        before = raw_now_ns()
        pixmap.copy_area(context, root, wall.x, wall.y, wall.width, wall.height, 0, 0)
        self._x.sync()
        after = raw_now_ns()
        context.free()
        return RawNs((before + after) // 2)

    def _read(self, pixmap: Any, wall: Rect) -> bytearray:
        row_bytes = wall.width * PIXEL_BYTES
        pixels = bytearray(wall.height * row_bytes)
        for top, rows in bands(wall.height, row_bytes, BAND_BYTES):
            band = pixmap.get_image(0, top, wall.width, rows, X.ZPixmap, 0xFFFFFFFF).data
            pixels[top * row_bytes : (top + rows) * row_bytes] = band
            time.sleep(PAUSE_S)
        return pixels
