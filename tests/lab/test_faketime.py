from pathlib import Path

import pytest

from agent.lab import faketime
from agent.lab.processes import LabError


def test_a_missing_library_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faketime, "library", lambda: None)
    with pytest.raises(LabError, match=r"apt-get install .*faketime.*--true-clocks") as caught:
        faketime.variables("+1 x1")
    assert caught.value.status == 2


def test_what_a_killed_process_leaves_is_named_after_it() -> None:
    assert faketime.remains(4711) == (
        Path("/dev/shm/faketime_shm_4711"),
        Path("/dev/shm/sem.faketime_sem_4711"),
    )
