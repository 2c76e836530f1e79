"""How late an instant comes: ways of waiting for it, measured in a process of its own that a parent started.

As in the agent: the parent is an asyncio program that sends the newest mapping over a socket; the child derives every
deadline from the mapping that is the newest when it takes it in hand, and waits with `agent.player.instant`.

    python tests/firing.py parent '{"method": "player", …}'        what `measure` starts; it starts the child itself
"""

import asyncio
import ctypes
import json
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from agent.clock.kernel import raw_now_ns, real_now_ns
from agent.clock.mapping import ClockState
from agent.clock.mapping import Mapping as ClockMapping
from agent.lab.steal import Ticks
from agent.player.instant import FIRE_AHEAD_US, spin_for, wait_until
from agent.player.urgency import hurry
from agent.player.wire import ORDERS, Clock, clock_of, line
from agent.units import RawNs, UtcUs

Method = Literal["call_at", "sleep", "player"]
METHODS: tuple[Method, ...] = ("player", "sleep", "call_at")
Beside = Literal["", "thread", "parent", "threads"]
"""Nothing; a busy thread of the same process; the parent's event loop never idle; that and a busy thread beside it."""

REALTIME_P99_US = 100
PLAIN_P99_US = 1000
PARENT_ADDS_US = 200
"""The limits of clock.md, harness item 12."""

GAPS_MS = (12, 25)
"""From one instant to the next, drawn anew each time: longer than any spin, so that each is slept for."""

CLOCK_EVERY_S = 0.25
CELL_S = 60


@dataclass(frozen=True)
class Cell:
    """One way of waiting, with or without SCHED_FIFO, and what works beside it."""

    method: Method
    realtime: bool
    beside: Beside


@dataclass(frozen=True)
class Lateness:
    """Microseconds after the instant; `stolen`: the share of processor time that the host took meanwhile."""

    n: int
    least_us: float
    p50_us: float
    p99_us: float
    max_us: float
    stolen: float


Measured = Mapping[Cell, Lateness]

PLAIN = Cell("player", False, "")
PLAIN_PARENT = Cell("player", False, "parent")
FIFO = Cell("player", True, "")
FIFO_PARENT = Cell("player", True, "parent")


def realtime_permitted() -> bool:
    """Whether this user may have SCHED_FIFO; asked in a process of its own, which keeps it."""
    code = "import sys; from agent.player.urgency import hurry; sys.exit(not hurry())"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def measure(cell: Cell, count: int) -> Lateness:
    """Wait for so many instants in one way."""
    wish = json.dumps({**asdict(cell), "count": count})
    before = Ticks.now()
    done = subprocess.run(
        [sys.executable, __file__, "parent", wish], stdout=subprocess.PIPE, check=True, timeout=CELL_S + count / 20
    )
    late_ns: list[int] = sorted(json.loads(done.stdout))
    stolen = Ticks.now().stolen_since(before)
    least_us, p50_us, p99_us, max_us = (late_ns[round(share * (count - 1))] / 1000 for share in (0, 0.5, 0.99, 1))
    return Lateness(count, least_us, p50_us, p99_us, max_us, stolen)


def faults(measured: Measured) -> list[str]:
    """The limits that the player's own wait misses, of those for which there are figures."""
    found = []
    for cell, name, limit_us in ((FIFO, "under SCHED_FIFO", REALTIME_P99_US), (PLAIN, "plain", PLAIN_P99_US)):
        if cell in measured and (p99 := measured[cell].p99_us) > limit_us:
            found.append(f"{name}: p99 is {p99:.0f} µs late, allowed {limit_us}")
    for alone, busy, name in ((FIFO, FIFO_PARENT, "under SCHED_FIFO"), (PLAIN, PLAIN_PARENT, "plain")):
        if alone in measured and busy in measured:
            added = measured[busy].p99_us - measured[alone].p99_us
            if added > PARENT_ADDS_US:
                found.append(f"{name}: a busy parent process adds {added:.0f} µs to the p99, allowed {PARENT_ADDS_US}")
    return found


def measure_all(cells: list[Cell], count: int, attempts: int) -> dict[Cell, Lateness]:
    """Measure cells, all of them again while limits are missed.

    Whatever else runs on a machine only ever makes an instant late, never punctual: of several attempts the most
    punctual one of each cell counts, and one with a fault may be the machine's.
    """
    measured: dict[Cell, Lateness] = {}
    for _ in range(attempts):
        for cell in cells:
            found = measure(cell, count)
            if cell not in measured or found.p99_us < measured[cell].p99_us:
                measured[cell] = found
        if not faults(measured):
            break
    return measured


# --- the parent -----------------------------------------------------------------------------------


async def parent(wish: dict[str, Any]) -> str:
    """Start the child as the agent starts its player, keep it supplied with mappings; its answer, a JSON list."""
    ours, theirs = socket.socketpair()
    with theirs:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "child",
            str(theirs.fileno()),
            json.dumps(wish),
            pass_fds=[theirs.fileno()],
            stdin=asyncio.subprocess.DEVNULL,
        )
    reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 24)
    tasks = [asyncio.create_task(_tell_time(writer))]
    if wish["beside"] in ("parent", "threads"):
        tasks.append(asyncio.create_task(_bustle()))
    if wish["beside"] == "threads":
        threading.Thread(target=_toil, daemon=True).start()
    answer = await reader.readline()
    for task in tasks:
        task.cancel()
    writer.close()
    if await child.wait() or not answer:
        raise SystemExit("the child failed; its words stand above")
    return answer.decode()


async def _tell_time(writer: asyncio.StreamWriter) -> None:
    """A mapping whose rate changes a little every time, as a clock's does."""
    raw, utc_ns = raw_now_ns(), real_now_ns()
    drawn = random.Random(1)
    while True:
        freq = drawn.uniform(20e-6, 21e-6)
        mapping = ClockMapping(raw, utc_ns, freq, 1e-6, 500.0, ClockState.SYNC, "")
        writer.write(line(clock_of(mapping)))
        await asyncio.sleep(CLOCK_EVERY_S)
        now = raw_now_ns()
        raw, utc_ns = now, utc_ns + (now - raw) + round((now - raw) * freq)


def _toil() -> None:
    while True:
        sum(range(1000))


async def _bustle() -> None:
    while True:
        json.loads(json.dumps({"numbers": list(range(200))}))
        await asyncio.sleep(0)


# --- the child ------------------------------------------------------------------------------------


def child(agent: socket.socket, wish: dict[str, Any]) -> None:
    """Wait for instants; send how late each came, in nanoseconds."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with its parent, as the player does
    if wish["realtime"] and not hurry():
        raise SystemExit("SCHED_FIFO is not permitted")
    if wish["beside"] == "thread":
        threading.Thread(target=_toil, daemon=True).start()
    drawn = random.Random(2)
    gaps_ms = (drawn.uniform(*GAPS_MS) for _ in range(wish["count"]))
    ways: dict[Method, Callable[[], list[int]]] = {
        "call_at": lambda: asyncio.run(_by_call_at(gaps_ms)),
        "sleep": lambda: [_by_sleep(gap_ms) for gap_ms in gaps_ms],
        "player": lambda: _by_players_wait(agent, wish["realtime"], gaps_ms),
    }
    agent.sendall(json.dumps(ways[wish["method"]]()).encode() + b"\n")
    while agent.recv(1 << 16):  # until the parent has read it
        pass


async def _by_call_at(gaps_ms: Iterator[float]) -> list[int]:
    loop = asyncio.get_running_loop()
    late_ns = []
    for gap_ms in gaps_ms:
        due = loop.time() + gap_ms / 1000
        fired: asyncio.Future[float] = loop.create_future()
        loop.call_at(due, _note_time, loop, fired)
        late_ns.append(round((await fired - due) * 1e9))
    return late_ns


def _note_time(loop: asyncio.AbstractEventLoop, fired: asyncio.Future[float]) -> None:
    fired.set_result(loop.time())


def _by_sleep(gap_ms: float) -> int:
    due = raw_now_ns() + round(gap_ms * 1e6)
    time.sleep((due - raw_now_ns()) / 1e9)
    return raw_now_ns() - due


def _by_players_wait(agent: socket.socket, realtime: bool, gaps_ms: Iterator[float]) -> list[int]:
    clock = _newest(agent)
    late_ns = []
    for gap_ms in gaps_ms:
        due = UtcUs(clock.utc_at(raw_now_ns()) + round(gap_ms * 1000))
        # The player's own loop: it sleeps until its wake-up, and every mapping that comes moves that.
        while (left := clock.raw_at(UtcUs(due - FIRE_AHEAD_US)) - raw_now_ns()) > 0:
            if select.select([agent], [], [], left / 1e9)[0]:
                clock = _newest(agent)
        due_raw: RawNs = clock.raw_at(due)
        wait_until(due_raw, spin_for(realtime))
        late_ns.append(raw_now_ns() - due_raw)
    return late_ns


def _newest(agent: socket.socket) -> ClockMapping:
    order = ORDERS.validate_json(agent.recv(1 << 16).splitlines()[-1])
    assert isinstance(order, Clock)
    return order.mapping()


def main() -> None:
    """Be the parent or the child."""
    if sys.argv[1] == "parent":
        sys.stdout.write(asyncio.run(parent(json.loads(sys.argv[2]))))
    else:
        child(socket.socket(fileno=int(sys.argv[2])), json.loads(sys.argv[3]))


if __name__ == "__main__":
    main()
