import asyncio
from pathlib import Path

import pytest
from makers import key_of
from test_keyring import put

from agent import keywatch as module
from agent.config import Trust as Settings
from agent.keywatch import KeyWatch
from agent.trust import Trust


async def test_a_key_that_comes_counts_at_once_and_is_settled_on_a_second_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEYS_S", 0.001)
    folder = tmp_path / "keys"
    put(folder, key_of(1), key_of(3, "content"))
    heard: asyncio.Queue[tuple[Trust, bool]] = asyncio.Queue()
    watch = KeyWatch(Settings(keys=folder, require=True), lambda trust, settled: heard.put_nowait((trust, settled)))
    assert (set(watch.trust.keys), watch.faults) == ({key_of(1), key_of(3, "content")}, [])
    task = asyncio.create_task(watch.run())
    async with asyncio.timeout(10):
        assert (await heard.get())[1] is True
        put(folder, key_of(2))
        told = [await heard.get() for _ in range(2)]
        assert [(len(trust.keys), settled) for trust, settled in told] == [(3, False), (3, True)]
        for file in folder.iterdir():
            file.unlink()
        while (await heard.get())[0].keys:
            pass
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert watch.faults, "nobody is trusted, so that every cue will be refused"
    assert KeyWatch(Settings(keys=folder, require=False), lambda *_: None).faults == []
