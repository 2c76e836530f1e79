"""The stage: windows one above the other on an X screen, the topmost of them is what the wall shows.

A black floor over the whole screen, and over the wall's region: black, the built-in slate and a window for each
deck. `backing_store=Always` makes the server keep a covered window's pixels, so that raising it shows
the prepared frame at once (measured: 0.8 to 1.1 ms; without it the redraw loses against the next frame).
"""

from collections import defaultdict
from typing import Any, Protocol

from Xlib import X
from Xlib import display as xdisplay
from Xlib import error as xerror

from agent.player import slate
from agent.player.canvas import Canvas, Easel
from agent.player.randr import refresh_hz
from agent.player.raster import Rect, upright
from agent.player.wire import Screen

DECKS = 2
BLACK = "black"
SLATE = "slate"


class StageError(Exception):
    """The display cannot be used; the text names the remedy."""


class Stage(Protocol):
    """What the player needs of a display. `refresh_hz` is None where nobody knows it."""

    name: str
    refresh_hz: float | None

    def easel(self) -> Easel | None:
        """Where something can be drawn above all that is shown; None where there is no display."""

    def window(self, deck: int) -> int | None:
        """The window that a deck draws into; None where there is none."""

    def show(self, what: int | str) -> None:
        """Send a deck (its index), BLACK or SLATE to the front, without waiting for the display."""

    def cover(self, what: str | None) -> None:
        """Keep BLACK or SLATE in front of whatever is shown; None takes it away."""

    def keep(self, deck: int, pixels: bool) -> None:
        """Have a deck's pixels kept while it is covered, or not: a visible one is drawn sooner without."""

    def settle(self) -> None:
        """Wait until the display has done what it was sent."""

    def fileno(self) -> int | None:
        """What becomes readable when the display has something to say, its end above all."""

    def listen(self) -> None:
        """Take what the display says. Raises StageError when it is gone."""


class NullStage:
    """No display: for tests of everything but the picture, and for measuring what a machine can decode."""

    name = "null"
    refresh_hz: float | None = None

    def easel(self) -> Easel | None:
        """Nothing to draw on."""
        return None

    def window(self, deck: int) -> int | None:
        """No window."""
        return None

    def show(self, what: int | str) -> None:
        """Nothing to bring to the front."""

    def cover(self, what: str | None) -> None:
        """Nothing to hide."""

    def keep(self, deck: int, pixels: bool) -> None:
        """Nothing to keep."""

    def settle(self) -> None:
        """Nothing to wait for."""

    def fileno(self) -> int | None:
        """Nothing to listen to."""
        return None

    def listen(self) -> None:
        """Nothing is said."""


def region_of(text: str, width: int, height: int) -> Rect:
    """The part of the screen that is wall; the whole screen where nothing is configured.

    Raises StageError when it does not fit.
    """
    if not text:
        return Rect(0, 0, width, height)
    rect = Rect(*(int(part) for part in text.split(",")))
    if not rect.width or not rect.height or rect.x + rect.width > width or rect.y + rect.height > height:
        raise StageError(f"display.region {text!r} does not fit the screen of {width}x{height}; correct it")
    return rect


def open_display(name: str) -> Any:
    """Connect to an X server. Raises StageError when it is not there."""
    try:
        return xdisplay.Display(name)
    except (xerror.DisplayError, xerror.ConnectionClosedError, OSError, OverflowError) as error:  # the last: its number
        raise StageError(
            f"the display {name!r} cannot be opened ({error}); start the X server "
            "(sudo systemctl restart framezero-kiosk), or set display.name to the one that runs"
        ) from error


class X11Stage:
    """The stage on an X server. Raises StageError when the display is not there."""

    def __init__(self, screen: Screen) -> None:
        self._x = open_display(screen.name)
        root_screen = self._x.screen()
        width, height = root_screen.width_in_pixels, root_screen.height_in_pixels
        self._wall = wall = region_of(screen.region, width, height)
        self._rotate = screen.rotate
        self.raster = upright(screen.rotate, wall.width, wall.height)
        self.refresh_hz = refresh_hz(self._x, wall.x, wall.y) or screen.mode_hz
        self.name = f"{width}x{height}" + (f"@{self.refresh_hz:.6g}" if self.refresh_hz else "")
        self._root = root_screen.root
        # A wall is never idle, however long nobody touches a mouse.
        self._x.set_screen_saver(0, 0, X.DontPreferBlanking, X.DefaultExposures)
        self._cursor = self._no_cursor()
        self._make(Rect(0, 0, width, height), root_screen.black_pixel)
        black = self._make(wall, 0)
        # The others come up behind black: nothing is shown before it is asked for.
        self._windows: dict[int | str, Any] = {deck: self._make(wall, 0, black) for deck in range(DECKS)}
        self._windows[SLATE] = self._make(wall, slate.GROUND, black)
        self._windows[BLACK] = black
        self._draw_slate(self._windows[SLATE], wall)
        self._kept: dict[int, bool] = {}
        self._cover: str | None = None
        self._lifted: Canvas | None = None
        self._front: int | str = BLACK
        self.show(BLACK)

    def _no_cursor(self) -> Any:
        empty = self._root.create_pixmap(1, 1, 1)
        return empty.create_cursor(empty, (0, 0, 0), (0, 0, 0), 0, 0)

    def _make(self, rect: Rect, colour: int, front: Any = None) -> Any:
        window = self._hidden(rect, colour)
        if front is not None:
            window.configure(sibling=front, stack_mode=X.Below)
        window.map()
        return window

    def _hidden(self, rect: Rect, colour: int) -> Any:
        return self._root.create_window(
            rect.x,
            rect.y,
            rect.width,
            rect.height,
            0,
            X.CopyFromParent,
            X.InputOutput,
            X.CopyFromParent,
            background_pixel=colour,
            override_redirect=True,
            backing_store=X.Always,
            cursor=self._cursor,
        )

    def _draw_slate(self, window: Any, wall: Rect) -> None:
        shades: dict[int, list[tuple[int, int, int, int]]] = defaultdict(list)
        for colour, rect in slate.ring(wall.width, wall.height):
            shades[colour].append((rect.x, rect.y, rect.width, rect.height))
        # An exposed window is cleared, so the server must have shown it before.
        self._x.sync()
        for colour, rects in shades.items():
            window.poly_fill_rectangle(window.create_gc(foreground=colour), rects)

    def window(self, deck: int) -> int | None:
        """The X window id for mpv's `wid`."""
        return int(self._windows[deck].id)

    def show(self, what: int | str) -> None:
        """Raise one window, below the cover where there is one. Raises StageError."""
        try:
            if self._cover is None:
                self._raise(self._windows[what])
            elif what != self._cover:
                self._windows[what].configure(sibling=self._windows[self._cover], stack_mode=X.Below)
            self._front = what
            self._x.flush()
        except xerror.ConnectionClosedError as error:
            raise self._gone() from error

    def cover(self, what: str | None) -> None:
        """Raise the cover above all others, or what was last shown. Raises StageError."""
        self._cover = what
        try:
            self._raise(self._windows[self._front if what is None else what])
            self._x.flush()
        except xerror.ConnectionClosedError as error:
            raise self._gone() from error

    def _raise(self, window: Any) -> None:
        """Above all others but what was lifted."""
        if self._lifted is None:
            window.configure(stack_mode=X.Above)
        else:
            window.configure(sibling=self._lifted.window, stack_mode=X.Below)

    def easel(self) -> Easel | None:
        """The stage itself."""
        return self

    def canvas(self, rect: Rect) -> Canvas:
        """A window that is not mapped yet, at this place of the upright picture."""
        place = rect.turned(self._rotate, *self.raster)
        place = Rect(self._wall.x + place.x, self._wall.y + place.y, place.width, place.height)
        return Canvas(self._x, self._hidden(place, 0), self._rotate, rect.width, rect.height)

    def lift(self, canvas: Canvas) -> None:
        """Map a canvas and keep it above all others, from the next flush on."""
        canvas.window.configure(stack_mode=X.Above)
        canvas.window.map()
        self._lifted = canvas

    def drop(self, canvas: Canvas) -> None:
        """Destroy a canvas, at the next flush."""
        if canvas is self._lifted:
            self._lifted = None
        canvas.close()

    def flush(self) -> None:
        """Send everything. Raises StageError."""
        try:
            self._x.flush()
        except xerror.ConnectionClosedError as error:
            raise self._gone() from error

    def keep(self, deck: int, pixels: bool) -> None:
        """Raises StageError.

        The server keeps the pixels in a pixmap of their own, from which each frame is copied to the screen.
        """
        if self._kept.get(deck, True) == pixels:
            return
        self._kept[deck] = pixels
        try:
            self._windows[deck].change_attributes(backing_store=X.Always if pixels else X.NotUseful)
            self._x.flush()
        except xerror.ConnectionClosedError as error:
            raise self._gone() from error

    def settle(self) -> None:
        """A round trip: the server answers behind everything that it was sent before. Raises StageError."""
        try:
            self._x.sync()
        except xerror.ConnectionClosedError as error:
            raise self._gone() from error

    def fileno(self) -> int | None:
        """The connection to the X server."""
        return int(self._x.fileno())

    def listen(self) -> None:
        """Drop the server's events; they are only read so that its end is noticed. Raises StageError."""
        try:
            while self._x.pending_events():
                self._x.next_event()
        except xerror.ConnectionClosedError as error:
            raise self._gone() from error

    def _gone(self) -> StageError:
        return StageError(f"the display {self._x.get_display_name()!r} has gone; start the X server again")


def open_stage(screen: Screen) -> Stage:
    """The stage that the configuration names."""
    return NullStage() if screen.output == "null" else X11Stage(screen)
