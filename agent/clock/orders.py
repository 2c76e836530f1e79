"""What goes into the clock's keeper and what comes out of it: values. Pure."""

from dataclasses import dataclass

from agent.clock.envelope import WANDER, Rate
from agent.clock.estimate import Line
from agent.clock.leap import Leap, LeapTable
from agent.clock.sample import Address
from agent.clock.stamp import Instant
from agent.effects import Note
from agent.units import US_PER_S, UtcUs

EARLIEST_UTC = UtcUs(1_735_689_600 * US_PER_S)
"""2025-01-01: a host whose clock is before it has none."""

SUSPENDED_NS = 100_000_000
"""Asleep for longer than this between two readings, the host was suspended: less is the readings' own inaccuracy."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the kernel says at one instant; `asleep_ns` is how long this boot has been suspended so far."""

    at: Instant
    asleep_ns: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Have one exchange with a server, and tell `heard` about it with this `epoch`."""

    name: str
    address: Address
    epoch: int


@dataclass(frozen=True, slots=True)
class LookUp:
    """Look a server's name up, and tell `found`."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class AskChrony:
    """Read what the host's chronyd says of itself, and tell `heard`."""

    name: str
    epoch: int


Task = Ask | LookUp | AskChrony | Note


@dataclass(frozen=True, slots=True)
class Peer:
    """One server as the configuration names it."""

    name: str
    host: str
    port: int
    ours: bool


@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered from earlier: the crystal's rate, the earliest time that it can be, a line of this boot.

    `leap` is the leap second that was near then, `asleep_ns` how long this boot had been suspended.
    """

    rate: Rate | None = None
    floor: UtcUs = EARLIEST_UTC
    line: Line | None = None
    leap: Leap | None = None
    asleep_ns: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the keeper is told once. `wander` is a fraction; `salt` tells this player's jitter from others'."""

    peers: tuple[Peer, ...]
    correction_ms: float = 0.0
    wander: float = WANDER
    smear: bool = False
    chrony: bool = False
    leaps: LeapTable | None = None
    salt: str = ""
