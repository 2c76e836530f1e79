"""The child's side of the lab's JSON lines: one message a line on standard input and output."""

import json
import sys
from collections.abc import Mapping
from typing import Any


def announce(message: Mapping[str, Any]) -> None:
    """Tell the lab something, at once."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def parse(line: bytes) -> dict[str, Any] | None:
    """One line from the lab; None for what is not a JSON object."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
