"""The keys of a lab: made anew for each, and signed with as in a real show.

The operator's folder holds the private ones, named in the lab's profile; the venues trust the public ones.
"""

import shutil
from pathlib import Path

from agent.control import signing
from agent.lab.processes import LabError
from agent.trust import Role

PRIVATE, PUBLIC = "keys", "trust"


def trusted(out: Path) -> Path:
    """The folder of public keys that all venues of a lab read."""
    return out / PUBLIC


def private(out: Path, role: Role) -> Path:
    """The private key of a role, in the lab's folder."""
    return out / PRIVATE / f"lab-{role}.key"


def make(out: Path) -> list[Path]:
    """Make a key for each role; returns the private ones. Raises LabError."""
    for folder in (PRIVATE, PUBLIC):
        shutil.rmtree(out / folder, ignore_errors=True)
    try:
        pairs = [signing.make(f"lab-{role}", role, out / PRIVATE) for role in signing.ROLES]
        trusted(out).mkdir()
        for pair in pairs:
            pair.public.rename(trusted(out) / pair.public.name)
    except (signing.SigningError, OSError) as error:
        raise LabError(f"the lab's keys cannot be made: {error}") from error
    return [pair.private for pair in pairs]
