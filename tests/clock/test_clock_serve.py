import asyncio
import contextlib

import pytest
from ntp_servers import free_udp_port

from agent.clock.kernel import instant_now, raw_now_ns
from agent.clock.mapping import ClockState, Mapping
from agent.clock.ntp import check_reply, exchange, measure, request, resolve
from agent.clock.sample import Sample
from agent.clock.serve import reply, serve
from agent.messages import Refusal
from agent.units import RawNs

NONCE = b"8 bytes!"


def mapping(ahead_ms: float = 0.0, state: ClockState = ClockState.SYNC) -> Mapping:
    now = instant_now()
    return Mapping(now.raw, now.real_ns + round(ahead_ms * 1e6), 0.0, 0.0, 250_000.0, state, "")


def test_the_answer_passes_our_own_checks_and_carries_the_bound() -> None:
    now = raw_now_ns()
    data = reply(request(NONCE), mapping(), now, now)
    assert data is not None
    sample = check_reply(data, NONCE, RawNs(now - 50_000), RawNs(now + 50_000))
    assert isinstance(sample, Sample)
    assert (sample.stratum, sample.leap) == (3, 0)
    assert sample.root_disp_ns == pytest.approx(250_000_000, rel=1e-3)


@pytest.mark.parametrize("known", [None, mapping(state=ClockState.UNSYNC), mapping(state=ClockState.HOST)])
def test_without_sync_it_says_so(known: Mapping | None) -> None:
    data = reply(request(NONCE), known, raw_now_ns(), raw_now_ns())
    assert data is not None
    assert data[0] >> 6 == 3 and data[1] == 16
    outcome = check_reply(data, NONCE, raw_now_ns(), raw_now_ns())
    assert isinstance(outcome, Refusal) and outcome.code == "reply"


@pytest.mark.parametrize("state", [ClockState.HOLDOVER, ClockState.DEGRADED])
def test_a_clock_that_runs_on_by_itself_still_answers(state: ClockState) -> None:
    data = reply(request(NONCE), mapping(state=state), raw_now_ns(), raw_now_ns())
    assert data is not None and data[0] >> 6 == 0 and data[1] == 3


@pytest.mark.parametrize(
    "data",
    [
        b"",
        request(NONCE)[:47],
        b"\x24" + request(NONCE)[1:],
        b"\x16" + bytes(47),
        b"\x13" + bytes(47),
        b"\x2b" + bytes(47),
    ],
    ids=["empty", "short", "mode 4", "mode 6", "version 2", "version 5"],
)
def test_anything_but_a_clients_request_is_not_answered(data: bytes) -> None:
    assert reply(data, mapping(), raw_now_ns(), raw_now_ns()) is None


def test_an_answer_is_never_longer_than_the_request() -> None:
    for request_data in (request(NONCE), request(NONCE) + bytes(400)):
        data = reply(request_data, mapping(), raw_now_ns(), raw_now_ns())
        assert data is not None and len(data) <= len(request_data)


async def test_it_serves_the_newest_mapping_over_udp() -> None:
    port = free_udp_port()
    known: list[Mapping | None] = [None]
    task = asyncio.create_task(serve(f"127.0.0.1:{port}", lambda: known[0]))
    try:
        await asyncio.sleep(0.1)
        addresses = resolve("127.0.0.1", port)
        assert isinstance(addresses, list)
        assert isinstance(await asyncio.to_thread(exchange, addresses[0], "x", 1.0), Refusal)
        known[0] = mapping(ahead_ms=7.25)
        found = await asyncio.to_thread(measure, "127.0.0.1", port)
        assert found.error_ms == pytest.approx(7.25, abs=0.1 + found.doubt_ms)
        assert 250 <= found.bound_ms <= 250.1, "never less than the bound"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_port_that_is_taken_is_an_error_of_the_system() -> None:
    port = free_udp_port()
    task = asyncio.create_task(serve(f"127.0.0.1:{port}", lambda: None))
    await asyncio.sleep(0.1)
    try:
        with pytest.raises(OSError, match="in use"):
            await serve(f"127.0.0.1:{port}", lambda: None)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
