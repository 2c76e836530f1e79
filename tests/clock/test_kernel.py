import os
import time
from pathlib import Path

import pytest

from agent.clock import kernel


def test_the_raw_counter_counts_nanoseconds() -> None:
    before = kernel.raw_now_ns()
    time.sleep(0.05)
    assert 0.045e9 < kernel.raw_now_ns() - before < 5e9


def test_both_clocks_are_read_at_one_instant() -> None:
    now = kernel.instant_now()
    assert kernel.raw_now_ns() - now.raw == pytest.approx(kernel.real_now_ns() - now.real_ns, abs=2e6)


def test_a_host_that_is_awake_does_not_sleep() -> None:
    before = kernel.asleep_ns()
    time.sleep(0.05)
    assert abs(kernel.asleep_ns() - before) < 1e6


def test_a_boot_has_one_name() -> None:
    assert kernel.boot_id() == kernel.boot_id()
    assert len(kernel.boot_id()) == 36


def test_a_process_with_a_counter_of_its_own_is_a_boot_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKETIME", "+1.3 x1.00005")
    assert kernel.boot_id().endswith(f"-{os.getpid()}")


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


SOURCE = "sys/devices/system/clocksource/clocksource0/current_clocksource"


def test_how_far_a_crystal_wanders_follows_from_the_hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert kernel.wander(tmp_path)[0] == 3e-6, "nothing is known"
    write(tmp_path, SOURCE, "tsc\n")
    fraction, words = kernel.wander(tmp_path)
    assert fraction == 1e-6 and "tsc" in words
    write(tmp_path, SOURCE, "hpet\n")
    assert kernel.wander(tmp_path)[0] == 3e-6
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    write(tmp_path, SOURCE, "arch_sys_counter\n")
    assert kernel.wander(tmp_path)[0] == 3e-6
    write(tmp_path, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    assert kernel.wander(tmp_path) == (2e-6, "Raspberry Pi 5 Model B Rev 1.0")


def test_a_host_without_a_clock_that_runs_while_it_is_off_is_told(tmp_path: Path) -> None:
    assert not kernel.has_rtc(tmp_path)
    (tmp_path / "sys/class/rtc").mkdir(parents=True)
    assert not kernel.has_rtc(tmp_path)
    (tmp_path / "sys/class/rtc/rtc0").mkdir()
    assert kernel.has_rtc(tmp_path)


def test_a_table_of_leap_seconds_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert kernel.leap_seconds_list(tmp_path) is None
    write(tmp_path, kernel.LEAP_FILE, "#@ 1\n")
    assert kernel.leap_seconds_list(tmp_path) == "#@ 1"
