"""What a cue costs a venue: verifying its signature, and scheduling it beside so many others. Processor time only."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from makers import ANYBODY, T0, S, cue_body, key_of, now_at, private, program_body, uuid_of
from walls import FakeWall

from agent.effects import Direct, Kept, Now, PlayerHeard, Received, Restored, Ticked, Write
from agent.intake import Venue, take_cue
from agent.player.wire import Armed, Fired, Start
from agent.trust import Trust, seal
from agent.units import UtcUs

if TYPE_CHECKING:
    from _typeshed import TraceFunction

PENDING = (0, 100, 1000, 5000)
CUE_MS = 2.0
RATIO = 1.5
"""A start beside 1 000 cues costs what it costs beside none, but for the noise of the machine."""

LOOP = {"action": "play", "program": "reel", "rev": 1, "loop": True}
_FAR_S = 3600


@dataclass(frozen=True)
class Cost:
    """Milliseconds of processor time: the median, and the mean that a garbage collection now and then adds to."""

    median_ms: float
    mean_ms: float


def cost(work: Callable[[int], object], count: int) -> Cost:
    """Do something so many times, each time with its number."""
    spent = []
    for number in range(count):
        began = time.process_time_ns()
        work(number)
        spent.append((time.process_time_ns() - began) / 1e6)
    return Cost(statistics.median(spent), statistics.fmean(spent))


def verification(count: int) -> Cost:
    """Size, signature, role, strict form and show of a signed cue, by one of eight trusted keys."""
    keys = tuple(key_of(number) for number in range(8))
    trust, venue, now = Trust(keys), Venue("paris", ("west",), "reel-show"), now_at(T0)
    bodies = [seal("cue", cue_body(number), [private(number % 8)]) for number in range(count)]
    topics = [uuid_of(number) for number in range(count)]

    def judge(number: int) -> None:
        taken = take_cue(bodies[number], topics[number], venue, trust, now)
        assert not hasattr(taken, "refusal"), taken

    return cost(judge, count)


def _give(wall: FakeWall, event: object, now: Now) -> list[Start]:
    """An event and the journal's word on it; the starts that the player is told of."""
    effects = wall.conductor.handle(event, now)  # type: ignore[arg-type]  # any event
    keys = tuple(effect.key for effect in effects if isinstance(effect, Write))
    if keys:
        effects += wall.conductor.handle(Kept(keys, None), now)
    return [start for effect in effects if isinstance(effect, Direct) for start in effect.starts]


def crowded(pending: int) -> FakeWall:
    """A wall that is ready, with a film running soon and so many cues waiting for later."""
    wall = FakeWall(trust=ANYBODY)
    wall.start_player()
    wall.receive("program/reel/1", program_body())
    for number in range(pending):
        at = T0 + (_FAR_S + number * 7 % pending) * S
        _give(wall, Received("cue", cue_body(10_000 + number, at, LOOP)), wall.now())
    return wall


def scheduling(pending: int, count: int) -> Cost:
    """From a bare cue's bytes to its ack: decoding, the ledger, the plan. Those that wait are all later or earlier."""
    wall = crowded(pending)
    now = wall.now()
    bodies = [cue_body(900_000 + number, T0 + (_FAR_S + 13 * number % 5000) * S, LOOP) for number in range(count)]
    return cost(lambda number: _give(wall, Received("cue", bodies[number]), now), count)


def starts_of(wall: FakeWall, rounds: int) -> Iterator[None]:
    """All that is done about one start after the other: armed, the ticks of a second, fired."""
    starts = _give(wall, Received("cue", cue_body(1, T0, LOOP)), now_at(T0 - 20 * S))
    for _ in range(rounds):
        at = starts[0].at
        film, starts = starts[0], starts[1:]
        yield
        told = _give(wall, PlayerHeard(Armed(id=film.id)), now_at(at - S))
        for step in range(4):
            told = _give(wall, Ticked(), now_at(at - S + (step + 1) * S // 4)) or told
        fired = Fired(id=film.id, observed_us=at, error_us=0, go_us=0, bound_us=1000, decoder="software")
        told = _give(wall, PlayerHeard(fired), now_at(UtcUs(at + 1000))) or told
        starts = [found for found in told if found.at > at] or starts


def start(pending: int, rounds: int) -> Cost:
    """What one start costs beside so many cues that wait."""
    steps = starts_of(crowded(pending), rounds)
    next(steps)
    return cost(lambda _: next(steps), rounds - 1)


def steps_of(work: Callable[[], object]) -> int:
    """How many steps Python's interpreter takes: the same at each run, whatever else the machine has to do."""
    count = 0

    def traced(frame: FrameType, event: str, _argument: object) -> "TraceFunction":
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def restore(pending: int) -> float:
    """Seconds of processor time to take again what the journal kept."""
    wall = FakeWall(trust=ANYBODY)
    bodies = [cue_body(number, T0 + (_FAR_S + number) * S, LOOP) for number in range(pending)]
    began = time.process_time()
    for number, body in enumerate(bodies):
        wall.conductor.handle(Restored(f"cue/{uuid_of(number)}", body), wall.now())
    wall.conductor.handle(Ticked(), wall.now())
    wall.conductor.handle(Ticked(), wall.now())
    return time.process_time() - began
