from datetime import UTC, datetime
from pathlib import Path

import pytest
from makers import T0

from agent.config import Config, parse
from agent.control import signing
from agent.technician.trusted import look
from agent.trust import Role
from agent.units import UtcUs

NOW = datetime.fromtimestamp(T0 / 1e6, UTC)
DAY = 86_400_000_000


def config(folder: Path, **trust: object) -> Config:
    tree = {
        "venue": "paris",
        "show": "s",
        "timezone": "UTC",
        "state_dir": str(folder),
        "broker": {"urls": ["mqtt://127.0.0.1"]},
        "clock": {"servers": ["127.0.0.1"]},
        "cache": {"dir": str(folder)},
        "trust": {"keys": str(folder / "keys"), **trust},
    }
    return parse(tree, "agent.toml")


def keys(folder: Path, **ends: int) -> None:
    roles: dict[str, Role] = {"alice": "show", "films": "content"}
    for name, role in roles.items():
        end = UtcUs(ends[name]) if name in ends else None
        signing.make(name, role, folder / "keys", not_after=end)


def test_good_keys_are_named_with_their_roles_and_ids(tmp_path: Path) -> None:
    keys(tmp_path)
    (good,) = look(config(tmp_path), NOW)
    assert (good.verdict, "alice (show, " in good.what, "films (content, " in good.what) == ("ok", True, True)


@pytest.mark.parametrize(
    ("end", "code", "verdict"),
    [(T0 - 1, "key_expired", "warning"), (T0 + 13 * DAY, "key_expires", "warning"), (T0 + 15 * DAY, "keys", "ok")],
)
def test_a_key_that_ends_is_said_in_time(tmp_path: Path, end: int, code: str, verdict: str) -> None:
    keys(tmp_path, alice=end)
    assert (code, verdict) in [(finding.code, finding.verdict) for finding in look(config(tmp_path), NOW)]


def test_an_expired_key_is_a_fault_only_where_no_other_does_its_work(tmp_path: Path) -> None:
    keys(tmp_path, alice=T0 - 1)
    verdicts = [(finding.code, finding.verdict) for finding in look(config(tmp_path), NOW)]
    assert verdicts == [("keys", "fault"), ("key_expired", "warning")]
    signing.make("bob", "show", tmp_path / "keys")
    verdicts = [(finding.code, finding.verdict) for finding in look(config(tmp_path), NOW)]
    assert verdicts == [("keys", "ok"), ("key_expired", "warning")]


def test_what_is_missing_is_a_fault_with_the_command_that_mends_it(tmp_path: Path) -> None:
    (missing,) = look(config(tmp_path), NOW)
    assert (missing.verdict, missing.code) == ("fault", "key_file")
    assert missing.mend.startswith(f"sudo mkdir -p {tmp_path / 'keys'}, then copy the .toml files")
    (tmp_path / "keys").mkdir()
    found = look(config(tmp_path), NOW)
    assert [finding.code for finding in found] == ["keys", "keys"]
    assert all(finding.verdict == "fault" and finding.mend for finding in found)
    keys(tmp_path)
    (two,) = look(config(tmp_path, threshold=2), NOW)
    assert "1 of the 2 show keys" in two.what


def test_unsigned_is_shouted(tmp_path: Path) -> None:
    (found,) = look(config(tmp_path, require=False), NOW)
    assert (found.verdict, found.what.startswith("UNSIGNED")) == ("warning", True)


@pytest.mark.parametrize("name", ["file/keys", "k" * 300])
def test_a_folder_that_cannot_be_looked_into_is_a_fault_with_its_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    found = look(config(tmp_path, keys=str(tmp_path / name)), NOW)
    [only] = found
    assert "cannot be read" in only.what and only.verdict == "fault", "what is in it nobody knows"
