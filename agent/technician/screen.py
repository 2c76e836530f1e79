"""What is to be said of a player's display: looking at it, and, pure, judging what was seen."""

from dataclasses import dataclass

from agent.config import Display
from agent.player.profile import PI_4, PI_5, Machine
from agent.player.randr import refresh_hz
from agent.player.refresh import parse_mode
from agent.player.stage import StageError, open_display, region_of
from agent.technician.findings import Finding, Verdict

AREA = "display"
PI_MOST = 1920 * 1200
RATE_OFF_HZ = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """A screen: its size in pixels, and its refresh where X knows it."""

    width: int
    height: int
    refresh_hz: float | None


def look(display: Display) -> Seen | str | None:
    """What X says of the configured screen; a sentence where it cannot be opened, None where there is none to be."""
    if display.output == "null":
        return None
    try:
        connection = open_display(display.name)
    except StageError as error:
        return str(error)
    try:
        root = connection.screen()
        x, y = (int(part) for part in display.region.split(",")[:2]) if display.region else (0, 0)
        return Seen(root.width_in_pixels, root.height_in_pixels, refresh_hz(connection, x, y))
    finally:
        connection.close()


def refresh_of(display: Display, seen: Seen | str | None) -> float | None:
    """The refresh that the player goes by: what X says, else what `display.mode` says."""
    mode = parse_mode(display.mode)
    return (seen.refresh_hz if isinstance(seen, Seen) else None) or (mode.hz if mode else None)


def judge(display: Display, seen: Seen | str | None, machine: Machine) -> list[Finding]:
    """Everything that is worth saying."""
    if seen is None:
        what = "display.output is null: films are decoded and shown nowhere"
        return [_finding("warning", "display_null", what, 'set display.output = "x11"')]
    if isinstance(seen, str):
        mend = f"sudo systemctl enable --now framezero-kiosk; or: sudo -u framezero DISPLAY={display.name} xset q"
        return [_finding("fault", "display_absent", seen, mend)]
    return [_screen(display, seen), *_region(display, seen), *_mode(display, seen), *_pi(seen, machine)]


def _finding(verdict: Verdict, code: str, what: str, mend: str = "") -> Finding:
    return Finding(AREA, verdict, code, what, mend)


def _screen(display: Display, seen: Seen) -> Finding:
    size = f"{display.name} is {seen.width}x{seen.height}"
    if seen.refresh_hz:
        return _finding("ok", "display", f"{size} at {seen.refresh_hz:.6g} Hz; starts go half a refresh early")
    hz = refresh_of(display, seen)
    if hz:
        return _finding("ok", "display", f"{size}; X tells no refresh, so display.mode's {hz:.6g} Hz counts")
    return _finding("ok", "display", f"{size}; its refresh is not known, so starts may be up to a refresh late")


def _region(display: Display, seen: Seen) -> list[Finding]:
    if not display.region:
        return []
    try:
        region_of(display.region, seen.width, seen.height)
    except StageError as error:
        mend = f'display.region = "x,y,w,h" within {seen.width}x{seen.height}, or another mode: xrandr'
        return [_finding("fault", "display_region", str(error), mend)]
    return [_finding("ok", "display_region", f"display.region {display.region} fits the screen")]


def _mode(display: Display, seen: Seen) -> list[Finding]:
    """framezero sets no mode: the technician does, and is told when it is another than the one that was meant."""
    mode = parse_mode(display.mode)
    if mode is None:
        return []
    set_it = f"sudo DISPLAY={display.name} xrandr --output NAME --mode {mode.width}x{mode.height}"
    set_it += f" --rate {mode.hz:g}" if mode.hz else ""
    set_it += "; framezero-kiosk does so by itself: sudo systemctl restart framezero-kiosk"
    found = []
    if (mode.width, mode.height) != (seen.width, seen.height):
        what = f"the screen is {seen.width}x{seen.height}, display.mode says {mode.width}x{mode.height}"
        found.append(_finding("warning", "display_mode", what, set_it))
    if mode.hz and seen.refresh_hz and abs(mode.hz - seen.refresh_hz) > RATE_OFF_HZ:
        what = f"the screen refreshes at {seen.refresh_hz:.6g} Hz, display.mode says {mode.hz:g}; the screen's counts"
        found.append(_finding("warning", "display_rate", what, set_it))
    return found


def _pi(seen: Seen, machine: Machine) -> list[Finding]:
    """Reported by others of the Raspberry Pi: 4K display modes drop frames even with smaller films (mpv #17447)."""
    if not {PI_4, PI_5} & set(machine.compatible) or seen.width * seen.height <= PI_MOST:
        return []
    what = f"a Raspberry Pi drops frames on a screen of {seen.width}x{seen.height}, whatever the film's size"
    return [
        _finding("warning", "display_4k", what, 'display.mode = "1920x1080@60"; sudo systemctl restart framezero-kiosk')
    ]
