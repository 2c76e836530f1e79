"""What keeps a player quiet: files that systemd takes, and sizes that together fit into what the cache leaves free."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from spoken import REPOSITORY

from agent.book import MOST_BYTES
from agent.config import Cache

SYSTEMD = REPOSITORY / "systemd"
DAEMONS = {
    "coredump": "systemd-coredump",
    "journald": "systemd-journald",
    "logind": "systemd-logind",
    "sleep": "systemd-sleep",
    "system": "systemd",
}
OTHERS_MB = 1500
"""Debian's own beside ours: packages that apt fetched (of an upgrade of everything), lists, /var/log in text."""


def settings(daemon: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their capitals
    parser.read(SYSTEMD / f"{daemon}.conf.d" / "framezero.conf", "utf-8")
    [section] = parser.sections()
    return dict(parser[section])


def megabytes(size: str) -> float:
    match = re.fullmatch(r"(\d+)([MG])", size)
    assert match is not None, size
    return int(match[1]) * (1 if match[2] == "M" else 1024)


def test_every_file_for_a_daemon_of_systemd_is_tested_here() -> None:
    assert {path.parent.name for path in SYSTEMD.glob("*.conf.d/*.conf")} == {f"{name}.conf.d" for name in DAEMONS}


def test_log_and_book_fit_into_what_the_cache_leaves_free() -> None:
    log = settings("journald")
    sum_mb = megabytes(log["SystemMaxUse"]) + MOST_BYTES / 2**20 + OTHERS_MB
    assert sum_mb < Cache(dir=Path("/")).reserve_gb * 1000
    assert megabytes(log["SystemMaxFileSize"]) * 4 <= megabytes(log["SystemMaxUse"]), "old lines go in small pieces"


@pytest.mark.parametrize("name", sorted(DAEMONS))
def test_the_installed_systemd_knows_each_setting(name: str) -> None:
    """Debian ships each file with all keys that its daemon knows, as comments; an unknown one is a line in a log."""
    sample = Path("/etc/systemd", f"{name}.conf")
    if not sample.exists():
        sample = Path("/usr/lib/systemd", f"{name}.conf")
    if not sample.exists():
        pytest.skip(f"no {name}.conf here: {DAEMONS[name]} is not installed")
    known = set(re.findall(r"^#?(\w+)=", sample.read_text("utf-8"), re.MULTILINE))
    assert set(settings(name)) <= known


def test_systemd_reads_them(tmp_path: Path) -> None:
    """In a root of their own, as deploy/install puts them: each is found, and read after a distribution's own."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    vendor = tmp_path / "usr" / "lib" / "systemd" / "journald.conf.d"
    shutil.copytree(SYSTEMD, tmp_path / "usr" / "local" / "lib" / "systemd")
    vendor.mkdir(parents=True)
    (vendor / "40-rpi-volatile-storage.conf").write_text("[Journal]\nStorage=volatile\n")
    for name in DAEMONS:
        said = subprocess.run(
            ["systemd-analyze", f"--root={tmp_path}", "cat-config", f"systemd/{name}.conf"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f"{name}.conf.d/framezero.conf" in said
        if name == "journald":
            assert re.findall(r"^Storage=(\w+)$", said, re.MULTILINE) == ["volatile", "persistent"]


@pytest.mark.needs("findmnt")
def test_the_lines_for_fstab_can_be_read(tmp_path: Path) -> None:
    """Those that player.md has appended for a data disk beside a read-only system."""
    page = (REPOSITORY / "deploy" / "player.md").read_text("utf-8")
    lines = re.findall(r"echo '([^']+)' \| sudo tee -a /etc/fstab", page)
    table = tmp_path / "fstab"
    table.write_text("\n".join(lines) + "\n")
    said = subprocess.run(
        ["findmnt", "--verify", "--tab-file", str(table)], capture_output=True, text=True, check=False
    )
    assert len(lines) == 2 and "0 parse errors" in said.stderr, said.stdout + said.stderr
