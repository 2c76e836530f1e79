"""What the camera process does for an order: its main thread exposes, its idle one develops."""

import base64
import socket
from dataclasses import dataclass

from PIL import Image
from pydantic import BaseModel

from agent.player.camera_wire import Copied, Developed, Ready, Spoilt, Take
from agent.player.jpeg import develop, picture
from agent.player.lens import Lens, Negative
from agent.player.stage import StageError
from agent.player.wire import Screen, line


@dataclass(frozen=True, slots=True)
class Exposed:
    """An order, and what is to be developed for it: None is the copy before."""

    take: Take
    negative: Negative | None


class Studio:
    """One display's pictures."""

    def __init__(self, agent: socket.socket, screen: Screen) -> None:
        self._agent = agent
        self._rotate = screen.rotate
        self._lens = Lens(screen.name, screen.region)
        self._last: Image.Image | None = None
        self._say(Ready())

    def expose(self, order: bytes) -> Exposed | None:
        """Copy the display if the order wants that; None where that cannot be, and the agent has been told."""
        take = Take.model_validate_json(order)
        if take.again and self._last is not None:
            return Exposed(take, None)
        self._last = None
        try:
            negative = self._lens.expose()
        except StageError as error:
            self._say(Spoilt(reason="display_absent", detail=str(error)))
            return None
        self._say(Copied(raw=negative.raw))
        return Exposed(take, negative)

    def develop(self, exposed: Exposed) -> None:
        """Make the picture and hand it to the agent."""
        if exposed.negative is not None:
            try:
                self._last = picture(self._lens.read(exposed.negative), self._rotate)
            except StageError as error:
                self._say(Spoilt(reason="display_absent", detail=str(error)))
                return
        assert self._last is not None, "exposed now or before"
        jpeg, width, height = develop(self._last, exposed.take.width)
        self._say(
            Developed(
                jpeg=base64.b64encode(jpeg).decode("ascii"),
                width=width,
                height=height,
                wall_width=self._last.width,
                wall_height=self._last.height,
            )
        )

    def _say(self, message: BaseModel) -> None:
        self._agent.sendall(line(message))


def open_studio(agent: socket.socket, screen: str) -> Studio:
    """Begin; `screen` is the screen as JSON."""
    return Studio(agent, Screen.model_validate_json(screen))
