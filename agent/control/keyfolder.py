"""What lies in a folder of keys: which of them sign here, and which are only known by their public half."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agent.control import signing
from agent.control.signing import SigningError
from agent.keyring import Keyring
from agent.units import UtcUs

Private = Literal["yes", "locked", "no"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One key: `private` says whether its private half is here (`locked`: by a passphrase).

    `role` and `id` are None where only a private half is here that does not tell: of another tool, or locked.
    """

    name: str
    role: str | None
    id: str | None
    private: Private
    not_after: UtcUs | None
    public: bool


def listed(folder: Path) -> tuple[list[Listed], list[str]]:
    """The keys of a folder by name, and what is wrong with its files, each with the remedy. Raises SigningError."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix == ".key")
    except OSError as error:
        raise SigningError(
            [f"{folder}: cannot be read ({error.strerror}); name the folder of 'keys new --to'"]
        ) from error
    look = Keyring(folder).look()
    faults = [fault.detail for fault in look.faults]
    privates: list[signing.Described] = []
    for file in files:
        try:
            privates.append(signing.describe(file))
        except SigningError as error:
            faults += error.faults
    found = []
    for key in look.keys:
        # A locked half does not tell its id; the files of a pair have one name.
        half = next((one for one in privates if one.id == key.id or (one.locked and one.name == key.name)), None)
        if half is not None:
            privates.remove(half)
        private: Private = "no" if half is None else "locked" if half.locked else "yes"
        found.append(Listed(key.name, key.role, key.id, private, key.not_after, True))
    found += [Listed(one.name, one.role, one.id, "locked" if one.locked else "yes", None, False) for one in privates]
    return sorted(found, key=lambda key: (key.name, key.id or "")), faults
