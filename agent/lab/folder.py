"""The folder of a lab: made, marked as such, and cleared of an earlier run."""

import os
import shutil
from pathlib import Path

from agent.lab.processes import LabError

MARK = ".framezero-lab"


def prepare(out: Path) -> Path:
    """Make the folder empty and ours; returns its absolute path.

    Only an empty folder or one of an earlier lab is taken: what else stands there is nobody's to delete.
    Raises LabError.
    """
    out = out.resolve()
    mark = out / MARK
    try:
        out.mkdir(parents=True, exist_ok=True)
        if mark.exists():
            _not_in_use(out, mark.read_text())
            _clear(out)
        elif any(out.iterdir()):
            raise LabError(f"--out {out}: is not empty and not of an earlier lab; name another folder", status=2)
        mark.write_text(f"{os.getpid()} {_birth(os.getpid())}\n")
    except OSError as error:
        raise LabError(f"--out {out}: cannot be used ({error.strerror}); name another folder", status=2) from error
    return out


def _clear(out: Path) -> None:
    # An old journal would bring back old cues, an old framebuffer would be measured.
    for entry in out.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _not_in_use(out: Path, mark: str) -> None:
    pid, _, birth = mark.strip().partition(" ")
    if pid.isdigit() and birth and _birth(int(pid)) == birth:
        raise LabError(f"--out {out}: another lab runs there (process {pid}); name another folder", status=2)


def _birth(pid: int) -> str:
    """When a process was started, in ticks (proc(5), column 22 of stat); '' where it is gone: ids are used again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
