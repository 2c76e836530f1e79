import asyncio
import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ntp_servers import FakeServer, free_udp_port, packet
from structlog.testing import capture_logs

from agent.clock import ntp
from agent.clock.kernel import instant_now
from agent.clock.mapping import ClockState, Mapping
from agent.clock.memory import Memory
from agent.clock.ntp import measure
from agent.clock.report import ClockReport
from agent.clock.service import ClockService
from agent.config import Clock
from agent.lab import timeservers
from agent.lab.processes import Processes

Published = list[tuple[ClockReport, Mapping | None]]


def honest(nonce: bytes) -> list[bytes]:
    return [packet(nonce)]


def local(port: int, ours: bool = True) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "ours": ours}


@asynccontextmanager
async def running(*servers: dict[str, Any], memory: Memory | None = None) -> AsyncIterator[Published]:
    """The service on these servers; what it publishes."""
    published: Published = []
    config = Clock.model_validate({"servers": list(servers), "chrony": False})
    service = ClockService(config, lambda report, mapping: published.append((report, mapping)), memory)
    task = asyncio.create_task(service.run())
    try:
        yield published
    finally:
        assert not task.done(), "the service ended by itself"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.01)


def state(published: Published) -> ClockState | None:
    return published[-1][0].state if published else None


# --- at work ------------------------------------------------------------------------------------


async def test_sync_comes_at_once_from_three_strangers() -> None:
    with FakeServer(honest) as a, FakeServer(honest) as b, FakeServer(honest) as c, capture_logs() as logs:
        async with running(*(local(server.port, ours=False) for server in (a, b, c))) as published:
            await until(lambda: state(published) is ClockState.SYNC, 1.5)
            mapping = published[-1][1]
            assert mapping
            now = instant_now()
            assert mapping.utc_at(now.raw) == pytest.approx(now.real_ns / 1000, abs=mapping.bound_at_us(now.raw) + 1)
            assert published[-1][0].agreeing == 3
    assert [entry["state"] for entry in logs if entry["event"] == "clock.state"][-1] is ClockState.SYNC


async def test_what_is_rejected_is_logged_once_with_the_remedy() -> None:
    with (
        FakeServer(lambda nonce: [packet(nonce, stratum=16)]) as bad,
        FakeServer(honest) as good,
        capture_logs() as logs,
    ):
        async with running(local(bad.port), local(good.port)) as published:
            await until(lambda: state(published) is ClockState.SYNC)
            await until(lambda: bad.asked >= 2)
            await asyncio.sleep(0.2)
            source = published[-1][0].per_source[0]
            assert not source.agrees and "stratum 16" in source.why
    rejected = [entry for entry in logs if entry["event"] == "clock.source_rejected"]
    assert len(rejected) == 1 and rejected[0]["reason"] == "reply"
    assert rejected[0]["server"] == f"127.0.0.1:{bad.port}" and rejected[0]["log_level"] == "warning"


async def test_deny_stops_that_server_only() -> None:
    with FakeServer(lambda nonce: [packet(nonce, stratum=0, ref_id=b"DENY")]) as denying, FakeServer(honest) as good:
        async with running(local(denying.port), local(good.port)) as published:
            await until(lambda: good.asked >= 4, 8.0)
            assert denying.asked == 1
            assert "DENY" in published[-1][0].per_source[0].why
            assert state(published) is ClockState.SYNC


async def test_a_name_that_cannot_be_resolved_is_survived_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer(honest) as server:
        real_resolve, tries = ntp.resolve, []

        def resolve(host: str, port: int) -> Any:
            tries.append(host)
            return real_resolve("no-such-host.invalid" if len(tries) == 1 else "127.0.0.1", port)

        monkeypatch.setattr("agent.clock.service.resolve", resolve)
        async with running({"host": "ntp.example", "port": server.port, "ours": True}) as published:
            await until(lambda: bool(published))
            assert state(published) is ClockState.UNSYNC
            assert published[-1][0].per_source[0].code in ("dns", "dns_away")
            await until(lambda: state(published) is ClockState.SYNC, 8.0)
            assert tries == ["ntp.example"] * 2, "an address that answers is kept"


async def test_a_restarted_agent_goes_on_with_its_mapping_before_any_server_answers(tmp_path: Path) -> None:
    with FakeServer(honest) as server:
        async with running(local(server.port), memory=Memory(tmp_path, tmp_path)) as published:
            await until(lambda: state(published) is ClockState.SYNC)
            before = published[-1][1]
        async with running(local(free_udp_port()), memory=Memory(tmp_path, tmp_path)) as published:
            await until(lambda: bool(published), 0.5)
            report, mapping = published[0]
    assert before and mapping and report.state is ClockState.HOLDOVER
    now = instant_now()
    assert mapping.utc_at(now.raw) == pytest.approx(now.real_ns / 1000, abs=mapping.bound_at_us(now.raw))
    assert mapping.utc_at(now.raw) == pytest.approx(before.utc_at(now.raw), abs=200)
    assert (tmp_path / "clock.json").exists(), "the rate and the floor outlive the boot too"


async def test_a_fault_of_ours_costs_one_source_and_not_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    real_exchange = ntp.exchange

    def exchange(address: Any, source: str) -> Any:
        if source.endswith(":9"):
            raise ZeroDivisionError("made up")
        return real_exchange(address, source)

    monkeypatch.setattr("agent.clock.service.exchange", exchange)
    with FakeServer(honest) as server, capture_logs() as logs:
        async with running(local(9), local(server.port)) as published:
            await until(lambda: state(published) is ClockState.SYNC)
            await until(lambda: "made up" in published[-1][0].per_source[0].why)
    assert "clock.question_failed" in [entry["event"] for entry in logs]


@pytest.mark.parametrize("turns_later", range(5))
async def test_an_end_that_comes_together_with_news_is_an_end(turns_later: int) -> None:
    config = Clock.model_validate({"servers": [local(free_udp_port())], "chrony": False})
    service = ClockService(config, lambda report, mapping: None)
    task = asyncio.create_task(service.run())
    await asyncio.sleep(0.05)
    service._news.set()
    for _ in range(turns_later):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=3)
    assert done and task.cancelled(), "asyncio.wait_for of Python 3.11 would go on"


async def test_a_server_that_is_not_there_is_told_with_the_remedy() -> None:
    async with running(local(free_udp_port())) as published:
        await until(lambda: bool(published))
        report, mapping = published[-1]
        assert mapping is None and report.state is ClockState.UNSYNC
        assert "check the address" in report.per_source[0].why


async def test_cancelling_does_not_wait_for_a_server_that_is_silent() -> None:
    with FakeServer(lambda nonce: []) as server:
        async with running(local(server.port)):
            await until(lambda: server.asked > 0)
            started = time.monotonic()
        assert time.monotonic() - started < 0.5


# --- against chronyd, in true and in faked time -------------------------------------------------

AGENT = Path(__file__).parent / "clock_agent.py"


@pytest.mark.needs("chronyd")
@pytest.mark.parametrize("skew", [None, "+1.3 x1.00005", "-2.7 x0.99995", "+37 x1.00002"])
def test_against_chronyd_a_clock_keeps_true_time_even_in_a_faked_one(
    processes: Processes, tmp_path: Path, skew: str | None
) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if skew and not library:
        pytest.skip("libfaketime is not installed: apt install faketime")
    # `env` and not the faketime command, which would not hand a signal on to the process it starts.
    fake = [shutil.which("env") or "env", f"LD_PRELOAD={library}", f"FAKETIME={skew}"] if skew else []
    port = free_udp_port()
    servers = [f"127.0.0.1:{server.port}" for server in timeservers.start(processes, 3, tmp_path)]
    agent = subprocess.Popen([*fake, sys.executable, str(AGENT), f"127.0.0.1:{port}", *servers])
    try:
        errors = list(_errors(port, seconds=12))
    finally:
        agent.terminate()
        agent.wait(10)
        for name in (f"faketime_shm_{agent.pid}", f"sem.faketime_sem_{agent.pid}"):
            Path("/dev/shm", name).unlink(missing_ok=True)
    assert len(errors) >= 5, "the clock hardly ever answered"
    assert max(map(abs, errors[:-3])) < 1.0
    assert max(map(abs, errors[-3:])) < 0.3


def _errors(port: int, seconds: float) -> Any:
    """The agent's clock against the true one, in ms, every second from the moment it answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(ConnectionError):
            yield measure("127.0.0.1", port).error_ms
        time.sleep(1.0)
