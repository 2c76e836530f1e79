"""The refresh rate of an X screen, as its RandR extension tells it (X11/extensions/randrproto.txt).

Not verified on hardware: Xvfb knows no rate.
"""

from typing import Any

from Xlib import error as xerror

_INTERLACE = 0x10
_DOUBLE_SCAN = 0x20


def rate_of(mode: Any) -> float | None:
    """The refreshes per second of a mode as RandR describes it; None where it gives no timing."""
    lines = float(mode["v_total"])
    if mode["flags"] & _DOUBLE_SCAN:
        lines *= 2
    if mode["flags"] & _INTERLACE:
        lines /= 2
    total = mode["h_total"] * lines
    return mode["dot_clock"] / total if total and mode["dot_clock"] else None


def refresh_hz(display: Any, x: int, y: int) -> float | None:
    """The refresh rate of the output that shows this point of the screen; None where X does not know."""
    try:
        if not display.has_extension("RANDR"):
            return None
        found = display.screen().root.xrandr_get_screen_resources()
        modes = {mode["id"]: mode for mode in found.modes}
        for crtc in found.crtcs:
            area = display.xrandr_get_crtc_info(crtc, found.config_timestamp)
            shows = area.x <= x < area.x + area.width and area.y <= y < area.y + area.height
            if area.mode in modes and shows:
                return rate_of(modes[area.mode])
    except (xerror.XError, AttributeError, KeyError):
        pass  # an X server without the requests of RandR 1.2 knows as little as one without RandR
    return None
