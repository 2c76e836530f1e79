import os
from pathlib import Path

import pytest

from agent import host as module
from agent.host import Host


def test_readings_are_plausible_and_a_process_that_is_gone_has_no_memory(tmp_path: Path) -> None:
    host = Host(tmp_path)
    mine = host.read([os.getpid()])
    assert 0 <= mine.cpu <= 1
    assert 10 < mine.mem_mb < 4000
    assert mine.disk_free_gb is not None
    assert mine.disk_free_gb > 0
    assert Host(tmp_path / "gone").read([]).disk_free_gb is None
    gone = host.read([2**22 + 1])
    assert gone.mem_mb == 0


def test_a_look_in_between_changes_no_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([(0, 0), (80, 100), (81, 101), (90, 200)])
    monkeypatch.setattr(module, "cpu_times", lambda: next(times))
    host = Host(tmp_path, tmp_path)
    assert [host.read([]).cpu for _ in range(3)] == [0.8, 0.8, 0.1]


def machine(sys: Path, **files: str) -> Host:
    for name, text in files.items():
        path = sys / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Host(sys, sys)


def test_how_hot_the_processor_is_and_whether_it_is_held_back(tmp_path: Path) -> None:
    assert (Host(tmp_path, tmp_path / "none").read([]).temp_c, Host(tmp_path, tmp_path).read([]).throttled) == (
        None,
        None,
    )
    zone, other = "class/thermal/thermal_zone0", "class/thermal/thermal_zone1"
    throttled = "devices/platform/soc/soc:firmware/get_throttled"
    files = {
        f"{zone}/type": "cpu-thermal\n",
        f"{zone}/temp": "61234\n",
        f"{other}/type": "acpitz",
        f"{other}/temp": "99000",
    }
    pi = machine(tmp_path, **files, **{throttled: "50000\n"})
    assert (pi.read([]).temp_c, pi.read([]).throttled) == (61.2, False)  # it was once, and is not now
    (tmp_path / throttled).write_text("50005\n")
    (tmp_path / zone / "temp").write_text("not now")
    assert (pi.read([]).temp_c, pi.read([]).throttled) == (None, True)


def test_a_pc_tells_its_temperature_and_a_pi_its_voltage_by_hwmon(tmp_path: Path) -> None:
    files = {
        "class/hwmon/hwmon0/name": "coretemp\n",
        "class/hwmon/hwmon0/temp1_input": "55000\n",
        "class/hwmon/hwmon1/name": "rpi_volt\n",
        "class/hwmon/hwmon1/in0_lcrit_alarm": "1\n",
    }
    found = machine(tmp_path, **files).read([])
    assert (found.temp_c, found.throttled) == (55.0, True)
