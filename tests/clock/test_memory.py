import os
from dataclasses import replace
from pathlib import Path

import pytest

from agent.clock.envelope import Rate
from agent.clock.estimate import Line
from agent.clock.kernel import raw_now_ns
from agent.clock.leap import Leap
from agent.clock.mapping import ClockState
from agent.clock.memory import RUNTIME_FILE, STATE_FILE, Memory, last_seen, runtime_dir
from agent.clock.orders import EARLIEST_UTC, Past
from agent.clock.report import ClockReport, SourceReport
from agent.messages import Refusal
from agent.units import RawNs, UtcUs

SOURCE = SourceReport("ntp1:123", False, True, "agrees", "192.0.2.1:123", -12.5, 4000.0, 8000.0, 15.0, 2, 64, 3.0, 64.0)
REPORT = ClockReport(ClockState.SYNC, "3 of 3 time servers agree", 8000.0, -50.0, 1.4, 1, 1, (SOURCE,))
FLOOR = UtcUs(EARLIEST_UTC + 3_600_000_000)


def line() -> Line:
    return Line(RawNs(raw_now_ns() - 1_000_000_000), 1_780_000_000_000_000_000, Rate(-50e-6, 0.2e-6), 8000.0, 1.4e-6)


@pytest.fixture
def kept(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "state", tmp_path / "run")


def test_nothing_is_remembered_at_first(kept: Memory) -> None:
    assert kept.recall() == (Past(), [])


def test_a_restarted_agent_of_this_boot_gets_its_line_back(kept: Memory) -> None:
    past = Past(Rate(-50e-6, 0.2e-6), FLOOR, line(), Leap(FLOOR, 1), 7_000)
    assert kept.keep_current(past, REPORT, raw_now_ns(), -1200) is None
    found = kept.recall()[0]
    assert (found.line, found.leap, found.asleep_ns) == (past.line, past.leap, past.asleep_ns)


def test_of_another_boot_only_rate_and_floor_are_believed(kept: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    past = Past(Rate(-50e-6, 0.2e-6), FLOOR, line())
    kept.keep_current(past, REPORT, raw_now_ns(), None)
    assert kept.keep_learnt(past) is None
    kept._boot = "another"
    found, faults = kept.recall()
    assert faults == [] and found.line is None and found.floor == FLOOR
    assert found.rate == Rate(-50e-6, 10e-6), "how much it has moved meanwhile nobody knows"


def test_a_rate_that_was_known_stays_when_this_run_learnt_none(kept: Memory) -> None:
    kept.keep_learnt(Past(Rate(-50e-6, 0.2e-6), FLOOR))
    kept.keep_learnt(Past(None, UtcUs(FLOOR + 1)))
    found = kept.recall()[0]
    assert found.rate is not None and found.rate.freq == -50e-6
    assert found.floor == FLOOR + 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"freq": "fast", "sigma": 1, "floor": 0}', "\x00\xff", '{"v": 1}'])
def test_a_damaged_file_is_told_and_not_used(kept: Memory, tmp_path: Path, text: str) -> None:
    for folder, name in (("state", STATE_FILE), ("run", RUNTIME_FILE)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    past, faults = kept.recall()
    assert past == Past()
    assert [fault.code for fault in faults] == ["clock_memory"] * 2 and STATE_FILE in faults[0].detail


def test_an_absurd_rate_is_not_believed(kept: Memory) -> None:
    kept.keep_learnt(Past(Rate(0.5, 1e-6), FLOOR))
    assert kept.recall()[0].rate is None


def test_a_disk_that_cannot_be_written_is_a_refusal_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = Memory(tmp_path / "file", tmp_path / "file")
    refusal = kept.keep_learnt(Past(floor=FLOOR))
    assert isinstance(refusal, Refusal) and "writable" in refusal.detail
    assert isinstance(kept.keep_current(Past(), REPORT, raw_now_ns(), None), Refusal)


def test_what_the_running_agent_knows_can_be_seen(kept: Memory, tmp_path: Path) -> None:
    assert last_seen(tmp_path / "run") is None
    kept.keep_current(Past(line=line()), REPORT, RawNs(raw_now_ns() - 2_000_000_000), -1200)
    seen = last_seen(tmp_path / "run")
    assert seen and seen.offset_host_us == -1200
    assert seen.age_s == pytest.approx(2, abs=0.5)
    assert seen.report == REPORT.aged(seen.age_s), "nothing has been heard since"
    assert seen.report.bound_us == pytest.approx(8000 + 2 * 1.4, abs=0.7)
    assert seen.report.per_source[0].age_s == pytest.approx(3 + 2, abs=0.5)


def test_an_agent_that_is_gone_knows_nothing(kept: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 2**22 + 1)
    kept.keep_current(Past(), replace(REPORT, bound_us=None), raw_now_ns(), None)
    assert last_seen(tmp_path / "run") is None


def test_systemd_says_where_the_runtime_directory_is(tmp_path: Path) -> None:
    assert runtime_dir(tmp_path, {}) == tmp_path
    assert runtime_dir(tmp_path, {"RUNTIME_DIRECTORY": "/run/framezero:/run/other"}) == Path("/run/framezero")
