"""Alarms are sent to programs and web addresses: in order, with new attempts, and never in anybody's way.

`tell` only puts a notice into each target's queue; a target that is slow, wrong or gone holds up neither the others nor
whoever looks. What goes wrong with a target is said once, and once that it works again.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent.control.addresses import parse_address
from agent.control.alarms import Changes, Rules
from agent.control.notice import as_json, environment, notices
from agent.control.post import PostError, post
from agent.units import UtcUs

QUEUED = 100
"""So many notices wait for one target; of more the oldest are given up, and that is said."""
BURST = 10
PER_MINUTE = 20.0
"""No more than this on the average reach one target, after `BURST` at once."""
ATTEMPTS = 6
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
COMMAND_S = 30.0
STANDARD_ERROR = 2

Say = Callable[[str], None]


class Target(Protocol):
    """Where notices go. `name` is how it may be shown, without its secrets."""

    @property
    def name(self) -> str:
        """How it may be shown."""

    async def send(self, notice: dict[str, Any]) -> None:
        """Deliver one notice. Raises PostError."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A web address that takes a JSON body."""

    url: str
    ca: str = ""

    @property
    def name(self) -> str:
        """Scheme and host: the path is often a secret."""
        return parse_address(self.url).shown

    async def send(self, notice: dict[str, Any]) -> None:
        """Post it. Raises PostError."""
        await post(self.url, json.dumps(notice).encode(), ca=self.ca)


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments, started anew for each notice, without a shell.

    It finds the notice as JSON on its standard input and as variables (`FRAMEZERO_ALARM_TEXT` …); what it prints goes
    to our standard error. It has `timeout_s`, then it is killed with all that it has started.
    """

    argv: tuple[str, ...]
    timeout_s: float = COMMAND_S

    @property
    def name(self) -> str:
        """The program: its arguments may hold a secret."""
        return self.argv[0]

    async def send(self, notice: dict[str, Any]) -> None:
        """Run it once. Raises PostError."""
        try:
            child = await asyncio.create_subprocess_exec(
                *self.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=STANDARD_ERROR,
                env={**os.environ, **environment(notice)},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise PostError(f"cannot be started ({error})", final=True) from error
        try:
            async with asyncio.timeout(self.timeout_s):
                await child.communicate(json.dumps(notice).encode() + b"\n")
        except TimeoutError as error:
            raise PostError(f"did not end within {self.timeout_s:g} s") from error
        finally:
            # Its whole group: what it has left behind in the background too, if it was cancelled or too slow.
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                await child.wait()
        if child.returncode:
            raise PostError(f"ended with {child.returncode}")


@dataclass(slots=True)
class _Box:
    target: Target
    waiting: deque[dict[str, Any]] = field(default_factory=deque)
    lost: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    fault: str = ""

    def put(self, notice: dict[str, Any]) -> None:
        if len(self.waiting) >= QUEUED:
            self.waiting.popleft()
            self.lost += 1
        self.waiting.append(notice)
        self.empty.clear()
        self.news.set()


def targets_of(rules: Rules, ca: str = "") -> list[Target]:
    """Where alarms go by these rules; `ca` (PEM) is what https is verified with, by default what the host trusts."""
    found: list[Target] = [Webhook(url, ca) for url in dict.fromkeys(rules.webhooks)]
    return [Command(tuple(rules.command)), *found] if rules.command else found


class Notifier:
    """Sends what `tell` is told to every target, while `run` runs.

    `say` gets a sentence each time that a target begins to fail, or works again.
    """

    def __init__(self, targets: Sequence[Target], show: str | None, say: Say) -> None:
        self._boxes = [_Box(target) for target in targets]
        self._show = show
        self._say = say

    def tell(self, changes: Changes, now: UtcUs) -> None:
        """Have these changes sent; `now` is UTC. Never waits."""
        for event, alarms in notices(changes):
            for box in self._boxes:
                box.put(as_json(event, alarms, now, self._show))

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong with which target, by name, now."""
        return {box.target.name: box.fault for box in self._boxes if box.fault}

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as group:
            for box in self._boxes:
                group.create_task(self._serve(box), name=f"alarms to {box.target.name}")

    async def flush(self, within_s: float) -> None:
        """Give what waits so long to be sent, for the end of a command; `run` has to run."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for box in self._boxes:
                    await box.empty.wait()

    async def _serve(self, box: _Box) -> None:
        allowance, counted_s = float(BURST), time.monotonic()
        while True:
            while not box.waiting:
                box.empty.set()
                box.news.clear()
                await box.news.wait()
            now_s = time.monotonic()
            allowance = min(float(BURST), allowance + (now_s - counted_s) * PER_MINUTE / 60.0)
            counted_s = now_s
            if allowance < 1.0:
                await asyncio.sleep((1.0 - allowance) * 60.0 / PER_MINUTE)
                continue
            allowance -= 1.0
            await self._deliver(box, {**box.waiting.popleft(), "lost": box.lost})

    async def _deliver(self, box: _Box, notice: dict[str, Any]) -> None:
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await box.target.send(notice)
            except PostError as error:
                last = error.final or attempt == ATTEMPTS
                self._hear(box, str(error))
                if last:
                    box.lost += 1
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                box.lost -= notice["lost"]
                self._hear(box, "")
                return

    def _hear(self, box: _Box, fault: str) -> None:
        """Say that a target has failed, or works again: once, whatever it fails by then."""
        had, box.fault = box.fault, fault
        if fault and not had:
            self._say(f"alarms do not reach {box.target.name}: {fault}; it is tried again with each alarm")
        elif had and not fault:
            self._say(f"alarms reach {box.target.name} again")
