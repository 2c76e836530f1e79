"""The refresh rate of an X screen, as its RandR extension tells it (X11/extensions/randrproto.txt).

Not verified on hardware: Xvfb knows no rate.
"""

from typing import Any, NamedTuple

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


class ScreenMode(NamedTuple):
    """A mode that a screen knows: its size in pixels, and its refreshes per second where they are told."""

    width: int
    height: int
    hz: float | None


def modes_of(display: Any) -> list[ScreenMode]:
    """Every mode that an output in use knows, the largest and fastest first; none where X does not know."""
    try:
        if not display.has_extension("RANDR"):
            return []
        found = display.screen().root.xrandr_get_screen_resources()
        modes = {mode["id"]: mode for mode in found.modes}
        outputs = [display.xrandr_get_output_info(output, found.config_timestamp) for output in found.outputs]
        known = {mode for output in outputs if output.crtc for mode in output.modes}
    except (xerror.XError, AttributeError, KeyError):
        return []
    told = {
        ScreenMode(modes[mode]["width"], modes[mode]["height"], rate_of(modes[mode])) for mode in known & set(modes)
    }
    return sorted(told, key=lambda mode: (mode.width * mode.height, mode.hz or 0.0), reverse=True)
