import asyncio
import sys
import time
from pathlib import Path

import pytest

from agent.lab import operator
from agent.lab.processes import LabError, Processes


async def test_a_command_that_fails_is_told_with_its_words_and_status(processes: Processes) -> None:
    with pytest.raises(LabError, match=r"(?s)framezero no-such-command.*No such command") as caught:
        await operator.command(processes, "odd", ["no-such-command"], 20)
    assert caught.value.status == 2
    assert processes.children == ()


async def test_a_command_that_prints_no_json_is_told(processes: Processes) -> None:
    with pytest.raises(LabError, match="printed no JSON: framezero"):
        await operator.command(processes, "version", ["--version"], 20)


async def test_the_end_of_a_child_is_awaited_without_blocking(processes: Processes) -> None:
    child = processes.start("nap", [sys.executable, "-c", "import time; time.sleep(0.3)"])
    beats = 0
    waiting = asyncio.create_task(operator.ended(child, 10))
    begun = time.monotonic()
    while not waiting.done():
        await asyncio.sleep(0.01)
        beats += 1
    assert await waiting
    assert beats > 10
    assert time.monotonic() - begun < 5
    assert await operator.ended(child, 0)


async def test_a_child_that_goes_on_is_not_awaited_for_ever(processes: Processes) -> None:
    assert not await operator.ended(processes.start("long", ["sleep", "600"]), 0.1)


def test_the_folder_of_the_logs_is_made(tmp_path: Path) -> None:
    with Processes(tmp_path / "deep" / "logs"):
        assert (tmp_path / "deep" / "logs").is_dir()
