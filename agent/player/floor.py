"""The floor: a black window under the player's, owned by the agent, so that it is there when the player is not.

Whatever becomes of the player, what stands behind its windows is black and never a desktop, a terminal or a cursor. The
panic rests on it: a player that does not obey is killed, and its windows go with it.
"""

from typing import Any

import structlog
from Xlib import X
from Xlib import display as xdisplay
from Xlib import error as xerror

log = structlog.get_logger()


class Floor:
    """One screen's floor. `lay` is called before each player, for the X server may be another one by then."""

    def __init__(self, display: str) -> None:
        self._name = display
        self._x: Any = None

    def lay(self) -> None:
        """See to it that the floor is there; where there is no display the player will say so itself. Blocks."""
        if self._x is not None and self._stands():
            return
        try:
            self._x = xdisplay.Display(self._name)
            self._draw(self._x.screen())
        except (xerror.DisplayError, xerror.ConnectionClosedError, OSError) as error:
            self._x = None
            log.info("no floor: the display cannot be opened", display=self._name, error=str(error))

    def _stands(self) -> bool:
        try:
            self._x.sync()
        except (xerror.ConnectionClosedError, OSError):
            return False
        return True

    def _draw(self, screen: Any) -> None:
        dot = screen.root.create_pixmap(1, 1, 1)
        blank = dot.create_cursor(dot, (0, 0, 0), (0, 0, 0), 0, 0)
        screen.root.change_attributes(cursor=blank)  # stays when the agent goes
        window = screen.root.create_window(
            0,
            0,
            screen.width_in_pixels,
            screen.height_in_pixels,
            0,
            X.CopyFromParent,
            background_pixel=screen.black_pixel,
            override_redirect=True,
            cursor=blank,
        )
        window.map()
        self._x.sync()
