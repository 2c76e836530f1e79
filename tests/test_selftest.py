"""The self-test beside the agent: what becomes of a child that is well, odd, silent or endless."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from agent import selftest
from agent.messages import encode
from agent.selftest import SelfTester, read
from agent.told import SelfTest
from agent.units import UtcUs

NOW = UtcUs(1_748_865_600_000_000)


def finding(verdict: str, code: str, **more: str) -> dict[str, str]:
    return {"area": "host", "verdict": verdict, "code": code, "what": f"about {code}", "mend": "", **more}


def said(*findings: dict[str, str]) -> bytes:
    return json.dumps({"exit": 1, "findings": list(findings)}).encode()


def test_what_is_not_good_is_told_the_worst_first() -> None:
    test = read(said(finding("ok", "a"), finding("warning", "b"), finding("fault", "c", mend="do it")), NOW)
    assert (test.good, test.warnings, test.faults, test.time) == (1, 1, 1, NOW)
    assert [(one.code, one.mend) for one in test.findings] == [("c", "do it"), ("b", "")]


def test_a_status_has_room_for_whatever_is_found() -> None:
    many = read(said(*(finding("fault", f"c{number}") for number in range(500))), None)
    assert many.faults == 500 and len(many.findings) == selftest.MOST_FINDINGS
    long = read(
        said(*(finding("fault", f"c{number}", what="🐟" * 9999, mend="x\x1b[2J" * 999) for number in range(500))), None
    )
    assert [one.code for one in long.findings[:8]] == [f"c{number}" for number in range(8)] and long.faults == 500
    assert len(encode(long)) < selftest.TOLD_BYTES + 1024 and "\x1b" not in long.findings[0].mend


@pytest.mark.parametrize(
    "nonsense", [b"", b"[]", b"{}", b'{"findings": 5}', b"\xff", b"[" * 9999, b'{"findings":[{}]}']
)
def test_what_cannot_be_read_is_a_finding_of_its_own(nonsense: bytes) -> None:
    [one] = read(nonsense, NOW).findings
    assert (one.code, one.verdict) == ("self_test", "warning") and "framezero check --short" in one.mend


def made_of(
    code: str, monkeypatch: pytest.MonkeyPatch, rest: list[float] | None = None
) -> tuple[SelfTester, list[Any]]:
    """A self-test whose command is a Python program, begun at once; and what changes are told."""
    told: list[Any] = []
    monkeypatch.setattr(selftest, "BEGIN_S", 0.0)
    monkeypatch.setattr(selftest, "STEP_S", 0.02)
    command = asyncio.create_subprocess_exec

    async def run(*argv: str, **how: Any) -> Any:
        assert argv[1:4] == ("-m", "agent.cli", "check") and argv[-1] == "agent.toml"
        return await command(sys.executable, "-c", code, **how)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", run)
    left = rest if rest is not None else []
    made = SelfTester(
        Path("agent.toml"), lambda: NOW, lambda _film: left.pop() if left else 0.0, lambda: told.append(made.result)
    )
    return made, told


async def once(made: SelfTester) -> SelfTest:
    """What it finds the first time."""
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(30):
        while made.result is None:  # noqa: ASYNC110  what another process says
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return made.result


async def test_the_child_has_the_lowest_priority_and_its_word_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # It may be asked before it has been put back: it waits until it has.
    code = (
        "import json, os, time\n"
        "while os.sched_getscheduler(0) != os.SCHED_IDLE: time.sleep(0.01)\n"
        "what = f'{os.getpriority(os.PRIO_PROCESS, 0)} {os.getsid(0) == os.getpid()}'\n"
        "print(json.dumps({'findings': [{'area': 'a', 'verdict': 'warning', 'code': 'c', 'what': what}]}))"
    )
    made, told = made_of(code, monkeypatch)
    test = await once(made)
    assert test.findings[0].what == "19 True" and told == [test]


async def test_no_file_means_no_self_test() -> None:
    made = SelfTester(None, lambda: NOW, lambda _film: 0.0, lambda: None)
    await made.run()
    assert made.result is None


async def test_a_child_without_an_end_is_ended_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "LIMIT_S", 0.3)
    made, _ = made_of("import time; time.sleep(600)", monkeypatch)
    assert "was not done within" in (await once(made)).findings[0].what


async def test_a_child_that_says_too_much_is_ended_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = made_of("while True: print('x' * 9999)", monkeypatch)
    assert "says more than 256 KiB" in (await once(made)).findings[0].what


async def test_a_program_that_cannot_be_started_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = made_of("", monkeypatch)

    async def nothing(*argv: str, **how: Any) -> Any:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", nothing)
    assert "cannot be started (No such file" in (await once(made)).findings[0].what


async def test_it_stands_still_around_a_start_and_then_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    kill = os.killpg

    def note(pid: int, number: int) -> None:
        sent.append(number)
        kill(pid, number)

    monkeypatch.setattr(os, "killpg", note)
    # First nothing stands in the way, then a start for two looks, and then nothing again.
    code = "import time, json; time.sleep(1); print(json.dumps({'findings': []}))"
    made, _ = made_of(code, monkeypatch, rest=[0.01, 0.01, 0.0])
    test = await once(made)
    assert (test.faults, test.warnings) == (0, 0) and sent[:2] == [signal.SIGSTOP, signal.SIGCONT]


async def test_an_agent_that_ends_takes_the_child_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    made, _ = made_of(
        f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)", monkeypatch
    )
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(30):
        while not (note.exists() and note.read_text()):  # noqa: ASYNC110  what another process does
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


async def test_a_fault_is_looked_at_again_and_a_mended_one_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(selftest, "AGAIN_S", 0.01)
    mark = tmp_path / "mended"
    verdict = f"'ok' if os.path.exists({str(mark)!r}) else 'fault'"
    code = (
        f"import json, os; v = {verdict}; open({str(mark)!r}, 'w')\n"
        "print(json.dumps({'findings': [{'area': 'a', 'verdict': v, 'code': 'c', 'what': 'w'}]}))"
    )
    made, told = made_of(code, monkeypatch)
    async with asyncio.timeout(30):
        await made.run()
    assert [test.faults for test in told] == [1, 0] and made.result == told[-1]


async def test_a_test_that_could_not_be_done_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(selftest, "AGAIN_S", 0.01)
    mark = tmp_path / "once"
    code = (
        f"import json, os, sys; again = os.path.exists({str(mark)!r}); open({str(mark)!r}, 'w')\n"
        "print(json.dumps({'findings': []}) if again else 'nonsense')"
    )
    made, told = made_of(code, monkeypatch)
    async with asyncio.timeout(30):
        await made.run()
    assert [[one.code for one in test.findings] for test in told] == [[selftest.UNDONE], []]
