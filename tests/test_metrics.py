"""Figures for Prometheus: what they say, and that nobody who asks for them can hold up an agent."""

import asyncio
import socket
import stat
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from brokers import free_port
from prometheus_client.parser import text_string_to_metric_families
from test_mqtt import until

from agent import metrics
from agent.config import Metrics as Settings
from agent.figures import ERROR_BUCKETS_S, Showings, families
from agent.messages import Refusal
from agent.metrics import Metrics
from agent.told import (
    Ack,
    AsRun,
    CacheStatus,
    ClockSource,
    ClockStatus,
    ErrorSpread,
    ErrorWindow,
    Fetching,
    HostStatus,
    NextCue,
    Status,
)
from agent.units import US_PER_S, UtcUs, parse_utc

NOW = parse_utc("2025-06-02T12:00:00Z")
CUE = "0198f3a0-7c1e-7b3a-9d55-0d5c1f0e2a11"
BOOT = str(uuid.UUID(int=1))

FULL = Status(
    venue="tokyo",
    boot=BOOT,
    time=NOW,
    state="playing",
    cue=CUE,
    program="reel",
    rev=3,
    item=2,
    position_us=12_345_678,
    frame=370,
    error_us=ErrorWindow(median=-180, p99=900, window_s=60),
    dropped=1,
    late=2,
    reanchors=3,
    clock=ClockStatus(
        state="SYNC",
        bound_us=8200,
        frames=0.25,
        sources=5,
        agreeing=4,
        offset_host_us=-1200,
        per_source=[ClockSource(name='n"tp\\1', ours=False, agrees=True, why="", offset_us=150, delay_us=20_000)],
    ),
    latency_us=40_000,
    ready=False,
    reasons=[Refusal(code="film_missing", detail="koi"), Refusal(code="broker", detail="a")],
    warnings=[Refusal(code="asrun_book", detail="the disk is full")],
    next=NextCue(cue=CUE, at=UtcUs(NOW + 90 * US_PER_S), action="play"),
    pending=3,
    panic=None,
    cache=CacheStatus(films=12, bytes=48, fetching=Fetching(name="koi", done=1, size=2), missing=1),
    decoder="vaapi",
    display="1920x1080@60",
    host=HostStatus(cpu=0.21, mem_mb=180, disk_free_gb=88, temp_c=51, throttled=False),
    brokers={"mqtts://a:8883": True, "mqtts://b:8883": False},
)
BARE = FULL.model_copy(
    update={
        "time": None,
        "state": "starting",
        "program": None,
        "position_us": None,
        "frame": None,
        "error_us": None,
        "clock": ClockStatus(state="UNSYNC", bound_us=None, frames=None, sources=0, agreeing=0, offset_host_us=None),
        "reasons": [],
        "warnings": [],
        "ready": True,
        "next": None,
        "cache": CacheStatus(films=0, bytes=0, fetching=None, missing=0),
        "host": HostStatus(cpu=0, mem_mb=1, disk_free_gb=None),
        "brokers": {},
    }
)


def read(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples, by the client's own parser; each has to name the venue."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        assert family.documentation and family.type in ("gauge", "counter", "histogram")
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("venue") == "tokyo"
            assert sample.name.startswith("framezero_")
            found[sample.name.removeprefix("framezero_"), frozenset(labels.items())] = sample.value
    return found


def served(status: Status, showings: Showings | None = None, **settings: Any) -> Metrics:
    return Metrics(Settings(**settings), "tokyo", lambda: families(status, showings or Showings(), "1.2.3"))


def value(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_everything_in_a_status_is_told_in_base_units() -> None:
    found = read(served(FULL).text())
    expected = {
        "status_timestamp_seconds": NOW / US_PER_S,
        "sync_error_median_seconds": -0.00018,
        "sync_error_p99_seconds": 0.0009,
        "cue_frames_dropped": 1,
        "cue_frames_late": 2,
        "cue_reanchors": 3,
        "position_seconds": 12.345678,
        "frame": 370,
        "clock_bound_seconds": 0.0082,
        "clock_host_ahead_seconds": -0.0012,
        "clock_sources": 5,
        "clock_sources_agreeing": 4,
        "latency_seconds": 0.04,
        "ready": 0,
        "next_cue_seconds": 90,
        "pending_cues": 3,
        "panic": 0,
        "unsigned": 0,
        "cache_films": 12,
        "cache_bytes": 48,
        "cache_missing_films": 1,
        "fetching_bytes": 1,
        "fetching_size_bytes": 2,
        "cpu_ratio": 0.21,
        "memory_bytes": 180 * 2**20,
        "disk_free_bytes": 88e9,
        "temperature_celsius": 51,
        "throttled": 0,
    }
    assert {name: value(found, name) for name in expected} == pytest.approx(expected)
    assert value(found, "build_info", version="1.2.3") == 1
    assert value(found, "state", state="playing") == 1 and value(found, "state", state="fault") == 0
    assert value(found, "clock_state", state="SYNC") == 1 and value(found, "clock_state", state="HOST") == 0
    assert value(found, "no_go", reason="film_missing") == 1 and ("no_go", frozenset()) not in found
    assert value(found, "warning", reason="asrun_book") == 1
    assert value(found, "showing_info", cue=CUE, program="reel", rev="3", item="2") == 1
    assert value(found, "next_cue_timestamp_seconds", action="play") == NOW / US_PER_S + 90
    assert value(found, "clock_source_offset_seconds", source='n"tp\\1') == pytest.approx(0.00015)
    assert value(found, "broker_up", broker="mqtts://b:8883") == 0


def test_what_is_not_known_is_left_out_and_not_told_as_nothing() -> None:
    names = {name for name, _ in read(served(BARE).text())}
    assert "ready" in names
    absent = {"clock_bound_seconds", "sync_error_p99_seconds", "next_cue_seconds", "temperature_celsius", "throttled"}
    absent |= {
        "position_seconds",
        "disk_free_bytes",
        "status_timestamp_seconds",
        "last_start_error_seconds",
        "no_go",
        "warning",
    }
    assert names & absent == set()


def record(kind: Any, error_us: int, *, joined: bool = False, frames: int = 1) -> AsRun:
    off = abs(error_us)
    return AsRun(
        venue="tokyo",
        kind=kind,
        cue=CUE,
        program="reel",
        rev=1,
        item=0,
        sha256=None,
        due=NOW,
        observed=NOW,
        error_us=ErrorSpread(median=error_us, p95=off, p99=off, max=off),
        frames=frames,
        dropped=2 if kind != "start" else 0,
        late=3 if kind != "start" else 0,
        bound_us=100,
        clock="SYNC",
        joined=joined,
    )


def test_what_the_wall_has_shown_only_rises() -> None:
    showings = Showings()
    for error_us in (-180, 3_000, 900_000):
        showings.record(record("start", error_us))
    showings.record(record("start", 700, joined=True))
    showings.record(record("minute", 10, frames=1800))
    showings.record(record("end", 10, frames=30))
    showings.acknowledge(Ack(cue=CUE, venue="tokyo", boot=BOOT, stage="missed", time=NOW))
    found = read(served(FULL, showings).text())
    assert value(found, "starts_total", joined="false") == 3 and value(found, "starts_total", joined="true") == 1
    assert (value(found, "frames_shown_total"), value(found, "frames_dropped_total")) == (1830, 4)
    assert value(found, "frames_late_total") == 6
    assert value(found, "acks_total", stage="missed") == 1 and value(found, "acks_total", stage="refused") == 0
    assert value(found, "last_start_error_seconds") == pytest.approx(0.0007)
    buckets = [value(found, "start_error_seconds_bucket", le=le) for le in (*map(str, ERROR_BUCKETS_S), "+Inf")]
    assert buckets == [2, 2, 3, 3, 3, 3, 3, 3, 4]
    assert value(found, "start_error_seconds_count") == 4
    assert value(found, "start_error_seconds_sum") == pytest.approx(0.90388)


@asynccontextmanager
async def running(found: Metrics) -> AsyncIterator[None]:
    task = asyncio.create_task(found.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def curl(*words: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--max-time", "10", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


@pytest.mark.needs("curl")
async def test_it_is_served_to_whoever_asks_for_it_rightly() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with running(served(FULL, listen=f"127.0.0.1:{port}")):
        await listening(port)
        code, out = await curl("-i", f"{url}/metrics?x=1")
        assert code == 0 and out.startswith("HTTP/1.1 200 OK") and "text/plain; version=0.0.4" in out
        assert read(out.partition("\r\n\r\n")[2].encode())
        assert "404" in (await curl("-i", url))[1] and "405" in (await curl("-i", "-d", "x", f"{url}/metrics"))[1]
        code, head = await curl("-I", f"{url}/metrics")
        assert code == 0 and "# HELP" not in head and "Content-Length: " in head


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the end, be it a reset."""
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def test_a_slow_one_many_and_a_talker_are_cut_off_and_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "CLIENT_S", 0.3)
    port = free_port()
    found = served(FULL, listen=f"127.0.0.1:{port}")
    async with running(found):
        await listening(port)
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(metrics.CLIENTS)]
        one_more, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert await rest(one_more) == b""  # it asks rightly, and there is no room
        writer.close()
        for reader, idler in idle:  # they said nothing in time
            assert await rest(reader) == b""
            idler.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /" + b"x" * 100_000)
        assert await rest(reader) == b""
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_clients_that_linger_hold_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "CLIENT_S", 1000.0)
    port = free_port()
    found = served(FULL, listen=f"127.0.0.1:{port}")
    task = asyncio.create_task(found.run())
    await listening(port)
    lingering = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    await until(lambda: len(found._clients) >= 3)
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(task, return_exceptions=True)
    for reader, writer in lingering:
        assert await rest(reader) == b""
        writer.close()
    await until(lambda: not found._clients)


async def test_an_address_that_is_taken_is_a_warning_and_used_when_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "AGAIN_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = served(FULL, listen=f"127.0.0.1:{port}")
        task = asyncio.create_task(found.run())
        await until(lambda: bool(found.faults))
        assert f"metrics.listen 127.0.0.1:{port} cannot be used" in found.faults[0].detail
    await until(lambda: not found.faults)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_over_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    port = free_port()
    async with running(served(FULL, listen=f"[::1]:{port}")):
        await asyncio.sleep(0.2)
        try:
            reader, writer = await asyncio.open_connection("::1", port)
        except OSError:
            pytest.skip("no IPv6 here")
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_the_file_is_put_into_place_whole_and_goes_with_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "WRITE_S", 0.02)
    folder = tmp_path / "not" / "yet"
    path = folder / "framezero.prom"
    found = served(FULL, textfile=path)
    async with running(found):
        await until(lambda: bool(found.faults))
        assert "let the agent's user write" in found.faults[0].detail
        folder.mkdir(parents=True)
        await until(lambda: not found.faults)
        for _ in range(50):
            assert read(path.read_bytes())
            assert [one.name for one in folder.glob("*.prom")] == ["framezero.prom"]
            await asyncio.sleep(0.005)
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(folder.iterdir()) == []
