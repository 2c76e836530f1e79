"""The keeper: ends what a lab started when the lab itself was killed and can do it no more.

It reads names of files on standard input, one a line, until the lab closes it or dies. Then it kills every
process with the lab's mark and removes those files. Ctrl-C and SIGTERM are not for it: it always outlives
the lab, and never for long.
"""

import os
import signal
import sys
from pathlib import Path

from agent.lab.processes import kill_marked, remove


def main() -> None:
    """Wait for the end of the lab whose mark is the first argument, then tidy up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # The lab may die in the middle of a line.
    remains = [Path(os.fsdecode(line[:-1])) for line in sys.stdin.buffer if line.endswith(b"\n")]
    kill_marked(sys.argv[1])
    remove(*remains)


if __name__ == "__main__":
    main()
