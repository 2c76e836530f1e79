"""The host's own chronyd, where one runs, as one more source: it says itself how wrong the host's clock may be.

`chronyc -c tracking` gives the bound |system_time| + root_dispersion + root_delay/2 of the host's wall clock, which
holds at the moment of asking (chrony's reference.c lets the dispersion grow until then); it is carried on over the
raw counter like any other sample.
"""

import subprocess
from collections.abc import Sequence

from agent.clock.kernel import instant_now
from agent.clock.sample import Sample
from agent.clock.stamp import Instant
from agent.messages import Refusal

_FIELDS = 14
_REFERENCE, _STRATUM, _SYSTEM_TIME, _ROOT_DELAY, _ROOT_DISPERSION, _LEAP = 0, 2, 4, 10, 11, 13
"""Of: reference, name, stratum, reference time, system time (positive: the host is behind), last offset, RMS offset,
frequency, residual frequency, skew, root delay, root dispersion, update interval, leap status (chrony's client.c)."""

_LEAPS = {"Normal": 0, "Insert second": 1, "Delete second": 2}

_LOCAL = "7F7F0101"
"""With its directive `local` chronyd serves a clock that nobody sets, and says of it: normal, 0 s off."""

_MAX_BOUND_S = 0.5


def ask_chrony(source: str = "chrony", options: Sequence[str] = (), timeout_s: float = 1.0) -> Sample | Refusal | None:
    """Ask this host's chronyd; blocks. None where chronyc is not installed or nobody answers it.

    `options` go to chronyc, such as ``-h 127.0.0.1 -p 3230`` for a chronyd that listens elsewhere. A Refusal's code is
    always `chrony`: it answers, and vouches for nothing.
    """
    before = instant_now()
    try:
        done = subprocess.run(
            ["chronyc", "-n", "-c", *options, "tracking"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    return read_tracking(done.stdout, before, instant_now(), source)


def read_tracking(text: str, before: Instant, after: Instant, source: str = "chrony") -> Sample | Refusal:
    """Read one answer, given at some moment between two instants of this host.

    The sample pretends an exchange with the host's wall clock: what passed between the two instants is its delay.
    """
    fields = text.strip().split(",")
    try:
        if len(fields) < _FIELDS:
            raise ValueError
        stratum, leap = int(fields[_STRATUM]), fields[_LEAP]
        system_s, delay_s, dispersion_s = (float(fields[i]) for i in (_SYSTEM_TIME, _ROOT_DELAY, _ROOT_DISPERSION))
    except ValueError:
        return Refusal(code="chrony", detail=f"chronyd's answer {text[:80]!r} is not the tracking report that is known")
    if leap not in _LEAPS or not 0 < stratum < 16:
        return Refusal(code="chrony", detail="chronyd runs here and is not synchronised; see 'chronyc sources'")
    if fields[_REFERENCE] == _LOCAL:
        return Refusal(code="chrony", detail="chronyd runs here by this host's own clock only; see 'chronyc sources'")
    bound_s = abs(system_s) + dispersion_s + delay_s / 2
    # Written so that a bound that is not a number is refused, too.
    if not (dispersion_s >= 0 and delay_s >= 0 and bound_s <= _MAX_BOUND_S):
        return Refusal(code="chrony", detail=f"chronyd itself may be {bound_s:.2f} s off; see 'chronyc sources'")
    moved_ns = (after.real_ns - after.raw) - (before.real_ns - before.raw)
    return Sample(
        source=source,
        t1_raw=before.raw,
        t4_raw=after.raw,
        t2_utc_ns=before.real_ns,
        t3_utc_ns=after.real_ns,
        root_delay_ns=0,
        # What the wall clock did against the raw counter meanwhile is in doubt as well.
        root_disp_ns=round(bound_s * 1e9) + abs(moved_ns),
        precision_ns=0,
        leap=_LEAPS[leap],
        stratum=stratum,
    )
