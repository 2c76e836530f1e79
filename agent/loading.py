"""Loading the libraries of a process that a wall waits for: a fifth sooner."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_FOR_LOOKS = "rich"
"""structlog loads it where it is installed, to print traces in colour; here they are fields of a log line."""


@contextmanager
def swiftly() -> Iterator[None]:
    """What is imported within stays for the life of the process: it is not searched for garbage, then or later.

    And what is only for looks is not loaded along with structlog.
    """
    gc.disable()
    left_out = _FOR_LOOKS not in sys.modules
    if left_out:
        sys.modules[_FOR_LOOKS] = None  # type: ignore[assignment]  # to be imported it is absent (importlib's reference)
    try:
        yield
    finally:
        if left_out:
            del sys.modules[_FOR_LOOKS]
        gc.freeze()
        gc.enable()
