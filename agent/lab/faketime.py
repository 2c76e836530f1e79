"""Clocks that are really wrong: libfaketime preloaded into one agent and everything it starts.

The library is preloaded directly rather than through the `faketime` command: that command forks and waits,
so signals and the parent-death signal would reach the waiting process and not the agent. Preloaded into the
agent itself, the library makes a shared memory for its timeline and names it in FAKETIME_SHARED, so that
the player process that the agent spawns lives on the very same timeline.
"""

from pathlib import Path

from agent.lab.processes import LabError, remedy

_SHM = Path("/dev/shm")


def library() -> Path | None:
    """Where the multi-threading variant of libfaketime is on this architecture, or None."""
    places = [
        path
        for root in ("/usr/lib", "/usr/lib64", "/usr/local/lib")
        for pattern in ("*/faketime/libfaketimeMT.so.1", "faketime/libfaketimeMT.so.1")
        for path in Path(root).glob(pattern)
    ]
    return places[0] if places else None


def variables(skew: str) -> list[str]:
    """What `env` puts before a command so that it lives under a skew such as `+1.3 x1.00005`.

    Raises LabError with the remedy where libfaketime is not installed.
    """
    path = library()
    if path is None:
        raise LabError(f"libfaketime is not installed: {remedy(['faketime'])}, or use --true-clocks", status=2)
    return [f"LD_PRELOAD={path}", f"FAKETIME={skew}"]


def remains(pid: int) -> tuple[Path, ...]:
    """What the library leaves in shared memory when the process with this id is killed by a signal."""
    return (_SHM / f"faketime_shm_{pid}", _SHM / f"sem.faketime_sem_{pid}")
