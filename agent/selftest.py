"""The agent's self-test: `framezero check --short` as a process of its own, when nothing else wants to work.

It begins some seconds after a start, at the lowest priority that there is, stands still around the start of a film as
downloads do, and ends after a while whatever happens. What it found stands in the status; a fault is looked at again
from time to time, so that what has been mended does not stand there until the next start.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from agent.cache.lull import Lull, RestS
from agent.messages import encode
from agent.printable import printable
from agent.told import SelfTest, SelfTestFinding, Told
from agent.units import UtcUs

log = structlog.get_logger()

BEGIN_S = 10.0
"""So long after the start of the agent: display, brokers and clock have come by then where they come at all."""
AGAIN_S = 600.0
"""While there is a fault it is looked at again after so long."""
LIMIT_S = 90.0
"""It takes some seconds of an idle machine; more only where the machine is never idle."""
STEP_S = 0.5
MOST_BYTES = 256 * 1024
MOST_FINDINGS = 16
SENTENCE_CHARS = 300
TOLD_BYTES = 16 * 1024
"""A status has to fit into 64 KiB, in whatever script a film or a folder is named; what is more is only counted."""
LOWEST = 19
UNDONE = "self_test"
"""The code of what is found where the test itself could not be done; then it is tried again, too."""
COMMAND = ("check", "--short", "--json", "--with-parent")


class _Found(Told):
    area: str
    verdict: str
    code: str
    what: str
    mend: str = ""


_FOUND = TypeAdapter(list[_Found])


class SelfTester:
    """Tests the player beside the agent; `result` is what was found last, None before that.

    `file` is the agent.toml that the agent runs with; None: nothing is tested. `changed` is told of each new result.
    """

    def __init__(
        self, file: Path | None, utc: Callable[[], UtcUs | None], rest_s: RestS, changed: Callable[[], None]
    ) -> None:
        self._file = file
        self._utc = utc
        self._lull = Lull(rest_s, "self-test")
        self._changed = changed
        self.result: SelfTest | None = None

    async def run(self) -> None:
        """Work until there is no fault any more, or until cancelled."""
        if self._file is None:
            return
        await asyncio.sleep(BEGIN_S)
        while True:
            await self._lull.wait()
            said = await self._said([sys.executable, "-m", "agent.cli", *COMMAND, "--config", str(self._file)])
            self.result = read(said, self._utc())
            told = {"good": self.result.good, "warnings": self.result.warnings, "faults": self.result.faults}
            log.info("self-test done", **told, amiss=told_codes(self.result))
            self._changed()
            if not self.result.faults and UNDONE not in told_codes(self.result):
                return
            await asyncio.sleep(AGAIN_S)

    async def _said(self, argv: list[str]) -> bytes | str:
        """What the command prints, else a sentence why there is nothing to read."""
        try:
            child = await asyncio.create_subprocess_exec(
                *argv,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            return f"it cannot be started ({error.strerror})"
        _step_back(child.pid)
        assert child.stdout is not None
        reading = asyncio.ensure_future(_most(child.stdout))
        try:
            return await self._wait(child, reading)
        finally:
            # Also the processes that it has started, and also where it is cancelled with the agent.
            reading.cancel()
            _signal(child, signal.SIGKILL)
            await child.wait()

    async def _wait(self, child: Process, reading: "asyncio.Future[bytes | None]") -> bytes | str:
        left_s = LIMIT_S
        loop = asyncio.get_running_loop()
        while not reading.done() and left_s > 0:
            began_s = loop.time()
            await asyncio.wait([reading], timeout=STEP_S)
            left_s -= loop.time() - began_s
            if self._lull.left_s(loop.time()) > 0:
                _signal(child, signal.SIGSTOP)
                await self._lull.wait()
                _signal(child, signal.SIGCONT)
        if not reading.done():
            return f"it was not done within {LIMIT_S:.0f} s"
        return reading.result() or f"it says more than {MOST_BYTES // 1024} KiB"


def read(said: bytes | str, utc: UtcUs | None) -> SelfTest:
    """What `check --json` has printed as it stands in a status; a sentence, or what is no such thing, is a finding."""
    found: list[_Found] = []
    fault = said if isinstance(said, str) else ""
    if isinstance(said, bytes):
        try:
            found = _FOUND.validate_python(json.loads(said)["findings"])
        except (ValueError, ValidationError, KeyError, TypeError, RecursionError):
            fault = "it has said nothing that can be read"
    if fault:
        mend = "run it by hand: sudo -u framezero framezero check --short"
        found = [_Found(area="agent", verdict="warning", code=UNDONE, what=f"the self-test: {fault}", mend=mend)]
    faults = [_told(one, "fault") for one in found if one.verdict == "fault"]
    warnings = [_told(one, "warning") for one in found if one.verdict == "warning"]
    return SelfTest(
        time=utc,
        good=len(found) - len(faults) - len(warnings),
        warnings=len(warnings),
        faults=len(faults),
        findings=_fitting([*faults, *warnings]),
    )


def _fitting(findings: list[SelfTestFinding]) -> list[SelfTestFinding]:
    """As many of the worst as a status has room for."""
    sizes = accumulate(len(encode(finding)) for finding in findings)
    return [finding for finding, size in zip(findings, sizes, strict=True) if size <= TOLD_BYTES][:MOST_FINDINGS]


def told_codes(test: SelfTest) -> list[str]:
    """The codes of what is not good, the worst first."""
    return [finding.code for finding in test.findings]


def _told(one: _Found, verdict: str) -> SelfTestFinding:
    def short(text: str) -> str:
        return printable(text, SENTENCE_CHARS)

    return SelfTestFinding.model_validate(
        {
            "area": short(one.area),
            "verdict": verdict,
            "code": short(one.code),
            "what": short(one.what),
            "mend": short(one.mend),
        }
    )


async def _most(stream: asyncio.StreamReader) -> bytes | None:
    """All that comes, None where it is too much."""
    said = bytearray()
    while chunk := await stream.read(65_536):
        said += chunk
        if len(said) > MOST_BYTES:
            return None
    return bytes(said)


def _step_back(pid: int) -> None:
    """Let it work only when nobody else wants to; the kernel then lets it read the disk last, too (ionice(1))."""
    with contextlib.suppress(OSError):  # also where it has ended by now
        os.setpriority(os.PRIO_PROCESS, pid, LOWEST)
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))


def _signal(child: Process, number: signal.Signals) -> None:
    if child.returncode is None:  # else its number may be another's by now
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
