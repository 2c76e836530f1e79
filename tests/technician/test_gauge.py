import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agent.clock.kernel import raw_now_ns
from agent.clock.mapping import ClockState
from agent.clock.memory import Memory
from agent.clock.orders import Past
from agent.clock.report import ClockReport, SourceReport
from agent.clock.service import ClockService
from agent.config import Config
from agent.technician import gauge
from agent.technician.findings import Finding
from agent.technician.gauge import Gauge, measured, of_the_agent
from agent.units import RawNs

SOURCES = tuple(SourceReport(name, False, True, "agrees") for name in ("a:123", "b:1123", "chrony"))
REPORT = ClockReport(ClockState.SYNC, "3 of 3 time servers agree", 8000.0, -50.0, 1.4, 3, 3, SOURCES)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setattr(gauge, "RUNTIME", tmp_path / "none")
    tree = {
        "venue": "paris",
        "show": "s",
        "timezone": "Europe/Paris",
        "state_dir": str(tmp_path),
        "broker": {"urls": ["mqtt://127.0.0.1:1"]},
        "clock": {"servers": ["a", {"host": "b", "port": 1123}], "chrony": False},
        "cache": {"dir": str(tmp_path)},
    }
    return Config.model_validate(tree)


def write(folder: Path, age_s: float, report: ClockReport = REPORT) -> None:
    """As an agent did so long ago: this process is the one that runs."""
    Memory(folder, folder).keep_current(Past(), report, RawNs(raw_now_ns() - round(age_s * 1e9)), 7)


def test_where_no_agent_has_written_there_is_nothing(config: Config) -> None:
    assert of_the_agent(config) is None


def test_a_running_agent_has_the_word(config: Config, tmp_path: Path) -> None:
    write(tmp_path, 140)
    found = of_the_agent(config)
    assert isinstance(found, Gauge) and found.offset_host_us == 7 and found.age_s == pytest.approx(140, abs=1)
    assert found.report.bound_us == pytest.approx(8000 + 140 * 1.4, abs=2)


def test_an_agent_that_hangs_has_not(config: Config, tmp_path: Path) -> None:
    write(tmp_path, 200)
    found = of_the_agent(config)
    assert isinstance(found, Finding) and (found.code, found.verdict) == ("agent_silent", "fault")
    assert "nothing for 200 s" in found.what and "systemctl restart framezero" in found.mend


def test_nor_has_one_that_asks_other_servers(config: Config, tmp_path: Path) -> None:
    write(tmp_path, 5, replace(REPORT, per_source=SOURCES[1:]))
    found = of_the_agent(config)
    assert isinstance(found, Finding) and (found.code, found.verdict) == ("agent_config", "warning")
    assert "b:1123" in found.what and "chrony" not in found.what and "systemctl restart framezero" in found.mend


def test_the_newest_word_counts(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    write(tmp_path / "run", 200)
    write(tmp_path, 5)
    assert isinstance(of_the_agent(config), Gauge)


async def test_measuring_ends_with_the_clock_that_dies(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    async def die(service: ClockService) -> None:
        await asyncio.sleep(0.1)
        raise RuntimeError("the clock died")

    monkeypatch.setattr(ClockService, "run", die)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(RuntimeError, match="the clock died"):
        await measured(config, 10, lambda report, left_s: None)
    assert loop.time() - began < 5
