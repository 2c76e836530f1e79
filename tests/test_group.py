"""Several venues on brokers in memory: whatever is lost on the way, repeated or restarted, all walls end the same."""

import random
from collections.abc import Sequence
from hashlib import sha256

import plain_schedule as plain
import pytest
from makers import T0, S, cue_body, uuid_of
from walls import FakeWall

from agent.effects import KeepCue, KeepId, KeepProgram, Restored, RestoredId, Write
from agent.messages import Cue, Refusal, decode
from agent.units import UtcUs, format_utc

VENUES = ("paris", "tokyo", "toronto")
ACTIONS = ({"action": "black"}, {"action": "stop"}, {"action": "identify", "seconds": 9})


class Disk(dict[str, Write]):
    """What a venue's journal holds: of several writes under one key the last."""


class Venue:
    """One wall with its journal; it can be ended and started again at any time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.disk = Disk()
        self.wall = FakeWall(name)
        self.wall.start_player()

    def hear(self, body: bytes) -> None:
        """A message from a broker."""
        self.wall.receive("cue", body)
        self._write()

    def restart(self) -> None:
        """Another life with the same disk."""
        t = self.wall.t
        self.wall = FakeWall(self.name)
        self.wall.t = t
        for write in self.disk.values():
            match write:
                case KeepCue(cue, body, signers=signers):
                    self.wall.give(Restored(f"cue/{cue}", body, signers))
                case KeepProgram(program, rev, body, signers):
                    self.wall.give(Restored(f"program/{program}/{rev}", body, signers))
        for write in self.disk.values():
            if isinstance(write, KeepId):
                self.wall.give(RestoredId(write.cue, write.digest, write.until, write.signers))
        self.wall.start_player()
        self._write()

    def until(self, t: UtcUs) -> None:
        """Let time pass, without looking at each step of it."""
        self.wall.t = t
        self.wall.until(t + 1)
        self._write()

    def state(self, t: UtcUs) -> str | None:
        """The cue that holds here at an instant."""
        cue = self.wall.conductor._ledger.agenda.wanted_at(t)
        return cue.cue if cue else None

    def _write(self) -> None:
        for effect in self.wall.effects:
            if isinstance(effect, Write):
                self.disk[effect.key] = effect
        self.wall.effects.clear()


class Broker:
    """Keeps every message, and gives them to whoever asks in an order of its own, some of them twice."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._kept: list[bytes] = []

    def publish(self, body: bytes) -> None:
        self._kept.append(body)

    def deliver(self, venue: Venue) -> None:
        """As with each new subscription: all that is kept."""
        bodies = [*self._kept, *self._rng.sample(self._kept, len(self._kept) // 3)]
        self._rng.shuffle(bodies)
        for body in bodies:
            venue.hear(body)


Row = tuple[int, int, int, int | str, int, list[str]]


def rows_of(rng: random.Random) -> list[Row]:
    """Cues that meet: of few ids, so that most come with two bodies, at few instants, for everybody or for some."""
    return [
        (
            rng.randint(1, 3),
            rng.randint(-20, 40),  # the instant, in seconds after T0
            rng.randint(1, 60),  # the life beyond it
            rng.choice((0, 1, 2, "cancel")),
            rng.randint(1, 3),
            rng.choice([["*"], ["*"], ["paris"], ["tokyo", "toronto"]]),
        )
        for _ in range(rng.randint(2, 8))
    ]


def body_of(row: Row) -> bytes:
    number, second, life, kind, target, venues = row
    do = {"action": "cancel", "cue": uuid_of(target)} if isinstance(kind, str) else ACTIONS[kind]
    ends = format_utc(UtcUs(T0 + (second + life) * S))
    return cue_body(number, T0 + second * S, do, expires=ends, venues=venues)


def expected(bodies: Sequence[bytes], name: str, t: UtcUs) -> str | None:
    """By the plain definition: of each id the body with the smallest hash, of those the ones that name the venue."""
    winners: dict[str, bytes] = {}
    for body in sorted(bodies, key=lambda body: sha256(body).hexdigest(), reverse=True):
        cue = decode(Cue, body)
        assert not isinstance(cue, Refusal)
        winners[cue.cue] = body
    cues = [found for body in winners.values() if not isinstance(found := decode(Cue, body), Refusal)]
    wanted = plain.wanted_at([cue for cue in cues if cue.names(name, ("west",))], t)
    return wanted.cue if wanted else None


@pytest.mark.parametrize("seed", range(60))
def test_all_walls_end_the_same_by_two_brokers_with_restarts_at_any_moment(seed: int) -> None:
    rng = random.Random(seed)
    bodies = [body_of(row) for row in rows_of(rng)]
    brokers = [Broker(rng), Broker(rng)]
    venues = [Venue(name) for name in VENUES]
    for body in bodies:
        for broker in brokers:
            broker.publish(body)
        for venue in venues:
            if rng.random() < 0.15:
                rng.choice(brokers).deliver(venue)
            if rng.random() < 0.2:
                venue.restart()
    for venue in venues:
        rng.choice(brokers).deliver(venue)  # each is connected to one of them in the end
        if rng.random() < 0.5:
            venue.restart()
    start = venues[0].wall.t
    for second in range(-30, 100, 3):
        t = UtcUs(T0 + second * S)
        if t >= start:
            assert [venue.state(t) for venue in venues] == [expected(bodies, name, t) for name in VENUES]


@pytest.mark.parametrize("seed", range(25))
def test_while_time_passes_too(seed: int) -> None:
    """Whoever hears all in time shows the same from then on, though others forget, restart and are told again."""
    rng = random.Random(seed)
    bodies = [body_of(row) for row in rows_of(rng)]
    broker = Broker(rng)
    for body in bodies:
        broker.publish(body)
    venues = [Venue(name) for name in VENUES]
    for venue in venues:
        broker.deliver(venue)
    for second in range(-28, 100, 4):
        t = UtcUs(T0 + second * S)
        for venue in venues:
            venue.until(t)
            if rng.random() < 0.2:
                venue.restart()
            if rng.random() < 0.2:
                broker.deliver(venue)  # even what has expired, as a broker of an enemy would
        assert [venue.state(t) for venue in venues] == [expected(bodies, name, t) for name in VENUES]
