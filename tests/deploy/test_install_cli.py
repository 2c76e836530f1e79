"""deploy/install and deploy/wheelhouse as far as they go without changing a machine: words and refusals."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[2]
DEPLOY = CLONE / "deploy"
Done = subprocess.CompletedProcess[str]
needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="gives the script another /etc/os-release: run the tests as root"
)


def run(*argv: str | Path, timeout: float = 60) -> Done:
    return subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False, timeout=timeout)


@pytest.mark.needs("shellcheck")
def test_the_scripts_are_clean() -> None:
    done = run("shellcheck", "--external-sources", DEPLOY / "install", DEPLOY / "wheelhouse")
    assert done.stdout == ""


@pytest.mark.parametrize("script", ["install", "wheelhouse"])
def test_help_has_an_example_and_fits_a_terminal(script: str) -> None:
    done = run(DEPLOY / script, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert f"deploy/{script}" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


@pytest.mark.parametrize(
    "words",
    [["--whel", "x"], ["--wheel"], ["--wheelhouse", "/nowhere"], ["--wait", "soon"], ["--purge"], ["instal"]],
)
def test_a_wrong_word_is_usage(words: Sequence[str]) -> None:
    done = run(DEPLOY / "install", *words)
    assert done.returncode == 2
    assert "see --help" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("words", [["--arch", "armv7l", "x"], ["--python", "3.9", "x"], [], ["a", "b"], ["--arch"]])
def test_a_wrong_word_for_a_bundle_is_usage(words: Sequence[str], tmp_path: Path) -> None:
    done = subprocess.run([DEPLOY / "wheelhouse", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_not_written_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    done = run(DEPLOY / "wheelhouse", tmp_path)
    assert done.returncode == 1
    assert "empty" in done.stderr


def test_the_packages_are_a_list_for_apt() -> None:
    plain = run(DEPLOY / "install", "--packages").stdout.split()
    kiosk = run(DEPLOY / "install", "--kiosk", "--packages").stdout.split()
    assert {"libmpv2", "python3-venv", "ffmpeg", "chrony"} <= set(plain)
    assert set(plain) < set(kiosk)
    assert "xserver-xorg-core" in kiosk


@needs_root
@pytest.mark.parametrize(
    ("system", "why"),
    [
        ('ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04"\n', "this is Ubuntu 24.04"),
        ('ID=debian\nVERSION_ID="11"\nPRETTY_NAME="Debian 11"\n', "this is Debian 11"),
    ],
)
def test_another_system_is_refused_by_name(system: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text(system)
    done = elsewhere(tmp_path, f"mount --bind {tmp_path}/os-release /etc/os-release")
    assert done.returncode == 1
    assert why in done.stderr


@needs_root
def test_a_32_bit_system_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "dpkg").write_text("#!/bin/sh\necho armhf\n")
    (tmp_path / "dpkg").chmod(0o755)
    done = elsewhere(tmp_path, f"mount --bind {tmp_path}/dpkg /usr/bin/dpkg")
    assert done.returncode == 1
    assert "32-bit" in done.stderr
    assert "64-bit" in done.stderr


@needs_root
def test_two_at_once_are_refused(tmp_path: Path) -> None:
    # A roll-back: where it is not refused, there is nothing that it could do.
    done = elsewhere(tmp_path, "exec 9>/run/framezero-install.lock; flock -n 9", "rollback")
    assert done.returncode == 1
    assert "another deploy/install is at work on this machine" in done.stderr


def elsewhere(folder: Path, change: str, deed: str = "--no-apt") -> Done:
    """Run the installer where a file is another one, and nothing that it might write is this machine's."""
    for place in ("log", "opt", "run"):
        (folder / place).mkdir()
    own = f"mount --bind {folder}/log /var/log; mount --bind {folder}/opt /opt; mount --bind {folder}/run /run"
    return run("unshare", "--mount", "bash", "-ec", f"{own}; {change}; exec bash {DEPLOY}/install {deed}")


@needs_root
def test_without_root_it_says_how() -> None:
    done = run("setpriv", "--reuid=65534", "--clear-groups", "bash", DEPLOY / "install", "rollback")
    assert done.returncode == 1
    assert f"sudo {DEPLOY}/install rollback" in done.stderr
