"""Unix sockets by their path, whatever its length.

An address has room for 107 bytes of path (unix(7)). A longer one is reached through a handle on its folder, which
Linux shows as `/proc/self/fd/N` (proc(5)).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_PATH_BYTES = 107


@contextmanager
def address(path: Path) -> Iterator[str]:
    """A name by which to bind or connect a socket at `path`, good while inside. Raises OSError: the folder's."""
    if len(os.fsencode(path)) <= MOST_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
