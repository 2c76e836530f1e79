import os
from pathlib import Path

import pytest

from agent.lab import folder
from agent.lab.processes import LabError


def test_a_new_folder_is_made(tmp_path: Path) -> None:
    out = folder.prepare(tmp_path / "a" / "b")
    assert (out / folder.MARK).read_text().startswith(f"{os.getpid()} ")


def test_an_earlier_lab_is_cleared(tmp_path: Path) -> None:
    (tmp_path / folder.MARK).write_text("999999999\n")
    (tmp_path / "venues" / "tokyo").mkdir(parents=True)
    (tmp_path / "report.json").write_text("{}")
    folder.prepare(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [folder.MARK]


def test_somebody_elses_files_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(LabError, match="not empty and not of an earlier lab") as caught:
        folder.prepare(tmp_path)
    assert caught.value.status == 2
    assert (tmp_path / "thesis.txt").exists()


def test_a_folder_where_a_lab_runs_is_refused(tmp_path: Path) -> None:
    folder.prepare(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(LabError, match="another lab runs there"):
        folder.prepare(tmp_path)
    assert (tmp_path / "report.json").exists()


def test_a_process_that_only_has_the_same_id_does_not_count(tmp_path: Path) -> None:
    (tmp_path / folder.MARK).write_text(f"{os.getpid()} 1\n")
    folder.prepare(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="cannot be used"):
        folder.prepare(tmp_path / "file")
