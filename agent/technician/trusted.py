"""The trust's part of `framezero check`: whose cues, programs and panics this player would take."""

import os
from datetime import datetime
from pathlib import Path

from agent.config import Config
from agent.keyring import Keyring
from agent.technician.findings import Finding
from agent.trust import PublicKey, Trust, trust_faults
from agent.units import US_PER_S, UtcUs, format_utc

AREA = "trust"
SOON_US = 14 * 86_400 * US_PER_S


def look(config: Config, now: datetime) -> list[Finding]:
    """What the folder of keys holds, and what it lacks; `now` is the host's own time."""
    if not config.trust.require:
        mend = "set trust.require = true in agent.toml, and put the show's public keys into trust.keys"
        what = "UNSIGNED: whoever reaches the broker may cue this wall (trust.require = false, which is for labs)"
        return [Finding(AREA, "warning", "unsigned", what, mend)]
    folder = config.trust.keys
    seen = Keyring(folder).look()
    copying = f"copy the .toml files that 'framezero keys new' has made into {folder}"
    if not _is_there(folder):
        what = f"{folder} is not there, so nobody is trusted: every cue and every program is refused"
        return [Finding(AREA, "fault", "key_file", what, f"sudo mkdir -p {folder}, then {copying}")]
    found = [Finding(AREA, "fault", "key_file", fault.detail, f"ls -l {folder}") for fault in seen.faults]
    if seen.faults and not os.access(folder, os.R_OK | os.X_OK):
        return found  # what is in it another user may know
    utc = UtcUs(int(now.timestamp() * US_PER_S))
    ended = [key for key in seen.keys if key.not_after is not None and key.not_after <= utc]
    lasting = Trust(tuple(key for key in seen.keys if key not in ended), config.trust.threshold)
    found += [Finding(AREA, "fault", "keys", fault.detail, copying) for fault in trust_faults(lasting)]
    for key in seen.keys:
        found += _ending(key, utc)
    if not any(finding.verdict == "fault" for finding in found):
        names = ", ".join(f"{key.name} ({key.role}, {key.id})" for key in seen.keys)
        needs = f"; a cue needs {config.trust.threshold} of the show keys" if config.trust.threshold > 1 else ""
        found.insert(0, Finding(AREA, "ok", "keys", f"trusts {names}{needs}"))
    return found


def _is_there(folder: Path) -> bool:
    try:
        folder.stat()
    except OSError as error:  # what else is wrong with it, the look has said
        return not isinstance(error, FileNotFoundError)
    return True


def _ending(key: PublicKey, utc: UtcUs) -> list[Finding]:
    if key.not_after is None or key.not_after > utc + SOON_US:
        return []
    # What the keys beside it cannot do without it is said as a fault of its own.
    over = key.not_after <= utc
    what = f"{key.name} ({key.role}) {'expired' if over else 'expires'} {format_utc(key.not_after)}"
    mend = "have its owner make another (framezero keys new), and then remove this one's file"
    return [Finding(AREA, "warning", "key_expired" if over else "key_expires", what, mend)]
