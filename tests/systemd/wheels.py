"""Wheels of versions that were never released: higher numbers, and faults that a test needs."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


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
    record: list[str] = []
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
