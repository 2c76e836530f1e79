"""Bundles as deploy/wheelhouse makes them, for machines without a network; and wheels of versions of a test's own."""

import base64
import fcntl
import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from agent.lab.processes import LabError

CLONE = Path(__file__).parents[2]
KEPT = CLONE / "out" / "bundles"
SOURCES = ("agent", "deploy", "systemd", "pyproject.toml", "README.md", "LICENSE")
KINDS = {"bookworm": "3.11", "trixie": "3.13"}
MAKE_S = 300
MOST_KEPT = 3


def bundle(suite: str = "bookworm") -> Path:
    """This clone's bundle for a machine of this kind and Debian; made where it is not there. Raises LabError.

    Copy it to the machine, then: `bash DIR/deploy/install --no-apt`. Making one needs the network.
    """
    made = KEPT / f"{suite}-{_state_of_clone()}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:  # two runs side by side make one
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_dir():
            _make(made, KINDS[suite])
            for old in sorted(KEPT.glob(f"{suite}-*"), key=lambda path: path.stat().st_mtime)[:-MOST_KEPT]:
                shutil.rmtree(old)
    return made


def _make(target: Path, python: str) -> None:
    part = target.with_name(f"part-{target.name}")
    shutil.rmtree(part, ignore_errors=True)
    command = [str(CLONE / "deploy" / "wheelhouse"), "--python", python, str(part)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MAKE_S)
    if done.returncode:
        raise LabError(f"deploy/wheelhouse: {done.stdout}{done.stderr}")
    part.rename(target)


def _state_of_clone() -> str:
    seen = hashlib.sha256()
    for source in SOURCES:
        place = CLONE / source
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and path.suffix != ".pyc":
                seen.update(f"{path.relative_to(CLONE)}\0".encode() + path.read_bytes())
    return seen.hexdigest()[:12]


def wheel_of(folder: Path) -> Path:
    """The wheel of framezero in a bundle."""
    [wheel] = (folder / "wheels").glob("framezero-*.whl")
    return wheel


def altered(wheel: Path, folder: Path, version: str, edits: Mapping[str, tuple[str, str]] | None = None) -> Path:
    """Another version of a wheel, written into `folder`: `edits` are texts to replace, by file."""
    old = wheel.name.split("-")[1]
    replaced = {
        "agent/__init__.py": (f'__version__ = "{old}"', f'__version__ = "{version}"'),
        f"framezero-{old}.dist-info/METADATA": (f"\nVersion: {old}\n", f"\nVersion: {version}\n"),
        **(edits or {}),
    }
    target = folder / f"framezero-{version}-py3-none-any.whl"
    record = []
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name in source.namelist():
            data = source.read(name)
            if name in replaced:
                before, after = replaced.pop(name)
                assert data.decode().count(before) == 1, f"{name} has not once {before!r}"
                data = data.decode().replace(before, after).encode()
            named = name.replace(f"framezero-{old}.dist-info", f"framezero-{version}.dist-info")
            if named.endswith("/RECORD"):
                data = ("\n".join([*record, f"{named},,"]) + "\n").encode()
            else:
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                record.append(f"{named},sha256={digest},{len(data)}")
            made.writestr(named, data)
    assert not replaced, f"{wheel} has no {', '.join(replaced)}"
    return target


if __name__ == "__main__":
    print(bundle(*sys.argv[1:]))  # noqa: T201  # for whoever wants to install one by hand
