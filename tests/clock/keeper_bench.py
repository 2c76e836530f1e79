"""A keeper by hand: true time, and servers that answer as a test has them answer."""

from clock_simulation import UTC0_NS, Oscillator, exchange

from agent.clock.keeper import Keeper
from agent.clock.mapping import ClockState
from agent.clock.orders import Ask, AskChrony, LookUp, Past, Peer, Reading, Settings, Task
from agent.clock.sample import Address, Sample
from agent.clock.stamp import Instant
from agent.effects import Note
from agent.messages import Refusal
from agent.units import RawNs

CLOCK = Oscillator(0.0)
SILENT = Refusal(code="silent", detail="no answer within 1.5 s; is UDP port 123 blocked on the way?")
KISS_RATE = Refusal(code="kiss_rate", detail="the server sends the kiss 'RATE' instead of a time")
KISS_DENY = Refusal(code="kiss_deny", detail="the server sends the kiss 'DENY' instead of a time")


def address(number: int) -> Address:
    return Address(2, (f"192.0.2.{number}", 123))


class Bench:
    """A keeper by hand: `at_s` is true time, and servers answer as a test has them answer."""

    def __init__(
        self, names: str = "abc", *, ours: bool = False, past: Past | None = None, chrony: bool = False
    ) -> None:
        self.at_s = 0.0
        self.wall_s = 0.0
        self.asleep_s = 0.0
        self.notes: list[Note] = []
        self.asked: list[tuple[float, Ask]] = []
        self.looked_up: list[str] = []
        self.chrony_asked = 0
        self.found = {name: [address(number)] for number, name in enumerate(names, 1)}
        self.silent: set[str] = set()
        self.refusals: dict[str, Refusal] = {}
        self.wrong_ms: dict[str, float] = {}
        self.peers = tuple(Peer(name, name, 123, ours) for name in names)
        self.keeper = Keeper(Settings(self.peers, wander=1e-6, chrony=chrony), past or Past(), self.reading())

    @property
    def raw(self) -> RawNs:
        return CLOCK.raw(self.at_s - self.asleep_s)

    def reading(self) -> Reading:
        real_ns = UTC0_NS + round((self.at_s + self.wall_s) * 1e9)
        return Reading(Instant(CLOCK.raw(self.at_s - self.asleep_s), real_ns), round(self.asleep_s * 1e9))

    def do(self, tasks: list[Task]) -> None:
        for task in tasks:
            match task:
                case Note():
                    self.notes.append(task)
                case LookUp(name):
                    self.looked_up.append(name)
                    found = self.found[name]
                    nothing = Refusal(code="dns", detail="the name cannot be resolved")
                    self.do(self.keeper.found(name, found or nothing, self.raw))
                case Ask(name, _, epoch):
                    self.asked.append((self.at_s, task))
                    self.do(self.keeper.heard(name, epoch, self.outcome(name), self.raw))
                case AskChrony(name, epoch):
                    self.chrony_asked += 1
                    self.do(self.keeper.heard(name, epoch, self.outcome(name), self.raw))

    def outcome(self, name: str) -> Sample | Refusal:
        if name in self.refusals:
            return self.refusals[name]
        if name in self.silent:
            return SILENT
        return exchange(CLOCK, name, self.at_s - self.asleep_s - 0.0101, 5, 5, self.wrong_ms.get(name, 0.0))

    def run(self, seconds: float) -> None:
        end_s = self.at_s + seconds
        while self.at_s < end_s:
            self.do(self.keeper.wake(self.reading()))
            _, _, tasks = self.keeper.look(self.reading())
            self.do(tasks)
            self.at_s += 1.0

    def state(self) -> ClockState:
        return self.keeper.look(self.reading())[0].state

    def why(self, name: str) -> str:
        report = self.keeper.look(self.reading())[0]
        return next(source.why for source in report.per_source if source.name == name)

    def texts(self) -> list[str]:
        return [note.text for note in self.notes]

    def times(self, name: str) -> list[float]:
        return [at_s for at_s, ask in self.asked if ask.name == name]
