import pytest

from agent.lab import faketime, tools
from agent.lab.processes import LabError


def test_all_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(program: str) -> str:
        if program in ("Xvfb", "chronyd"):
            raise LabError("not there")
        return program

    monkeypatch.setattr(tools, "find", find)
    monkeypatch.setattr(faketime, "library", lambda: None)
    with pytest.raises(LabError, match=r"needs xvfb, chrony, faketime; .*install .* xvfb chrony faketime") as caught:
        tools.check(true_clocks=False)
    assert caught.value.status == 2


def test_true_clocks_need_no_libfaketime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faketime, "library", lambda: None)
    monkeypatch.setattr(tools, "find", lambda program: program)
    assert "faketime" not in tools.missing(true_clocks=True)
    assert "faketime" in tools.missing(true_clocks=False)
