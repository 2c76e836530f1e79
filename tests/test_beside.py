import asyncio

import pytest

from agent import beside as module
from agent.beside import beside


async def test_what_breaks_is_begun_anew_and_what_ends_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    left = 3

    async def work() -> None:
        nonlocal left
        left -= 1
        if left:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(broken())

    async def broken() -> None:
        raise ValueError("a fault of ours")

    async with asyncio.timeout(10):
        await beside("a test", work)
    assert left == 0


async def test_a_cancellation_ends_it() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(beside("a test", work))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
