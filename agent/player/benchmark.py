"""Measuring how fast this machine decodes a film, from outside: starts the benchmark's process and reads its answer.

One call, one film, a few seconds. It does not harm a running show (see agent/player/bench.py), and neither a broken
film nor a hung libmpv holds it up beyond its deadline.
"""

import signal
import subprocess
import sys
from pathlib import Path

from pydantic import ValidationError

from agent.player.capacity import ANSWERS, Answer, Library, Measured, Unmeasured

DEADLINE_S = 35.0
"""A little more than the process gives itself."""


def measure(
    film: Path, *, codec: str = "", rate: str = "", decoder: str = "auto", deadline_s: float = DEADLINE_S
) -> Measured | Unmeasured:
    """Decode a film for some seconds with the decoder that the player would use.

    `codec` and `rate` are the program's words for it, '' where it has none; `decoder` is agent.toml's.
    """
    words = ["--film", str(film), "--codec", codec, "--decoder", decoder, *(["--rate", rate] if rate else [])]
    answer = _asked(words, deadline_s)
    assert not isinstance(answer, Library), "it was given a film"
    return answer


def library(*, output: str, decoder: str) -> Library | Unmeasured:
    """Which libmpv there is, and whether it takes the profile that the player would use."""
    answer = _asked(["--output", output, "--decoder", decoder], DEADLINE_S)
    assert not isinstance(answer, Measured), "it was given no film"
    return answer


def _asked(words: list[str], deadline_s: float) -> Answer:
    argv = [sys.executable, "-m", "agent.player.bench", *words]
    late = Unmeasured(code="deadline", detail=f"it was not done within {deadline_s:.0f} s")
    try:
        done = subprocess.run(argv, capture_output=True, timeout=deadline_s, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:  # by now it is killed
        return late
    if done.returncode == -signal.SIGALRM:
        return late
    try:
        return ANSWERS.validate_json(done.stdout)
    except ValidationError:
        how = f"was ended by {signal.Signals(-done.returncode).name}" if done.returncode < 0 else "failed"
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return Unmeasured(code="failed", detail=f"decoding it {how}" + (f": {said[-1]}" if said else ""))
