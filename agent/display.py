"""What agent.toml says of the display, as the player and the conductor are given it."""

import os

from agent.config import Display
from agent.messages import Refusal
from agent.player.refresh import parse_mode
from agent.player.wire import Screen


def screen_of(display: Display) -> Screen:
    """What the player has to know of the display."""
    mode = parse_mode(display.mode)
    return Screen(
        output=display.output,
        name=display.name,
        region=display.region,
        fit=display.fit,
        rotate=display.rotate,
        latency_us=round(display.latency_ms * 1000),
        decoder=display.decoder,
        volume=display.volume,
        slate=display.slate,
        mode_hz=mode.hz if mode else None,
    )


def slate_fault(path: str) -> Refusal | None:
    """What is amiss with the venue's own slate, as far as it can be told before it is played."""
    if not path or os.access(path, os.R_OK):
        return None
    return Refusal(code="slate_broken", detail=f"display.slate: {path} is not there or cannot be read; correct it")
