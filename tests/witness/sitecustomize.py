"""Python runs this at the start of every process whose PYTHONPATH names this folder: a witness of its clocks.

Ten times a second it writes REALTIME, MONOTONIC and MONOTONIC_RAW, in nanoseconds, as this process sees them into the
folder that CLOCK_WITNESS names; the file is called after what the process is.
"""

import os
import select
import sys
import threading
import time
from pathlib import Path


def _testify(record: Path) -> None:
    clocks = (time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_MONOTONIC_RAW)
    with record.open("w", buffering=1) as out:
        while True:
            out.write(" ".join(str(time.clock_gettime_ns(clock)) for clock in clocks) + "\n")
            # Not time.sleep: under libfaketime 0.9.10 it fails when MONOTONIC is left as it is.
            select.select([], [], [], 0.1)


if folder := os.environ.get("CLOCK_WITNESS"):
    if "agent.player.process" in sys.orig_argv:
        role = "player"
    else:  # the command; or a child that looks about for the agent, and must not write over its file
        role = "agent" if "agent" in sys.orig_argv else f"other-{os.getpid()}"
    threading.Thread(target=_testify, args=(Path(folder, role),), daemon=True).start()
