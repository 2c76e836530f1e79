"""The host's own chronyd, where one runs, as one more source: it says itself how wrong the host's clock may be.

`chronyc -c tracking` gives the bound |system_time| + root_dispersion + root_delay/2 of the host's wall clock; that
holds at the moment of asking, and is carried on over the raw counter like any other sample.
"""

import csv
import subprocess
from collections.abc import Sequence

from agent.clock.kernel import instant_now
from agent.clock.sample import Sample
from agent.clock.stamp import Instant
from agent.messages import Refusal

_FIELDS = 14
_STRATUM, _SYSTEM_TIME, _ROOT_DELAY, _ROOT_DISPERSION, _LEAP = 2, 4, 10, 11, 13
_LEAPS = {"Normal": 0, "Insert second": 1, "Delete second": 2}
_MAX_BOUND_S = 0.5


def ask_chrony(source: str, options: Sequence[str] = (), timeout_s: float = 1.0) -> Sample | Refusal | None:
    """Ask this host's chronyd; blocks. None where chronyc is not installed or nobody answers it.

    `options` go to chronyc, such as ``-h 127.0.0.1 -p 3230`` for a chronyd that listens elsewhere.
    """
    before = instant_now()
    try:
        done = subprocess.run(
            ["chronyc", "-n", "-c", *options, "tracking"],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    return read_tracking(done.stdout, before, instant_now(), source)


def read_tracking(text: str, before: Instant, after: Instant, source: str) -> Sample | Refusal:
    """Read one answer, given at some moment between two instants of this host.

    The sample pretends an exchange with the host's wall clock: what passed between the two instants is its delay.
    """
    fields = next(csv.reader([text.strip()]), [])
    try:
        stratum, leap = int(fields[_STRATUM]), fields[_LEAP]
        parts_s = [abs(float(fields[i])) for i in (_SYSTEM_TIME, _ROOT_DISPERSION)]
        bound_s = sum(parts_s) + float(fields[_ROOT_DELAY]) / 2
    except (IndexError, ValueError):
        return Refusal(code="chrony", detail=f"chronyc says {text[:80]!r}, which is not its tracking report")
    if leap not in _LEAPS or not 0 < stratum < 16:
        return Refusal(code="chrony", detail="chronyd runs here and is not synchronised; see 'chronyc sources'")
    if not 0 <= bound_s <= _MAX_BOUND_S:
        return Refusal(code="chrony", detail=f"chronyd itself may be {bound_s:.2f} s off; see 'chronyc sources'")
    stepped_ns = (after.real_ns - after.raw) - (before.real_ns - before.raw)
    return Sample(
        source=source,
        t1_raw=before.raw,
        t4_raw=after.raw,
        t2_utc_ns=before.real_ns,
        t3_utc_ns=after.real_ns,
        root_delay_ns=0,
        # What the wall clock did against the raw counter meanwhile is in doubt as well.
        root_disp_ns=round(bound_s * 1e9) + abs(stepped_ns),
        precision_ns=0,
        leap=_LEAPS[leap],
        stratum=stratum,
    )
