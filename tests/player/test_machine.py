import os
from pathlib import Path

import pytest

from agent.player import machine
from agent.player.profile import PI_4, Machine, choose


def grow(root: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    for name, target in (links or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    return root


def test_a_raspberry_pi(tmp_path: Path) -> None:
    root = grow(
        tmp_path,
        {
            "proc/device-tree/model": b"Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/device-tree/compatible": b"raspberrypi,4-model-b\0brcm,bcm2711\0",
            "dev/dri/card0": b"",
            "dev/dri/renderD128": b"",
            "sys/class/video4linux/video10/name": b"bcm2835-codec-decode\n",
            "sys/class/video4linux/video19/name": b"rpivid\n",
        },
        {"sys/class/drm/renderD128/device/driver": "../../../bus/platform/drivers/v3d"},
    )
    found = machine.read(root)
    assert found == Machine(
        "Raspberry Pi 4 Model B Rev 1.4",
        ("raspberrypi,4-model-b", PI_4),
        ("v3d",),
        v4l2=("bcm2835-codec-decode", "rpivid"),
    )
    assert choose(found, "x11", "auto").hardware == {"h264", "hevc"}


def test_a_pc(tmp_path: Path) -> None:
    root = grow(
        tmp_path,
        {
            "dev/dri/renderD128": b"",
            "usr/lib/x86_64-linux-gnu/dri/iHD_drv_video.so": b"",
            "usr/lib/x86_64-linux-gnu/dri/radeonsi_drv_video.so": b"",
            "usr/lib/x86_64-linux-gnu/dri/iris_dri.so": b"",
        },
        {"sys/class/drm/renderD128/device/driver": "../../../bus/pci/drivers/i915"},
    )
    found = machine.read(root)
    assert found == Machine(render_drivers=("i915",), va_drivers=frozenset(["iHD", "radeonsi"]))
    assert choose(found, "x11", "auto").name == "vaapi"


def test_graphics_of_which_no_right_is_given_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = grow(tmp_path, {"dev/dri/renderD128": b""}, {"sys/class/drm/renderD128/device/driver": "drivers/i915"})
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert machine.read(root) == Machine(denied=("/dev/dri/renderD128",))


def test_an_empty_machine_has_nothing(tmp_path: Path) -> None:
    assert machine.read(tmp_path) == Machine()
