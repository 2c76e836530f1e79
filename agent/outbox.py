"""What a broker has not taken yet, so that a cut line loses no ack and no as-run record.

Retained messages say how things are: of these only the newest on each topic is worth sending. All others are kept in
order until the broker has taken them. Each kind has room of its own, by number and by bytes: whoever sends rubbish to
be refused, or asks and asks, pushes out no record of what was shown. Where a kind is full its oldest is given up.

The line may be thin. What says how the show goes comes before the records of a week without a broker, and these before
what somebody wants to look at; of the latter only as much is on its way at once as holds up an ack for a moment.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["state", "ack", "refusal", "asrun", "answer", "page", "shot"]


@dataclass(frozen=True, slots=True)
class Room:
    """How many messages of a kind are kept, and how many bytes of them."""

    count: int
    size: int


ROOMS: Mapping[Kind, Room] = {
    "ack": Room(50_000, 24 << 20),
    "asrun": Room(50_000, 24 << 20),  # a week of starts each quarter of a minute
    "refusal": Room(1_000, 1 << 20),
    "answer": Room(100, 4 << 20),
    "page": Room(64, 4 << 20),
    "shot": Room(4, 1 << 20),
}
LANES: Mapping[Kind, int] = {"asrun": 1, "page": 2, "shot": 2}
"""What goes first: the smaller lane; all others are in lane 0. Each lane keeps its own order."""

ON_THEIR_WAY = (16, 12, 2)
"""So many messages of each lane may wait for the broker's word at once: below the 20 that mosquitto lets be in flight,
and so that there is always room for lane 0."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way out; the topic is below the root. A `state` is retained."""

    topic: str
    payload: bytes
    kind: Kind
    seq: int | None = None
    """The number of an as-run record in its book."""

    @property
    def retain(self) -> bool:
        """Whether the broker is to keep it."""
        return self.kind == "state"

    @property
    def lane(self) -> int:
        """See `LANES`."""
        return LANES.get(self.kind, 0)


@dataclass(slots=True)
class _Shelf:
    """The messages of one kind, by their numbers."""

    numbers: deque[int] = field(default_factory=deque)  # with some that are gone already
    count: int = 0
    size: int = 0


class Outbox:
    """The messages for one broker. Pure: it neither waits nor logs."""

    def __init__(self, rooms: Mapping[Kind, Room] = ROOMS) -> None:
        self._rooms = rooms
        self._count = 0
        self._held: dict[int, Outgoing] = {}  # in order of arrival
        self._newest: dict[str, int] = {}  # retained topic → its number
        self._shelves = {kind: _Shelf() for kind in rooms}
        self._unsent: list[deque[int]] = [deque() for _ in ON_THEIR_WAY]  # by lane
        self._flying: dict[int, int] = {}  # number of what the broker has not answered for → its lane

    def __len__(self) -> int:
        return len(self._held)

    def put(self, message: Outgoing) -> list[Outgoing]:
        """Keep a message; returns those of its kind that had to be given up for it."""
        self._count += 1
        if message.kind == "state":
            self._held.pop(self._newest.get(message.topic, 0), None)
            self._newest[message.topic] = self._count
        self._held[self._count] = message
        unsent = self._unsent[message.lane]
        unsent.append(self._count)
        if len(unsent) > 2 * len(self._held) + 64:  # numbers of what is gone, while nothing is taken for days
            self._unsent[message.lane] = deque(number for number in unsent if number in self._held)
        return [] if message.kind == "state" else self._shelve(message)

    def take(self) -> tuple[int, Outgoing] | None:
        """The next message to send, with its number; None when all that may be on its way is."""
        if len(self._flying) >= ON_THEIR_WAY[0]:
            return None
        flying = Counter(self._flying.values())
        for lane, unsent in enumerate(self._unsent):
            while unsent and flying[lane] < ON_THEIR_WAY[lane]:
                number = unsent.popleft()
                if number in self._held:
                    self._flying[number] = lane
                    return number, self._held[number]
        return None

    def taken(self, number: int) -> None:
        """The broker has answered for this message: forget it."""
        self._flying.pop(number, None)
        self._drop(number)

    def rewind(self) -> None:
        """A new connection: all that is held is to be sent (again), in its order.

        But for pictures: whoever asked for one has asked again by now.
        """
        for number in [number for number, message in self._held.items() if message.kind == "shot"]:
            self._drop(number)
        self._flying.clear()
        for unsent in self._unsent:
            unsent.clear()
        for number, message in self._held.items():
            self._unsent[message.lane].append(number)

    def _shelve(self, message: Outgoing) -> list[Outgoing]:
        shelf, room = self._shelves[message.kind], self._rooms[message.kind]
        shelf.numbers.append(self._count)
        shelf.count += 1
        shelf.size += len(message.payload)
        dropped = []
        while shelf.count > room.count or (shelf.size > room.size and shelf.count > 1):
            gone = self._drop(shelf.numbers.popleft())
            if gone is not None:
                dropped.append(gone)
        while shelf.numbers and shelf.numbers[0] not in self._held:
            shelf.numbers.popleft()
        return dropped

    def _drop(self, number: int) -> Outgoing | None:
        message = self._held.pop(number, None)
        if message is not None and message.kind != "state":
            shelf = self._shelves[message.kind]
            shelf.count -= 1
            shelf.size -= len(message.payload)
        return message
